"""The programs that can keep a second copy, and how they differ."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from ibackup.config.copy_config import CopyConfig
from ibackup.store.freshness import Known


@dataclass(frozen=True, slots=True)
class EngineKind:
    """One of them.

    Attributes:
        name: of the program, and in the config.
        site: where to get it.
        has_password: the copy has a password of its own.
        keeps_all: it keeps every snapshot, and not only the newest of each phone.
    """

    name: str
    site: str
    has_password: bool
    keeps_all: bool

    def wanted(self, snapshots: Sequence[Known]) -> Sequence[Known]:
        """Of a phone's snapshots, oldest first, those that the copy is to have."""
        return snapshots if self.keeps_all else [each for each in snapshots if each.state != "damaged"][-1:]


RESTIC = EngineKind("restic", "https://restic.net", has_password=True, keeps_all=True)
RCLONE = EngineKind("rclone", "https://rclone.org", has_password=False, keeps_all=False)


def kind_of(config: CopyConfig) -> EngineKind:
    """The program of a copy."""
    return next(each for each in (RESTIC, RCLONE) if each.name == config.engine)


def installed_kind() -> EngineKind:
    """The program for a new copy: restic, or the other one where only that is installed."""
    return next((each for each in (RESTIC, RCLONE) if shutil.which(each.name)), RESTIC)
