"""Lockdown with a phone that answers nonsense, falls silent or goes away; and what is left behind."""

import gc
import logging
import os
import plistlib
import socket
import ssl
import struct
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from ibackup.base.errors import ConnectionLost, IbackupError, PhoneRefused, ProtocolBroken
from ibackup.base.events import ignore
from ibackup.config.stall_limits import Limits
from ibackup.device.lockdown.lockdown import Lockdown
from ibackup.device.lockdown.pairing import HostTls, PairRecord
from ibackup.device.mux.channel import PlistStream
from ibackup.device.mux.usbmux import Attached, Usbmux, parse_address
from ibackup.device.phones.found_phones import find
from ibackup.device.phones.phone import open_phone
from ibackup.simulator.cloudspec import SignalsSpec
from ibackup.simulator.server import Server
from ibackup.simulator.spec import PhoneSpec, Trust
from ibackup.simulator.virtual_phone import VirtualPhone

Serve = Callable[..., Server]
Talk = Callable[[socket.socket], None]

SESSION = PairRecord("HOST", "BUID", b"", b"", b"", b"", b""), cast("HostTls", None)
UDID = "00008101-000A0B0C0D0E0F01"


class OnePhone(Usbmux):
    """A usbmuxd whose only phone is played by the test: each connection to it is handed to `talk`."""

    def __init__(self, talk: Talk) -> None:
        super().__init__(parse_address("127.0.0.1:1"))
        self._talk = talk
        self.threads: list[threading.Thread] = []

    def connect(self, device_id: int, port: int) -> socket.socket:
        near, far = socket.socketpair()

        def play() -> None:
            with far:
                try:
                    self._talk(far)
                except OSError:
                    return  # the other side has seen enough

        thread = threading.Thread(target=play)
        thread.start()
        self.threads.append(thread)
        return near


@pytest.fixture
def talk_to() -> Iterator[Callable[[Talk], Lockdown]]:
    muxes = []

    def connect(talk: Talk, limits: Limits | None = None) -> Lockdown:
        mux = OnePhone(talk)
        muxes.append(mux)
        return Lockdown(mux, Attached(1, UDID, "USB"), limits or Limits())

    yield connect
    for mux in muxes:
        for thread in mux.threads:
            thread.join()
            assert not thread.is_alive()


def receive(sock: socket.socket) -> dict[str, object]:
    (length,) = struct.unpack(">I", sock.recv(4, socket.MSG_WAITALL) or b"\0\0\0\0")
    if not length:
        raise OSError("closed")
    answer: dict[str, object] = plistlib.loads(sock.recv(length, socket.MSG_WAITALL))
    return answer


def send(sock: socket.socket, value: object) -> None:
    body = plistlib.dumps(value)  # type: ignore[arg-type]
    sock.sendall(struct.pack(">I", len(body)) + body)


def answering(values: object, *more: object) -> Talk:
    """A phone that greets well, then answers GetValue like this."""

    def talk(sock: socket.socket) -> None:
        receive(sock)
        send(sock, {"Request": "QueryType", "Type": "com.apple.mobile.lockdown"})
        for value in (values, *more):
            receive(sock)
            send(sock, value)
        sock.recv(1)

    return talk


def saying(data: bytes) -> Talk:
    def talk(sock: socket.socket) -> None:
        receive(sock)
        sock.sendall(data)
        sock.recv(1)

    return talk


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        struct.pack(">I", 17 << 20),
        struct.pack(">I", 5) + b"hello",
        struct.pack(">I", 0),
        struct.pack(">I", 8) + b"bplist00",
        struct.pack(">I", len(b"<plist><array/></plist>")) + b"<plist><array/></plist>",
        struct.pack(">I", 70000) + b"<array>" * 10000,
    ],
)
def test_nonsense(talk_to: Callable[[Talk], Lockdown], data: bytes) -> None:
    with pytest.raises(ProtocolBroken):
        talk_to(saying(data))


@pytest.mark.parametrize("value", [[1], "text", 7, b"data", True])
def test_values_that_are_no_dictionary(talk_to: Callable[[Talk], Lockdown], value: object) -> None:
    connected = talk_to(answering({"Request": "GetValue", "Value": value}))
    assert connected.basics == {}
    assert connected.noun == "iPhone"
    connected.close()


def test_a_phone_that_does_not_repeat_the_question(talk_to: Callable[[Talk], Lockdown]) -> None:
    def talk(sock: socket.socket) -> None:
        for answer in ({}, {"Value": {"DeviceClass": "iPad"}}, {"Value": "7"}, {"Error": "MissingValue"}):
            receive(sock)
            send(sock, answer)

    connected = talk_to(talk)
    assert connected.noun == "iPad"
    assert connected.value("", "Seven") == "7"
    assert connected.value("", "Eight") is None
    connected.close()


