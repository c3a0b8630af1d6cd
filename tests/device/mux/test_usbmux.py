"""usbmuxd: phones that come and go, connections, pair records, and answers that make no sense."""

import plistlib
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ibackup.base.errors import ConnectionLost, IbackupError, NoPhone, ProtocolBroken, UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.base.udids import spellings
from ibackup.device.mux import usbmux
from ibackup.device.mux.usbmux import Attached, Detached, Usbmux, parse_address
from ibackup.simulator.server import Server
from ibackup.simulator.spec import PhoneSpec, Trust
from ibackup.simulator.virtual_phone import VirtualPhone

Serve = Callable[..., Server]
Script = Callable[[socket.socket], None]

LOCKDOWN_PORT = 62078


@pytest.fixture
def scripted() -> Iterator[Callable[[Script], Usbmux]]:
    """A usbmuxd of one's own making: each connection is handed to the script."""
    threads = []
    listeners = []

    def start(script: Script) -> Usbmux:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept() -> None:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                script(sock)

        thread = threading.Thread(target=accept)
        thread.start()
        threads.append(thread)
        return Usbmux(parse_address(f"127.0.0.1:{listener.getsockname()[1]}"))

    yield start
    for listener in listeners:
        listener.close()
    for thread in threads:
        thread.join()


def message(body: bytes, *, length: int | None = None, version: int = 1, kind: int = 8) -> bytes:
    whole = 16 + len(body) if length is None else length
    return struct.pack("<IIII", whole, version, kind, 1) + body


def answering(data: bytes) -> Script:
    def script(sock: socket.socket) -> None:
        sock.recv(65536)
        try:
            sock.sendall(data)
        except OSError:
            return  # the client saw enough and left

    return script


def plist(value: object) -> bytes:
    return message(plistlib.dumps(value))  # type: ignore[arg-type]


# --- against the virtual usbmuxd


def test_one_phone(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec())
    mux = Usbmux(parse_address(plug_in(phone).address))
    [device] = mux.devices()
    assert device == Attached(device.device_id, phone.udid, "USB")
    assert len(mux.buid()) == 36


def test_the_same_phone_over_cable_and_network(plug_in: Serve) -> None:
    server = plug_in(VirtualPhone(PhoneSpec(connection_types=("Network", "USB"))))
    assert [each.connection for each in Usbmux(parse_address(server.address)).devices()] == ["Network", "USB"]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no Unix sockets here")
def test_over_a_unix_socket_in_both_spellings(plug_in: Serve, short_folder: Path) -> None:
    path = short_folder / "mux"
    plug_in(VirtualPhone(PhoneSpec()), port=None, socket_path=path)
    for spelling in (f"UNIX:{path}", str(path)):
        assert len(Usbmux(parse_address(spelling)).devices()) == 1


