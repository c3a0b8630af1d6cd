"""What is known about a phone and its iCloud Backup, each value with where it comes from and when that was so.

Three things are kept apart: a value that was seen (``Seen``), one that could not be seen (``Unseen``, with the
reason), and, inside a record that was read from a file, a key that the file does not have (None). None of the last
two ever means "off". All times are UTC, all sizes bytes. Sections are those of the knowledge base for the doctor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, TypeAlias, TypeVar

T_co = TypeVar("T_co", covariant=True)

SourceKind = Literal["usb", "backup", "sysdiagnose", "live", "apple", "person"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from.

    Attributes:
        kind: usb: the phone, asked now; backup: files of a local backup; sysdiagnose: the same files of such an
            archive; live: the phone's log or its network traffic; apple: a feed; person: somebody said so.
        date: when the value was so: of a backup or an archive, when it was made.
        label: what people are told: "USB", "local backup of 21 November 2026".
    """

    kind: SourceKind
    date: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Seen(Generic[T_co]):
    """A value and its source."""

    value: T_co
    source: Source

    def get(self) -> T_co:
        """The value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Unseen:
    """A value that could not be seen; ``why`` is part of a sentence: "the phone does not tell it"."""

    why: str

    def get(self) -> None:
        """None."""
        return


Fact: TypeAlias = Seen[T_co] | Unseen

NOT_ASKED = Unseen("it was not asked for")


# -- the phone over USB -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which phone; texts are safe to print. None: not told."""

    udid: str
    name: str | None = None
    noun: str = "iPhone"
    product_type: str | None = None
    product_name: str | None = None
    ios_version: str | None = None
    build: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudDate:
    """The last finished iCloud backup, by the epoch rule of section 1.1.

    Attributes:
        date: None: the phone says that there was none.
        zone: the phone's time zone then, for display only: "GMT+2".
        in_future: later than this computer's clock by more than ten minutes: one of both clocks is wrong.
    """

    date: datetime | None
    zone: str | None = None
    in_future: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """Lockdown's view. The cable to this computer makes ``external_power`` true."""

    percent: int | None = None
    charging: bool | None = None
    external_power: bool | None = None
    fully_charged: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSource:
    """IORegistry's IOPMPowerSource.

    Attributes:
        milliamperes: below 0 the battery drains.
        celsius: of the battery.
        cycles: of charging, over the battery's life.
        health_percent: what the battery holds of what it was made for.
    """

    milliamperes: int | None = None
    celsius: float | None = None
    cycles: int | None = None
    health_percent: int | None = None
    charging: bool | None = None
    external_power: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wifi:
    """The Wi-Fi interface now; network names are not kept.

    Attributes:
        connected: it has a channel or an access point; False says only that it has none at this moment.
        channel: the channel's number.
    """

    connected: bool
    channel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Room on the phone by its own report, which leaves out what it would clear away by itself."""

    capacity: int | None = None
    free: int | None = None
    photos: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """An installed configuration profile; what it restricts is not told."""

    name: str
    organization: str | None
    removable: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudConfiguration:
    """Whether an organisation manages the phone."""

    supervised: bool | None = None
    organization: str | None = None
    mdm_unremovable: bool | None = None


@dataclass(frozen=True, slots=True)
class AppSize:
    """An installed app: ``data`` is an upper bound of what a backup holds of it; the program itself is not in it."""

    bundle_id: str
    name: str
    program: int | None
    data: int | None


@dataclass(frozen=True, slots=True)
class CrashReport:
    """A crash report by its name alone.

    Attributes:
        process: "backupd" or "cloudd".
        date: by the name; the time zone is the phone's, so it is right to a day.
    """

    process: str
    date: datetime | None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneEvidence:
    """What a phone tells over USB, or its backup in its stead; the source says which."""

    identity: Identity | None = None
    toggle: Fact[bool] = NOT_ASKED
    last_cloud_backup: Fact[CloudDate] = NOT_ASKED
    last_local_backup: Fact[datetime | None] = NOT_ASKED
    will_encrypt: Fact[bool] = NOT_ASKED
    requires_encryption: Fact[bool] = NOT_ASKED
    find_my: Fact[bool] = NOT_ASKED
    """com.apple.fmip IsAssociated: true proves an Apple Account, false says little."""
    sync_sources: Fact[Mapping[str, tuple[str, ...]]] = NOT_ASKED
    """Bookmarks, Calendars, Contacts, Notes: with whom each syncs ("iCloud")."""
    activation: Fact[str] = NOT_ASKED
    setup_done: Fact[bool] = NOT_ASKED
    passcode_set: Fact[bool] = NOT_ASKED
    """Lockdown's PasswordProtected: on some versions "locked now", on others "a passcode is set"."""
    clock_offset: Fact[float] = NOT_ASKED
    """Seconds by which the phone's clock is ahead of this computer's."""
    battery: Fact[Battery] = NOT_ASKED
    power_source: Fact[PowerSource] = NOT_ASKED
    wifi: Fact[Wifi] = NOT_ASKED
    disk: Fact[Disk] = NOT_ASKED
    profiles: Fact[tuple[Profile, ...]] = NOT_ASKED
    cloud_configuration: Fact[CloudConfiguration] = NOT_ASKED
    apps: Fact[tuple[AppSize, ...]] = NOT_ASKED
    placeholders: Fact[int] = NOT_ASKED
    """Apps that are still to be downloaded."""
    crashes: Fact[tuple[CrashReport, ...]] = NOT_ASKED
    """Those of the programs that iCloud Backup needs; empty: the list was read and has none."""
    backupd_running: Fact[bool] = NOT_ASKED
    paired_watches: Fact[int] = NOT_ASKED


