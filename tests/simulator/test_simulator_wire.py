"""What the virtual iPhone says byte by byte, to clients that behave and to those that do not."""

import plistlib
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ibackup.simulator.faults import DropAfterBytes, SilentAfterBytes, SyncLockHeld
from ibackup.simulator.server import Server
from ibackup.simulator.service_table import SERVICES
from ibackup.simulator.spec import PhoneSpec, Trust
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone

Serving = Callable[..., Server]
Plist = dict[str, object]

NOTIFICATION_PROXY = "com.apple.mobile.notification_proxy"
AFC = "com.apple.afc"


class Client:
    """A client of our own making, which can do what real ones do not."""

    def __init__(self, server: Server) -> None:
        assert server.port is not None
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    # usbmuxd

    def mux_packet(self, body: bytes, *, version: int = 1, kind: int = 8, tag: int = 77) -> None:
        self.socket.sendall(struct.pack("<IIII", 16 + len(body), version, kind, tag) + body)

    def mux_answer(self) -> tuple[int, int, int, bytes]:
        size, version, kind, tag = struct.unpack("<IIII", self.exactly(16))
        return version, kind, tag, self.exactly(size - 16)

    def mux(self, verb: str, **keys: object) -> Plist:
        self.mux_packet(plistlib.dumps({"MessageType": verb, **keys}))
        version, kind, tag, body = self.mux_answer()
        assert (version, kind, tag) == (1, 8, 77)
        return dict(plistlib.loads(body, fmt=plistlib.FMT_XML))

    def event(self) -> Plist:
        _, _, tag, body = self.mux_answer()
        assert tag == 0
        return dict(plistlib.loads(body))

    def connect(self, port: int, device: int = 1) -> Plist:
        return self.mux("Connect", DeviceID=device, PortNumber=socket.htons(port))

    # what is behind it

    def send(self, message: Plist, *, binary: bool = False) -> None:
        data = plistlib.dumps(message, fmt=plistlib.FMT_BINARY if binary else plistlib.FMT_XML)
        self.socket.sendall(struct.pack(">I", len(data)) + data)

    def receive(self) -> Plist:
        (size,) = struct.unpack(">I", self.exactly(4))
        return dict(plistlib.loads(self.exactly(size)))

    def ask(self, verb: str, **keys: object) -> Plist:
        self.send({"Label": "test", "Request": verb, **keys})
        return self.receive()

    def start_tls(self, context: ssl.SSLContext) -> None:
        self.socket = context.wrap_socket(self.socket)

    def afc(self, operation: int, parameters: bytes = b"", payload: bytes = b"") -> tuple[int, bytes]:
        this = 40 + len(parameters)
        header = struct.pack("<8sQQQQ", b"CFA6LPAA", this + len(payload), this, 5, operation)
        self.socket.sendall(header + parameters + payload)
        magic, whole, _, number, kind = struct.unpack("<8sQQQQ", self.exactly(40))
        assert (magic, number) == (b"CFA6LPAA", 5)
        return kind, self.exactly(whole - 40)

    def afc_status(self, operation: int, parameters: bytes = b"", payload: bytes = b"") -> int:
        kind, body = self.afc(operation, parameters, payload)
        assert kind == 1
        (code,) = struct.unpack("<Q", body)
        return int(code)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def connect(serving: Serving) -> Iterator[Callable[[Server], Client]]:
    clients: list[Client] = []

    def make(server: Server) -> Client:
        clients.append(Client(server))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


Connect = Callable[[Server], Client]


@pytest.fixture
def tls(tmp_path: Path) -> Callable[..., ssl.SSLContext]:
    def make(record: dict[str, object], *, who: str = "Host") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if who:
            path = tmp_path / f"{who}.pem"
            certificate, key = record[f"{who}Certificate"], record[f"{who}PrivateKey"]
            assert isinstance(certificate, bytes)
            assert isinstance(key, bytes)
            path.write_bytes(certificate + key)
            context.load_cert_chain(path)
        return context

    return make


Tls = Callable[..., ssl.SSLContext]


