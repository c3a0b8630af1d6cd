"""usbmuxd: which phones are connected, their pair records, and connections to their ports.

A message: 16 bytes of header (whole length, version, type, tag; little-endian, 32 bits), then an XML plist
(version 1, type 8). Clients that use the older binary protocol (version 0) get answers in it. It is as
strict as usbmuxd on Linux: it does not answer what it does not understand, and a client that listens can
send no other requests.
"""

import contextlib
import itertools
import plistlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from ibackup.simulator import lockdownd
from ibackup.simulator.advert import SERVICE_TYPE, instance_name
from ibackup.simulator.framed_plists import Message, parse_message
from ibackup.simulator.phone_trust import SYSTEM_BUID, dump_record
from ibackup.simulator.service_ports import serve_port
from ibackup.simulator.service_table import SERVICES, Service
from ibackup.simulator.spec import ConnectionType
from ibackup.simulator.stream import Mailbox, Stream, StreamEnded
from ibackup.simulator.virtual_phone import VirtualPhone

HEADER: Final = struct.Struct("<IIII")
LIMIT: Final = 2**16
"""The longest request, in bytes."""

BINARY, PLIST = 0, 1
"""Versions of the protocol."""

RESULT, CONNECT, LISTEN, ADD, REMOVE, PAIRED, PLIST_MESSAGE = 1, 2, 3, 4, 5, 6, 8
"""Types of messages."""

OK, BAD_COMMAND, BAD_DEVICE, REFUSED, BAD_VERSION, INVALID = 0, 1, 2, 3, 6, 22
"""Result numbers; BAD_DEVICE also stands for a missing pair record (ENOENT), and INVALID is EINVAL."""

PRODUCT_ID: Final = 0x12A8


@dataclass(frozen=True)
class MuxEntry:
    """A phone as usbmuxd sees it; a phone seen by cable and by network has two entries.

    Attributes:
        number: DeviceID, never reused.
    """

    number: int
    phone: VirtualPhone
    connection: ConnectionType

    def describe(self) -> dict[str, object]:
        """The Attached message."""
        properties: dict[str, object] = {
            "ConnectionType": self.connection,
            "DeviceID": self.number,
            "SerialNumber": self.phone.spec.mux_serial,
        }
        if self.connection == "USB":
            usb = {"ConnectionSpeed": 480_000_000, "LocationID": self.number << 16, "ProductID": PRODUCT_ID}
            properties.update(usb)
        else:
            name = f"{instance_name(self.phone.spec)}.{SERVICE_TYPE}"
            # A sockaddr_in as a Mac lays it out: length, family, port, address, padding.
            address = struct.pack(">BBH4s8x", 16, 2, lockdownd.PORT, socket.inet_aton("192.0.2.7"))
            network = {"EscapedFullServiceName": name, "InterfaceIndex": 4, "NetworkAddress": address}
            properties.update(network)
        return {"MessageType": "Attached", "DeviceID": self.number, "Properties": properties}


@dataclass(frozen=True)
class Change:
    """An event for a listener."""

    kind: int
    entry: MuxEntry


@dataclass(frozen=True)
class MuxRequest:
    """A request in either protocol."""

    version: int
    tag: int
    verb: str
    body: Message


Verb: TypeAlias = Callable[[MuxRequest], "int | Message"]
"""Answers with a result number or with a plist."""


