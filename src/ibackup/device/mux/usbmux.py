"""A small blocking client of usbmuxd, the service that connects programs with phones.

A message is a header of four little-endian 32-bit numbers (length with the header, version, type, tag) and an XML
property list. Only version 1 and type 8 are in use today. Every request has its own connection. After a successful
Connect, that connection *is* the stream to the phone.
"""

import os
import plistlib
import re
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from ibackup.apple import plist_values
from ibackup.apple.plist_values import Values
from ibackup.base import slices
from ibackup.base.closeable import Closeable
from ibackup.base.errors import ConnectionLost, IbackupError, NoPhone, ProtocolBroken, UsageError
from ibackup.base.udids import spellings
from ibackup.trace import tapping

ADDRESS_VARIABLE = "USBMUXD_SOCKET_ADDRESS"

ConnectionKind = Literal["USB", "Network", "WiFi"]
"""How a phone is reached: by cable, over a network that usbmuxd uses, or over Wi-Fi without usbmuxd."""


class Transport(Protocol):
    """Gives streams to a phone's services: usbmuxd, or the phone's own address."""

    def connect(self, device_id: int, port: int, /) -> socket.socket:
        """A blocking stream to a TCP port of a phone. Raises ConnectionLost."""


_HEADER = struct.Struct("<IIII")
_PLIST_VERSION, _PLIST_TYPE, _TAG = 1, 8, 1
_LARGEST_MESSAGE = 4 << 20
_ANSWER_SECONDS = 10.0
MOST_WAITING = 1000  # events taken in one call
_OK, _BAD_DEVICE, _REFUSED = 0, 2, 3


class NoUsbmuxd(NoPhone):
    """Nothing answers at usbmuxd's address. On Linux, this is normal while no phone is plugged in."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where usbmuxd listens: a Unix socket if ``path`` is set, otherwise TCP."""

    path: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        if self.path:
            return f"UNIX:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def default_address() -> Address:
    """The default address of usbmuxd on this system."""
    if sys.platform == "win32":
        return Address(host="127.0.0.1", port=27015)
    return Address(path="/var/run/usbmuxd")


def parse_address(text: str | None = None) -> Address:
    """Parse an address in any spelling that other programs know.

    Args:
        text: ``UNIX:/path``, ``/path``, ``host:port`` or ``[ipv6]:port``; None takes the environment variable
            USBMUXD_SOCKET_ADDRESS, or else the system's default.

    Raises:
        UsageError: it has none of these spellings.
    """
    where = "The usbmuxd address"
    if text is None:
        text = os.environ.get(ADDRESS_VARIABLE, "")
        where = ADDRESS_VARIABLE
        if not text:
            return default_address()
    path = text[5:] if text[:5].upper() == "UNIX:" else text if text.startswith("/") else None
    if path is not None:
        return _unix_address(path, text, where)
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%\w-]+)\]|([^\s:/\[\]]+)):([0-9]{1,5})", text, re.ASCII)
    if match is None or not 0 < int(match[3]) < 65536 or (match[1] and ":" not in match[1]):
        raise _bad_address(text, where)
    return Address(host=match[1] or match[2], port=int(match[3]))


def _unix_address(path: str, text: str, where: str) -> Address:
    if not path.startswith("/") or "\0" in path:
        raise _bad_address(text, where)
    if not hasattr(socket, "AF_UNIX"):
        raise UsageError(
            f"{where} names a Unix socket ({plist_values.printable(text)}), and this system has none.",
            hint="Use host:port, for example 127.0.0.1:27015.",
        )
    return Address(path=path)


def _bad_address(text: str, where: str) -> UsageError:
    return UsageError(
        f"{where} is not an address: {plist_values.printable(text)!r}.",
        hint="Use UNIX:/path, /path, host:port or [ipv6]:port, for example UNIX:/var/run/usbmuxd or 127.0.0.1:27015.",
    )


