"""What a phone's small services tell: registry, profiles, apps, watches, crash reports, log, packets."""

import plistlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.base.errors import ConnectionLost, IbackupError, PhoneRefused, ProtocolBroken
from ibackup.device.phones.phone import Phone, open_phone
from ibackup.device.refusals.lockdown_refusals import PhoneLocked
from ibackup.device.services import inquiries, os_trace, pcapd
from ibackup.device.services.os_trace import LogStream, parse_line
from ibackup.device.services.pcapd import PacketStream, parse_packet
from ibackup.simulator import os_trace as virtual_log
from ibackup.simulator import pcapd as virtual_packets
from ibackup.simulator.cloudspec import CrashSpec, LogSpec, PacketSpec, ProfileSpec, SignalsSpec
from ibackup.simulator.faults import StartServiceError
from ibackup.simulator.server import Server
from ibackup.simulator.spec import AppSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

Serve = Callable[..., Server]

SIGNALS = SignalsSpec(
    profiles=(ProfileSpec(name="VPN", organization="Example"),),
    supervised_by="Example",
    watches=2,
    crashes=(CrashSpec(process="backupd", days=1), CrashSpec(process="cloudd", days=2, retired=True)),
    log=(
        LogSpec(text="old", hours_old=5),
        LogSpec(text="first ü", after_s=0.05),
        LogSpec(text="second", process="cloudd"),
    ),
    packets=(
        PacketSpec(size=700, count=2),
        PacketSpec(size=60, interface="utun2", incoming=True, process="apsd"),
    ),
)
SPEC = PhoneSpec(
    signals=SIGNALS,
    apps=(
        AppSpec(bundle_id="org.example.a", name="A", program_size=10, data_size=20),
        AppSpec(bundle_id="org.example.b", name="B", placeholder=True),
    ),
)


@pytest.fixture
def connect(plug_in: Serve) -> Iterator[Callable[[PhoneSpec], Phone]]:
    with ExitStack() as stack:

        def to(spec: PhoneSpec) -> Phone:
            return stack.enter_context(open_phone(address=plug_in(VirtualPhone(spec)).address))

        yield to


@pytest.fixture
def phone(connect: Callable[[PhoneSpec], Phone]) -> Phone:
    return connect(SPEC)


def test_the_registry(phone: Phone) -> None:
    assert inquiries.registry_entry(phone, 5, ioclass="IOPMPowerSource")["CycleCount"] == 120
    assert inquiries.registry_entry(phone, 5, name="AppleBCMWLANSkywalkInterface")["IO80211Channel"] == 36
    assert inquiries.registry_entry(phone, 5, name="nothing") == {}


def test_profiles_and_crash_reports(phone: Phone) -> None:
    assert [each["PayloadDisplayName"] for each in inquiries.profiles(phone, 5)] == ["VPN"]
    assert inquiries.cloud_configuration(phone, 5)["IsSupervised"] is True
    names = inquiries.crash_report_names(phone, 5)
    assert [name.partition("-")[0] for name in names] == ["Retired", "backupd", "cloudd"]


def test_none_of_them(connect: Callable[[PhoneSpec], Phone]) -> None:
    phone = connect(PhoneSpec())
    assert inquiries.profiles(phone, 5) == []
    assert inquiries.crash_report_names(phone, 5) == ["Retired"]


def test_apps(phone: Phone) -> None:
    (app,) = inquiries.user_apps(phone, 5)
    assert (app.bundle_id, app.name, app.data) == ("org.example.a", "A", None)
    (app,) = inquiries.user_apps(phone, 5, sizes=True)
    assert app.data == 20
    assert len(inquiries.user_apps(phone, 5, placeholders=True)) == 2


def lines(phone: Phone) -> list[tuple[str, str, datetime]]:
    with LogStream(phone, 5) as stream:
        return [(line.process, line.text, line.date) for line in stream.lines(0.6) if line is not None]


def test_the_log_from_now_on(phone: Phone) -> None:
    found = lines(phone)
    assert [each[:2] for each in found] == [("backupd", "first ü"), ("cloudd", "second")]
    assert all(abs(datetime.now(UTC) - date) < timedelta(seconds=30) for *_, date in found)


def test_a_silent_log_lets_its_reader_look_around(phone: Phone) -> None:
    began = time.monotonic()
    with LogStream(phone, 5) as stream:
        assert None in list(stream.lines(1.3))
    assert time.monotonic() - began > 1.2


def test_packets(phone: Phone) -> None:
    with PacketStream(phone, 5) as stream:
        found = [each for each in stream.packets(0.5) if each is not None]
    assert [(each.interface, each.process, each.size, each.outgoing) for each in found] == [
        ("en0", "backupd", 700, True),
        ("en0", "backupd", 700, True),
        ("utun2", "apsd", 60, False),
    ]


ASKED: dict[str, Callable[[Phone], object]] = {
    inquiries.DIAGNOSTICS: lambda phone: inquiries.registry_entry(phone, 0.2, ioclass="x"),
    inquiries.PROFILES: lambda phone: inquiries.profiles(phone, 0.2),
    inquiries.APPS: lambda phone: inquiries.user_apps(phone, 0.2),
    inquiries.CRASHES: lambda phone: inquiries.crash_report_names(phone, 0.2),
    os_trace.SERVICE: lambda phone: LogStream(phone, 0.2),
}


