"""The channel: handshake, messages, limits, silence, and a connection that ends at every byte."""

import contextlib
import plistlib
import socket
import ssl
import struct
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from ibackup.base.errors import ConnectionLost, ProtocolBroken
from ibackup.base.exit_codes import ExitCode
from ibackup.config.stall_limits import Limits
from ibackup.device.devicelink.link import DeviceLink
from support.scripted import OPTIONS, Device, blob, chunk, name, playing
from support.working_lab import Lab

IMPATIENT = Limits(
    answer_s=0.3, scan_s=0.3, message_s=0.3, between_files_s=0.3, within_file_s=0.3, sending_s=0.3
)


@pytest.mark.parametrize(
    ("major", "negotiated"), [(100, 100), (300, 300), (400, 400), (500, 400), (99999, 400)]
)
def test_versions(major: int, negotiated: int) -> None:
    def script(device: Device) -> None:
        device.send("DLMessageVersionExchange", major, 0)
        assert device.receive() == ["DLMessageVersionExchange", "DLVersionsOk", negotiated]
        device.send("DLMessageDeviceReady")

    with playing(script) as sock, DeviceLink(sock) as link:
        link.handshake()
        assert link.version == negotiated


@pytest.mark.parametrize(
    "offer",
    [
        ["DLMessageVersionExchange"],
        ["DLMessageVersionExchange", "400", 0],
        ["DLMessageVersionExchange", 0, 0],
        ["DLMessageVersionExchange", 1 << 40, 0],
        ["DLMessageDeviceReady"],
        ["DLMessageProcessMessage", {}],
    ],
)
def test_a_version_that_is_none(offer: list[object]) -> None:
    with (
        playing(lambda device: device.send(*offer)) as sock,
        DeviceLink(sock) as link,
        pytest.raises(ProtocolBroken, match="version"),
    ):
        link.handshake()


def test_a_phone_that_is_not_ready() -> None:
    def script(device: Device) -> None:
        device.send("DLMessageVersionExchange", 400, 0)
        device.receive()
        device.send("DLMessageDownloadFiles", [], {}, 0.0, 0)

    with playing(script) as sock, DeviceLink(sock) as link, pytest.raises(ProtocolBroken, match="ready"):
        link.handshake()


def test_messages_come_out_as_they_went_in() -> None:
    big = ["DLMessageProcessMessage", {"Content": "x" * 3_000_000}]  # more than a receive buffer

    def script(device: Device) -> None:
        device.send("DLMessagePing", "still there?")
        device.send("a", 1)
        device.send(*big)
        body = plistlib.dumps(["xml", -5, {"k": b"v"}])
        device.raw(struct.pack(">I", len(body)) + body)
        for byte in struct.pack(">I", 0):
            device.raw(bytes([byte]))

    with playing(script) as sock, DeviceLink(sock) as link:
        assert link.receive() == ["a", 1]
        assert link.receive() == big
        assert link.receive() == ["xml", -5, {"k": b"v"}]
        with pytest.raises(ProtocolBroken, match="cannot be read"):
            link.receive()


@pytest.mark.parametrize(
    "body",
    [
        b"junk",
        b"bplist00",
        plistlib.dumps({"a": 1}),
        plistlib.dumps([]),
        plistlib.dumps([1, "a"]),
        b"\0" * 70_000,
    ],
)
def test_a_message_that_is_none(body: bytes) -> None:
    with (
        playing(lambda device: device.raw(struct.pack(">I", len(body)) + body)) as sock,
        DeviceLink(sock) as link,
        pytest.raises(ProtocolBroken),
    ):
        link.receive()


def test_a_plist_that_claims_too_much() -> None:
    trailer = struct.pack(">6xBBQQQ", 1, 1, 0xFFFF_FFFF, 0, 9)
    body = b"bplist00\xa0" + trailer
    with (
        playing(lambda device: device.raw(struct.pack(">I", len(body)) + body)) as sock,
        DeviceLink(sock) as link,
        pytest.raises(ProtocolBroken),
    ):
        link.receive()


@pytest.mark.parametrize("length", [(64 << 20) + 1, 0xFFFF_FFFF])
def test_an_announced_giant_is_refused_at_once(length: int) -> None:
    with playing(lambda device: device.raw(struct.pack(">I", length))) as sock, DeviceLink(sock) as link:
        with pytest.raises(ProtocolBroken, match=f"{length:,}") as caught:
            link.receive()
        assert caught.value.exit_code == ExitCode.PHONE_REFUSED


def test_what_is_only_announced_takes_no_memory() -> None:
    def script(device: Device) -> None:
        device.raw(struct.pack(">I", 64 << 20) + bytes(100_000))

    with playing(script) as sock, DeviceLink(sock) as link:
        tracemalloc.start()
        try:
            with pytest.raises(ConnectionLost):
                link.receive()
            assert tracemalloc.get_traced_memory()[1] < 2 << 20
        finally:
            tracemalloc.stop()


def test_the_end_at_every_byte() -> None:
    body = plistlib.dumps(["DLMessageVersionExchange", 400, 0], fmt=plistlib.FMT_BINARY)
    whole = struct.pack(">I", len(body)) + body
    for size in range(len(whole)):
        ours, theirs = socket.socketpair()
        with theirs, DeviceLink(ours) as link:
            theirs.sendall(whole[:size])
            theirs.close()
            with pytest.raises(ConnectionLost) as caught:
                link.receive()
            assert caught.value.exit_code == ExitCode.CONNECTION_LOST
            assert caught.value.hint


def test_what_came_before_the_end_is_used() -> None:
    with playing(lambda device: device.send("last words")) as sock, DeviceLink(sock) as link:
        time.sleep(0.05)
        assert link.receive() == ["last words"]
        with pytest.raises(ConnectionLost):
            link.receive()