class Usbmuxd:
    """The daemon; safe to use from every thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._entries: dict[int, MuxEntry] = {}
        self._records: dict[str, bytes] = {}
        self._listeners: dict[Mailbox[Change], Message] = {}
        self._connections: dict[Stream, VirtualPhone] = {}

    # --- phones come and go

    def attach(self, phone: VirtualPhone) -> None:
        """Plug a phone in; the pair record of one that trusts this computer exists from the start."""
        with self._lock:
            if any(entry.phone is phone for entry in self._entries.values()):
                return
            if phone.trust.record is not None:
                self._records.setdefault(_plain(phone.udid), dump_record(phone.trust.record))
            phone.trust.keep = partial(self._keep, phone.udid)
            for connection in phone.spec.connection_types:
                entry = MuxEntry(next(self._numbers), phone, connection)
                self._entries[entry.number] = entry
                self._tell(ADD, entry)

    def detach(self, phone: VirtualPhone) -> None:
        """Unplug a phone: its connections end, and listeners get an event."""
        with self._lock:
            for entry in [entry for entry in self._entries.values() if entry.phone is phone]:
                del self._entries[entry.number]
                self._tell(REMOVE, entry)
            streams = [stream for stream, owner in self._connections.items() if owner is phone]
        for stream in streams:
            stream.cancel()

    def _keep(self, udid: str, record: Mapping[str, object]) -> None:
        with self._lock:
            self._records[_plain(udid)] = dump_record(record)

    def record(self, udid: str) -> bytes | None:
        """The pair record of a phone, or None."""
        with self._lock:
            return self._records.get(_plain(udid))

    def forget_record(self, udid: str) -> bool:
        """Delete a pair record; False if there was none."""
        with self._lock:
            return self._records.pop(_plain(udid), None) is not None

    def _tell(self, kind: int, entry: MuxEntry) -> None:
        for mailbox in self._listeners:
            mailbox.put(Change(kind, entry))

    # --- connections

    def serve(self, stream: Stream) -> None:
        """Serve one connection until it ends. It may become a connection to a phone's port."""
        mailbox: Mailbox[Change] | None = None
        try:
            while True:
                while mailbox is not None and not stream.wait(mailbox=mailbox):
                    for change in mailbox.take_all():
                        _write(stream, self._listener_version(mailbox), 0, *_event(change))
                request = _read(stream)
                if mailbox is not None:
                    _answer(stream, request, BAD_COMMAND)
                    return
                if request.verb == "Connect":
                    if self._connect(stream, request):
                        return
                elif request.verb == "Listen":
                    _answer(stream, request, OK)
                    mailbox = Mailbox()
                    self._listen(mailbox, request)
                else:
                    _answer(stream, request, self._do(request))
        finally:
            if mailbox is not None:
                with self._lock:
                    self._listeners.pop(mailbox, None)
                mailbox.close()

    def _listen(self, mailbox: Mailbox[Change], request: MuxRequest) -> None:
        with self._lock:
            self._listeners[mailbox] = {**request.body, "version": request.version}
            for entry in self._entries.values():
                mailbox.put(Change(ADD, entry))

    def _listener_version(self, mailbox: Mailbox[Change]) -> int:
        with self._lock:
            return BINARY if self._listeners[mailbox].get("version") == BINARY else PLIST

    def _connect(self, stream: Stream, request: MuxRequest) -> bool:
        """Turn the connection into one to a phone's port and serve it to its end; False if there is no such port."""
        number, port = request.body.get("DeviceID"), request.body.get("PortNumber")
        with self._lock:
            entry = self._entries.get(number) if isinstance(number, int) else None
        if entry is None or not isinstance(port, int) or not 0 <= port < 65_536:
            _answer(stream, request, BAD_DEVICE if entry is None else BAD_COMMAND)
            return False
        phone, port = entry.phone, socket.ntohs(port)
        service: Service = partial(lockdownd.serve, wireless=entry.connection == "Network")
        name, tls = "lockdownd", None
        if port != lockdownd.PORT:
            waiting = phone.take_port(port)
            if waiting is None:
                _answer(stream, request, REFUSED)
                return False
            name, service, tls = waiting.service, SERVICES[waiting.service], waiting.pairing.tls
            stream.computer = waiting.pairing.host_id
        with self._lock:
            self._connections[stream] = phone
            gone = entry.number not in self._entries
        try:
            if gone:  # unplugged between the two checks
                return True
            _answer(stream, request, OK)
            serve_port(stream, phone, name, service, tls)
        finally:
            with self._lock:
                del self._connections[stream]
        return True

    # --- requests with one answer

    def _do(self, request: MuxRequest) -> "int | Message":
        verbs: Mapping[str, Verb] = {
            "DeletePairRecord": self._delete_record,
            "ListDevices": self._list_devices,
            "ListListeners": self._list_listeners,
            "ReadBUID": lambda _: {"BUID": SYSTEM_BUID},
            "ReadPairRecord": self._read_record,
            "SavePairRecord": self._save_record,
        }
        verb = verbs.get(request.verb)
        return BAD_COMMAND if verb is None else verb(request)

    def _list_devices(self, _: MuxRequest) -> Message:
        with self._lock:
            return {"DeviceList": [entry.describe() for entry in self._entries.values()]}

    def _list_listeners(self, _: MuxRequest) -> Message:
        known = ("BundleID", "ClientVersionString", "ProgName", "kLibUSBMuxVersion")
        with self._lock:
            listeners = [
                {"Blacklisted": False, **{key: about[key] for key in known if key in about}}
                for about in self._listeners.values()
            ]
        return {"ListenerList": listeners}

    def _read_record(self, request: MuxRequest) -> "int | Message":
        record = self.record(_record_id(request))
        return BAD_DEVICE if record is None else {"PairRecordData": record}

    def _save_record(self, request: MuxRequest) -> int:
        data, udid = request.body.get("PairRecordData"), _record_id(request)
        if not udid or not isinstance(data, bytes):
            return INVALID
        with self._lock:
            self._records[_plain(udid)] = data
            for entry in self._entries.values():
                if _plain(entry.phone.udid) == _plain(udid):
                    self._tell(PAIRED, entry)
        return OK

    def _delete_record(self, request: MuxRequest) -> int:
        return OK if self.forget_record(_record_id(request)) else BAD_DEVICE