@dataclass(frozen=True, slots=True)
class Attached:
    """A phone that can be reached.

    Attributes:
        device_id: usbmuxd's number for this connection; a new one each time the phone is plugged in. 0 without usbmuxd.
        serial: the UDID as usbmuxd spells it: newer ones often have no dash.
        connection: how it is reached.
    """

    device_id: int
    serial: str
    connection: ConnectionKind


@dataclass(frozen=True, slots=True)
class Detached:
    """The connection with this number has ended."""

    device_id: int


class Usbmux:
    """A client of the usbmuxd at one address.

    Raises (every method):
        NoUsbmuxd: nothing answers there.
        ConnectionLost: usbmuxd stopped answering.
        ProtocolBroken: the answer makes no sense.
    """

    def __init__(self, address: Address | None = None) -> None:
        self.address = address if address is not None else parse_address()
        self._record = tapping.opened("usbmuxd")

    def devices(self) -> list[Attached]:
        """Every connection to every phone. A phone may be listed twice (cable and network)."""
        answer = self._ask({"MessageType": "ListDevices"})
        found = (_attached(item) for item in plist_values.sequence(answer.get("DeviceList")))
        return [device for device in found if device is not None]

    def listen(self) -> "Listener":
        """Listen for phones that come and go. The first events are those of the phones that are already here."""
        sock = self._open()
        try:
            self._say(sock, {"MessageType": "Listen"})
            listener = Listener(sock, self._record)
            _check(listener.answer(), "Listen")
        except BaseException:
            sock.close()
            raise
        return listener

    def connect(self, device_id: int, port: int) -> socket.socket:
        """A blocking stream to a TCP port of a phone.

        Raises:
            ConnectionLost: the phone is gone, or nothing listens on that port.
        """
        sock = self._open()
        try:
            # The port travels in network byte order inside a little-endian number.
            request = {"MessageType": "Connect", "DeviceID": device_id, "PortNumber": socket.htons(port)}
            self._say(sock, request)
            _check(_receive(sock, self._record), "Connect")
            sock.settimeout(None)
        except BaseException:
            sock.close()
            raise
        return sock

    def buid(self) -> str:
        """This computer's identity, which is part of each pairing."""
        return plist_values.text(self._ask({"MessageType": "ReadBUID"}), "BUID") or ""

    def read_pair_record(self, serial: str) -> bytes | None:
        """The stored pairing with a phone (a property list); None if there is none.

        Args:
            serial: the UDID in either spelling; both are tried.
        """
        for spelling in spellings(serial):
            answer = self._ask({"MessageType": "ReadPairRecord", "PairRecordID": spelling})
            record = plist_values.data(answer, "PairRecordData")
            if record is not None:
                return record
        return None

    def save_pair_record(self, serial: str, device_id: int, record: bytes) -> None:
        """Store a pairing under the serial as usbmuxd spells it.

        Raises:
            IbackupError: usbmuxd did not store it.
        """
        answer = self._ask(
            {
                "MessageType": "SavePairRecord",
                "PairRecordID": serial,
                "PairRecordData": record,
                "DeviceID": device_id,
            }
        )
        if plist_values.integer(answer, "Number") != _OK:
            raise IbackupError("usbmuxd did not store the pairing.")

    def _ask(self, request: Values) -> Values:
        with self._open() as sock:
            self._say(sock, request)
            return _receive(sock, self._record)

    def _say(self, sock: socket.socket, request: Values) -> None:
        if self._record is not None:
            self._record.said(">", request)
        _send(sock, request)

    def _open(self) -> socket.socket:
        try:
            if not self.address.path:
                return socket.create_connection(
                    (self.address.host, self.address.port), timeout=_ANSWER_SECONDS
                )
            return _open_unix(self.address.path)
        except OSError as error:
            raise _no_usbmuxd(self.address, error) from error


def _open_unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(_ANSWER_SECONDS)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


