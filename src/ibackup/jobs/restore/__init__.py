"""Restores backups: to a phone or, as a test, to a virtual one."""
