"""Cases for the doctor, as evidence: a phone of which nothing is wrong, and changes of it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ibackup.doctor.evidence.noted_evidence import (
    ConditionsWindow,
    LocalBackup,
    NotedError,
    NotedEvidence,
    PhoneNotes,
    UserSettings,
)
from ibackup.doctor.evidence.phone_evidence import (
    AppleEvidence,
    Battery,
    CloudConfiguration,
    CloudDate,
    Disk,
    Evidence,
    Identity,
    NewestIos,
    PhoneEvidence,
    PowerSource,
    SystemStatus,
    Wifi,
)
from ibackup.doctor.evidence.sighting import EvidenceSource, Seen, Unseen

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
USB = EvidenceSource("usb", NOW, "USB")
BACKUP = EvidenceSource("backup", NOW - timedelta(days=1, hours=2), "local backup of 24 November 2026")
APPLE = EvidenceSource("apple", NOW, "Apple's System Status")
LIVE = EvidenceSource("live", NOW, "live log")
PERSON = EvidenceSource("person", NOW, "what you said")
STORE = EvidenceSource("backup", NOW - timedelta(days=1, hours=2), "the store")
SERVICES = (
    "iCloud Account & Sign In",
    "iCloud Backup",
    "iCloud Drive",
    "iCloud Storage Upgrades",
    "Apple Account",
)
GB = 10**9


def ago(**span: float) -> datetime:
    """So long before now."""
    return NOW - timedelta(**span)


def usb(value: Any) -> Seen[Any]:
    """Seen on the phone now."""
    return Seen(value, USB)


def error(code: int, *, hours: float = 30, domain: str = "MBErrorDomain", **more: str) -> NotedError:
    """An error as the phone noted it, so many hours ago."""
    return NotedError(domain, code, ago(hours=hours), **more)


def errors(*codes: int) -> tuple[NotedError, ...]:
    """Errors, the newest first, a day apart, all since the last success of an ailing phone."""
    return tuple(error(code, hours=30 + 24 * index) for index, code in enumerate(codes))


def window(*, days: float = 2, hours: float = 7, **states: Any) -> ConditionsWindow:
    """A period on charger, Wi-Fi and locked that ended by an unlock so many days ago."""
    length = timedelta(hours=hours)
    default: dict[str, Any] = {
        "enabled": True, "on_power": True, "locked": False, "on_wifi": True, "seconds_since_error": None,
        "error_domain": "", "error_code": 0, "on_cellular": False, "expensive_network": False,
    }  # fmt: skip
    return ConditionsWindow(
        start=ago(days=days) - length, seconds=length.total_seconds(), **{**default, **states}
    )


NIGHTS = tuple(window(days=days) for days in (1.3, 2.3, 3.3, 4.3, 5.3))

SOUND_PHONE = PhoneEvidence(
    identity=Identity(
        udid="00008130-0011223344556677",
        name="Ann's iPhone",
        product_type="iPhone16,1",
        product_name="iPhone 15 Pro",
        ios_version="26.6.1",
        build="23G83",
    ),
    toggle=usb(True),
    last_cloud_backup=usb(CloudDate(date=ago(hours=10))),
    last_local_backup=usb(ago(days=1, hours=2)),
    requires_encryption=usb(False),
    find_my=usb(True),
    sync_sources=usb({"Contacts": ("iCloud",)}),
    activation=usb("Activated"),
    setup_done=usb(True),
    clock_offset=usb(1.0),
    battery=usb(Battery(percent=90, external_power=True)),
    power_source=usb(PowerSource(milliamperes=700, celsius=28.0, external_power=True)),
    wifi=usb(Wifi(connected=True, channel=44)),
    disk=usb(Disk(free=30 * GB)),
    profiles=usb(()),
    cloud_configuration=usb(CloudConfiguration(supervised=False)),
    placeholders=usb(0),
    crashes=usb(()),
)
SOUND_NOTES = PhoneNotes(
    is_cloud=True,
    windows=NIGHTS,
    account_enabled=ago(days=900),
    failure_count=0,
)
SOUND = Evidence(
    now=NOW,
    reachable=usb(True),
    phone=SOUND_PHONE,
    noted=NotedEvidence(
        notes=Seen(SOUND_NOTES, BACKUP),
        settings=Seen(UserSettings(allow_cloud_backup=True), BACKUP),
        accounts=Seen(1, BACKUP),
    ),
    local=Seen(LocalBackup(finished=ago(days=1, hours=2), encrypted=True), STORE),
    apple=AppleEvidence(
        status=Seen(SystemStatus(SERVICES, ()), APPLE),
        newest=Seen(NewestIos("26.6.1"), APPLE),
    ),
    sources=(USB, BACKUP, APPLE),
)
# The same phone, whose last iCloud backup is 13 days old.
AILING = replace(SOUND, phone=replace(SOUND_PHONE, last_cloud_backup=usb(CloudDate(date=ago(days=13)))))
# A phone that tells nothing, and of which there is no backup.
WHY = "it does not tell"
UNKNOWN = Evidence(
    now=NOW,
    reachable=usb(True),
    phone=PhoneEvidence(identity=Identity(udid="x")),
    local=Seen(None, STORE),
    sources=(USB,),
)


def phone(evidence: Evidence = AILING, /, **changes: Any) -> Evidence:
    """Other values of the phone."""
    return replace(evidence, phone=replace(evidence.phone, **changes))


def noted(evidence: Evidence = AILING, /, **changes: Any) -> Evidence:
    """Other notes of the phone."""
    fact = evidence.noted.notes
    notes, source = (fact.value, fact.source) if isinstance(fact, Seen) else (PhoneNotes(), BACKUP)
    return replace(evidence, noted=replace(evidence.noted, notes=Seen(replace(notes, **changes), source)))


def failed(*codes: int, evidence: Evidence = AILING) -> Evidence:
    """The phone noted these errors since, the newest first."""
    return noted(evidence, errors=errors(*codes))


def without_notes(evidence: Evidence = AILING, /, why: str = "there is no local backup") -> Evidence:
    """Nothing that the phone wrote down can be read."""
    nothing = Unseen(why)
    return replace(
        evidence,
        noted=NotedEvidence(notes=nothing, settings=nothing, accounts=nothing, sizes=nothing),
    )


def said(evidence: Evidence = AILING, /, **answers: Any) -> Evidence:
    """The person said this."""
    facts = {name: Seen(value, PERSON) for name, value in answers.items()}
    return replace(evidence, answers=replace(evidence.answers, **facts))


def ids(findings: Iterable[Any]) -> list[str]:
    """Their checks."""
    return [finding.id for finding in findings]