class Listener(Closeable):
    """Phones that come and go, as usbmuxd reports them; a context manager."""

    def __init__(self, sock: socket.socket, record: tapping.Channel | None = None) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._record = record

    def close(self) -> None:
        """Stop listening."""
        self._sock.close()

    def fileno(self) -> int:
        """The socket's descriptor, for ``select``."""
        return self._sock.fileno()

    def events(self, seconds: float) -> Iterator[Attached | Detached]:
        """Every event until the time is up, even if usbmuxd never stops sending."""
        deadline = time.monotonic() + seconds
        while (event := self.next(deadline - time.monotonic())) is not None:
            yield event
            if time.monotonic() >= deadline:
                return

    def waiting(self) -> Iterator[Attached | Detached]:
        """The events that have already arrived, at most ``MOST_WAITING``. The others stay for the next call."""
        for _ in range(MOST_WAITING):
            event = self.next(0)
            if event is None:
                return
            yield event

    def next(self, seconds: float) -> Attached | Detached | None:
        """The next event; None if there is none within ``seconds``.

        After that time it checks once more what has arrived. Messages that are not events do not extend the time.

        Raises:
            ConnectionLost: usbmuxd ended.
        """
        deadline = time.monotonic() + seconds
        late = False
        while True:
            while (message := self._take()) is not None:
                if (event := _event(message)) is not None:
                    return event
            if late or not self._fill(deadline):
                return None
            late = time.monotonic() >= deadline

    def answer(self) -> Values:
        """Read the answer to Listen itself."""
        deadline = time.monotonic() + _ANSWER_SECONDS
        while (message := self._take()) is None:
            if not self._fill(deadline):
                raise ConnectionLost("usbmuxd does not answer.", hint=start_hint())
        return message

    def _fill(self, deadline: float) -> bool:
        """Read what has arrived, or arrives by the deadline; False if nothing does. Parts of a message are kept."""
        while True:
            left = max(deadline - time.monotonic(), 0.001)
            self._sock.settimeout(min(left, slices.SLICE_S))
            try:
                chunk = self._sock.recv(65536)
            except TimeoutError:
                if left > slices.SLICE_S:
                    continue
                return False
            except OSError as error:
                raise _mux_gone(error) from error
            if not chunk:
                raise _mux_gone(None)
            self._buffer += chunk
            return True

    def _take(self) -> Values | None:
        if len(self._buffer) < _HEADER.size:
            return None
        size = _payload_size(bytes(self._buffer[: _HEADER.size]))
        if len(self._buffer) < _HEADER.size + size:
            return None
        payload = bytes(self._buffer[_HEADER.size : _HEADER.size + size])
        del self._buffer[: _HEADER.size + size]
        return _load(payload, self._record)


def start_hint() -> str:
    """How to start usbmuxd on this system."""
    if sys.platform == "win32":
        return (
            "Install the Apple Devices app from the Microsoft Store (or iTunes) and open it once, or start the "
            "service: Start-Service 'Apple Mobile Device Service'."
        )
    if sys.platform == "darwin":
        return "usbmuxd is part of macOS: disconnect the phone, connect it again, and restart the Mac if that fails."
    if any(
        os.path.exists(path) for path in ("/usr/sbin/usbmuxd", "/usr/bin/usbmuxd", "/usr/local/sbin/usbmuxd")
    ):
        return (
            "Connect the phone with a cable: usbmuxd starts when a phone is plugged in. "
            "If that does not help: sudo systemctl start usbmuxd"
        )
    return (
        "Install usbmuxd, then connect the phone: sudo apt install usbmuxd (Debian, Ubuntu, Raspberry Pi OS), "
        "sudo dnf install usbmuxd (Fedora), sudo pacman -S usbmuxd (Arch). "
        "If it is installed: sudo systemctl start usbmuxd"
    )


def _no_usbmuxd(address: Address, error: OSError) -> IbackupError:
    if "path too long" in str(error):
        return UsageError(f"The usbmuxd address is too long for a Unix socket: {address}.")
    hint = start_hint()
    if os.environ.get(ADDRESS_VARIABLE):
        hint = f"{ADDRESS_VARIABLE} is set to this address; unset it if you did not intend that. Otherwise: {hint}"
    return NoUsbmuxd(
        f"usbmuxd, the service that talks to phones, does not answer at {address}.",
        why=f"({error.strerror or error})",
        hint=hint,
    )


