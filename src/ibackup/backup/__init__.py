"""The main job: one backup of one phone into the store, checked, sealed and committed.

The names below are loaded when they are first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibackup.backup.job import back_up as back_up
    from ibackup.backup.types import Request as Request
    from ibackup.backup.types import Result as Result

_HOMES = {"Request": "types", "Result": "types", "back_up": "job"}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list all the same


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