def service(server: Server, connect: Connect, tls: Tls, phone: VirtualPhone, name: str) -> Client:
    """Connect to a service the way clients do."""
    record = plistlib.loads(server.usbmuxd.record(phone.udid) or b"")
    lockdown = connect(server)
    assert lockdown.connect(62078)["Number"] == 0
    session = lockdown.ask("StartSession", HostID=record["HostID"], SystemBUID=record["SystemBUID"])
    assert session["EnableSessionSSL"] is True
    lockdown.start_tls(tls(record))
    started = lockdown.ask("StartService", Service=name, EscrowBag=record["EscrowBag"])
    assert started["EnableServiceSSL"] is True
    port = started["Port"]
    assert isinstance(port, int)
    client = connect(server)
    assert client.connect(port)["Number"] == 0
    client.start_tls(tls(record, who="Root"))
    lockdown.close()
    return client


# --- usbmuxd


def test_device_list_has_no_message_type(serving: Serving, connect: Connect) -> None:
    phone = VirtualPhone(PhoneSpec(connection_types=("USB", "Network")))
    answer = connect(serving(phone)).mux("ListDevices")
    assert list(answer) == ["DeviceList"]
    devices = answer["DeviceList"]
    assert isinstance(devices, list)
    usb, network = devices
    assert usb["DeviceID"] == usb["Properties"]["DeviceID"] == 1
    assert usb["Properties"]["SerialNumber"] == phone.udid
    assert network["Properties"]["ConnectionType"] == "Network"
    assert isinstance(network["Properties"]["NetworkAddress"], bytes)


def test_listeners_hear_of_phones_that_come_pair_and_go(serving: Serving, connect: Connect) -> None:
    one, two = VirtualPhone(PhoneSpec(seed=1)), VirtualPhone(PhoneSpec(seed=2))
    server = serving(one)
    listener, other = connect(server), connect(server)
    assert listener.mux("Listen", ProgName="listener")["Number"] == 0
    assert listener.event()["MessageType"] == "Attached"
    server.attach(two)
    assert listener.event()["DeviceID"] == 2
    listeners = other.mux("ListListeners")["ListenerList"]
    assert [each["ProgName"] for each in listeners] == ["listener"]  # type: ignore[attr-defined]
    saved = other.mux("SavePairRecord", PairRecordID=two.udid.replace("-", ""), PairRecordData=b"x")
    assert saved["Number"] == 0
    assert listener.event() == {"MessageType": "Paired", "DeviceID": 2}
    server.detach(one)
    assert listener.event() == {"MessageType": "Detached", "DeviceID": 1}
    server.attach(one)
    assert listener.event()["DeviceID"] == 3  # a number is never used again


def test_pair_records_in_both_spellings(serving: Serving, connect: Connect) -> None:
    phone = VirtualPhone(PhoneSpec())
    client = connect(serving(phone))
    dashless = phone.udid.replace("-", "")
    first = client.mux("ReadPairRecord", PairRecordID=phone.udid)
    assert client.mux("ReadPairRecord", PairRecordID=dashless) == first
    data = first["PairRecordData"]
    assert isinstance(data, bytes)
    record = plistlib.loads(data)
    assert len(record["EscrowBag"]) == 32
    assert record["SystemBUID"] == client.mux("ReadBUID")["BUID"]
    assert client.mux("DeletePairRecord", PairRecordID=dashless)["Number"] == 0
    assert client.mux("ReadPairRecord", PairRecordID=phone.udid) == {"MessageType": "Result", "Number": 2}
    assert client.mux("DeletePairRecord", PairRecordID=dashless)["Number"] == 2
    assert client.mux("SavePairRecord", PairRecordID=dashless)["Number"] == 22


def test_a_phone_that_trusts_nobody_has_no_record(serving: Serving, connect: Connect) -> None:
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="dialog")))
    assert connect(serving(phone)).mux("ReadPairRecord", PairRecordID=phone.udid)["Number"] == 2


def test_refused_connections_leave_the_conversation_open(serving: Serving, connect: Connect) -> None:
    client = connect(serving(VirtualPhone(PhoneSpec())))
    assert client.connect(62078, device=9)["Number"] == 2
    assert client.connect(1234)["Number"] == 3
    assert client.mux("Connect", DeviceID=1, PortNumber="x")["Number"] == 1
    assert client.mux("MakeTea")["Number"] == 1
    client.mux_packet(b"", version=2)
    assert client.mux_answer() == (0, 1, 77, struct.pack("<I", 6))
    assert client.connect(62078)["Number"] == 0