def _mux_gone(error: OSError | None) -> ConnectionLost:
    why = f"({error.strerror or error})" if error is not None else ""
    return ConnectionLost("usbmuxd ended the connection.", why=why, hint=start_hint())


def _send(sock: socket.socket, request: Values) -> None:
    body = plistlib.dumps(
        {"ClientVersionString": "ibackup", "ProgName": "ibackup", "kLibUSBMuxVersion": 3, **request}
    )
    try:
        sock.sendall(_HEADER.pack(_HEADER.size + len(body), _PLIST_VERSION, _PLIST_TYPE, _TAG) + body)
    except OSError as error:
        raise _mux_gone(error) from error


def _receive(sock: socket.socket, record: tapping.Channel | None) -> Values:
    """Read one message and not a byte more: after Connect, the next bytes are the phone's."""
    size = _payload_size(_read(sock, _HEADER.size))
    return _load(_read(sock, size), record)


def _load(payload: bytes, record: tapping.Channel | None) -> Values:
    message = plist_values.load_dict(payload, "usbmuxd")
    if record is not None:
        record.said("<", message, payload)
    return message


def _read(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    deadline = time.monotonic() + _ANSWER_SECONDS
    while len(data) < size:
        left = max(deadline - time.monotonic(), 0.001)
        sock.settimeout(min(left, slices.SLICE_S))
        try:
            chunk = sock.recv(size - len(data))
        except TimeoutError as error:
            if left > slices.SLICE_S:
                continue
            raise ConnectionLost("usbmuxd does not answer.", hint=start_hint()) from error
        except OSError as error:
            raise _mux_gone(error) from error
        if not chunk:
            raise _mux_gone(None)
        data += chunk
    return bytes(data)


def _payload_size(header: bytes) -> int:
    length, version, kind, _tag = _HEADER.unpack(header)
    if version != _PLIST_VERSION or kind != _PLIST_TYPE or not _HEADER.size < length <= _LARGEST_MESSAGE:
        raise ProtocolBroken(
            "usbmuxd gave an answer that makes no sense.",
            why=f"(length {length}, version {version}, type {kind})",
            hint=f"Is something else listening there? Check {ADDRESS_VARIABLE}, or update usbmuxd.",
        )
    return int(length) - _HEADER.size


def _check(answer: Values, request: str) -> None:
    number = plist_values.integer(answer, "Number")
    if number == _OK:
        return
    if number == _BAD_DEVICE:
        raise ConnectionLost(
            "The phone is no longer connected.", hint="Check the cable and plug it in again."
        )
    if number == _REFUSED:
        raise ConnectionLost(
            "The phone does not accept the connection.",
            why="It may still be starting up.",
            hint="Unlock the phone once and try again.",
        )
    raise ProtocolBroken(f"usbmuxd refused {request}.", why=f"(result {number})")


def _attached(item: object) -> Attached | None:
    """Parse one entry of the list of devices; None if it is not usable."""
    entry = plist_values.mapping(item) or plist_values.NOTHING
    properties = plist_values.mapping(entry.get("Properties")) or plist_values.NOTHING
    device_id = plist_values.integer(properties, "DeviceID") or plist_values.integer(entry, "DeviceID")
    serial = plist_values.text(properties, "SerialNumber")
    if device_id is None or serial is None or not re.fullmatch(r"[0-9A-Za-z-]{8,64}", serial):
        return None
    return Attached(device_id, serial, "Network" if properties.get("ConnectionType") == "Network" else "USB")


def _event(message: Values) -> Attached | Detached | None:
    kind = message.get("MessageType")
    if kind == "Attached":
        return _attached(dict(message))
    device_id = plist_values.integer(message, "DeviceID")
    if kind == "Detached" and device_id is not None:
        return Detached(device_id)
    return None
