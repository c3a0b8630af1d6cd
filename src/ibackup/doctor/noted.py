"""What a phone wrote down itself about iCloud Backup, as its local backups and a sysdiagnose hold it.

None, or an empty list, is a key that the file does not have: unknown, never "off". Times are UTC, sizes bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ibackup.doctor.seen import NOT_ASKED, Fact


@dataclass(frozen=True, slots=True)
class NotedError:
    """An attempt as the phone noted it; ``code`` 0 is a success.

    Attributes:
        text: the phone's own words.
        path: the file it stopped at, where it says so.
        app: the bundle identifier whose data that is.
    """

    domain: str
    code: int
    date: datetime | None
    text: str = ""
    path: str = ""
    app: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A period in which power, lock and Wi-Fi were right; see section 1.9 for the fields.

    ``enabled``, ``on_power``, ``locked`` and ``on_wifi`` are the state when it ended: what is False there ended it.
    Fields that old, short lines do not have are None.
    """

    start: datetime
    seconds: float
    enabled: bool
    on_power: bool
    locked: bool
    on_wifi: bool
    was_scheduled: bool
    was_running: bool
    seconds_until_due: float | None
    seconds_until_retry: float | None
    seconds_since_error: float | None
    failure_count: int
    error_domain: str
    error_code: int
    charging_type: int | None = None
    on_cellular: bool | None = None
    expensive_network: bool | None = None
    cellular_allowed: bool | None = None
    short_windows_before: int | None = None

    @property
    def ended_by(self) -> tuple[str, ...]:
        """What was no longer right at its end, of "enabled", "power", "lock", "Wi-Fi"; empty while it lasts."""
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

    @property
    def apps(self) -> dict[str, int]:
        """Bytes by bundle identifier, largest first."""
        found: dict[str, int] = {}
        for domain, size in self.domains.items():
            if domain.startswith("AppDomain-"):
                app = domain.removeprefix("AppDomain-")
                found[app] = found.get(app, 0) + size
        return dict(sorted(found.items(), key=lambda item: -item[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreInfo:
    """The last restore of the phone; ``state`` is RestoreStateInfo's, None when there is none."""

    date: datetime | None = None
    was_cloud: bool | None = None
    state: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNotes:
    """com.apple.MobileBackup.plist: the phone's own memory of iCloud Backup. None or empty: the key is not there.

    Attributes:
        state: 1 and 2 are preparing and running.
        progress: 0 to 1, of the last or current attempt.
        is_cloud: whether ``state`` and ``progress`` speak of an iCloud backup.
        attempt: which one it was, by the phone's count.
        errors: newest first; undated ones last.
        windows: newest first.
        dropped_windows: lines that could not be read.
        pending_bytes: still to be sent.
        account_enabled: when iCloud Backup was switched on for this account.
        failure_count: failures in a row.
        retry_after: before that the phone tries nothing.
        backup_period_seconds, warning_period_seconds: what Apple's server set.
        restricted_domains: what Apple's server has the phone leave out.
        skipped_files: how many files were left out of the last one, and of which apps.
    """

    state: int | None = None
    progress: float | None = None
    is_cloud: bool | None = None
    attempt: int | None = None
    state_date: datetime | None = None
    errors: tuple[NotedError, ...] = ()
    windows: tuple[Window, ...] = ()
    dropped_windows: int = 0
    sizing: Sizing | None = None
    pending_bytes: int | None = None
    account_enabled: datetime | None = None
    failure_count: int | None = None
    retry_after: datetime | None = None
    missing_key_failures: int | None = None
    missing_key_retry_after: datetime | None = None
    battery_retry_after: datetime | None = None
    backup_period_seconds: float | None = None
    warning_period_seconds: float | None = None
    restricted_domains: tuple[str, ...] = ()
    restore: RestoreInfo | None = None
    skipped_files: int | None = None
    skipped_apps: tuple[str, ...] = ()
    passcode_changed: datetime | None = None

    @property
    def last_success(self) -> datetime | None:
        """The newest success in ``errors``."""
        return max((each.date for each in self.errors if each.code == 0 and each.date), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSettings:
    """EffectiveUserSettings.plist: what restrictions come to. None: it does not say."""

    allow_cloud_backup: bool | None = None
    allow_account_modification: bool | None = None
    allow_cloud_photos: bool | None = None
    force_automatic_time: bool | None = None
    force_encrypted_backup: bool | None = None


@dataclass(frozen=True, slots=True)
class Accounts:
    """How many accounts the phone has, and how many of them are iCloud's; no names or addresses."""

    icloud: int
    all: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNetworks:
    """Wi-Fi networks that the phone has joined; no names.

    Attributes:
        count: how many.
        last_joined: when it last joined one.
        captive: how many have a log-in page.
        hidden: how many do not show their name.
    """

    count: int
    last_joined: datetime | None = None
    captive: int = 0
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A large video or attachment of a local backup."""

    domain: str
    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSizes:
    """A local backup by its manifest.

    Attributes:
        domains: bytes by domain, largest first.
        videos, attachments: the ten largest.
    """

    domains: Mapping[str, int]
    videos: tuple[LargeFile, ...] = ()
    attachments: tuple[LargeFile, ...] = ()

    @property
    def total(self) -> int:
        """Of all domains."""
        return sum(self.domains.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBackup:
    """The newest good snapshot of this phone in the store."""

    snapshot: str
    finished: datetime
    encrypted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedEvidence:
    """What the phone wrote down, as a local backup or a sysdiagnose has it."""

    notes: Fact[PhoneNotes] = NOT_ASKED
    settings: Fact[UserSettings] = NOT_ASKED
    accounts: Fact[Accounts] = NOT_ASKED
    networks: Fact[KnownNetworks] = NOT_ASKED
    sizes: Fact[BackupSizes] = NOT_ASKED