def test_over_ipv6(plug_in: Serve) -> None:
    try:
        server = plug_in(VirtualPhone(PhoneSpec()), host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    assert server.address.startswith("[::1]:")
    assert len(Usbmux(parse_address(server.address)).devices()) == 1


def test_phones_that_come_and_go(plug_in: Serve) -> None:
    first, second = VirtualPhone(PhoneSpec(seed=1)), VirtualPhone(PhoneSpec(seed=2))
    server = plug_in(first)
    mux = Usbmux(parse_address(server.address))
    with mux.listen() as listener:
        event = listener.next(60)
        assert isinstance(event, Attached)
        assert event.serial == first.udid
        assert listener.next(0.05) is None
        server.attach(second)
        came = listener.next(60)
        assert isinstance(came, Attached)
        assert came.serial == second.udid
        server.detach(first)
        assert listener.next(60) == Detached(event.device_id)
        server.detach(second)
        server.attach(second)
        assert listener.next(60) == Detached(came.device_id)
        again = listener.next(60)
        assert isinstance(again, Attached)
        assert again.device_id != came.device_id
        assert list(listener.events(0.05)) == []


def test_a_listener_hears_when_usbmuxd_ends(plug_in: Serve) -> None:
    server = plug_in()
    with Usbmux(parse_address(server.address)).listen() as listener:
        server.close()
        with pytest.raises(ConnectionLost):
            listener.next(60)


def test_connect_gives_the_phones_stream(plug_in: Serve) -> None:
    mux = Usbmux(parse_address(plug_in(VirtualPhone(PhoneSpec())).address))
    [device] = mux.devices()
    with mux.connect(device.device_id, LOCKDOWN_PORT) as sock:
        assert sock.gettimeout() is None
        body = plistlib.dumps({"Request": "QueryType", "Label": "test"})
        sock.sendall(struct.pack(">I", len(body)) + body)
        (length,) = struct.unpack(">I", sock.recv(4, socket.MSG_WAITALL))
        assert plistlib.loads(sock.recv(length, socket.MSG_WAITALL))["Type"] == "com.apple.mobile.lockdown"


def test_connect_to_what_is_not_there(plug_in: Serve) -> None:
    mux = Usbmux(parse_address(plug_in(VirtualPhone(PhoneSpec())).address))
    [device] = mux.devices()
    with pytest.raises(ConnectionLost, match="no longer connected"):
        mux.connect(device.device_id + 7, LOCKDOWN_PORT)
    with pytest.raises(ConnectionLost, match="does not accept"):
        mux.connect(device.device_id, 9)


@pytest.mark.parametrize("dashless", [False, True])
def test_pair_records_in_both_spellings(plug_in: Serve, dashless: bool) -> None:
    phone = VirtualPhone(PhoneSpec(mux_serial_dashless=dashless))
    mux = Usbmux(parse_address(plug_in(phone).address))
    assert ("-" in mux.devices()[0].serial) is not dashless
    for serial in (phone.udid, phone.udid.replace("-", "")):
        record = mux.read_pair_record(serial)
        assert record is not None
        assert plistlib.loads(record)["UDID"] == phone.udid


def test_the_other_spelling() -> None:
    assert spellings("00008101000A0B0C0D0E0F01")[1] == "00008101-000A0B0C0D0E0F01"
    assert spellings("00008101-000A0B0C0D0E0F01")[1] == "00008101000A0B0C0D0E0F01"
    assert spellings("a" * 40) == ("a" * 40,)


def test_a_pair_record_that_is_not_there_can_be_saved(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="dialog")))
    mux = Usbmux(parse_address(plug_in(phone).address))
    [device] = mux.devices()
    assert mux.read_pair_record(phone.udid) is None
    mux.save_pair_record(device.serial, device.device_id, plistlib.dumps({"HostID": "x"}))
    record = mux.read_pair_record(phone.udid)
    assert record is not None
    assert plistlib.loads(record) == {"HostID": "x"}


# --- no usbmuxd


