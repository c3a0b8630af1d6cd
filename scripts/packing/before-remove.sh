#!/bin/sh
# Before it is removed or, on Debian, replaced: what after-install.sh compiled belongs to no package. RPM calls this after
# the newer package's after-install.sh, with the number of packages that stay: then nothing may go.
set -e
[ "${1:-}" != 1 ] || exit 0
find /opt/ibackup -type d -name __pycache__ -prune -exec rm -rf {} +
