"""The main job: one backup of one phone into the store, checked, sealed and committed."""

from ibackup.backup.job import back_up
from ibackup.backup.types import Request, Result

__all__ = ["Request", "Result", "back_up"]
