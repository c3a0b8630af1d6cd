"""What a connected phone tells about iCloud Backup, within twenty seconds and without changing anything on it.

Each question is a signal of its own: it has its own limit, and one that fails, or for which no time is left, is
Unseen and says why. Nothing here raises.
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from ibackup.device import inquiries, os_trace, values
from ibackup.device.facts import BATTERY_DOMAIN, DISK_DOMAIN, PhoneFacts
from ibackup.device.inquiries import StartsServices
from ibackup.device.values import Values
from ibackup.doctor.evidence import (
    SYNC_CLASSES,
    AppSize,
    Battery,
    CloudConfiguration,
    CloudDate,
    CrashReport,
    Disk,
    Fact,
    Identity,
    PhoneEvidence,
    PowerSource,
    Profile,
    Seen,
    Source,
    Unseen,
    Wifi,
)
from ibackup.doctor.phonefiles import cloud_date
from ibackup.errors import ConnectionLost, IbackupError, PersonNeeded, PhoneRefused, ProtocolBroken

T = TypeVar("T")

BACKUP_DOMAIN = "com.apple.mobile.backup"
FIND_MY_DOMAIN = "com.apple.fmip"
SYNC_DOMAIN = "com.apple.mobile.data_sync"
SETUP_DOMAIN = "com.apple.purplebuddy"
LABEL = "the phone over USB"

WHOLE_SECONDS = 16.0  # connecting before that takes some, too
_REQUEST_SECONDS = 5.0  # for each of lockdown's answers
_SERVICE_SECONDS = 3.0
_NOT_TOLD = Unseen("the phone does not tell it")
_NO_TIME = Unseen("the phone took too long with its other answers")
_CRASHES = ("backupd", "cloudd")
_CRASH_NAME = re.compile(r"(\w+?)(?:\.\w+_resource)?-(\d{4})-(\d\d)-(\d\d)-(\d{6})")
_MOST_CRASHES = 500
_MOST_PROFILES = 100
_MOST_APPS = 2000


class AskablePhone(StartsServices, Protocol):
    """What is asked: a Phone."""

    udid: str
    facts: PhoneFacts

    def value(self, domain: str, key: str) -> object:
        """One of lockdown's values."""

    def values(self, domain: str = "") -> Values:
        """A whole domain of lockdown's values."""

    def hurry(self, seconds: float) -> None:
        """Limit each further request."""


def read_phone(phone: AskablePhone, *, seconds: float = WHOLE_SECONDS) -> tuple[PhoneEvidence, Source]:
    """Ask everything, the cheap things first, the apps' sizes last."""
    asking = _Asking(phone, seconds)
    phone.hurry(_REQUEST_SECONDS)
    backup = asking.keys(
        BACKUP_DOMAIN,
        "CloudBackupEnabled",
        "LastCloudBackupDate",
        "LastCloudBackupTZ",
        "LastiTunesBackupDate",
        "WillEncrypt",
        "RequiresEncryption",
    )
    source, now = asking.source, asking.source.date
    evidence = PhoneEvidence(
        identity=_identity(phone.facts),
        clock_offset=asking.one(lambda _: _clock_offset(phone)),
        toggle=flag_fact(backup, "CloudBackupEnabled", source),
        last_cloud_backup=cloud_date_fact(backup, source, now),
        last_local_backup=local_date_fact(backup, source, now),
        will_encrypt=flag_fact(backup, "WillEncrypt", source),
        requires_encryption=flag_fact(backup, "RequiresEncryption", source),
        find_my=asking.one(lambda _: _as_flag(phone.value(FIND_MY_DOMAIN, "IsAssociated"))),
        sync_sources=asking.one(lambda _: _sync_sources(phone.values(SYNC_DOMAIN))),
        activation=asking.one(lambda _: values.shown({"": phone.value("", "ActivationState")}, "")),
        setup_done=asking.one(lambda _: _as_flag(phone.value(SETUP_DOMAIN, "SetupDone"))),
        passcode_set=asking.one(lambda _: _as_flag(phone.value("", "PasswordProtected"))),
        battery=asking.one(lambda _: _battery(phone.values(BATTERY_DOMAIN))),
        disk=asking.one(lambda _: _disk(phone.values(DISK_DOMAIN))),
        power_source=asking.one(
            lambda limit: _power_source(inquiries.registry_entry(phone, limit, ioclass="IOPMPowerSource"))
        ),
        wifi=asking.one(lambda limit: _wifi(phone, limit)),
        profiles=asking.one(lambda limit: _profiles(inquiries.profiles(phone, limit))),
        cloud_configuration=asking.one(
            lambda limit: _cloud_configuration(inquiries.cloud_configuration(phone, limit))
        ),
        crashes=asking.one(lambda limit: crash_reports(inquiries.crash_report_names(phone, limit))),
        backupd_running=asking.one(lambda limit: "backupd" in os_trace.running(phone, limit)),
        paired_watches=asking.one(lambda limit: inquiries.paired_watches(phone, limit)),
        placeholders=asking.one(lambda limit: _placeholders(phone, limit)),
        apps=asking.one(lambda limit: _apps(inquiries.user_apps(phone, limit, sizes=True)), limit=seconds),
    )
    return evidence, source


