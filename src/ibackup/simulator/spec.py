"""What a virtual iPhone is: a frozen description that always makes the same phone.

Everything on the phone follows from the spec, above all from `seed`: two phones with the same spec are
equal byte for byte.
"""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ibackup.base.udids import dashed, is_udid
from ibackup.simulator.cloudspec import (
    ICloudSpec,
    SignalsSpec,
)
from ibackup.simulator.faults import (
    Fault,
)
from ibackup.simulator.habits import Habits
from ibackup.simulator.wireless_spec import WirelessSpec

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")

PasscodeKind: TypeAlias = Literal["none", "answered", "late", "never", "cancelled", "cut"]
TrustKind: TypeAlias = Literal["trusted", "dialog", "denied", "pending"]
CertificateKind: TypeAlias = Literal["plain", "text_before", "nul_after"]
ConnectionType: TypeAlias = Literal["USB", "Network"]


@dataclass(frozen=True, kw_only=True)
class Passcode:
    """The phone's passcode, and what its owner does when the phone asks for it.

    Attributes:
        kind: none: no passcode is set, the phone never asks; answered: entered after `delay_s`; late: the
            same, with a delay that outlasts an impatient client; never: nobody comes, the prompt disappears
            after `delay_s` and the request fails with 208; cancelled: Cancel is tapped after `delay_s`,
            also 208; cut: the phone ends the connection after `delay_s`, as iOS 27 does.
        delay_s: seconds between the prompt and the owner's reaction.
    """

    kind: PasscodeKind = "none"
    delay_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Whether the phone trusts this computer, and what its owner does about the Trust dialog.

    Attributes:
        kind: trusted: already paired, usbmuxd has the pair record; dialog: never paired, Trust is tapped
            `delay_s` after the dialog appears; denied: Don't Trust is tapped after `delay_s`; pending:
            nobody touches the dialog. The dialog also appears for a computer that a trusted phone does not
            know.
        delay_s: seconds between the dialog and the tap.
        unused_days: days since the pairing was last used; the phone forgets one that was not used for 30.
        usbmuxd_pairs: usbmuxd pairs with a new phone automatically, as on Linux, and the tap on Trust is
            for its pairing; other clients get a dialog that nobody touches.
        certificate: how usbmuxd's record stores the phone's certificate: plain; text_before: with a
            description before the PEM block; nul_after: with a NUL after it.
    """

    kind: TrustKind = "trusted"
    delay_s: float = 0.0
    unused_days: float = 0.0
    usbmuxd_pairs: bool = False
    certificate: CertificateKind = "plain"


@dataclass(frozen=True, kw_only=True)
class DomainSpec:
    """Made-up files of one domain.

    Attributes:
        name: the domain, for example `CameraRollDomain`.
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
    """An installed app, as installation_proxy lists it and as the backup stores its data.

    Attributes:
        bundle_id: `com.example.notes`.
        name: the name below the icon.
        version: CFBundleVersion and CFBundleShortVersionString.
        from_store: whether it came from the App Store, so that it has ApplicationSINF and iTunesMetadata.
        groups: app groups, each with its own AppDomainGroup-….
        count: made-up files in AppDomain-<bundle_id>.
        min_size: smallest size in bytes.
        max_size: largest size in bytes.
        program_size: StaticDiskUsage.
        data_size: DynamicDiskUsage.
        placeholder: still to be downloaded; listed only to clients that ask for such apps.
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
    """A phone. Identifiers that you leave empty follow from the seed.

    Attributes:
        seed: the seed of everything that is made up.
        udid: lockdown's UniqueDeviceID, 25 characters with a dash (newer phones) or 40 hex digits.
        name: DeviceName.
        device_class: `iPhone`, `iPad` or `iPod`.
        product_type: ProductType, for example `iPhone13,2`.
        ios_version: ProductVersion.
        build_version: BuildVersion.
        serial: SerialNumber.
        imei: InternationalMobileEquipmentIdentity.
        iccid: IntegratedCircuitCardIdentity.
        phone_number: PhoneNumber.
        wifi_address: the Wi-Fi MAC address.
        passcode: whether a passcode is set, and what the owner does about its prompt.
        locked: locked with its passcode when the phone is attached.
        unlock_after_s: seconds from the first request refused because of the lock until someone unlocks it;
            None: nobody does.
        trust: whether the phone trusts this computer.
        backup_password: the backup password; None: backups are not encrypted.
        encrypted_before: backups were encrypted at some time; a phone on which they never were has no
            WillEncrypt.
        keybag_rounds: PBKDF2 rounds of the backup keybag's first stage (DPIC); phones use 10,000,000, which
            takes seconds, so tests use fewer.
        requires_encryption: a profile (MDM) requires encrypted backups.
        find_my: Find My is on: the phone refuses to be restored (211).
        setup_done: the setup assistant is finished; otherwise requests fail with 212.
        supervised: an organization manages the phone; its backups can be restored only to supervised
            phones.
        cloud_backup: iCloud Backup is switched on.
        apple_account: an Apple Account is signed in; otherwise iCloud Backup cannot be switched on (210).
        chunk_size: data bytes in a DeviceLink chunk.
        batch_size: files in a DeviceLink message.
        latency_s: seconds added before each message of the backup service, as USB does.
        app_list_s: seconds the phone takes for its list of apps; with hundreds of apps, more than a minute
            was seen.
        scan_s: seconds the phone is silent while it scans its files.
        finishes_only: an attempt that finds a backup that was interrupted while files were moved or removed
            only finishes that backup; otherwise it then also backs up what has changed since.
        device_link_version: the major version offered: 300 up to iOS 13, 400 since then.
        connection_types: how usbmuxd sees the phone; two entries mean that one phone is seen twice.
        mux_serial_dashless: usbmuxd spells a 25-character UDID without its dash, as it does on Linux.
        domains: made-up files, domain by domain.
        apps: installed apps.
        life: whether it has personal data in real databases: messages, contacts, photos, calls, notes, calendars,
            reminders, recordings, WhatsApp, Health and Safari.
        hard_cases: whether its data are, in place of an ordinary `life`, the cases that readers of such databases
            get wrong, in the schemas of its iOS.
        uses: how many times the phone was used before it is connected: each time, a message arrives, and the first
            time one message and one photo are deleted.
        big_file_size: size in bytes of one file in CameraRollDomain that is generated while it is sent;
            None: no such file.
        made_at: Unix time of the content; files are older, changes are newer.
        lockdown: values that override or add to lockdown's, by (domain, key); the default domain is "". A
            value of None removes the key.
        capacity: TotalDiskCapacity in bytes.
        free: bytes free on the phone.
        battery: charge in percent.
        charging: connected to power.
        icloud: what it remembers about iCloud Backup; None: nothing, like a phone that never had an
            account.
        signals: what its other services report.
        wireless: what it is like on a Wi-Fi network.
        habits: how it makes a backup, where phones differ.
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
    encrypted_before: bool = True
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
    app_list_s: float = 0.0
    scan_s: float = 0.0
    finishes_only: bool = False
    device_link_version: int = 400
    connection_types: tuple[ConnectionType, ...] = ("USB",)
    mux_serial_dashless: bool = False
    domains: tuple[DomainSpec, ...] = ()
    apps: tuple[AppSpec, ...] = ()
    life: bool = False
    hard_cases: bool = False
    uses: int = 0
    big_file_size: int | None = None
    made_at: int = 1_790_000_000
    lockdown: Mapping[tuple[str, str], object] = field(default_factory=dict, hash=False)
    capacity: int = 128_000_000_000
    free: int = 61_000_000_000
    battery: int = 80
    charging: bool = True
    icloud: ICloudSpec | None = None
    signals: SignalsSpec = field(default_factory=SignalsSpec)
    wireless: WirelessSpec = field(default_factory=WirelessSpec)
    habits: Habits = field(default_factory=Habits)
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        self._check()
        # Each identifier has its own generator, so giving one does not change the others.
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
        """Refuse values that no phone has, so that nothing breaks later, during a backup."""
        if self.udid and not (is_udid(self.udid) and dashed(self.udid) == self.udid):
            raise ValueError("udid must be 40 hex digits, or 8 and 16 with a dash between")
        for name in ("name", "device_class", "product_type", "ios_version", "build_version", "serial"):
            if _CONTROL.search(getattr(self, name)):
                raise ValueError(f"{name} cannot contain control characters: XML does not allow them")
        for name in ("chunk_size", "batch_size", "keybag_rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("latency_s", "app_list_s", "scan_s", "big_file_size", "capacity", "free", "uses"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} cannot be less than 0")
        made: tuple[DomainSpec | AppSpec, ...] = (*self.domains, *self.apps)
        for each in made:
            if each.count < 0 or not 0 <= each.min_size <= each.max_size:
                label = each.name if isinstance(each, DomainSpec) else each.bundle_id
                raise ValueError(
                    f"{label}: count and sizes must be 0 or more, and min_size not above max_size"
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
    """Append the Luhn digit with which IMEI and ICCID end."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


def demo_spec(*, seed: int = 1) -> PhoneSpec:
    """The demo phone: one person's data, encrypted with the password `demo`, quick to unlock."""
    return PhoneSpec(
        seed=seed,
        name="Ada’s iPhone",  # noqa: RUF001 - as phones spell it
        free=PhoneSpec.capacity - 30_000_000,  # the size of its content, so that estimates fit
        passcode=Passcode(kind="answered", delay_s=0.5),
        domains=(
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
            AppSpec(
                bundle_id="net.whatsapp.WhatsApp",
                name="WhatsApp",
                version="26.20",
                groups=("group.net.whatsapp.WhatsApp.shared",),
            ),
        ),
        life=True,
        backup_password="demo",  # noqa: S106 - the demo tells everybody
        keybag_rounds=20_000,
    )
