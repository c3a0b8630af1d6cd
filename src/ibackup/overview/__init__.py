"""Are the backups fresh and good? Answered from the store alone: no phone, and no file of a backup is looked at."""

from ibackup.overview.looking import Cloud, LeftBehind, Overview, PhoneStatus, look

__all__ = ["Cloud", "LeftBehind", "Overview", "PhoneStatus", "look"]
