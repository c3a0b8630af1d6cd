"""What a virtual iPhone is: a frozen description, from which the same phone comes every time.

Everything the phone holds follows from the spec, `seed` above all: two phones of one spec are equal byte
for byte.
"""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from ibackup.simulator.cloudspec import (
    AttemptSpec,
    CrashSpec,
    ICloudSpec,
    LogSpec,
    PacketSpec,
    ProfileSpec,
    SignalsSpec,
    SizeSpec,
    WindowSpec,
)
from ibackup.simulator.faults import (
    BACKUP_SERVICE,
    FAULTS,
    DropAfterBytes,
    DropInPhase,
    ErrorCodeAt,
    Fault,
    GiantFrame,
    GiantPlist,
    HostilePath,
    LyingFile,
    NoManifestDb,
    NoRoom,
    OmittedFile,
    PathPlace,
    Phase,
    SilentAfterBytes,
    StartServiceError,
    StartSessionError,
    SyncLockHeld,
    UnknownMessage,
    UnreadableFile,
    UserCancels,
)

__all__ = [
    "BACKUP_SERVICE",
    "FAULTS",
    "AppSpec",
    "AttemptSpec",
    "ConnectionType",
    "CrashSpec",
    "DomainSpec",
    "DropAfterBytes",
    "DropInPhase",
    "ErrorCodeAt",
    "Fault",
    "GiantFrame",
    "GiantPlist",
    "HostilePath",
    "ICloudSpec",
    "LogSpec",
    "LyingFile",
    "NoManifestDb",
    "NoRoom",
    "OmittedFile",
    "PacketSpec",
    "Passcode",
    "PasscodeKind",
    "PathPlace",
    "Phase",
    "PhoneSpec",
    "ProfileSpec",
    "SignalsSpec",
    "SilentAfterBytes",
    "SizeSpec",
    "StartServiceError",
    "StartSessionError",
    "SyncLockHeld",
    "Trust",
    "TrustKind",
    "UnknownMessage",
    "UnreadableFile",
    "UserCancels",
    "WindowSpec",
    "demo_spec",
    "load_spec",
]

_UDID = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{16}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")

PasscodeKind: TypeAlias = Literal["none", "answered", "late", "never", "cancelled"]
TrustKind: TypeAlias = Literal["trusted", "dialog", "denied", "pending"]
ConnectionType: TypeAlias = Literal["USB", "Network"]