def test_silence() -> None:
    ours, theirs = socket.socketpair()
    with theirs, DeviceLink(ours, noun="iPad", limits=IMPATIENT) as link:
        link.activity = "it scanned its files"
        link.last_file = "/var/mobile/x"
        pulses: list[float] = []
        link.pulse = lambda: pulses.append(time.monotonic())
        with pytest.raises(
            ConnectionLost, match=r"iPad has been silent .* while it scanned its files"
        ) as caught:
            link.receive()
        assert "/var/mobile/x" in caught.value.message
        assert caught.value.hint
        assert pulses


def test_a_phone_that_takes_nothing() -> None:
    ours, theirs = socket.socketpair()
    with theirs, DeviceLink(ours, limits=IMPATIENT) as link, pytest.raises(ConnectionLost, match="silent"):
        link.write(memoryview(bytes(1 << 24)))


def test_a_phone_that_is_gone_when_it_is_written_to() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    with DeviceLink(ours) as link, pytest.raises(ConnectionLost):
        link.send(["a"])


def test_a_pulse_may_stop_everything() -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    ours, theirs = socket.socketpair()
    with theirs, DeviceLink(ours) as link:
        link.pulse = stop
        with pytest.raises(Stop):
            link.receive()


def test_goodbye() -> None:
    heard: list[list[object]] = []

    def script(device: Device) -> None:
        heard.append(device.receive())
        heard.append(device.receive())

    with playing(script) as sock, DeviceLink(sock) as link:
        link.disconnect()
        link.disconnect()  # said once
    assert heard == [["DLMessageDisconnect", "___EmptyParameterString___"]]


@pytest.mark.timeout(20)
def test_goodbye_to_a_phone_that_does_not_listen() -> None:
    ours, theirs = socket.socketpair()
    with theirs, DeviceLink(ours, limits=IMPATIENT) as link:
        with pytest.raises(ConnectionLost):
            link.write(memoryview(bytes(1 << 24)))
        link.disconnect()


def _contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's and a client's, with a certificate of the moment."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "phone")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "phone.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    return server, client


@pytest.mark.parametrize("ending", ["closed", "torn"])
def test_over_tls(tmp_path: Path, ending: str) -> None:
    server, client = _contexts(tmp_path)
    ours, theirs = socket.socketpair()
    big = "x" * 2_000_000

    def phone() -> None:
        with server.wrap_socket(theirs, server_side=True) as sock:
            device = Device(sock)
            device.send("hello", big)
            assert device.receive() == ["answer", big]
            if ending == "closed":
                sock.settimeout(0)
                with contextlib.suppress(OSError):  # the goodbye is sent, its answer not waited for
                    sock.unwrap()

    thread = threading.Thread(target=phone)
    thread.start()
    try:
        with DeviceLink(client.wrap_socket(ours)) as link:
            assert link.receive() == ["hello", big]
            link.send(["answer", big])
            with pytest.raises(ConnectionLost):
                link.receive()
    finally:
        thread.join()


SLOW = Limits(trickle_s=0.6, least_bytes=1000)


def test_a_byte_now_and_then_is_not_enough_within_a_file(lab: Lab) -> None:
    def script(device: Device) -> None:
        device.send("DLMessageUploadFiles", OPTIONS, 1.0, 1)
        device.raw(name("/var/mobile/slow.jpg") + name(blob(1)))
        while True:
            device.raw(chunk(b"x"))
            time.sleep(0.05)

    with (
        lab.serving(script, SLOW) as answer,
        pytest.raises(ConnectionLost, match=r"moved \d+ bytes in \d seconds? while") as caught,
    ):
        answer()
    assert "slow.jpg" in caught.value.why
    assert "continues from there" in caught.value.hint


def test_a_byte_now_and_then_is_not_enough_within_a_message() -> None:
    def script(device: Device) -> None:
        device.raw(struct.pack(">I", 1 << 20))
        while True:
            device.raw(b"x")
            time.sleep(0.05)

    with playing(script) as sock, DeviceLink(sock, limits=SLOW) as link:
        link.waiting = 60
        with pytest.raises(ConnectionLost, match=r"moved \d+ bytes"):
            link.receive()


def test_a_phone_that_takes_a_byte_now_and_then() -> None:
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.05):
            theirs.recv(10)

    thread = threading.Thread(target=drip)
    with theirs, DeviceLink(ours, limits=Limits(trickle_s=0.6, least_bytes=1 << 20)) as link:
        thread.start()
        try:
            with pytest.raises(ConnectionLost, match=r"moved [\d,]+ bytes"):
                link.write(memoryview(bytes(4 << 20)))
        finally:
            stop.set()
            thread.join()


def test_a_phone_that_only_says_that_it_is_there() -> None:
    def script(device: Device) -> None:
        while True:
            device.send("DLMessagePing", "")
            time.sleep(0.02)

    with playing(script) as sock, DeviceLink(sock) as link:
        link.waiting = 0.1
        with pytest.raises(ConnectionLost, match="only said that it is there"):
            link.receive()


def test_slow_is_not_too_slow(lab: Lab) -> None:
    """A phone that keeps sending is waited for, however often it pauses."""

    def script(device: Device) -> None:
        device.send("DLMessageUploadFiles", OPTIONS, 1.0, 1)
        device.raw(name("/var/mobile/slow.jpg") + name(blob(1)))
        for _ in range(40):
            device.raw(chunk(bytes(5000)))
            time.sleep(0.1)
        device.raw(chunk(b"", 0) + bytes(4))
        assert device.status()[0] == 0
        device.send("DLMessageDisconnect", "done")

    with lab.serving(script, Limits(trickle_s=3, least_bytes=1000)) as answer:
        answer()
