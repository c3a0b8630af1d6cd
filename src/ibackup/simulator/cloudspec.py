"""What a virtual iPhone remembers of iCloud Backup, and what its small services tell: parts of a PhoneSpec.

Ages are counted back from ``ICloudSpec.now``. A number of days or hours below 0 lies in the future.
"""

import re
import time
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

Condition: TypeAlias = Literal["nothing", "enabled", "power", "lock", "wifi"]
NotesPlace: TypeAlias = Literal["HomeDomain", "RootDomain", "nowhere"]
WifiState: TypeAlias = Literal["connected", "off", "unknown", "refused"]


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST_DAYS = 20_000
_MOST = 10**9


class _Checked:
    """Refuses what no phone is, rather than break when it is asked for."""

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # every class below is a dataclass
            value, name = getattr(self, field.name), field.name
            most = _MOST_DAYS if name.endswith("days") else _MOST * 10 if name == "now" else _MOST
            if isinstance(value, float) and not abs(value) <= most:
                raise ValueError(f"{name} has to be a number up to {most:,}")
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError(f"{name} is larger than any phone's numbers")
            if isinstance(value, str) and _CONTROL.search(value):
                raise ValueError(f"{name} cannot have control characters: XML has none")


@dataclass(frozen=True, kw_only=True)
class AttemptSpec(_Checked):
    """An attempt at an iCloud backup that the phone has noted.

    Attributes:
        code: what it ended with; 0 is a success.
        days: ago.
        text: the phone's words.
        path: the file it stopped at.
    """

    code: int
    days: float
    domain: str = "MBErrorDomain"
    text: str = ""
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class WindowSpec(_Checked):
    """A period in which power, lock and Wi-Fi were right.

    Attributes:
        days: ago, when it began.
        hours: how long it was.
        ended_by: what was no longer so at its end.
        scheduled: a backup was due.
        running: one was under way when it ended.
        code: of the last error before it.
        expensive: the network was a hotspot or metered.
        short: 14 fields, as older versions wrote, instead of 19.
    """

    days: float
    hours: float
    ended_by: Condition = "lock"
    scheduled: bool = True
    running: bool = False
    code: int = 0
    expensive: bool = False
    short: bool = False


@dataclass(frozen=True, kw_only=True)
class SizeSpec(_Checked):
    """What iCloud Backup wants to send of one domain, in bytes."""

    domain: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class ICloudSpec(_Checked):
    """The phone's own memory of iCloud Backup, as its lockdown values and the plists in its backups tell it.

    Attributes:
        now: Unix time that ages are counted from; 0: when the spec was made.
        account: an iCloud account is signed in.
        other_accounts: accounts of other kinds.
        last_backup_days: age of the last finished iCloud backup; None: there was none.
        unix_epoch: that date is written in seconds since 1970 instead of 2001.
        enabled_days: since when it is switched on; None: not noted.
        attempts: the newest first, as the phone keeps them.
        windows: the newest first.
        window_lines: further lines, as they are.
        sizes: what the last attempt wanted.
        pending: bytes still to be sent.
        progress: of the last attempt, 0 to 1.
        state: 1 and 2 are under way.
        failures: in a row.
        retry_hours: how long the phone waits on purpose; below 0: until in so many hours; None: it does not.
        restore_days: age of the last restore; None: there was none.
        restore_state: RestoreStateInfo's; None: there is none.
        skipped: paths of files left out of the last backup, "AppDomain-…/path".
        allowed: what EffectiveUserSettings has of allowCloudBackup; None: nothing.
        account_changes_allowed: the same of allowAccountModification.
        networks: how many Wi-Fi networks it knows; the first has a log-in page.
        notes_in: the domain that com.apple.MobileBackup.plist is in.
    """

    now: float = 0.0
    account: bool = True
    other_accounts: int = 1
    last_backup_days: float | None = None
    unix_epoch: bool = False
    enabled_days: float | None = 300.0
    attempts: tuple[AttemptSpec, ...] = ()
    windows: tuple[WindowSpec, ...] = ()
    window_lines: tuple[str, ...] = ()
    sizes: tuple[SizeSpec, ...] = ()
    pending: int | None = None
    progress: float | None = None
    state: int = 0
    failures: int = 0
    retry_hours: float | None = None
    restore_days: float | None = None
    restore_state: int | None = None
    skipped: tuple[str, ...] = ()
    allowed: bool | None = None
    account_changes_allowed: bool | None = None
    networks: int = 3
    notes_in: NotesPlace = "HomeDomain"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.now:
            object.__setattr__(self, "now", float(int(time.time())))

    def days_ago(self, days: float) -> float:
        """The Unix time so many days before `now`."""
        return self.now - days * 86_400


@dataclass(frozen=True, kw_only=True)
class ProfileSpec(_Checked):
    """An installed configuration profile."""

    name: str
    organization: str = ""
    identifier: str = "org.example.profile"
    removable: bool = True


@dataclass(frozen=True, kw_only=True)
class CrashSpec(_Checked):
    """A crash report, by its program, age, and the name's extension."""

    process: str
    days: float = 0.0
    retired: bool = False


@dataclass(frozen=True, kw_only=True)
class LogSpec(_Checked):
    """A line of the phone's log.

    Attributes:
        text: the message.
        process: the program that logs it.
        after_s: seconds after the one before; a line with `hours_old` comes at once.
        hours_old: its time stamp lies so far back.
    """

    text: str
    process: str = "backupd"
    after_s: float = 0.0
    hours_old: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PacketSpec(_Checked):
    """Packets on the phone's network.

    Attributes:
        size: bytes of each.
        count: how many.
        process: whose.
        interface: `en0` Wi-Fi, `pdp_ip0` cellular, `utun0` a tunnel.
        incoming: they arrive instead of leaving.
        after_s: seconds between them.
    """

    size: int = 1400
    count: int = 1
    process: str = "backupd"
    interface: str = "en0"
    incoming: bool = False
    after_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SignalsSpec(_Checked):
    """What the phone's small services tell.

    Attributes:
        wifi: connected: with a channel; off: the interface has none; unknown: no such interface; refused: the
            service fails.
        milliamperes: of the battery; below 0 it drains.
        celsius: of the battery.
        clock_offset_s: the phone's clock is so far ahead.
        profiles: configuration profiles.
        supervised_by: the organisation that manages it; "" is nobody.
        watches: paired Apple Watches.
        crashes: crash reports.
        processes: programs that run.
        log: what its log says once somebody listens; then it stays silent.
        packets: what its network carries once somebody listens.
        silent_services: services that start and never say anything.
        slow_domains: lockdown's domains whose values take `slow_s` seconds to be told.
        slow_s: how long.
    """

    wifi: WifiState = "connected"
    milliamperes: int = 850
    celsius: float = 29.5
    clock_offset_s: float = 0.0
    profiles: tuple[ProfileSpec, ...] = ()
    supervised_by: str = ""
    watches: int = 0
    crashes: tuple[CrashSpec, ...] = ()
    processes: tuple[str, ...] = ("SpringBoard", "backupd", "cloudd")
    log: tuple[LogSpec, ...] = ()
    packets: tuple[PacketSpec, ...] = ()
    silent_services: tuple[str, ...] = ()
    slow_domains: tuple[str, ...] = ()
    slow_s: float = 5.0
