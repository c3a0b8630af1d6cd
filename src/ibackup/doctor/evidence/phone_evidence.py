"""What is known about a phone and its iCloud Backup. Each value carries its source and its date.

Three cases are kept apart: a value that was seen (``Seen``), a value that could not be seen (``Unseen``, with the
reason), and, in a record read from a file, a key that the file lacks (None). The last two never mean "off". All
times are UTC, all sizes bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ibackup.doctor.evidence.noted_evidence import (
    LocalBackup,
    NotedEvidence,
)
from ibackup.doctor.evidence.sighting import NOT_ASKED, EvidenceSource, Fact

# -- the phone over USB -------------------------------------------------------------------------------------


SYNC_CLASSES = ("Bookmarks", "Calendars", "Contacts", "Notes")
"""The data classes for which a phone reports which service it syncs with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which phone; texts are safe to print. None: the phone did not say."""

    udid: str
    name: str | None = None
    noun: str = "iPhone"
    product_type: str | None = None
    product_name: str | None = None
    ios_version: str | None = None
    build: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudDate:
    """The last finished iCloud backup.

    Attributes:
        date: None: the phone says that none ever finished.
        in_future: more than ten minutes ahead of this computer's clock: one of the two clocks is wrong.
    """

    date: datetime | None
    in_future: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """Lockdown's view. The cable to this computer makes ``external_power`` true."""

    percent: int | None = None
    external_power: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSource:
    """IORegistry's IOPMPowerSource.

    Attributes:
        milliamperes: below 0, the battery is draining.
        celsius: of the battery.
    """

    milliamperes: int | None = None
    celsius: float | None = None
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
    """Free space as the phone reports it, without the files that it would purge when needed."""

    free: int | None = None
    photos: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """An installed configuration profile; the phone does not report what it restricts."""

    name: str
    removable: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudConfiguration:
    """Whether an organization manages the phone."""

    supervised: bool | None = None
    organization: str | None = None
    mdm_unremovable: bool | None = None


@dataclass(frozen=True, slots=True)
class AppSize:
    """An installed app; ``data`` is an upper bound of its share of a backup, without the program itself."""

    bundle_id: str
    name: str
    data: int | None


@dataclass(frozen=True, slots=True)
class CrashReport:
    """A crash report by its name alone.

    Attributes:
        process: "backupd" or "cloudd".
        date: from the name; its time zone is the phone's, so it is exact to a day.
    """

    process: str
    date: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneEvidence:
    """What a phone reports over USB, or its backup in its place; the source says which."""

    identity: Identity | None = None
    toggle: Fact[bool] = NOT_ASKED
    last_cloud_backup: Fact[CloudDate] = NOT_ASKED
    last_local_backup: Fact[datetime | None] = NOT_ASKED
    requires_encryption: Fact[bool] = NOT_ASKED
    find_my: Fact[bool] = NOT_ASKED
    """com.apple.fmip IsAssociated: true proves an Apple Account, false proves nothing."""
    sync_sources: Fact[Mapping[str, tuple[str, ...]]] = NOT_ASKED
    """Bookmarks, Calendars, Contacts, Notes: the service that each syncs with ("iCloud")."""
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
    """Apps that are not downloaded yet."""
    crashes: Fact[tuple[CrashReport, ...]] = NOT_ASKED
    """Crashes of the programs that iCloud Backup needs; empty: the list was read and has none."""


# -- Apple's side ------------------------------------------------------------------------------------------------

EventStatus = Literal["ongoing", "upcoming", "resolved", "completed", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent:
    """One event on Apple's System Status page.

    Attributes:
        service: "iCloud Backup", as Apple writes it.
        kind: Apple's statusType: Outage, Issue, Performance, Maintenance, Available.
        status: whether it is ongoing.
        ended: None: not yet.
    """

    service: str
    kind: str
    status: EventStatus
    started: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """Apple's System Status.

    Attributes:
        services: every service on the page.
        events: all events of these services.
        computer_ahead: seconds by which this computer's clock was ahead of Apple's server's; None: unknown.
    """

    services: tuple[str, ...]
    events: tuple[ServiceEvent, ...]
    computer_ahead: float | None = None


@dataclass(frozen=True, slots=True)
class NewestIos:
    """The newest iOS for the phone's model; ``posted`` is when Apple published it."""

    version: str
    posted: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleEvidence:
    """What Apple's feeds say. ``newest`` is Seen(None) if the feed does not list this model."""

    status: Fact[SystemStatus] = NOT_ASKED
    newest: Fact[NewestIos | None] = NOT_ASKED


# -- a live attempt --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The four conditions at one moment, as backupd logs them. None: the line does not say."""

    enabled: bool | None = None
    on_power: bool | None = None
    on_wifi: bool | None = None
    locked: bool | None = None


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
    """What the log showed while it was watched.

    Attributes:
        seconds: how long it was watched.
        lines: the number of lines from the programs concerned.
        conditions: the newest.
        started: an attempt began in that time.
        policy: a line said that a policy or administrator forbids iCloud Backup.
        not_enabled: a line said that automatic backup is not enabled.
        clock_ahead: a line said that the last backup's date is in the future.
        postponed: the system postponed an attempt.
        retry_after: the phone will not try before this.
        missing_keys: files that could only be read while unlocked.
        apps: bundle identifiers whose data stopped an upload, with how often.
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
    """Bytes that left the phone while its network was watched, counted from packet headers. Nothing else is kept.

    Attributes:
        seconds: how long.
        interfaces: bytes sent, by interface: en0 Wi-Fi, pdp_ip* cellular, utun* VPN.
        backup_bytes: sent by the programs of iCloud Backup.
        busy_seconds: from their first packet to their last. The speed is ``backup_bytes`` over this.
    """

    seconds: float
    interfaces: Mapping[str, int]
    backup_bytes: int = 0
    busy_seconds: float = 0.0

    @property
    def upload_bits_per_second(self) -> float | None:
        """Of the programs of iCloud Backup; None if they sent too little to measure."""
        if self.busy_seconds < 1 or self.backup_bytes < 100_000:
            return None
        return self.backup_bytes * 8 / self.busy_seconds

    @property
    def has_vpn(self) -> bool:
        """Whether anything went through a VPN tunnel (the phone's own services also use small ones)."""
        return any(
            name.startswith(("utun", "ipsec")) and sent > 10_000 for name, sent in self.interfaces.items()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvidence:
    """What was seen while watching an attempt."""

    log: Fact[Live] = NOT_ASKED
    traffic: Fact[Traffic] = NOT_ASKED


# -- the person ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAnswers:
    """What the person said; Unseen: not asked, or skipped.

    Attributes:
        plan: bytes of iCloud storage.
        used: bytes in use.
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
        now: this computer's clock when the evidence was gathered.
        reachable: whether the phone answers over USB; Unseen says why not.
        sources: every source that was read, for display.
        local: the newest good snapshot in the store; Seen(None): there is none.
    """

    now: datetime
    reachable: Fact[bool] = NOT_ASKED
    phone: PhoneEvidence = PhoneEvidence()
    noted: NotedEvidence = field(default_factory=NotedEvidence)
    local: Fact[LocalBackup | None] = NOT_ASKED
    apple: AppleEvidence = AppleEvidence()
    live: LiveEvidence = LiveEvidence()
    answers: PersonAnswers = PersonAnswers()
    sources: tuple[EvidenceSource, ...] = ()
