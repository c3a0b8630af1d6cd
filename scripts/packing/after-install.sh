#!/bin/sh
# After it is installed or upgraded: compile the private environment once, since users may not write there.
set -e
/opt/ibackup/bin/python3 -m compileall -q -j 0 /opt/ibackup/lib >/dev/null || :
