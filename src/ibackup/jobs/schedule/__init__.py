"""Has the system start ``ibackup nightly`` every evening, or keep ``ibackup watch`` running.

cron, systemd, launchd or Windows' Task Scheduler do that. Each has one file here: what it writes, and how to
install, remove and find it. Nothing else records a schedule: only what the system has counts.

The names below are loaded on first use.
"""