def test_usbmuxd_does_not_answer_what_it_cannot_read(serving: Serving, connect: Connect) -> None:
    client = connect(serving(VirtualPhone(PhoneSpec())))
    request = {"MessageType": "ListDevices"}
    for body in (b"not a plist", plistlib.dumps(request, fmt=plistlib.FMT_BINARY), plistlib.dumps([request])):
        client.mux_packet(body)
    assert "BUID" in client.mux("ReadBUID")  # the first answer is that of the first request it could read
    client.mux_packet(bytes(2**16))
    with pytest.raises((EOFError, ConnectionError)):
        client.exactly(1)


def test_who_listens_may_ask_no_more(serving: Serving, connect: Connect) -> None:
    client = connect(serving())
    assert client.mux("Listen")["Number"] == 0
    assert client.mux("ListDevices") == {"MessageType": "Result", "Number": 1}
    with pytest.raises(EOFError):
        client.exactly(1)


def test_the_binary_protocol_is_spoken_to_those_who_speak_it(serving: Serving, connect: Connect) -> None:
    phone = VirtualPhone(PhoneSpec())
    server = serving(phone)
    listener, client = connect(server), connect(server)
    listener.mux_packet(b"", version=0, kind=3)
    assert listener.mux_answer() == (0, 1, 77, struct.pack("<I", 0))
    version, kind, tag, body = listener.mux_answer()
    number, product, serial, _ = struct.unpack("<IH256s2xI", body)
    assert (version, kind, tag, number, product) == (0, 4, 0, 1, 0x12A8)
    assert serial.rstrip(b"\0").decode() == phone.udid
    client.mux_packet(struct.pack("<IHH", 1, socket.htons(62078), 0), version=0, kind=2)
    assert client.mux_answer() == (0, 1, 77, struct.pack("<I", 0))
    assert client.ask("QueryType")["Type"] == "com.apple.mobile.lockdown"
    server.detach(phone)
    assert listener.mux_answer() == (0, 5, 0, struct.pack("<I", 1))
    other = connect(server)
    other.mux_packet(b"", version=0, kind=99)
    assert other.mux_answer() == (0, 1, 77, struct.pack("<I", 1))


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 64, bytes(16), struct.pack("<IIII", 15, 1, 8, 1), b"GET / HTTP/1.1\r\n\r\n"],
    ids=["ones", "zeros", "short", "http"],
)
def test_garbage_ends_one_connection_only(serving: Serving, connect: Connect, garbage: bytes) -> None:
    server = serving(VirtualPhone(PhoneSpec()))
    bad = connect(server)
    bad.socket.sendall(garbage)
    with pytest.raises((EOFError, ConnectionError)):
        bad.exactly(1)
    assert connect(server).mux("ReadBUID")


# --- lockdownd


def lockdown(server: Server, connect: Connect) -> Client:
    client = connect(server)
    assert client.connect(62078)["Number"] == 0
    return client


def test_what_anybody_may_read(serving: Serving, connect: Connect) -> None:
    client = lockdown(serving(VirtualPhone(PhoneSpec())), connect)
    assert client.ask("GetValue", Key="ProductVersion")["Value"] == PhoneSpec().ios_version
    assert client.ask("GetValue", Key="SerialNumber")["Error"] == "GetProhibited"
    assert client.ask("GetValue", Key="Nonsense")["Error"] == "MissingValue"
    assert client.ask("GetValue", Domain="com.apple.mobile.backup")["Error"] == "GetProhibited"
    everything = client.ask("GetValue")["Value"]
    assert isinstance(everything, dict)
    assert "DevicePublicKey" in everything
    assert "PhoneNumber" not in everything
    assert client.ask("SetValue", Key="DeviceName", Value="x")["Error"] == "SetProhibited"
    assert client.ask("StartService", Service=AFC)["Error"] == "SessionInactive"
    assert client.ask("StopSession", SessionID="x")["Error"] == "SessionInactive"


def test_refused_sessions_and_pairings(serving: Serving, connect: Connect) -> None:
    phone = VirtualPhone(PhoneSpec())
    server = serving(phone)
    client = lockdown(server, connect)
    record = plistlib.loads(server.usbmuxd.record(phone.udid) or b"")
    assert client.ask("StartSession")["Error"] == "MissingHostID"
    assert client.ask("StartSession", HostID="x")["Error"] == "InvalidHostID"
    assert client.ask("Pair")["Error"] == "MissingPairRecord"
    assert client.ask("Pair", PairRecord={})["Error"] == "MissingHostID"
    assert client.ask("Pair", PairRecord={"HostID": "x"})["Error"] == "InvalidPairRecord"
    # The certificate of another key than the phone's.
    stranger = {**record, "DeviceCertificate": record["HostCertificate"]}
    assert client.ask("Pair", PairRecord=stranger)["Error"] == "InvalidPairRecord"
    assert client.ask("ValidatePair", PairRecord=record)["Request"] == "ValidatePair"
    assert "Error" not in client.ask("Unpair", PairRecord=record)
    assert client.ask("Unpair", PairRecord=record)["Error"] == "InvalidHostID"
    # A stranger now, whatever it was before: someone has to tap Trust.
    assert client.ask("Pair", PairRecord=record)["Error"] == "PairingDialogResponsePending"
    assert len(client.ask("Pair", PairRecord=record)["EscrowBag"]) == 32  # type: ignore[arg-type]
    assert client.ask("MakeTea")["Error"] == "InvalidRequest"


