"""What a connected phone is asked, and what becomes of answers that do not come."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest

from ibackup.apple import plist_values
from ibackup.apple.plist_values import Values
from ibackup.device.lockdown.lockdown_keys import BACKUP_DOMAIN, BATTERY_DOMAIN, DISK_DOMAIN, SYNC_DOMAIN
from ibackup.device.phones.phone import Phone, open_phone
from ibackup.device.services import inquiries, os_trace, pcapd
from ibackup.doctor.evidence.phone_evidence import PhoneEvidence
from ibackup.doctor.evidence.sighting import Fact, Seen, Unseen
from ibackup.doctor.gather import connected_phone
from ibackup.doctor.gather.watched_attempt import watch
from ibackup.simulator.cloudspec import CrashSpec, ICloudSpec, ProfileSpec, SignalsSpec
from ibackup.simulator.faults import DropAfterBytes, StartServiceError
from ibackup.simulator.server import serve
from ibackup.simulator.spec import AppSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

SPEC = PhoneSpec(
    cloud_backup=True,
    find_my=True,
    icloud=ICloudSpec(last_backup_days=9),
    signals=SignalsSpec(
        milliamperes=-250,
        celsius=31.5,
        clock_offset_s=7200,
        profiles=(ProfileSpec(name="VPN\u202e", organization="Example", removable=False),),
        supervised_by="Example",
        watches=1,
        crashes=(
            CrashSpec(process="backupd", days=3),
            CrashSpec(process="cloudd", days=1, retired=True),
            CrashSpec(process="BackupAgent2", days=1),
            CrashSpec(process="JetsamEvent", days=1),
        ),
    ),
    apps=(
        AppSpec(bundle_id="org.example.a", name="A", data_size=5),
        AppSpec(bundle_id="org.example.b", name="B", data_size=9),
        AppSpec(bundle_id="org.example.c", name="C", placeholder=True),
    ),
)
SERVICES = (*inquiries.REQUESTS, inquiries.CRASHES)
ASKED_BY: dict[str, tuple[tuple[ModuleType, str], ...]] = {
    inquiries.DIAGNOSTICS: ((inquiries, "registry_entry"),),
    inquiries.PROFILES: ((inquiries, "profiles"), (inquiries, "cloud_configuration")),
    inquiries.APPS: ((inquiries, "user_apps"),),
    inquiries.CRASHES: ((inquiries, "crash_report_names"),),
}
AMPLE_S = 600.0
"""More than any machine takes for what is answered; what waits in earnest for so long ends with the test's limit."""


def hurried(ask: Callable[..., object]) -> Callable[..., object]:
    """The same with little time for the answer."""
    return lambda phone, _seconds, **how: ask(phone, 0.3, **how)


@pytest.fixture
def asked() -> Iterator[Callable[..., tuple[PhoneEvidence, VirtualPhone]]]:
    with ExitStack() as stack:

        def ask(spec: PhoneSpec = SPEC, **how: float) -> tuple[PhoneEvidence, VirtualPhone]:
            virtual = VirtualPhone(spec)
            server = stack.enter_context(serve(virtual))
            phone: Phone = stack.enter_context(open_phone(address=server.address))
            return connected_phone.read_phone(phone, **how)[0], virtual

        yield ask


Ask = Callable[..., tuple[PhoneEvidence, VirtualPhone]]


def facts(evidence: PhoneEvidence) -> dict[str, Fact[object]]:
    return {
        field.name: getattr(evidence, field.name)
        for field in dataclasses.fields(evidence)
        if field.name != "identity"
    }


def seen(evidence: PhoneEvidence) -> dict[str, object]:
    return {name: fact.value for name, fact in facts(evidence).items() if isinstance(fact, Seen)}


def test_everything_a_phone_tells(asked: Ask) -> None:
    evidence, virtual = asked()
    found = seen(evidence)
    assert set(facts(evidence)) - set(found) == {"last_local_backup"}  # none was made
    assert found["toggle"] is True
    last = evidence.last_cloud_backup.get()
    assert last is not None
    assert SPEC.icloud is not None
    assert last.date == datetime.fromtimestamp(SPEC.icloud.now, UTC) - timedelta(days=9)
    assert found["find_my"] is True
    assert evidence.sync_sources.get() == dict.fromkeys(
        ("Bookmarks", "Calendars", "Contacts", "Notes"), ("iCloud",)
    )
    assert abs(float(evidence.clock_offset.get() or 0) - 7200) < 2
    power = evidence.power_source.get()
    assert power is not None
    assert (power.milliamperes, power.celsius) == (-250, 31.5)
    wifi = evidence.wifi.get()
    assert wifi is not None
    assert (wifi.connected, wifi.channel) == (True, 36)
    (profile,) = evidence.profiles.get() or ()
    assert (profile.name, profile.removable) == ("VPN?", False)
    assert [crash.process for crash in evidence.crashes.get() or ()] == ["cloudd", "backupd"]
    assert [app.data for app in evidence.apps.get() or ()] == [9, 5]
    assert found["placeholders"] == 1
    assert evidence.identity is not None
    assert evidence.identity.udid == virtual.udid


