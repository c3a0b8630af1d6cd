"""Asks a connected phone about iCloud Backup, within twenty seconds and without changing anything on it.

Each question is a separate signal with its own limit. If it fails, or no time is left for it, it is Unseen and says
why. Nothing here raises.
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from ibackup.apple import plist_values
from ibackup.apple.plist_values import Values
from ibackup.base.errors import ConnectionLost, IbackupError, PersonNeeded, PhoneRefused, ProtocolBroken
from ibackup.device.lockdown.lockdown_keys import (
    BACKUP_DOMAIN,
    BATTERY_DOMAIN,
    DISK_DOMAIN,
    FIND_MY_DOMAIN,
    SETUP_DOMAIN,
    SYNC_DOMAIN,
)
from ibackup.device.lockdown.phone_facts import PhoneFacts, free_bytes
from ibackup.device.mux.usbmux import ConnectionKind
from ibackup.device.services import inquiries
from ibackup.device.services.inquiries import StartsServices
from ibackup.doctor.evidence.phone_evidence import (
    SYNC_CLASSES,
    AppSize,
    Battery,
    CloudConfiguration,
    CloudDate,
    CrashReport,
    Disk,
    Identity,
    PhoneEvidence,
    PowerSource,
    Profile,
    Wifi,
)
from ibackup.doctor.evidence.sighting import EvidenceSource, Fact, Seen, Unseen
from ibackup.doctor.gather.phone_files import cloud_date

T = TypeVar("T")

_LABELS: dict[ConnectionKind, str] = {
    "USB": "the phone over USB",
    "Network": "the phone over the network",
    "WiFi": "the phone over Wi-Fi",
}

WHOLE_SECONDS = 16.0  # connecting before that also takes time
_REQUEST_SECONDS = 5.0  # for each of lockdown's answers
_SERVICE_SECONDS = 3.0
_NOT_TOLD = Unseen("the phone does not report it")
_NO_TIME = Unseen("the phone took too long with its other answers")
_CRASHES = ("backupd", "cloudd")
_CRASH_NAME = re.compile(r"(\w+?)(?:\.\w+_resource)?-(\d{4})-(\d\d)-(\d\d)-(\d{6})")
_MOST_CRASHES = 500
_MOST_PROFILES = 100
_MOST_APPS = 2000


class AskablePhone(StartsServices, Protocol):
    """The phone that is asked."""

    udid: str
    facts: PhoneFacts
    connection: ConnectionKind

    def value(self, domain: str, key: str) -> object:
        """One of lockdown's values."""

    def values(self, domain: str = "") -> Values:
        """A whole domain of lockdown's values."""

    def hurry(self, seconds: float) -> None:
        """Limit each further request."""


def read_phone(
    phone: AskablePhone, *, seconds: float = WHOLE_SECONDS
) -> tuple[PhoneEvidence, EvidenceSource]:
    """Ask everything, the cheap things first, the apps' sizes last."""
    asking = _Asking(phone, seconds)
    phone.hurry(_REQUEST_SECONDS)
    backup = asking.keys(
        BACKUP_DOMAIN,
        "CloudBackupEnabled",
        "LastCloudBackupDate",
        "LastiTunesBackupDate",
    )
    source, now = asking.source, asking.source.date
    evidence = PhoneEvidence(
        identity=_identity(phone.facts),
        clock_offset=asking.one(lambda _: _clock_offset(phone)),
        toggle=flag_fact(backup, "CloudBackupEnabled", source),
        last_cloud_backup=cloud_date_fact(backup, source, now),
        last_local_backup=local_date_fact(backup, source, now),
        requires_encryption=asking.one(lambda _: phone.facts.requires_encryption),
        find_my=asking.one(lambda _: _as_flag(phone.value(FIND_MY_DOMAIN, "IsAssociated"))),
        sync_sources=asking.one(lambda _: _sync_sources(phone.values(SYNC_DOMAIN))),
        activation=asking.one(lambda _: plist_values.shown({"": phone.value("", "ActivationState")}, "")),
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
        placeholders=asking.one(lambda limit: _placeholders(phone, limit)),
        apps=asking.one(lambda limit: _apps(inquiries.user_apps(phone, limit, sizes=True)), limit=seconds),
    )
    return evidence, source


def flag_fact(backup: Values, key: str, source: EvidenceSource) -> Fact[bool]:
    """A flag from lockdown's domain, or from the file behind it."""
    return _fact(plist_values.boolean(backup, key), source)


def cloud_date_fact(backup: Values, source: EvidenceSource, now: datetime) -> Fact[CloudDate]:
    """The last iCloud backup, from the same place."""
    return _fact(cloud_date(backup, now), source)


def local_date_fact(backup: Values, source: EvidenceSource, now: datetime) -> Fact[datetime]:
    """The last local backup, from the same place."""
    return _fact(plist_values.phone_time(backup, "LastiTunesBackupDate", now), source)