def test_trust_comes_about_over_the_cable_alone(serving: Serving, connect: Connect) -> None:
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="dialog"), connection_types=("USB", "Network")))
    server = serving(phone)
    record = VirtualPhone(PhoneSpec()).trust.record
    refused = []
    for device in (2, 1):
        client = connect(server)
        assert client.connect(62078, device=device)["Number"] == 0
        refused.append(client.ask("Pair", PairRecord=record)["Error"])
    assert refused == ["PairingProhibitedOverThisConnection", "PairingDialogResponsePending"]


def test_a_session_begins_and_ends_tls_on_the_same_connection(
    serving: Serving, connect: Connect, tls: Tls
) -> None:
    phone = VirtualPhone(PhoneSpec())
    server = serving(phone)
    client = lockdown(server, connect)
    record = plistlib.loads(server.usbmuxd.record(phone.udid) or b"")
    session = client.ask("StartSession", HostID=record["HostID"], SystemBUID=record["SystemBUID"])
    client.start_tls(tls(record))
    client.send({"Request": "GetValue", "Key": "SerialNumber"}, binary=True)
    assert client.receive()["Value"] == phone.spec.serial
    assert client.ask("StartSession", HostID=record["HostID"])["Error"] == "SessionActive"
    assert client.ask("StartService", Service="org.example.none")["Error"] == "InvalidService"
    assert client.ask("StopSession", SessionID="x")["Error"] == "InvalidSessionID"
    stopped = client.ask("StopSession", SessionID=session["SessionID"])
    assert stopped == {"Request": "StopSession", "Result": "Success"}
    assert isinstance(client.socket, ssl.SSLSocket)
    client.socket = client.socket.unwrap()
    assert client.ask("GetValue", Key="SerialNumber")["Error"] == "GetProhibited"


def test_tls_takes_nobody_but_the_paired_computer(serving: Serving, connect: Connect, tls: Tls) -> None:
    phone, other = VirtualPhone(PhoneSpec()), VirtualPhone(PhoneSpec(seed=2))
    server = serving(phone, other)
    record = plistlib.loads(server.usbmuxd.record(phone.udid) or b"")
    stranger = plistlib.loads(server.usbmuxd.record(other.udid) or b"")
    for context in (tls(record, who=""), tls(stranger)):
        client = lockdown(server, connect)
        client.ask("StartSession", HostID=record["HostID"])
        client.start_tls(context)
        with pytest.raises((OSError, EOFError)):  # TLS 1.3 tells at the first read
            client.ask("GetValue")


def test_a_locked_phone_wants_the_escrow_bag(serving: Serving, connect: Connect, tls: Tls) -> None:
    phone = VirtualPhone(PhoneSpec(locked=True, unlock_after_s=0.05))
    server = serving(phone)
    record = plistlib.loads(server.usbmuxd.record(phone.udid) or b"")
    client = lockdown(server, connect)
    client.ask("StartSession", HostID=record["HostID"])
    client.start_tls(tls(record))
    name = "com.apple.mobilebackup2"
    assert client.ask("StartService", Service=name)["Error"] == "PasswordProtected"
    assert client.ask("StartService", Service=name, EscrowBag=bytes(32))["Error"] == "EscrowLocked"
    assert "Error" not in client.ask("StartService", Service=name, EscrowBag=record["EscrowBag"])
    time.sleep(0.06)  # the refusal brought the owner
    assert "Error" not in client.ask("StartService", Service=name)