def test_every_call_that_is_made_and_none_that_changes_anything() -> None:
    """The whole list: what the phone saw is what is allowed, and what it holds is what it held."""
    before, virtual = VirtualPhone(SPEC), VirtualPhone(SPEC)
    with serve(virtual) as server, open_phone(address=server.address) as phone:
        connected_phone.read_phone(phone)
        watch(phone, 0.3, network=True)
    assert set(virtual.journal.details("start_service")) == {*SERVICES, os_trace.SERVICE, pcapd.SERVICE}
    calls = {
        kind: set(virtual.journal.details(kind)) for kind in ("diagnostics", "mcinstall", "apps", "os_trace")
    }
    assert calls == {
        "diagnostics": {"IORegistry"},
        "mcinstall": {"GetProfileList", "GetCloudConfiguration"},
        "apps": {"Lookup"},
        "os_trace": {"StartActivity"},
    }
    allowed = {name for names in (*inquiries.REQUESTS.values(), os_trace.REQUESTS) for name in names}
    assert set().union(*calls.values()) == allowed
    changing = {"posted", "notified", "afc_write", "afc_remove", "lock_taken", "request", "pair", "passcode"}
    assert not changing & {event.kind for event in virtual.journal.events()}
    for domain in ("", "com.apple.mobile.backup", "com.apple.mobile.data_sync", "com.apple.purplebuddy"):
        then, now = before.domain(domain), virtual.domain(domain)
        assert {**then, "TimeIntervalSince1970": 0} == {**now, "TimeIntervalSince1970": 0}


def test_missing_values_are_unseen_and_not_off(asked: Ask) -> None:
    gone = {
        ("com.apple.mobile.backup", "CloudBackupEnabled"): None,
        ("com.apple.mobile.backup", "LastCloudBackupDate"): None,
        ("com.apple.fmip", "IsAssociated"): None,
        ("", "ActivationState"): None,
        ("", "TimeIntervalSince1970"): None,
        **{
            ("com.apple.mobile.data_sync", name): None
            for name in ("Bookmarks", "Calendars", "Contacts", "Notes")
        },
    }
    evidence, _ = asked(dataclasses.replace(SPEC, lockdown=gone))
    for name in ("toggle", "last_cloud_backup", "find_my", "sync_sources", "activation", "clock_offset"):
        assert facts(evidence)[name] == Unseen("the phone does not report it")


def test_values_of_other_types_are_unseen(asked: Ask) -> None:
    odd = {
        ("com.apple.mobile.backup", "CloudBackupEnabled"): "yes",
        ("com.apple.mobile.backup", "LastCloudBackupDate"): b"x",
        ("", "TimeIntervalSince1970"): True,
        ("com.apple.mobile.battery", "BatteryCurrentCapacity"): 400,
    }
    evidence, _ = asked(dataclasses.replace(SPEC, lockdown=odd))
    for name in ("toggle", "last_cloud_backup", "clock_offset"):
        assert isinstance(facts(evidence)[name], Unseen)
    battery = evidence.battery.get()
    assert battery is not None
    assert battery.percent is None


@pytest.mark.parametrize(("state", "wanted"), [("off", False), ("unknown", None), ("refused", None)])
def test_wifi(asked: Ask, state: str, wanted: bool | None) -> None:
    evidence, _ = asked(dataclasses.replace(SPEC, signals=SignalsSpec(wifi=state)))  # type: ignore[arg-type]
    wifi = evidence.wifi.get()
    assert (None if wifi is None else wifi.connected) is wanted


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("how", ["refused", "locked", "silent", "cut"])
def test_one_signal_that_fails_takes_no_other_along(
    asked: Ask, service: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connected_phone, "_SERVICE_SECONDS", AMPLE_S)
    if how == "silent":
        for module, name in ASKED_BY[service]:
            monkeypatch.setattr(module, name, hurried(getattr(module, name)))
        spec = dataclasses.replace(
            SPEC, signals=dataclasses.replace(SPEC.signals, silent_services=(service,))
        )
    elif how == "cut":
        spec = dataclasses.replace(SPEC, faults=(DropAfterBytes(service=service, count=1),))
    else:
        error = "PasswordProtected" if how == "locked" else "InvalidService"
        spec = dataclasses.replace(SPEC, faults=(StartServiceError(service=service, error=error),))
    evidence, _ = asked(spec, seconds=AMPLE_S)
    missing = {name for name, fact in facts(evidence).items() if isinstance(fact, Unseen)}
    mine = {
        inquiries.DIAGNOSTICS: {"power_source", "wifi"},
        inquiries.PROFILES: {"profiles", "cloud_configuration"},
        inquiries.APPS: {"apps", "placeholders"},
        inquiries.CRASHES: {"crashes"},
    }[service]
    assert missing == {"last_local_backup", *mine}