def flag_fact(backup: Values, key: str, source: Source) -> Fact[bool]:
    """A flag of lockdown's domain, or of the file behind it."""
    return _fact(values.boolean(backup, key), source)


def cloud_date_fact(backup: Values, source: Source, now: datetime) -> Fact[CloudDate]:
    """The last iCloud backup, from the same."""
    return _fact(cloud_date(backup, now), source)


def local_date_fact(backup: Values, source: Source, now: datetime) -> Fact[datetime]:
    """The last local backup, from the same."""
    return _fact(values.phone_time(backup, "LastiTunesBackupDate", now), source)


class _Asking:
    """Asks within a budget of time; once the phone is gone, nothing more is asked."""

    def __init__(self, phone: AskablePhone, seconds: float) -> None:
        self._phone = phone
        self._end = time.monotonic() + seconds
        self._gone: Unseen | None = None
        self.source = Source("usb", datetime.now(UTC), LABEL)

    def one(self, ask: Callable[[float], T | None], *, limit: float | None = None) -> Fact[T]:
        """The answer to one question; what is None was not told."""
        if self._gone is not None:
            return self._gone
        left = self._end - time.monotonic()
        if left < 0.2:
            return _NO_TIME
        self._phone.hurry(min(_REQUEST_SECONDS, left))
        try:
            return _fact(ask(min(limit or _SERVICE_SECONDS, left)), self.source)
        except IbackupError as error:
            return self._failed(error)

    def keys(self, domain: str, *names: str) -> Values:
        """Some of a domain's values, each asked for by its name."""
        found: dict[str, object] = {}
        for name in names:
            answer = self.one(self._asking_for(domain, name))
            if isinstance(answer, Seen):
                found[name] = answer.value
        return found

    def _asking_for(self, domain: str, name: str) -> Callable[[float], object]:
        return lambda _: self._phone.value(domain, name)

    def _failed(self, error: IbackupError) -> Unseen:
        if isinstance(error, PersonNeeded):
            return Unseen("the phone is locked")
        if isinstance(error, ProtocolBroken):
            return Unseen("the phone's answer makes no sense")
        if isinstance(error, PhoneRefused):
            return Unseen("the phone refuses to tell it")
        if isinstance(error, ConnectionLost) and not self._answers():
            self._gone = Unseen("the connection to the phone was lost")
            return self._gone
        return Unseen("the phone did not answer in time")

    def _answers(self) -> bool:
        """Whether lockdown is still there after a service failed."""
        self._phone.hurry(1.0)
        try:
            self._phone.value("", "ProductType")
        except IbackupError:
            return False
        return True


def _fact(value: T | None, source: Source) -> Fact[T]:
    return _NOT_TOLD if value is None else Seen(value, source)


def _as_flag(value: object) -> bool | None:
    return values.boolean({"": value}, "")


def _identity(facts: PhoneFacts) -> Identity:
    return Identity(
        udid=facts.udid,
        name=facts.name,
        noun=facts.noun,
        product_type=facts.product_type,
        product_name=facts.product_name,
        ios_version=facts.ios_version,
        build=facts.build,
    )


def _clock_offset(phone: AskablePhone) -> float | None:
    before = time.time()
    told = phone.value("", "TimeIntervalSince1970")
    after = time.time()
    if isinstance(told, bool) or not isinstance(told, int | float) or not 0 < told < 1e11:
        return None
    return float(told) - (before + after) / 2


def _sync_sources(domain: Values) -> Mapping[str, tuple[str, ...]] | None:
    found: dict[str, tuple[str, ...]] = {}
    for name in SYNC_CLASSES:
        item = values.mapping(domain.get(name))
        if item is not None:
            sources = values.sequence(item.get("Sources"))[:20]
            found[name] = tuple(values.printable(each) for each in sources if isinstance(each, str))
    return found or None


def _battery(domain: Values) -> Battery | None:
    percent = values.count(domain, "BatteryCurrentCapacity")
    found = Battery(
        percent=percent if percent is not None and percent <= 100 else None,
        charging=values.boolean(domain, "BatteryIsCharging"),
        external_power=values.boolean(domain, "ExternalConnected"),
        fully_charged=values.boolean(domain, "FullyCharged"),
    )
    return found if found != Battery() else None