def test_spec_and_owner_override_values(serving: Serving, connect: Connect) -> None:
    spec = PhoneSpec(lockdown={("", "ProductVersion"): None, ("com.apple.mobile.backup", "Version"): "9"})
    phone = VirtualPhone(spec)
    client = lockdown(serving(phone), connect)
    assert client.ask("GetValue", Key="ProductVersion")["Error"] == "MissingValue"
    assert phone.domain("com.apple.mobile.backup")["Version"] == "9"


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 64, struct.pack(">I", 5) + b"hello", struct.pack(">I", 3) + b"<a>", bytes(4)],
    ids=["giant", "text", "xml", "empty"],
)
def test_garbage_at_lockdown_ends_one_connection(serving: Serving, connect: Connect, garbage: bytes) -> None:
    server = serving(VirtualPhone(PhoneSpec()))
    client = lockdown(server, connect)
    client.socket.sendall(garbage)
    with pytest.raises((EOFError, ConnectionError)):
        client.exactly(1)
    assert lockdown(server, connect).ask("QueryType")


# --- services


def test_a_port_serves_one_connection(serving: Serving, connect: Connect, tls: Tls) -> None:
    phone = VirtualPhone(PhoneSpec())
    server = serving(phone)
    service(server, connect, tls, phone, AFC)
    assert connect(server).connect(49152)["Number"] == 3


def test_notification_proxy_dies_when_asked(serving: Serving, connect: Connect, tls: Tls) -> None:
    phone = VirtualPhone(PhoneSpec())
    client = service(serving(phone), connect, tls, phone, NOTIFICATION_PROXY)
    client.send({"Command": "ObserveNotification", "Name": "a"})
    client.send({"Command": "ObserveNotification", "Name": "a"})
    assert phone.journal.wait("observed", "a")
    phone.notify("b")
    phone.notify("a")
    assert client.receive() == {"Command": "RelayNotification", "Name": "a"}
    client.send({"Command": "Shutdown"})
    assert client.receive() == {"Command": "ProxyDeath"}
    with pytest.raises((EOFError, ConnectionError)):
        client.exactly(1)


def handle(client: Client, path: bytes, mode: int = 2) -> bytes:
    kind, body = client.afc(0x0D, struct.pack("<Q", mode) + path + b"\0")
    assert kind == 0x0E
    return body


def test_afc_status_codes(serving: Serving, connect: Connect, tls: Tls) -> None:
    phone = VirtualPhone(PhoneSpec())
    client = service(serving(phone), connect, tls, phone, AFC)
    assert client.afc_status(0x0A, b"/none\0") == 8
    assert client.afc_status(0x0D, struct.pack("<Q", 1) + b"/none\0") == 8
    assert client.afc_status(0x0D, struct.pack("<Q", 3) + b"/none/below\0") == 8
    assert client.afc_status(0x0D, struct.pack("<Q", 3) + b"/DCIM\0") == 9
    assert client.afc_status(0x0D, struct.pack("<Q", 9) + b"/DCIM\0") == 7
    assert client.afc_status(0x0D, b"\0") == 2
    assert client.afc_status(0x0F, struct.pack("<QQ", 99, 1)) == 7
    assert client.afc_status(0x7F) == 15
    assert client.afc_status(0x08, b"/DCIM\0") == 33
    assert client.afc_status(0x08, b"/../..\0") == 10
    reading = handle(client, b"/../../com.apple.itunes.lock_sync", 1)
    assert client.afc_status(0x10, reading, b"data") == 10


def test_afc_reads_and_writes_where_it_is_told(serving: Serving, connect: Connect, tls: Tls) -> None:
    phone = VirtualPhone(PhoneSpec())
    client = service(serving(phone), connect, tls, phone, AFC)
    file = handle(client, b"/Downloads/f", 4)
    assert client.afc_status(0x10, file, b"hello world") == 0
    assert client.afc_status(0x11, file + struct.pack("<Qq", 2, -5)) == 0
    assert client.afc(0x12, file) == (0x13, struct.pack("<Q", 6))
    assert client.afc(0x0F, file + struct.pack("<Q", 100)) == (2, b"world")
    assert client.afc_status(0x15, file + struct.pack("<Q", 5)) == 0
    assert client.afc_status(0x11, file + struct.pack("<Qq", 0, 7)) == 0
    assert client.afc_status(0x10, file, b"!") == 0
    assert phone.afc.read("/Downloads/f") == b"hello\0\0!"
    assert client.afc_status(0x1E, struct.pack("<Q", 5_000_000_000) + b"/Downloads/f\0") == 0
    kind, body = client.afc(0x0A, b"/Downloads/f\0")
    facts = dict(zip(*[iter(body.rstrip(b"\0").split(b"\0"))] * 2, strict=True))
    assert (kind, facts[b"st_size"], facts[b"st_mtime"]) == (2, b"8", b"5000000000")
    assert client.afc_status(0x14, file) == 0
    appending = handle(client, b"/Downloads/f", 5)
    assert client.afc_status(0x10, appending, b"end") == 0
    assert phone.afc.read("/Downloads/f").endswith(b"!end")


