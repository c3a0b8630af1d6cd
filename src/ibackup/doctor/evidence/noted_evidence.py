"""The phone's own notes about iCloud Backup, as found in its local backups and in a sysdiagnose.

None, or an empty list, means that the file lacks the key: unknown, never "off". Times are UTC, sizes bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ibackup.doctor.evidence.sighting import NOT_ASKED, Fact


@dataclass(frozen=True, slots=True)
class NotedError:
    """An attempt as the phone noted it; ``code`` 0 is a success.

    Attributes:
        text: the phone's own words.
        path: the file at which it stopped, if the phone says so.
        app: the bundle identifier that the file belongs to.
    """

    domain: str
    code: int
    date: datetime | None
    text: str = ""
    path: str = ""
    app: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionsWindow:
    """A period in which power, lock and Wi-Fi were right; ``night_conditions`` lists the fields.

    ``enabled``, ``on_power``, ``locked`` and ``on_wifi`` are the state when it ended: whichever is False ended it.
    Fields that are missing from old, short lines are None.
    """

    start: datetime
    seconds: float
    enabled: bool
    on_power: bool
    locked: bool
    on_wifi: bool
    seconds_since_error: float | None
    error_domain: str
    error_code: int
    on_cellular: bool | None = None
    expensive_network: bool | None = None
    cellular_allowed: bool | None = None

    @property
    def ended_by(self) -> tuple[str, ...]:
        """Which of "enabled", "power", "lock" and "Wi-Fi" ended it; empty while it lasts."""
        states = (
            ("enabled", self.enabled),
            ("power", self.on_power),
            ("lock", self.locked),
            ("Wi-Fi", self.on_wifi),
        )
        return tuple(name for name, held in states if not held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """What the last attempt wanted to send (PreflightSizing).

    Attributes:
        total: of all domains.
        domains: by domain, largest first.
    """

    total: int | None
    domains: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreInfo:
    """The last restore of the phone; ``state`` is RestoreStateInfo's, None if there was no restore."""

    date: datetime | None = None
    state: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNotes:
    """com.apple.MobileBackup.plist: the phone's own memory of iCloud Backup. None or empty: the key is missing.

    Attributes:
        state: 1 and 2 are preparing and running.
        progress: 0 to 1, of the last or current attempt.
        is_cloud: whether ``state`` and ``progress`` refer to an iCloud backup.
        errors: newest first; undated ones last.
        windows: newest first.
        pending_bytes: still to be sent.
        account_enabled: when iCloud Backup was switched on for this account.
        failure_count: failures in a row.
        retry_after: the phone will not try before this.
        skipped_apps: the apps of which files were left out of the last one.
    """

    state: int | None = None
    progress: float | None = None
    is_cloud: bool | None = None
    errors: tuple[NotedError, ...] = ()
    windows: tuple[ConditionsWindow, ...] = ()
    sizing: Sizing | None = None
    pending_bytes: int | None = None
    account_enabled: datetime | None = None
    failure_count: int | None = None
    retry_after: datetime | None = None
    missing_key_failures: int | None = None
    missing_key_retry_after: datetime | None = None
    restore: RestoreInfo | None = None
    skipped_apps: tuple[str, ...] = ()

    @property
    def last_success(self) -> datetime | None:
        """The newest success in ``errors``."""
        return max((each.date for each in self.errors if each.code == 0 and each.date), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSettings:
    """EffectiveUserSettings.plist: the combined effect of all restrictions. None: it does not say."""

    allow_cloud_backup: bool | None = None
    allow_account_modification: bool | None = None


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A large video or attachment in a local backup."""

    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSizes:
    """A local backup as its manifest describes it.

    Attributes:
        domains: bytes by domain, largest first.
        videos, attachments: the ten largest.
    """

    domains: Mapping[str, int]
    videos: tuple[LargeFile, ...] = ()
    attachments: tuple[LargeFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBackup:
    """The newest good snapshot of this phone in the store; ``readable``: ibackup has the password that opens it."""

    finished: datetime
    encrypted: bool
    readable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedEvidence:
    """The phone's notes, from a local backup or a sysdiagnose."""

    notes: Fact[PhoneNotes] = NOT_ASKED
    settings: Fact[UserSettings] = NOT_ASKED
    accounts: Fact[int] = NOT_ASKED
    """How many iCloud accounts the phone has; no names or addresses."""
    sizes: Fact[BackupSizes] = NOT_ASKED