@pytest.mark.parametrize("service", ASKED)
def test_a_service_that_is_silent_ends_in_time(connect: Callable[[PhoneSpec], Phone], service: str) -> None:
    phone = connect(PhoneSpec(signals=SignalsSpec(silent_services=(service,))))
    with pytest.raises(ConnectionLost):
        ASKED[service](phone)


@pytest.mark.parametrize("service", ASKED)
def test_a_service_that_does_not_exist(connect: Callable[[PhoneSpec], Phone], service: str) -> None:
    phone = connect(PhoneSpec(faults=(StartServiceError(service=service, error="InvalidService"),)))
    with pytest.raises(PhoneRefused):
        ASKED[service](phone)


def test_a_locked_phone_is_not_waited_for(connect: Callable[[PhoneSpec], Phone]) -> None:
    phone = connect(
        PhoneSpec(faults=(StartServiceError(service=inquiries.PROFILES, error="PasswordProtected"),))
    )
    with pytest.raises(PhoneLocked):
        inquiries.profiles(phone, 5)


# -- what a broken phone sends --------------------------------------------------------------------------------


class Scripted:
    """A phone whose services all answer with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._threads: list[threading.Thread] = []

    def start_at_once(self, name: str) -> socket.socket:
        ours, theirs = socket.socketpair()

        def play() -> None:
            with theirs:
                try:
                    theirs.sendall(self._answer)
                    while theirs.recv(4096):
                        pass
                except OSError:
                    pass  # the client has had enough

        thread = threading.Thread(target=play)
        thread.start()
        self._threads.append(thread)
        return ours

    def end(self) -> None:
        for thread in self._threads:
            thread.join()


def framed(value: dict[str, Any] | list[Any]) -> bytes:
    body = plistlib.dumps(value)
    return struct.pack(">I", len(body)) + body


BAD_ANSWERS = [
    struct.pack(">I", 2**31),
    framed({}),
    framed({"Status": "Failure", "Error": "x"}),
    framed({"Status": 5, "Diagnostics": 5, "LookupResult": 5, "PairedDevicesArray": 5, "Error": "y"}),
    framed(["a"]),
    b"\x00\x00\x00\x04oops",
    b"",
]


@pytest.mark.parametrize("answer", BAD_ANSWERS)
@pytest.mark.parametrize("service", ASKED)
def test_answers_that_make_no_sense(service: str, answer: bytes) -> None:
    phone = Scripted(answer)
    try:
        with pytest.raises(IbackupError):
            ASKED[service](phone)  # type: ignore[arg-type]  # as much of a phone as is needed
    finally:
        phone.end()


@pytest.mark.parametrize(
    "answer",
    [
        struct.pack("<I", 2**32 - 1) + bytes(8),
        struct.pack("<II", 4, 2**31),
        struct.pack("<II", 4, 3) + b"abc",
        struct.pack("<II", 4, len(framed({})) - 4) + framed({})[4:],
        b"",
    ],
)
def test_a_log_that_does_not_begin(answer: bytes) -> None:
    phone = Scripted(answer)
    try:
        with pytest.raises(IbackupError):
            LogStream(phone, 0.3)
    finally:
        phone.end()


@pytest.mark.parametrize("frame", [b"\x05\x00\x00\x00\x00", b"\x02\xff\xff\xff\x7f"])
def test_a_log_that_breaks_off(frame: bytes) -> None:
    begin = plistlib.dumps({"Status": "RequestSuccessful"})
    phone = Scripted(struct.pack("<II", 4, len(begin)) + begin + frame)
    try:
        with LogStream(phone, 1) as stream, pytest.raises(ProtocolBroken):
            list(stream.lines(1))
    finally:
        phone.end()


@given(st.binary(max_size=400), st.integers(0, 400), st.integers(0, 255))
def test_no_record_is_an_error(noise: bytes, place: int, value: int) -> None:
    good = bytearray(virtual_log.record(LogSpec(text="a line"), 1_790_000_000.25))
    parsed = parse_line(bytes(good))
    assert parsed is not None
    assert (parsed.text, parsed.process) == ("a line", "backupd")
    assert parsed.date == datetime.fromtimestamp(1_790_000_000.25, UTC)
    good[place % len(good)] = value
    for data in (noise, bytes(good), bytes(good[: place % len(good)])):
        line = parse_line(data)
        assert line is None or (line.text.isprintable() and line.date.tzinfo is UTC)


@given(st.binary(max_size=200), st.integers(0, 200), st.integers(0, 255))
def test_no_packet_is_an_error(noise: bytes, place: int, value: int) -> None:
    good = bytearray(virtual_packets.packed(PacketSpec(size=40), 1_790_000_000.0))
    assert parse_packet(plistlib.dumps(bytes(good))) == pcapd.Packet("en0", "backupd", 40, outgoing=True)
    good[place % len(good)] = value
    for message in (noise, plistlib.dumps(bytes(good)), plistlib.dumps(noise), plistlib.dumps({"a": noise})):
        packet = parse_packet(message)
        assert packet is None or packet.interface.isprintable()
