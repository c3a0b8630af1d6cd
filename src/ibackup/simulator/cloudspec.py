"""What a virtual iPhone remembers about iCloud Backup, and what its small services report: parts of a PhoneSpec.

Ages are counted back from ``ICloudSpec.now``. A negative number of days or hours is in the future.
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
    """Refuses values that no phone has, so that nothing breaks later when they are asked for."""

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # every class below is a dataclass
            value, name = getattr(self, field.name), field.name
            most = _MOST_DAYS if name.endswith("days") else _MOST * 10 if name == "now" else _MOST
            if isinstance(value, float) and not abs(value) <= most:
                raise ValueError(f"{name} must be a number up to {most:,}")
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise ValueError(f"{name} is larger than any phone's numbers")
            if isinstance(value, str) and _CONTROL.search(value):
                raise ValueError(f"{name} cannot contain control characters: XML does not allow them")


@dataclass(frozen=True, kw_only=True)
class AttemptSpec(_Checked):
    """An attempt at an iCloud backup that the phone recorded.

    Attributes:
        code: the error code it ended with; 0 is success.
        days: how many days ago.
        domain: the error domain of the code.
        text: the error text, in the phone's words.
        path: the file at which it stopped.
    """

    code: int
    days: float
    domain: str = "MBErrorDomain"
    text: str = ""
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class WindowSpec(_Checked):
    """A period in which power, lock and Wi-Fi were right for a backup.

    Attributes:
        days: how many days ago it began.
        hours: how long it lasted.
        ended_by: the condition that ended it.
        scheduled: a backup was due.
        running: a backup was running when the period ended.
        code: code of the last error before it.
        expensive: the network was a hotspot or metered.
        short: the line has 14 fields, as older versions wrote, instead of 19.
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
    """How much iCloud Backup wants to send from one domain.

    Attributes:
        domain: for example `CameraRollDomain`.
        bytes: the size in bytes.
    """

    domain: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class ICloudSpec(_Checked):
    """The phone's own memory of iCloud Backup, as its lockdown values and the plists in its backups show it.

    Attributes:
        now: Unix time from which ages are counted back; 0: when the spec was made.
        account: an iCloud account is signed in.
        other_accounts: accounts of other kinds.
        last_backup_days: age of the last finished iCloud backup; None: there was none.
        unix_epoch: that date is written in seconds since 1970 instead of 2001.
        enabled_days: days since it was switched on; None: not recorded.
        attempts: the newest first, as the phone keeps them.
        windows: the newest first.
        window_lines: further lines, used exactly as given.
        sizes: what the last attempt wanted to send.
        pending: bytes still to be sent.
        progress: progress of the last attempt, 0 to 1.
        state: the phone's number for its state; 1 and 2 mean that a backup is running.
        failures: how many failures in a row.
        retry_hours: how many hours ago the phone stopped waiting on purpose, negative while it still
            waits; None: it does not wait.
        restore_days: age of the last restore; None: there was none.
        restore_state: the value of RestoreStateInfo; None: there is none.
        skipped: paths of files left out of the last backup, "AppDomain-…/path".
        allowed: allowCloudBackup in EffectiveUserSettings; None: the key is missing.
        account_changes_allowed: the same for allowAccountModification.
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
        """The Unix time `days` days before `now`."""
        return self.now - days * 86_400


@dataclass(frozen=True, kw_only=True)
class ProfileSpec(_Checked):
    """An installed configuration profile.

    Attributes:
        name: the name that the phone shows.
        organization: who issued it; "" leaves it out.
        identifier: its identifier.
        removable: the phone's owner may remove it.
    """

    name: str
    organization: str = ""
    identifier: str = "org.example.profile"
    removable: bool = True


@dataclass(frozen=True, kw_only=True)
class CrashSpec(_Checked):
    """A crash report.

    Attributes:
        process: the program that crashed.
        days: how many days ago.
        retired: it was already sent to Apple, as its file name shows.
    """

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
        hours_old: how many hours its time stamp lies in the past.
    """

    text: str
    process: str = "backupd"
    after_s: float = 0.0
    hours_old: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PacketSpec(_Checked):
    """Packets on the phone's network.

    Attributes:
        size: bytes in each packet.
        count: how many packets.
        process: the program that they belong to.
        interface: `en0` Wi-Fi, `pdp_ip0` cellular, `utun0` a tunnel.
        incoming: they arrive; otherwise they leave.
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
    """What the phone's small services report.

    Attributes:
        wifi: connected: with a channel; off: the interface has none; unknown: no such interface; refused:
            the service fails.
        milliamperes: current into the battery; below 0 it drains.
        celsius: temperature of the battery.
        clock_offset_s: how many seconds the phone's clock is ahead.
        profiles: configuration profiles.
        supervised_by: the organization that manages the phone; "" for none.
        watches: paired Apple Watches.
        crashes: crash reports.
        processes: programs that run.
        log: what its log says once a computer listens; then it stays silent.
        packets: what its network carries once a computer listens.
        silent_services: services that start and never send anything.
        slow_domains: lockdown domains whose values take `slow_s` seconds to arrive.
        slow_s: how long such a value takes, in seconds.
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