@dataclass(frozen=True, kw_only=True)
class Passcode:
    """The phone's passcode, and what its owner does when the phone asks for it.

    Attributes:
        kind: none: no passcode is set, nothing is ever asked; answered: entered after `delay_s`; late: the
            same, said of a delay that outlasts a hasty client; never: nobody comes, the prompt goes away
            after `delay_s` and the request fails with 208; cancelled: Cancel is tapped after `delay_s`, 208
            too.
        delay_s: seconds between the prompt and what happens to it.
    """

    kind: PasscodeKind = "none"
    delay_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Whether the phone trusts this computer, and what its owner does about the Trust dialog.

    Attributes:
        kind: trusted: paired already, usbmuxd has the pair record; dialog: never seen, Trust is tapped
            `delay_s` after the dialog came up; denied: Don't Trust is tapped then; pending: nobody touches
            the dialog. A computer that a trusted phone does not know (any more) meets the dialog, too.
        delay_s: seconds between the dialog and the tap.
    """

    kind: TrustKind = "trusted"
    delay_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DomainSpec:
    """Made-up files of one domain.

    Attributes:
        name: the domain, `CameraRollDomain` for example.
        count: how many files.
        min_size: smallest size in bytes.
        max_size: largest size in bytes.
    """

    name: str
    count: int
    min_size: int = 0
    max_size: int = 4096


@dataclass(frozen=True, kw_only=True)
class AppSpec:
    """An installed app, as installation_proxy lists it and as the backup holds its data.

    Attributes:
        bundle_id: `com.example.notes`.
        name: the name below the icon.
        version: CFBundleVersion and CFBundleShortVersionString.
        from_store: whether it came from the App Store, so that it has ApplicationSINF and iTunesMetadata.
        groups: app groups, each with an AppDomainGroup-… of its own.
        count: made-up files in AppDomain-<bundle_id>.
        min_size: smallest size in bytes.
        max_size: largest size in bytes.
        program_size: StaticDiskUsage.
        data_size: DynamicDiskUsage.
        placeholder: still to be downloaded: only listed to those who ask for such apps.
    """

    bundle_id: str
    name: str
    version: str = "1.0"
    from_store: bool = True
    groups: tuple[str, ...] = ()
    count: int = 3
    min_size: int = 0
    max_size: int = 4096
    program_size: int = 50_000_000
    data_size: int = 2_000_000
    placeholder: bool = False


@dataclass(frozen=True, kw_only=True)
class PhoneSpec:
    """A phone. Identifiers left empty follow from the seed.

    Attributes:
        seed: where everything made up comes from.
        udid: lockdown's UniqueDeviceID, 25 characters with a dash (newer phones) or 40 hex digits.
        name: DeviceName.
        device_class: `iPhone`, `iPad` or `iPod`.
        product_type: `iPhone13,2`.
        ios_version: ProductVersion.
        build_version: BuildVersion.
        serial: SerialNumber.
        imei: InternationalMobileEquipmentIdentity.
        iccid: IntegratedCircuitCardIdentity.
        phone_number: PhoneNumber.
        wifi_address: the Wi-Fi MAC address.
        passcode: whether a passcode is set and what becomes of its prompt.
        locked: locked with its passcode when the phone is attached.
        unlock_after_s: somebody unlocks it this many seconds after the first request refused for the lock;
            None: nobody.
        trust: whether the phone trusts this computer.
        backup_password: the backup password; None is a phone whose backups are not encrypted.
        keybag_rounds: PBKDF2 rounds of the backup keybag's first stage (DPIC); phones use 10,000,000, which
            costs seconds, so that tests say less.
        requires_encryption: a profile (MDM) demands encrypted backups.
        find_my: Find My is on: the phone refuses to be restored (211).
        setup_done: the setup assistant is through; else requests fail with 212.
        supervised: an organisation manages the phone: its backups are for supervised phones alone.
        cloud_backup: iCloud Backup is switched on.
        apple_account: an Apple Account is signed in; else iCloud Backup cannot be switched on (210).
        chunk_size: data bytes in a DeviceLink chunk.
        batch_size: files in a DeviceLink message.
        latency_s: seconds added before each message of the backup service, as USB would.
        scan_s: seconds the phone is silent while it looks through its files.
        device_link_version: the major version offered: 300 up to iOS 13, 400 since.
        connection_types: how usbmuxd sees the phone; two entries are one phone seen twice.
        mux_serial_dashless: usbmuxd spells a 25-character UDID without its dash, as it does on Linux.
        domains: made-up files, domain by domain.
        apps: installed apps.
        life: whether somebody lives with it: messages, contacts, photos, calls and notes, in real databases.
        big_file_size: size in bytes of one file of CameraRollDomain that is made while it is sent; None: no
            such file.
        made_at: Unix time at which the content was made; files are older, changes newer.
        lockdown: values that override or add to lockdown's, by (domain, key); the default domain is "". A
            value of None takes the key away.
        capacity: TotalDiskCapacity in bytes.
        free: bytes free on the phone.
        battery: charge in percent.
        charging: connected to power.
        icloud: what it remembers of iCloud Backup; None: nothing, as one that never had an account.
        signals: what its other services tell.
        faults: what goes wrong.
    """

    seed: int = 1
    udid: str = ""
    name: str = "Virtual iPhone"
    device_class: str = "iPhone"
    product_type: str = "iPhone13,2"
    ios_version: str = "18.6.2"
    build_version: str = "22G100"
    serial: str = ""
    imei: str = ""
    iccid: str = ""
    phone_number: str = ""
    wifi_address: str = ""
    passcode: Passcode = Passcode()
    locked: bool = False
    unlock_after_s: float | None = None
    trust: Trust = Trust()
    backup_password: str | None = field(default=None, repr=False)
    keybag_rounds: int = 10_000_000
    requires_encryption: bool = False
    find_my: bool = False
    setup_done: bool = True
    supervised: bool = False
    cloud_backup: bool = False
    apple_account: bool = True
    chunk_size: int = 32_767
    batch_size: int = 128
    latency_s: float = 0.0
    scan_s: float = 0.0
    device_link_version: int = 400
    connection_types: tuple[ConnectionType, ...] = ("USB",)
    mux_serial_dashless: bool = False
    domains: tuple[DomainSpec, ...] = ()
    apps: tuple[AppSpec, ...] = ()
    life: bool = False
    big_file_size: int | None = None
    made_at: int = 1_790_000_000
    lockdown: Mapping[tuple[str, str], object] = field(default_factory=dict, hash=False)
    capacity: int = 128_000_000_000
    free: int = 61_000_000_000
    battery: int = 80
    charging: bool = True
    icloud: ICloudSpec | None = None
    signals: SignalsSpec = field(default_factory=SignalsSpec)
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        self._check()
        # A generator of its own per identifier: giving one does not change the others.
        derived: dict[str, Callable[[random.Random], str]] = {
            "udid": lambda rng: f"00008101-{rng.randrange(0x10_0000_0000, 0x20_0000_0000_0000):016X}",
            "serial": lambda rng: "F" + "".join(rng.choices("0123456789CDFGHJKLMNPQRTVWXY", k=11)),
            "imei": lambda rng: _with_check_digit(f"35{rng.randrange(10**12):012d}"),
            "iccid": lambda rng: _with_check_digit(f"8944{rng.randrange(10**14):014d}"),
            "phone_number": lambda rng: f"+1 (555) 01{rng.randrange(10)}-{rng.randrange(10_000):04d}",
            "wifi_address": lambda rng: "f0:18:98:" + ":".join(f"{rng.randrange(256):02x}" for _ in range(3)),
        }
        for name, make in derived.items():
            if not getattr(self, name):
                object.__setattr__(self, name, make(random.Random(f"{self.seed} {name}")))

    def _check(self) -> None:
        """Refuse what no phone is, rather than break in the middle of a backup."""
        if self.udid and not _UDID.fullmatch(self.udid):
            raise ValueError("udid has to be 40 hex digits, or 8 and 16 with a dash between")
        for name in ("name", "device_class", "product_type", "ios_version", "build_version", "serial"):
            if _CONTROL.search(getattr(self, name)):
                raise ValueError(f"{name} cannot have control characters: XML has none")
        for name in ("chunk_size", "batch_size", "keybag_rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} has to be at least 1")
        for name in ("latency_s", "scan_s", "big_file_size", "capacity", "free"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} cannot be less than 0")
        made: tuple[DomainSpec | AppSpec, ...] = (*self.domains, *self.apps)
        for each in made:
            if each.count < 0 or not 0 <= each.min_size <= each.max_size:
                label = each.name if isinstance(each, DomainSpec) else each.bundle_id
                raise ValueError(
                    f"{label}: count and sizes have to be 0 or more, and min_size not above max_size"
                )

    @property
    def mux_serial(self) -> str:
        """The UDID as usbmuxd spells it."""
        return self.udid.replace("-", "") if self.mux_serial_dashless else self.udid

    @property
    def version(self) -> tuple[int, ...]:
        """The iOS version as numbers, (18, 6, 2)."""
        return tuple(int(part) for part in self.ios_version.split(".") if part.isdecimal())


def _with_check_digit(digits: str) -> str:
    """Append the Luhn digit that IMEI and ICCID end with."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


