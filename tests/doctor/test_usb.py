"""What a connected phone is asked, and what becomes of answers that do not come."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from ibackup.device import Phone, inquiries, open_phone, os_trace, pcapd
from ibackup.doctor import usb
from ibackup.doctor.evidence import Fact, PhoneEvidence, Seen, Unseen
from ibackup.doctor.watching import watch
from ibackup.simulator import AppSpec, PhoneSpec, VirtualPhone, serve
from ibackup.simulator.cloudspec import CrashSpec, ICloudSpec, ProfileSpec, SignalsSpec
from ibackup.simulator.spec import DropAfterBytes, StartServiceError

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
SERVICES = (*inquiries.REQUESTS, inquiries.CRASHES, os_trace.SERVICE)


@pytest.fixture
def asked() -> Iterator[Callable[..., tuple[PhoneEvidence, VirtualPhone]]]:
    with ExitStack() as stack:

        def ask(spec: PhoneSpec = SPEC, **how: float) -> tuple[PhoneEvidence, VirtualPhone]:
            virtual = VirtualPhone(spec)
            server = stack.enter_context(serve(virtual))
            phone: Phone = stack.enter_context(open_phone(address=server.address))
            return usb.read_phone(phone, **how)[0], virtual

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
    assert (power.milliamperes, power.celsius, power.health_percent) == (-250, 31.5, 94)
    wifi = evidence.wifi.get()
    assert wifi is not None
    assert (wifi.connected, wifi.channel) == (True, 36)
    (profile,) = evidence.profiles.get() or ()
    assert (profile.name, profile.organization, profile.removable) == ("VPN?", "Example", False)
    assert [crash.process for crash in evidence.crashes.get() or ()] == ["cloudd", "backupd"]
    assert [app.data for app in evidence.apps.get() or ()] == [9, 5]
    assert found["placeholders"] == 1
    assert found["paired_watches"] == 1
    assert found["backupd_running"] is True
    assert evidence.identity is not None
    assert evidence.identity.udid == virtual.udid


def test_every_call_that_is_made_and_none_that_changes_anything() -> None:
    """The whole list: what the phone saw is what is allowed, and what it holds is what it held."""
    before, virtual = VirtualPhone(SPEC), VirtualPhone(SPEC)
    with serve(virtual) as server, open_phone(address=server.address) as phone:
        usb.read_phone(phone)
        watch(phone, 0.3, network=True)
    assert set(virtual.journal.details("start_service")) == {*SERVICES, pcapd.SERVICE}
    calls = {
        kind: set(virtual.journal.details(kind))
        for kind in ("diagnostics", "mcinstall", "apps", "companion", "os_trace")
    }
    assert calls == {
        "diagnostics": {"IORegistry"},
        "mcinstall": {"GetProfileList", "GetCloudConfiguration"},
        "apps": {"Lookup"},
        "companion": {"GetDeviceRegistry"},
        "os_trace": {"PidList", "StartActivity"},
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
        assert facts(evidence)[name] == Unseen("the phone does not tell it")


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
    if how == "silent":
        monkeypatch.setattr(usb, "_SERVICE_SECONDS", 1.0)
        spec = dataclasses.replace(
            SPEC, signals=dataclasses.replace(SPEC.signals, silent_services=(service,))
        )
    elif how == "cut":
        spec = dataclasses.replace(SPEC, faults=(DropAfterBytes(service=service, count=1),))
    else:
        error = "PasswordProtected" if how == "locked" else "InvalidService"
        spec = dataclasses.replace(SPEC, faults=(StartServiceError(service=service, error=error),))
    began = time.monotonic()
    evidence, _ = asked(spec, seconds=3.0)
    assert time.monotonic() - began < 8
    missing = {name for name, fact in facts(evidence).items() if isinstance(fact, Unseen)}
    mine = {
        inquiries.DIAGNOSTICS: {"power_source", "wifi"},
        inquiries.PROFILES: {"profiles", "cloud_configuration"},
        inquiries.APPS: {"apps", "placeholders"},
        inquiries.WATCHES: {"paired_watches"},
        inquiries.CRASHES: {"crashes"},
        os_trace.SERVICE: {"backupd_running"},
    }[service]
    assert missing == {"last_local_backup", *mine}


def test_a_value_that_takes_too_long(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer, late, is not taken for another's."""
    monkeypatch.setattr(usb, "_REQUEST_SECONDS", 1.0)
    slow = dataclasses.replace(SPEC.signals, slow_domains=("com.apple.disk_usage",), slow_s=1.6)
    evidence, _ = asked(dataclasses.replace(SPEC, signals=slow))
    missing = {name for name, fact in facts(evidence).items() if isinstance(fact, Unseen)}
    assert missing == {"last_local_backup", "disk"}
    assert evidence.disk == Unseen("the phone did not answer in time")
    assert [app.data for app in evidence.apps.get() or ()] == [9, 5]


def test_silence_everywhere_stays_within_the_budget(asked: Ask) -> None:
    spec = dataclasses.replace(SPEC, signals=dataclasses.replace(SPEC.signals, silent_services=SERVICES))
    began = time.monotonic()
    evidence, _ = asked(spec, seconds=2.0)
    assert time.monotonic() - began < 4
    assert evidence.toggle.get() is True
    assert evidence.apps == Unseen("the phone took too long with its other answers")


def test_the_budget_is_below_twenty_seconds() -> None:
    assert usb.WHOLE_SECONDS + 3 < 20


def test_a_phone_that_is_pulled(asked: Ask) -> None:
    """What was told before stays; nothing more is asked."""
    virtual = VirtualPhone(SPEC)
    with serve(virtual) as server, open_phone(address=server.address) as phone:
        server.detach(virtual)
        began = time.monotonic()
        evidence, _ = usb.read_phone(phone)
        assert time.monotonic() - began < 5
    assert {type(fact) for fact in facts(evidence).values()} == {Unseen}
    assert evidence.toggle in (
        Unseen("the phone does not tell it"),
        Unseen("the connection to the phone was lost"),
    )
    assert evidence.apps == Unseen("the connection to the phone was lost")
    assert evidence.identity is not None
