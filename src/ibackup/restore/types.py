"""What a restore is asked to do, what is looked at before it begins, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ibackup.errors import IbackupError
from ibackup.keychain import Keychain
from ibackup.store import Snapshot

PasswordSource = Callable[[str], str | None]
"""Gives the password of a phone's backups by its UDID, or None; may raise PasswordNeeded."""


@dataclass(frozen=True, slots=True)
class Options:
    """What of a backup is put back, and what becomes of the rest (protocol.md 5).

    Attributes:
        settings: the settings in the backup replace the phone's.
        system: system files are restored, too; Finder does so.
        reboot: the phone restarts at the end, which is when iOS puts everything in its place.
        remove: whatever is on the phone and not in the backup is removed.
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
        """The options of the request. A snapshot never changes, so the phone need not have it copied first."""
        whole = not self.apps
        options: dict[str, object] = {
            "RestoreSystemFiles": self.system and whole,
            "RestoreShouldReboot": self.reboot,
            "RestoreDontCopyBackup": True,
            "RestorePreserveSettings": not (self.settings and whole),
            "RemoveItemsNotRestored": self.remove,
        }
        return options if password is None else options | {"Password": password}


@dataclass(frozen=True, slots=True)
class Source:
    """A backup that may be restored.

    Attributes:
        path: the folder in Apple's format.
        snapshot: the snapshot of ours that it belongs to, None for a folder made elsewhere.
    """

    path: str
    snapshot: Snapshot | None = None

    @property
    def label(self) -> str:
        """How the user would name it again."""
        return self.snapshot.id if self.snapshot else self.path


@dataclass(frozen=True, slots=True)
class Request:
    """One restore.

    Attributes:
        find: gives the backup, once it is known which phone is connected, by its UDID.
        options: what of it.
        password: asked for the password of an encrypted backup.
        keychain: has earlier passwords; None where there is none, or where the user named the password.
        udid: the phone to be restored; None takes the only one that is connected.
        verify: prove the backup first, unless that was done since it was made.
        wait: seconds to wait for a phone that is not connected.
        patience: seconds to wait for somebody at the phone.
        address: usbmuxd's; None takes the environment's or the system's.
    """

    find: Callable[[str], Source]
    options: Options
    password: PasswordSource
    udid: str | None = None
    verify: bool = True
    wait: float = 0.0
    patience: float = 60.0
    address: str | None = None
    keychain: Keychain | None = None


CheckName = Literal[
    "phone",  # the one that is restored, and whether the backup is its own
    "setup",
    "find-my",
    "supervised",
    "ios",
    "battery",
    "room",
    "password",
    "backup",  # proven, or not
    "replaced",  # what becomes of what is on the phone
]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at before anything is sent.

    Attributes:
        outcome: ``ok``; ``warning``: worth knowing; ``failed``: the restore cannot be; ``skipped``: not looked at.
        text: what was found, one sentence or more.
        error: for one that failed.
    """

    name: CheckName
    outcome: Literal["ok", "warning", "failed", "skipped"]
    text: str
    error: IbackupError | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A restore that the phone says is complete; sizes in bytes.

    Attributes:
        source: the snapshot's id, or the folder.
        udid: of the phone.
        files: files of the phone's that were sent.
        restarts: whether the phone restarts now.
    """

    source: str
    udid: str
    device_name: str
    files: int
    bytes: int
    restarts: bool
    duration_s: float