# -- what the phone wrote down itself (section 1.9) ---------------------------------------------------------------


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


# -- Apple's side (section 7) ------------------------------------------------------------------------------------

EventStatus = Literal["ongoing", "upcoming", "resolved", "completed", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent:
    """One event on Apple's System Status page.

    Attributes:
        service: "iCloud Backup", as Apple writes it.
        kind: Apple's statusType: Outage, Issue, Performance, Maintenance, Available.
        status: whether it is going on.
        ended: None: not yet.
    """

    service: str
    kind: str
    status: EventStatus
    started: datetime | None = None
    ended: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """Apple's System Status: every service it lists, and the events of each."""

    services: tuple[str, ...]
    events: tuple[ServiceEvent, ...]


@dataclass(frozen=True, slots=True)
class NewestIos:
    """The newest iOS for the phone's model; ``posted`` is when Apple published it."""

    version: str
    build: str
    posted: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleEvidence:
    """What Apple's feeds say. ``newest`` is Seen(None) when the feed does not know this model."""

    status: Fact[SystemStatus] = NOT_ASKED
    newest: Fact[NewestIos | None] = NOT_ASKED


# -- a live attempt (section 2) --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The four conditions at one moment, as backupd logs them. None: the line does not say."""

    enabled: bool | None = None
    on_power: bool | None = None
    on_wifi: bool | None = None
    locked: bool | None = None
    on_cellular: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveError:
    """An error in the log: its number, and the app whose data it names."""

    domain: str
    code: int
    date: datetime
    process: str
    app: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What the log told while it was watched.

    Attributes:
        seconds: how long it was watched.
        lines: how many lines of the programs concerned came.
        conditions: the newest.
        started: an attempt began meanwhile.
        policy: a line said that a policy or administrator forbids iCloud Backup.
        not_enabled: a line said that automatic backup is not enabled.
        clock_ahead: a line said that the last backup's date is in the future.
        postponed: the system put an attempt off to another moment.
        retry_after: before that nothing is tried.
        missing_keys: files that could only be read while unlocked.
        apps: bundle identifiers whose data stopped an upload, by how often.
    """

    seconds: float
    lines: int = 0
    conditions: Conditions | None = None
    errors: tuple[LiveError, ...] = ()
    started: bool = False
    policy: bool = False
    not_enabled: bool = False
    clock_ahead: bool = False
    postponed: bool = False
    retry_after: datetime | None = None
    missing_keys: int | None = None
    apps: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Bytes that left the phone while its network was watched: counted from packet headers, nothing else is kept.

    Attributes:
        seconds: how long.
        interfaces: bytes sent, by interface: en0 Wi-Fi, pdp_ip* cellular, utun* VPN.
        processes: bytes sent, by program.
        backup_bytes: sent by the programs of iCloud Backup.
        busy_seconds: from their first packet to their last; the speed is ``backup_bytes`` over this.
    """

    seconds: float
    interfaces: Mapping[str, int]
    processes: Mapping[str, int]
    backup_bytes: int = 0
    busy_seconds: float = 0.0

    @property
    def upload_bits_per_second(self) -> float | None:
        """Of the programs of iCloud Backup; None when they sent too little to tell."""
        if self.busy_seconds < 1 or self.backup_bytes < 100_000:
            return None
        return self.backup_bytes * 8 / self.busy_seconds

    @property
    def has_vpn(self) -> bool:
        """Whether anything went through a tunnel of a VPN (the phone's own services use small ones, too)."""
        return any(
            name.startswith(("utun", "ipsec")) and sent > 10_000 for name, sent in self.interfaces.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvidence:
    """What watching an attempt gave."""

    log: Fact[Live] = NOT_ASKED
    traffic: Fact[Traffic] = NOT_ASKED


# -- the person ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the person said; Unseen: not asked, or skipped.

    Attributes:
        plan: bytes of iCloud storage.
        used: bytes of it in use.
        sentence: what the phone shows.
        since: when the trouble began.
        tried: what was tried, by the ids of checks or in own words.
    """

    plan: Fact[int] = NOT_ASKED
    used: Fact[int] = NOT_ASKED
    sentence: Fact[str] = NOT_ASKED
    since: Fact[str] = NOT_ASKED
    tried: Fact[tuple[str, ...]] = NOT_ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that a verdict rests on.

    Attributes:
        now: this computer's clock when it was gathered.
        reachable: whether the phone answers over USB; Unseen says why it does not.
        sources: every source that was read, for the screen.
        local: the newest good snapshot in the store; Seen(None): there is none.
    """

    now: datetime
    reachable: Fact[bool] = NOT_ASKED
    phone: PhoneEvidence = PhoneEvidence()
    noted: NotedEvidence = NotedEvidence()
    local: Fact[LocalBackup | None] = NOT_ASKED
    apple: AppleEvidence = AppleEvidence()
    live: LiveEvidence = LiveEvidence()
    answers: Answers = Answers()
    sources: tuple[Source, ...] = ()
