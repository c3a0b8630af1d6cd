"""The main job: one backup of one phone into the store, checked, sealed and committed.

The names below are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from ibackup import lazily

if TYPE_CHECKING:
    from ibackup.backup.job import back_up as back_up
    from ibackup.backup.types import Request as Request
    from ibackup.backup.types import Result as Result

_HOMES = {"Request": "types", "Result": "types", "back_up": "job"}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list all the same

__getattr__ = lazily.names(__name__, _HOMES)
