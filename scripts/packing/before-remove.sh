#!/bin/sh
# Before it is removed or replaced: what after-install.sh compiled belongs to no package.
set -e
find /opt/ibackup -type d -name __pycache__ -prune -exec rm -rf {} +