def test_a_phone_without_tls_needs_no_certificates(talk_to: Callable[[Talk], Lockdown]) -> None:
    """Neither does any other host look at them then."""
    record = PairRecord.parse(plistlib.dumps({"HostID": "H", "DeviceCertificate": b"x", "EscrowBag": b"bag"}))
    assert record is not None
    asked = []

    def talk(sock: socket.socket) -> None:
        first = sock.recv(1, socket.MSG_PEEK)
        while first == b"\0":
            request = receive(sock)
            asked.append(request["Request"])
            extra = {"Type": "com.apple.mobile.lockdown", "Value": {}, "EnableSessionSSL": False}
            send(sock, {"Request": request["Request"], "SessionID": "S", "Port": 5, **extra})
            first = sock.recv(1, socket.MSG_PEEK)

    connected = talk_to(talk)
    assert connected.start_session(record, HostTls(record, "USB", "iPhone", ignore))
    with connected.start_service("com.apple.mobilebackup2", escrow=True) as sock:
        assert not isinstance(sock, ssl.SSLSocket)
    connected.close()
    assert asked == ["QueryType", "GetValue", "StartSession", "GetValue", "StartService"]


@pytest.mark.parametrize("plain", ["EnableSessionSSL", "EnableServiceSSL"])
def test_over_the_network_nothing_goes_unencrypted(plain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the key of the pairing would prove nothing: an impostor need only leave TLS out."""
    asked: list[str] = []

    def talk(sock: socket.socket) -> None:
        while True:
            request = receive(sock)
            asked.append(str(request["Request"]))
            ssl_ = {"EnableSessionSSL": True, "EnableServiceSSL": True} | {plain: False}
            extra = {"Type": "com.apple.mobile.lockdown", "Value": {}, "SessionID": "S", "Port": 5, **ssl_}
            send(sock, {"Request": request["Request"], **extra})

    monkeypatch.setattr(
        HostTls, "wrap", lambda _self, sock, _seconds: sock
    )  # TLS itself is not the matter here
    mux = OnePhone(talk)
    connected = Lockdown(mux, Attached(1, UDID, "Network"), Limits())

    def go() -> None:
        connected.start_session(SESSION[0], HostTls(SESSION[0], "Network", "iPhone", ignore))
        connected.start_service("com.apple.afc", escrow=False)

    with pytest.raises(ProtocolBroken, match="does not prove"):
        go()
    connected.close()
    for thread in mux.threads:
        thread.join()
    assert asked[-1] == ("StartSession" if plain == "EnableSessionSSL" else "StartService")


@pytest.mark.parametrize(
    ("version", "old"),
    [("9.3.6", True), ("7.0", True), ("10.0", False), ("26.1", False), ("", False), ("x", False)],
)
def test_how_old_a_phone_is(talk_to: Callable[[Talk], Lockdown], version: str, old: bool) -> None:
    connected = talk_to(answering({"Request": "GetValue", "Value": {"ProductVersion": version}}))
    assert connected.is_old is old
    connected.close()


def test_a_phone_that_reports_nothing_before_trust(talk_to: Callable[[Talk], Lockdown]) -> None:
    connected = talk_to(answering({"Request": "GetValue", "Error": "GetProhibited"}))
    assert connected.basics == {}
    connected.close()


def test_an_answer_to_another_question(talk_to: Callable[[Talk], Lockdown]) -> None:
    with pytest.raises(IbackupError) as caught:
        talk_to(answering({"Request": "StartSession", "SessionID": "secret-session"}))
    assert "secret-session" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.__cause__ is None


def test_a_phone_in_recovery(talk_to: Callable[[Talk], Lockdown]) -> None:
    def talk(sock: socket.socket) -> None:
        receive(sock)
        send(sock, {"Request": "QueryType", "Type": "com.apple.mobile.restored"})

    with pytest.raises(PhoneRefused, match="not running normally"):
        talk_to(talk)


def test_a_phone_that_hangs_up(talk_to: Callable[[Talk], Lockdown]) -> None:
    with pytest.raises(ConnectionLost):
        talk_to(lambda sock: sock.close())


def test_a_phone_that_says_nothing(talk_to: Callable[[Talk, Limits], Lockdown]) -> None:
    def talk(sock: socket.socket) -> None:
        while sock.recv(65536):
            pass

    with pytest.raises(ConnectionLost, match="does not answer"):
        talk_to(talk, Limits(lockdown_s=0.1))


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_ones(
    plug_in: Serve,
) -> None:
    slow = SignalsSpec(slow_domains=("com.apple.disk_usage",), slow_s=0.6)
    server = plug_in(VirtualPhone(PhoneSpec(signals=slow)))
    with open_phone(address=server.address) as phone:
        phone.hurry(0.3)
        with pytest.raises(ConnectionLost, match="does not answer"):
            phone.values("com.apple.disk_usage")
        phone.hurry(600)
        assert phone.value("", "ProductType") == PhoneSpec().product_type
        assert phone.values("com.apple.mobile.battery")["BatteryCurrentCapacity"] == 80
        phone.start_at_once("com.apple.afc").close()


def test_ctrl_c_leaves_nothing_behind(
    talk_to: Callable[[Talk], Lockdown], monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = talk_to(answering({"Request": "GetValue", "Value": {}}))

    def interrupted(_stream: PlistStream, _seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(PlistStream, "poll", interrupted)
    with pytest.raises(KeyboardInterrupt):
        connected.values("")
    assert connected._stream is None  # the answer to that question must not be taken for another's
    connected.close()
    connected.close()
    with pytest.raises(ConnectionLost, match="closed"):
        connected.values("")


def test_a_start_service_without_a_port(talk_to: Callable[[Talk], Lockdown]) -> None:
    talk = answering({"Request": "GetValue", "Value": {}}, {"Request": "StartService", "Port": "22"})
    connected = talk_to(talk)
    connected._session = SESSION
    with pytest.raises(ProtocolBroken, match="does not say where"):
        connected.start_service("com.apple.afc", escrow=False)
    connected.close()


def test_the_session_survives_a_lost_connection(plug_in: Serve) -> None:
    """Lockdown hangs up on those who are idle for long; a backup takes hours."""
    phone = VirtualPhone(PhoneSpec())
    server = plug_in(phone)
    with open_phone(address=server.address) as opened:
        assert opened._lockdown._stream is not None
        opened._lockdown._stream.sock.shutdown(socket.SHUT_RDWR)
        assert opened.value("com.apple.mobile.backup", "WillEncrypt") is False
        opened.start_service("com.apple.afc").close()
    assert len(phone.journal.details("session")) == 2


def test_a_phone_that_hangs_up_on_every_session(talk_to: Callable[[Talk], Lockdown]) -> None:
    """A lost connection is opened again once, not over and over."""
    asked = []

    def talk(sock: socket.socket) -> None:
        message = receive(sock)
        asked.append(message["Request"])
        if message["Request"] == "QueryType":
            send(sock, {"Request": "QueryType", "Type": "com.apple.mobile.lockdown"})
            receive(sock)
            send(sock, {"Request": "GetValue", "Value": {}})

    connected = talk_to(talk)
    connected._session = SESSION
    with pytest.raises(ConnectionLost, match="was lost"):
        connected.values("")
    assert asked == ["QueryType", "StartSession"]
    connected.close()


def test_an_answer_that_comes_late_is_not_taken_for_another(
    talk_to: Callable[[Talk], Lockdown],
) -> None:
    connections = []

    def talk(sock: socket.socket) -> None:
        connections.append(sock)
        while True:
            request = receive(sock)["Request"]
            if len(connections) == 1 and request == "GetValue" and connected:
                sock.recv(1)  # until nobody waits any more
            send(
                sock,
                {"Request": request, "Type": "com.apple.mobile.lockdown", "Value": {"N": len(connections)}},
            )

    connected: list[Lockdown] = []
    connected.append(talk_to(talk))
    connected[0].request_seconds = 0.1
    with pytest.raises(ConnectionLost, match="does not answer"):
        connected[0].values("")
    connected[0].request_seconds = 600
    assert connected[0].values("") == {"N": 2}
    connected[0].close()


def test_nothing_is_left_open(plug_in: Serve) -> None:
    """No socket, thread, loop or warning, whether it went well or not."""
    good = VirtualPhone(PhoneSpec(seed=1))
    pending = VirtualPhone(PhoneSpec(seed=2, trust=Trust(kind="pending")))
    server = plug_in(good, pending)

    def everything() -> None:
        find(server.address)
        with open_phone(good.udid, address=server.address) as opened:
            opened.start_service("com.apple.afc").close()
        with pytest.raises(IbackupError):
            open_phone(pending.udid, address=server.address, patience=0)

    everything()
    gc.collect()
    before, threads = open_files(), threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        everything()
        gc.collect()
    while open_files() > before or threading.active_count() > threads:
        time.sleep(0.02)  # the virtual phone's ends close a moment later


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def test_the_library_below_is_quiet(plug_in: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[logging.LogRecord] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    root = logging.getLogger()
    handler = Collector(level=0)
    root.addHandler(handler)
    try:
        phone = VirtualPhone(PhoneSpec(trust=Trust(kind="dialog")))
        with open_phone(address=plug_in(phone).address, patience=5) as opened:
            opened.start_service("com.apple.afc").close()
    finally:
        root.removeHandler(handler)
    assert [record for record in seen if record.name.startswith("pymobiledevice3")] == []
    assert capfd.readouterr() == ("", "")