def test_a_value_that_takes_too_long(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer, late, is not taken for another's."""
    values = Phone.values

    def impatient(phone: Phone, domain: str = "") -> Values:
        if domain == DISK_DOMAIN:
            phone.hurry(0.3)
        return values(phone, domain)

    monkeypatch.setattr(Phone, "values", impatient)
    monkeypatch.setattr(connected_phone, "_REQUEST_SECONDS", AMPLE_S)
    monkeypatch.setattr(connected_phone, "_SERVICE_SECONDS", AMPLE_S)
    slow = dataclasses.replace(SPEC.signals, slow_domains=(DISK_DOMAIN,), slow_s=1.0)
    evidence, _ = asked(dataclasses.replace(SPEC, signals=slow), seconds=AMPLE_S)
    missing = {name for name, fact in facts(evidence).items() if isinstance(fact, Unseen)}
    assert missing == {"last_local_backup", "disk"}
    assert evidence.disk == Unseen("the phone did not answer in time")
    assert [app.data for app in evidence.apps.get() or ()] == [9, 5]


def test_a_domain_that_is_too_large_makes_no_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read to its end. The next question is asked over a new connection."""
    monkeypatch.setattr(connected_phone, "_REQUEST_SECONDS", AMPLE_S)
    monkeypatch.setattr(connected_phone, "_SERVICE_SECONDS", AMPLE_S)
    virtual = VirtualPhone(SPEC)
    with serve(virtual) as server, open_phone(address=server.address) as phone:
        virtual.set_value(DISK_DOMAIN, "Padding", bytes(plist_values.LARGEST_PLIST))
        virtual.set_value(BATTERY_DOMAIN, "Padding", list(range(500_000)))
        evidence, _ = connected_phone.read_phone(phone, seconds=AMPLE_S)
    missing = {name for name, fact in facts(evidence).items() if isinstance(fact, Unseen)}
    assert missing == {"last_local_backup", "disk", "battery"}
    assert evidence.disk == evidence.battery == Unseen("the phone's answer makes no sense")


def test_of_all_that_a_phone_says_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_REQUEST_SECONDS", "_SERVICE_SECONDS"):
        monkeypatch.setattr(connected_phone, name, AMPLE_S)
    few, many, long = 5, 20, "n" * 100_000
    for name in ("_MOST_CRASHES", "_MOST_PROFILES", "_MOST_APPS"):
        monkeypatch.setattr(connected_phone, name, few)
    signals = SignalsSpec(
        supervised_by=long,
        profiles=tuple(ProfileSpec(name=f"{number}{long}") for number in range(many)),
        crashes=tuple(CrashSpec(process="backupd", days=number) for number in range(many)),
    )
    apps = tuple(AppSpec(bundle_id=f"org.example.a{number}", name=long) for number in range(many))
    virtual = VirtualPhone(dataclasses.replace(SPEC, signals=signals, apps=apps))
    with serve(virtual) as server:
        virtual.set_value("", "ProductVersion", long)
        virtual.set_value("", "ActivationState", long)
        virtual.set_value(SYNC_DOMAIN, "Contacts", {"Sources": [long] * many * few})
        virtual.set_value(BACKUP_DOMAIN, "LastCloudBackupDate", long)
        with open_phone(address=server.address) as phone:
            evidence, _ = connected_phone.read_phone(phone, seconds=AMPLE_S)
    assert len(evidence.profiles.get() or ()) == few
    assert len(evidence.crashes.get() or ()) == few
    assert len(evidence.apps.get() or ()) == few
    assert len((evidence.sync_sources.get() or {})["Contacts"]) == many
    assert len(repr(evidence)) < 20_000


def test_silence_everywhere_stays_within_the_budget(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them has the whole of it, so the first takes it all, and none is waited for after that."""
    monkeypatch.setattr(connected_phone, "_SERVICE_SECONDS", AMPLE_S)
    spec = dataclasses.replace(SPEC, signals=dataclasses.replace(SPEC.signals, silent_services=SERVICES))
    evidence, _ = asked(spec, seconds=5.0)
    assert evidence.toggle.get() is True
    assert evidence.apps == Unseen("the phone took too long with its other answers")


def test_the_budget_is_below_twenty_seconds() -> None:
    assert connected_phone.WHOLE_SECONDS + 3 < 20


def test_a_phone_that_is_pulled(asked: Ask) -> None:
    """What was told before stays; nothing more is asked."""
    virtual = VirtualPhone(SPEC)
    with serve(virtual) as server, open_phone(address=server.address) as phone:
        server.detach(virtual)
        evidence, _ = connected_phone.read_phone(phone, seconds=AMPLE_S)
    assert {type(fact) for fact in facts(evidence).values()} == {Unseen}
    assert evidence.toggle in (
        Unseen("the phone does not report it"),
        Unseen("the connection to the phone was lost"),
    )
    assert evidence.apps == Unseen("the connection to the phone was lost")
    assert evidence.identity is not None
