"""The request for a restore, the checks before it, and its result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.phone_to_open import PhoneToOpen
from ibackup.vault.unlocker import Unlocker

HALF_RESTORED = Caution(
    "The phone is in the middle of its restore. If you stop now, it has only some of the backup's files "
    "and must be restored again from the beginning.",
    "To stop anyway, press Ctrl-C again. To continue, do nothing.",
)
"""Said at the first Ctrl-C while files are sent."""


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """Which parts of a backup to restore, and what happens to the rest.

    Attributes:
        settings: the settings in the backup replace the phone's.
        system: system files are also restored, as Finder does.
        reboot: the phone restarts at the end, which is when iOS puts everything in its place.
        remove: anything on the phone that is not in the backup is removed.
        install_apps: the phone installs the apps of the backup afterwards.
        apps: bundle identifiers of apps; only their data is restored, and no settings and no system files.
    """

    settings: bool = True
    system: bool = True
    reboot: bool = True
    remove: bool = False
    install_apps: bool = True
    apps: tuple[str, ...] = ()

    def message(self, password: str | None = None) -> dict[str, object]:
        """The options of the request. A snapshot never changes, so the phone need not copy it first."""
        whole = not self.apps
        options: dict[str, object] = {
            "RestoreSystemFiles": self.system and whole,
            "RestoreShouldReboot": self.reboot,
            "RestoreDontCopyBackup": True,
            "RestorePreserveSettings": not (self.settings and whole),
            "RemoveItemsNotRestored": self.remove,
        }
        return options if password is None else options | {"Password": password}


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest(PhoneToOpen):
    """One restore, to the phone that ``PhoneToOpen`` describes.

    Attributes:
        find: returns the backup for the UDID of the connected phone.
        options: which parts of it.
        unlocker: opens an encrypted backup.
        may_erase: restore even if iOS may erase the phone and there is no fresh backup of it, or only apps are wanted.
        pin: protect the snapshot from prune if the phone should be backed up first.
        verify: verify the backup first, unless that was done since it was made.
        despite_flaws: continue although some files differ from the phone's list.
    """

    find: Callable[[str], BackupSource]
    options: RestoreOptions
    unlocker: Unlocker
    cable_only: bool = True
    verify: bool = True
    despite_flaws: bool = False
    may_erase: bool = False
    pin: bool = True


CheckName = Literal[
    "phone",  # the one that is restored, and whether the backup is its own
    "setup",
    "find-my",
    "supervised",
    "ios",
    "battery",
    "room",
    "password",
    "flaws",  # files that differ from the phone's list, if any
    "backup",  # proven, or not
    "erasing",  # if a restore may erase the phone, or the request is unproven
    "replaced",  # what happens to the data on the phone
]


@dataclass(frozen=True, slots=True)
class PreflightCheck:
    """One check before anything is sent.

    Attributes:
        outcome: ``ok``; ``warning``: good to know; ``failed``: the restore is not possible; ``skipped``: not checked.
        text: what was found, one sentence or more.
        error: for a failed check.
    """

    name: CheckName
    outcome: Literal["ok", "warning", "failed", "skipped"]
    text: str
    error: IbackupError | None = None


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """A restore that the phone reports as complete; sizes in bytes.

    Attributes:
        files: number of the phone's files that were sent.
        restarts: whether the phone restarts now.
        installs: whether it then installs the backup's apps automatically.
    """

    device_name: str
    files: int
    bytes: int
    restarts: bool
    installs: bool
    duration_s: float