def test_the_sync_lock_is_refused_as_often_as_the_fault_says(
    serving: Serving, connect: Connect, tls: Tls
) -> None:
    phone = VirtualPhone(PhoneSpec(faults=(SyncLockHeld(times=2),)))
    client = service(serving(phone), connect, tls, phone, AFC)
    file = handle(client, b"/com.apple.itunes.lock_sync")
    lock, unlock = file + struct.pack("<Q", 6), file + struct.pack("<Q", 12)
    assert [client.afc_status(0x1B, lock) for _ in range(3)] == [19, 19, 0]
    assert client.afc_status(0x1B, unlock) == 0
    assert phone.journal.details("lock_released") == ["/com.apple.itunes.lock_sync"]


# --- faults of the transport, and the end of it all


def test_a_connection_is_dropped_after_so_many_bytes(serving: Serving, connect: Connect, tls: Tls) -> None:
    phone = VirtualPhone(PhoneSpec(faults=(DropAfterBytes(count=120, service=AFC, times=1),)))
    server = serving(phone)
    client = service(server, connect, tls, phone, AFC)
    assert client.afc_status(0x0A, b"/none\0") == 8  # 46 bytes there and 48 back
    with pytest.raises((EOFError, OSError)):
        client.afc_status(0x0A, b"/none\0")
    assert phone.journal.details("fault") == ["DropAfterBytes"]
    well = service(server, connect, tls, phone, AFC)
    assert [well.afc_status(0x0A, b"/none\0") for _ in range(5)] == [8] * 5


def test_a_connection_falls_silent_and_continues(serving: Serving, connect: Connect, tls: Tls) -> None:
    phone = VirtualPhone(PhoneSpec(faults=(SilentAfterBytes(count=50, seconds=0.2, service=AFC),)))
    client = service(serving(phone), connect, tls, phone, AFC)
    begin = time.monotonic()
    assert client.afc_status(0x0A, b"/none\0") == 8
    assert time.monotonic() - begin >= 0.2


def test_pulling_the_cable_ends_a_phones_connections_and_no_others(
    serving: Serving, connect: Connect, tls: Tls
) -> None:
    one, two = VirtualPhone(PhoneSpec(seed=1)), VirtualPhone(PhoneSpec(seed=2))
    server = serving(two, one)
    stays = service(server, connect, tls, two, AFC)
    gone = connect(server)
    assert gone.connect(62078, device=2)["Number"] == 0
    server.detach(one)
    with pytest.raises((EOFError, ConnectionError)):
        gone.exactly(1)
    assert stays.afc_status(0x0A, b"/none\0") == 8


def test_closing_the_server_ends_a_silence(serving: Serving, connect: Connect, tls: Tls) -> None:
    phone = VirtualPhone(PhoneSpec(faults=(SilentAfterBytes(count=1, seconds=600, service=AFC),)))
    server = serving(phone)
    client = service(server, connect, tls, phone, AFC)
    client.socket.sendall(b"xx")
    assert phone.journal.wait("fault")
    server.close()  # it would last beyond the limit of any test


def test_a_failure_of_the_simulator_itself_is_not_passed_over(
    serving: Serving, connect: Connect, tls: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(stream: Stream, phone: VirtualPhone) -> None:
        raise RuntimeError("a bug")

    phone = VirtualPhone(PhoneSpec())
    server = serving(phone)
    monkeypatch.setitem(SERVICES, AFC, broken)
    client = service(server, connect, tls, phone, AFC)
    with pytest.raises((EOFError, OSError)):
        client.exactly(1)
    client.close()
    with pytest.raises(RuntimeError, match="a bug"):
        server.close()


def test_a_port_in_use_is_an_os_error(serving: Serving) -> None:
    server = serving()
    with pytest.raises(OSError, match="in use"):
        serving(port=server.port)


def test_an_ipv6_address_is_bracketed(serving: Serving) -> None:
    try:
        server = serving(host="::1")
    except OSError:
        pytest.skip("this system has no IPv6")
    assert server.address == f"[::1]:{server.port}"