class _Asking:
    """Asks within a time budget; once the phone is gone, it asks nothing more."""

    def __init__(self, phone: AskablePhone, seconds: float) -> None:
        self._phone = phone
        self._end = time.monotonic() + seconds
        self._gone: Unseen | None = None
        self.source = EvidenceSource("usb", datetime.now(UTC), _LABELS[phone.connection])

    def one(self, ask: Callable[[float], T | None], *, limit: float | None = None) -> Fact[T]:
        """The answer to one question; None means that the phone did not say."""
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
            return Unseen("the phone refuses to report it")
        if isinstance(error, ConnectionLost) and not self._answers():
            self._gone = Unseen("the connection to the phone was lost")
            return self._gone
        return Unseen("the phone did not answer in time")

    def _answers(self) -> bool:
        """Whether lockdown still answers after a service failed."""
        self._phone.hurry(1.0)
        try:
            self._phone.value("", "ProductType")
        except IbackupError:
            return False
        return True


def _fact(value: T | None, source: EvidenceSource) -> Fact[T]:
    return _NOT_TOLD if value is None else Seen(value, source)


def _as_flag(value: object) -> bool | None:
    return plist_values.boolean({"": value}, "")


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
        item = plist_values.mapping(domain.get(name))
        if item is not None:
            sources = plist_values.sequence(item.get("Sources"))[:20]
            found[name] = tuple(plist_values.printable(each) for each in sources if isinstance(each, str))
    return found or None


def _battery(domain: Values) -> Battery | None:
    percent = plist_values.count(domain, "BatteryCurrentCapacity")
    found = Battery(
        percent=percent if percent is not None and percent <= 100 else None,
        external_power=plist_values.boolean(domain, "ExternalConnected"),
    )
    return found if found != Battery() else None


def _disk(domain: Values) -> Disk | None:
    found = Disk(
        free=free_bytes(domain),
        photos=(plist_values.count(domain, "PhotoUsage") or 0)
        + (plist_values.count(domain, "CameraUsage") or 0)
        or None,
    )
    return found if found != Disk() else None


def _power_source(entry: Values) -> PowerSource | None:
    if not entry:
        return None
    celsius = _signed(entry, "Temperature")
    return PowerSource(
        milliamperes=_signed(entry, "InstantAmperage"),
        celsius=celsius / 100 if celsius is not None and -3000 < celsius < 10_000 else None,
        external_power=plist_values.boolean(entry, "ExternalConnected"),
    )


def _signed(entry: Values, key: str) -> int | None:
    """The registry's numbers are unsigned, of 64 or 32 bits: a negative one arrives as a very large number."""
    number = plist_values.integer(entry, key)
    if number is None:
        return None
    for bits in (64, 32):
        if 1 << (bits - 1) <= number < 1 << bits:
            number -= 1 << bits
            break
    return number if abs(number) < 1_000_000 else None


def _wifi(phone: AskablePhone, limit: float) -> Wifi | None:
    """Phones with another wireless chip may use another entry name; then nothing is known."""
    entry = inquiries.registry_entry(phone, limit / 2, name="AppleBCMWLANSkywalkInterface")
    if not entry:
        entry = inquiries.registry_entry(phone, limit / 2, ioclass="IO80211Interface")
    if not any(key.startswith("IO80211") for key in entry):
        return None
    channel = plist_values.count(entry, "IO80211Channel") or None
    access_point = entry.get("IO80211BSSID")
    return Wifi(connected=channel is not None or bool(access_point), channel=channel)


def _profiles(metadata: list[Values]) -> tuple[Profile, ...]:
    found = []
    for each in metadata[:_MOST_PROFILES]:
        locked = plist_values.boolean(each, "PayloadRemovalDisallowed")
        found.append(
            Profile(
                plist_values.shown(each, "PayloadDisplayName") or "a profile without a name",
                None if locked is None else not locked,
            )
        )
    return tuple(found)


def _cloud_configuration(told: Values) -> CloudConfiguration:
    return CloudConfiguration(
        supervised=plist_values.boolean(told, "IsSupervised"),
        organization=plist_values.shown(told, "OrganizationName"),
        mdm_unremovable=plist_values.boolean(told, "IsMDMUnremovable"),
    )


def crash_reports(names: list[str]) -> tuple[CrashReport, ...]:
    """Crashes of the programs that iCloud Backup needs, newest first.

    JetsamEvent reports are left out: their names do not say which program ran out of memory, and every phone has some.
    """
    found = []
    for name in names:
        match = _CRASH_NAME.match(name)
        if match and match[1] in _CRASHES:
            found.append(CrashReport(match[1], _crash_date(*match.groups()[1:])))
    oldest = datetime.min.replace(tzinfo=UTC)
    found.sort(key=lambda each: each.date or oldest, reverse=True)
    return tuple(found[:_MOST_CRASHES])


def _crash_date(year: str, month: str, day: str, clock: str) -> datetime | None:
    try:
        date = datetime.strptime(f"{year}{month}{day}{clock}", "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return plist_values.plausible(date) if date < datetime.now(UTC) + timedelta(days=2) else None


def _placeholders(phone: AskablePhone, limit: float) -> int:
    """Apps that are listed only if the request includes placeholders."""
    there = {app.bundle_id for app in inquiries.user_apps(phone, limit / 2)}
    everything = {app.bundle_id for app in inquiries.user_apps(phone, limit / 2, placeholders=True)}
    return len(everything - there)


def _apps(usage: list[inquiries.AppUsage]) -> tuple[AppSize, ...]:
    sizes = [AppSize(each.bundle_id, each.name, each.data) for each in usage[:_MOST_APPS]]
    return tuple(sorted(sizes, key=lambda each: -(each.data or 0)))