def load_spec(path: Path | str) -> PhoneSpec:
    """Read a spec from a TOML file; keys and tables are the attributes of PhoneSpec.

    Raises:
        UsageError: the file cannot be read or names something that does not exist; the hint has the nearest
            right key.
    """
    from ibackup.simulator.specfile import read_spec

    return read_spec(Path(path))


def demo_spec(*, seed: int = 1) -> PhoneSpec:
    """The demo phone: somebody's small life, encrypted with the password `demo`, quick to unlock."""
    return PhoneSpec(
        seed=seed,
        name="Ada’s iPhone",  # noqa: RUF001 - as phones spell it
        passcode=Passcode(kind="answered", delay_s=0.5),
        domains=(
            DomainSpec(name="CameraRollDomain", count=60, min_size=20_000, max_size=400_000),
            DomainSpec(name="HomeDomain", count=80, max_size=20_000),
            DomainSpec(name="MediaDomain", count=40, max_size=120_000),
            DomainSpec(name="HealthDomain", count=4, max_size=60_000),
            DomainSpec(name="KeychainDomain", count=1, min_size=8_000, max_size=8_000),
            DomainSpec(name="WirelessDomain", count=4),
        ),
        apps=(
            AppSpec(
                bundle_id="org.example.notes",
                name="Field Notes",
                version="4.2",
                groups=("group.org.example.notes",),
            ),
            AppSpec(
                bundle_id="org.example.maps", name="Footpaths", version="2.0.1", count=8, max_size=60_000
            ),
            AppSpec(bundle_id="org.example.inhouse", name="Roster", from_store=False),
        ),
        life=True,
        backup_password="demo",  # noqa: S106 - the demo tells everybody
        keybag_rounds=20_000,
    )