def _disk(domain: Values) -> Disk | None:
    # TotalDataAvailable counts the reserve of 200 MB, too, which no program gets: a full phone would never be seen.
    free = values.count(domain, "AmountDataAvailable")
    found = Disk(
        capacity=values.count(domain, "TotalDiskCapacity"),
        free=free if free is not None else values.count(domain, "TotalDataAvailable"),
        photos=(values.count(domain, "PhotoUsage") or 0) + (values.count(domain, "CameraUsage") or 0) or None,
    )
    return found if found != Disk() else None


def _power_source(entry: Values) -> PowerSource | None:
    if not entry:
        return None
    celsius = _signed(entry, "Temperature")
    whole, now = values.count(entry, "DesignCapacity"), values.count(entry, "AppleRawMaxCapacity")
    return PowerSource(
        milliamperes=_signed(entry, "InstantAmperage"),
        celsius=celsius / 100 if celsius is not None and -3000 < celsius < 10_000 else None,
        cycles=values.count(entry, "CycleCount"),
        health_percent=round(100 * now / whole) if whole and now else None,
        charging=values.boolean(entry, "IsCharging"),
        external_power=values.boolean(entry, "ExternalConnected"),
    )


def _signed(entry: Values, key: str) -> int | None:
    """The registry's numbers are unsigned, of 64 or 32 bits: one below 0 comes as a very large one."""
    number = values.integer(entry, key)
    if number is None:
        return None
    for bits in (64, 32):
        if 1 << (bits - 1) <= number < 1 << bits:
            number -= 1 << bits
            break
    return number if abs(number) < 1_000_000 else None


def _wifi(phone: AskablePhone, limit: float) -> Wifi | None:
    """Phones with another wireless chip may name the entry otherwise; then nothing is known."""
    entry = inquiries.registry_entry(phone, limit / 2, name="AppleBCMWLANSkywalkInterface")
    if not entry:
        entry = inquiries.registry_entry(phone, limit / 2, ioclass="IO80211Interface")
    if not any(key.startswith("IO80211") for key in entry):
        return None
    channel = values.count(entry, "IO80211Channel") or None
    access_point = entry.get("IO80211BSSID")
    return Wifi(connected=channel is not None or bool(access_point), channel=channel)


def _profiles(metadata: list[Values]) -> tuple[Profile, ...]:
    found = []
    for each in metadata[:_MOST_PROFILES]:
        locked = values.boolean(each, "PayloadRemovalDisallowed")
        found.append(
            Profile(
                values.shown(each, "PayloadDisplayName") or "a profile without a name",
                values.shown(each, "PayloadOrganization"),
                None if locked is None else not locked,
            )
        )
    return tuple(found)


def _cloud_configuration(told: Values) -> CloudConfiguration:
    return CloudConfiguration(
        supervised=values.boolean(told, "IsSupervised"),
        organization=values.shown(told, "OrganizationName"),
        mdm_unremovable=values.boolean(told, "IsMDMUnremovable"),
    )


def crash_reports(names: list[str]) -> tuple[CrashReport, ...]:
    """Those of the programs that iCloud Backup needs, newest first.

    JetsamEvent reports are left out: their names do not say whom the lack of memory hit, and every phone has some.
    """
    found = []
    for name in names:
        match = _CRASH_NAME.match(name)
        if match and match[1] in _CRASHES:
            found.append(CrashReport(match[1], _crash_date(*match.groups()[1:]), name))
    oldest = datetime.min.replace(tzinfo=UTC)
    found.sort(key=lambda each: each.date or oldest, reverse=True)
    return tuple(found[:_MOST_CRASHES])


def _crash_date(year: str, month: str, day: str, clock: str) -> datetime | None:
    try:
        date = datetime.strptime(f"{year}{month}{day}{clock}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return values.plausible(date) if date < datetime.now(UTC) + timedelta(days=2) else None


def _placeholders(phone: AskablePhone, limit: float) -> int:
    """Apps that are only listed to those who ask for placeholders, too."""
    there = {app.bundle_id for app in inquiries.user_apps(phone, limit / 2)}
    everything = {app.bundle_id for app in inquiries.user_apps(phone, limit / 2, placeholders=True)}
    return len(everything - there)


def _apps(usage: list[inquiries.AppUsage]) -> tuple[AppSize, ...]:
    sizes = [AppSize(each.bundle_id, each.name, each.program, each.data) for each in usage[:_MOST_APPS]]
    return tuple(sorted(sizes, key=lambda each: -(each.data or 0)))
