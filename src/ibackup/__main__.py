"""``python -m ibackup``."""

from ibackup.cli.main import main

main()
