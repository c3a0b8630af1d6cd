"""Backups put back: on a phone, or, to see whether that would work, on a virtual one."""

from typing import TYPE_CHECKING

from ibackup import lazily

if TYPE_CHECKING:
    from ibackup.restore.job import Restoration as Restoration
    from ibackup.restore.rehearsal import Rehearsal as Rehearsal
    from ibackup.restore.rehearsal import rehearse as rehearse
    from ibackup.restore.types import Check as Check
    from ibackup.restore.types import Options as Options
    from ibackup.restore.types import Request as Request
    from ibackup.restore.types import Result as Result
    from ibackup.restore.types import Source as Source

_HOMES = {
    "Check": "types",
    "Options": "types",
    "Rehearsal": "rehearsal",
    "Request": "types",
    "Restoration": "job",
    "Result": "types",
    "Source": "types",
    "rehearse": "rehearsal",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list all the same

__getattr__ = lazily.names(__name__, _HOMES)