@pytest.mark.parametrize(
    ("platform", "words"),
    [("linux", "usbmuxd"), ("darwin", "part of macOS"), ("win32", "Apple Devices")],
)
def test_no_usbmuxd_says_how_to_start_it(monkeypatch: pytest.MonkeyPatch, platform: str, words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.delenv(usbmux.ADDRESS_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(NoPhone) as caught:
        Usbmux(parse_address(address)).devices()
    assert caught.value.exit_code == ExitCode.NO_PHONE
    assert words in caught.value.hint
    assert address in caught.value.what


def test_no_usbmuxd_where_the_variable_points(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(usbmux.ADDRESS_VARIABLE, f"UNIX:{tmp_path}/none")
    with pytest.raises(NoPhone) as caught:
        Usbmux().devices()
    assert usbmux.ADDRESS_VARIABLE in caught.value.hint


def test_a_name_that_does_not_resolve_and_a_path_that_is_too_long() -> None:
    with pytest.raises(NoPhone):
        Usbmux(parse_address("no-such-host.invalid:27015")).devices()
    with pytest.raises(UsageError):
        Usbmux(parse_address("/" + "long" * 100)).devices()


# --- a usbmuxd that cannot be trusted


@pytest.mark.parametrize(
    "answer",
    [
        message(b"", length=0),
        message(b"", length=16),
        message(b"", length=0xFFFFFFFF),
        message(b"x", version=0),
        message(b"x", kind=1),
        message(b"not a plist"),
        plist([1, 2, 3]),
        message(b"<plist>" * 20000),
        message(b'<!DOCTYPE plist [<!ENTITY a "aaaa">]><plist><dict><key>&a;</key><true/></dict></plist>'),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_nonsense_is_an_error_and_no_traceback(scripted: Callable[[Script], Usbmux], answer: bytes) -> None:
    with pytest.raises(ProtocolBroken) as caught:
        scripted(answering(answer)).devices()
    assert "usbmuxd" in caught.value.what


@pytest.mark.parametrize("answer", [b"", b"\x20\0\0", message(b"ab", length=200)])
def test_an_answer_cut_off(scripted: Callable[[Script], Usbmux], answer: bytes) -> None:
    with pytest.raises(ConnectionLost):
        scripted(answering(answer)).devices()


def test_a_silent_usbmuxd(scripted: Callable[[Script], Usbmux], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usbmux, "_ANSWER_SECONDS", 0.1)
    done = threading.Event()

    def say_nothing(_sock: socket.socket) -> None:
        done.wait(5)

    mux = scripted(say_nothing)
    try:
        with pytest.raises(ConnectionLost, match="does not answer"):
            mux.devices()
    finally:
        done.set()


def test_devices_with_fields_of_the_wrong_type_do_not_count(scripted: Callable[[Script], Usbmux]) -> None:
    good = {"DeviceID": 4, "Properties": {"SerialNumber": "0" * 40, "ConnectionType": "Carrier pigeon"}}
    entries: list[object] = [
        "text",
        {},
        {"DeviceID": "4", "Properties": {"SerialNumber": "0" * 40}},
        {"DeviceID": 4, "Properties": {"SerialNumber": 4}},
        {"DeviceID": 4, "Properties": {"SerialNumber": "../../etc"}},
        {"DeviceID": True, "Properties": {"SerialNumber": "0" * 40}},
        {"DeviceID": 4, "Properties": []},
        good,
    ]
    mux = scripted(answering(plist({"DeviceList": entries})))
    assert mux.devices() == [Attached(4, "0" * 40, "USB")]


@pytest.mark.parametrize("devices", [None, 4, {"a": 1}])
def test_a_list_of_devices_that_is_none(scripted: Callable[[Script], Usbmux], devices: object) -> None:
    answer = {} if devices is None else {"DeviceList": devices}
    assert scripted(answering(plist(answer))).devices() == []


@pytest.mark.parametrize("number", [1, 6, 99, "0", None])
def test_other_results_of_connect(scripted: Callable[[Script], Usbmux], number: object) -> None:
    answer = {"MessageType": "Result"} | ({} if number is None else {"Number": number})
    with pytest.raises(ProtocolBroken):
        scripted(answering(plist(answer))).connect(1, LOCKDOWN_PORT)


def test_nothing_of_the_phone_is_read_along_with_the_answer(scripted: Callable[[Script], Usbmux]) -> None:
    mux = scripted(answering(plist({"MessageType": "Result", "Number": 0}) + b"hello from the phone"))
    with mux.connect(1, LOCKDOWN_PORT) as sock:
        assert sock.recv(100) == b"hello from the phone"


def test_a_pairing_that_is_not_stored(scripted: Callable[[Script], Usbmux]) -> None:
    with pytest.raises(IbackupError, match="did not store"):
        scripted(answering(plist({"MessageType": "Result", "Number": 1}))).save_pair_record("a" * 40, 1, b"x")


def test_events_cut_into_pieces_and_events_nobody_knows(scripted: Callable[[Script], Usbmux]) -> None:
    stream = b"".join(
        [
            plist({"MessageType": "Result", "Number": 0}),
            plist({"MessageType": "Paired", "DeviceID": 3}),
            plist({"MessageType": 7}),
            plist({"MessageType": "Detached", "DeviceID": "3"}),
            plist({"MessageType": "Detached", "DeviceID": 3}),
        ]
    )

    def script(sock: socket.socket) -> None:
        sock.recv(65536)
        for start in range(0, len(stream), 97):
            sock.sendall(stream[start : start + 97])
        sock.recv(1)

    with scripted(script).listen() as listener:
        assert listener.next(60) == Detached(3)


# --- a usbmuxd that never stops telling

NOTHING_NEW = plist({"MessageType": "Paired", "DeviceID": 3})


def telling(event: bytes, *, first: bytes = b"") -> Script:
    """One that accepts Listen, says what comes first, and then the same again and again until the client leaves."""

    def script(sock: socket.socket) -> None:
        sock.recv(65536)
        data = plist({"MessageType": "Result", "Number": 0}) + first
        try:
            sock.sendall(data)
            while event:
                sock.sendall(event * 100)
            sock.recv(1)
        except OSError:
            return

    return script


@pytest.mark.parametrize("seconds", [0, 0.2])
def test_messages_without_end_that_are_no_events(
    scripted: Callable[[Script], Usbmux], seconds: float
) -> None:
    with scripted(telling(NOTHING_NEW)).listen() as listener:
        assert listener.next(seconds) is None
        assert list(listener.events(seconds)) == []
        assert list(listener.waiting()) == []


def test_an_event_behind_messages_that_are_none_is_found_at_once(
    scripted: Callable[[Script], Usbmux],
) -> None:
    gone = plist({"MessageType": "Detached", "DeviceID": 3})
    with scripted(telling(b"", first=NOTHING_NEW * 20 + gone)).listen() as listener:
        assert listener.next(60) == Detached(3)


def test_events_without_end(scripted: Callable[[Script], Usbmux]) -> None:
    gone = plist({"MessageType": "Detached", "DeviceID": 3})
    with scripted(telling(gone)).listen() as listener:
        assert listener.next(60) == Detached(3)
        assert len(list(listener.waiting())) <= usbmux.MOST_WAITING
        assert set(listener.events(0.2)) == {Detached(3)}
        assert len(listener._buffer) < 200_000, (
            "what is not taken stays with the system, which stops the sender"
        )