def _plain(udid: str) -> str:
    """The spelling under which records are stored: clients leave the dash out or put it in."""
    return udid.replace("-", "").upper()


def _record_id(request: MuxRequest) -> str:
    udid = request.body.get("PairRecordID")
    return udid if isinstance(udid, str) else ""


# --- messages


def _read(stream: Stream) -> MuxRequest:
    """Read the next valid request in either protocol; an unknown one has the verb ""."""
    while True:
        size, version, kind, tag = HEADER.unpack(stream.read_exact(HEADER.size))
        if not HEADER.size <= size <= LIMIT:
            raise StreamEnded(f"a usbmuxd message of {size} bytes")
        body = stream.read_exact(size - HEADER.size)
        if version not in (BINARY, PLIST):
            _write(stream, BINARY, tag, struct.pack("<I", BAD_VERSION), RESULT, {})
        elif kind != PLIST_MESSAGE:
            return MuxRequest(BINARY, tag, *_parse_binary(kind, body))
        elif not body.startswith(b"bplist"):
            with contextlib.suppress(ValueError):
                message = parse_message(body)
                if isinstance(message.get("MessageType"), str):
                    return MuxRequest(PLIST, tag, str(message["MessageType"]), message)


def _parse_binary(kind: int, body: bytes) -> tuple[str, Message]:
    if kind == LISTEN:
        return "Listen", {}
    if kind == CONNECT and len(body) >= 6:
        number, port = struct.unpack_from("<IH", body)
        return "Connect", {"DeviceID": number, "PortNumber": port}
    return "", {}


def _answer(stream: Stream, request: MuxRequest, answer: "int | Message") -> None:
    if request.version == BINARY:
        number = answer if isinstance(answer, int) else BAD_COMMAND
        _write(stream, BINARY, request.tag, struct.pack("<I", number), RESULT, {})
        return
    plist = {"MessageType": "Result", "Number": answer} if isinstance(answer, int) else answer
    _write(stream, PLIST, request.tag, b"", RESULT, plist)


def _event(change: Change) -> tuple[bytes, int, Message]:
    """The event as a message, in both protocols."""
    number = change.entry.number
    if change.kind == ADD:
        serial = change.entry.phone.spec.mux_serial.encode("ascii")
        return (
            struct.pack("<IH256s2xI", number, PRODUCT_ID, serial, number << 16),
            ADD,
            change.entry.describe(),
        )
    name = "Detached" if change.kind == REMOVE else "Paired"
    return struct.pack("<I", number), change.kind, {"MessageType": name, "DeviceID": number}


def _write(stream: Stream, version: int, tag: int, binary: bytes, kind: int, plist: Message) -> None:
    """Write one message in the protocol that the client uses."""
    body = binary if version == BINARY else plistlib.dumps(dict(plist))
    kind = kind if version == BINARY else PLIST_MESSAGE
    stream.write(HEADER.pack(HEADER.size + len(body), version, kind, tag) + body)
