"""What is known about a phone and its iCloud Backup, each value with where it comes from and when that was so.

Three things are kept apart: a value that was seen (``Seen``), one that could not be seen (``Unseen``, with the
reason), and, inside a record that was read from a file, a key that the file does not have (None). None of the last
two ever means "off". All times are UTC, all sizes bytes. Sections are those of the knowledge base for the doctor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ibackup.doctor.noted import (
    Accounts,
    BackupSizes,
    KnownNetworks,
    LargeFile,
    LocalBackup,
    NotedError,
    NotedEvidence,
    PhoneNotes,
    RestoreInfo,
    Sizing,
    UserSettings,
    Window,
)
from ibackup.doctor.seen import NOT_ASKED, Fact, Seen, Source, SourceKind, T_co, Unseen

__all__ = [
    "NOT_ASKED",
    "SYNC_CLASSES",
    "Accounts",
    "Answers",
    "AppSize",
    "AppleEvidence",
    "BackupSizes",
    "Battery",
    "CloudConfiguration",
    "CloudDate",
    "Conditions",
    "CrashReport",
    "Disk",
    "EventStatus",
    "Evidence",
    "Fact",
    "Identity",
    "KnownNetworks",
    "LargeFile",
    "Live",
    "LiveError",
    "LiveEvidence",
    "LocalBackup",
    "NewestIos",
    "NotedError",
    "NotedEvidence",
    "PhoneEvidence",
    "PhoneNotes",
    "PowerSource",
    "Profile",
    "RestoreInfo",
    "Seen",
    "ServiceEvent",
    "Sizing",
    "Source",
    "SourceKind",
    "SystemStatus",
    "T_co",
    "Traffic",
    "Unseen",
    "UserSettings",
    "Wifi",
    "Window",
]

# -- the phone over USB -------------------------------------------------------------------------------------


SYNC_CLASSES = ("Bookmarks", "Calendars", "Contacts", "Notes")
"""What a phone tells of with whom it syncs."""


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
    """Apple's System Status.

    Attributes:
        services: every one that it lists.
        events: of each of them.
        computer_ahead: seconds by which this computer's clock was ahead of Apple's server's; None: not told.
    """

    services: tuple[str, ...]
    events: tuple[ServiceEvent, ...]
    computer_ahead: float | None = None


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
    noted: NotedEvidence = field(default_factory=NotedEvidence)
    local: Fact[LocalBackup | None] = NOT_ASKED
    apple: AppleEvidence = AppleEvidence()
    live: LiveEvidence = LiveEvidence()
    answers: Answers = Answers()
    sources: tuple[Source, ...] = ()
