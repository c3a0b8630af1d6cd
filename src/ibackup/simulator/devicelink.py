"""The phone's side of DeviceLink, the channel below mobilebackup2.

Control messages are a big-endian length and a property list whose root is an array; files are sent raw on
the same stream, in frames of a length, one code byte and data. Any code but 0x0C ends a file and is a
negated status.
"""

import plistlib
import struct
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ibackup.apple.bplist import simple
from ibackup.simulator.binary_messages import dump
from ibackup.simulator.ciphers import Buffer
from ibackup.simulator.habits import Habits
from ibackup.simulator.stream import Stream

EMPTY = "___EmptyParameterString___"
_CALLBACKS = {"DLDeviceIOCallbacks": 0x1_0471_2F60}
"""The options that accompany a list of files; no other request has options."""
MAX_MESSAGE = 64 << 20
MAX_OBJECTS, MAX_DEPTH = 4_000_000, 64
"""Types that are read by the fast path; plistlib reads the rest."""
MAX_FRAME = 1 << 30
MAX_PATH = 4096
READ_SIZE = 1 << 16
WRITE_SIZE = 1 << 18

CODE_SUCCESS, CODE_DATA = 0x00, 0x0C
OK, GENERIC, UNIMPLEMENTED, NOT_FOUND, EXISTS, MULTI_STATUS, NO_SPACE = 0, -1, -2, -6, -7, -13, -15
_MB_ERRORS = {OK: 0, NOT_FOUND: 4, EXISTS: 3, MULTI_STATUS: 2, NO_SPACE: 105}


class HostGone(Exception):
    """The computer said goodbye during a conversation."""


class LinkError(Exception):
    """The computer answered a request with an error, or broke the DeviceLink protocol.

    Attributes:
        status: the DeviceLink status, negative.
        text: the computer's error text.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{text} ({status})")
        self.status = status
        self.text = text

    @property
    def mb_error(self) -> int:
        """The MBErrorDomain code that a phone turns it into."""
        return _MB_ERRORS.get(self.status, 100)


class FileFailed(Exception):
    """Raised by the chunks of a file if the phone cannot read on; ends the file with this code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A file on its way to the computer: where it is from, where to store it, its bytes as stored."""

    device_path: str
    path: str
    chunks: Iterable[Buffer]


@dataclass(frozen=True, slots=True)
class ListedItem:
    """One entry of a folder on the computer."""

    directory: bool
    regular: bool
    size: int


class Sink(Protocol):
    """Where a downloaded file goes."""

    def write(self, data: memoryview, /) -> object:
        """Take the next bytes; they are valid only until it returns."""


def _no_pause() -> None:
    """Do nothing between messages."""


class PhoneLink:
    """The phone's end of a DeviceLink connection.

    Attributes:
        version: the negotiated major version; it decides which messages may be sent.
        progress: overall progress, 0 to 100, sent with each request.
        before_message: called before each request; faults and delays happen there.
    """

    def __init__(self, stream: Stream, *, chunk_size: int, habits: Habits | None = None) -> None:
        self._stream = stream
        self._habits = habits or Habits()
        self._chunk_size = chunk_size
        self._out = bytearray()
        self._incoming = memoryview(bytearray(READ_SIZE))
        self.version = 0
        self.progress = 0.0
        self.before_message: Callable[[], None] = _no_pause

    # --- handshake and messages

    def handshake(self, major: int) -> None:
        """Agree on a version.

        Raises:
            LinkError: the computer refused our version.
        """
        self.send(["DLMessageVersionExchange", major, 0])
        answer = self.receive()
        verdict = answer[1] if len(answer) > 1 else None
        if answer[0] != "DLMessageVersionExchange" or verdict not in (
            "DLVersionsOk",
            "DLErrorAcceptingDeviceLinkGreater",
        ):
            raise LinkError(GENERIC, f"The computer refused the version: {answer[0]} {verdict}")
        host = answer[2] if len(answer) > 2 and isinstance(answer[2], int) else major
        self.version = min(major, host)
        self.send(["DLMessageDeviceReady"])

    def request(self) -> dict[str, object]:
        """The computer's next mobilebackup2 request.

        Raises:
            HostGone: it said goodbye instead.
            LinkError: it sent something else.
        """
        message = self.receive()
        if message[0] != "DLMessageProcessMessage" or len(message) < 2 or not isinstance(message[1], dict):
            raise LinkError(GENERIC, f"Unknown Message Received: {message[0]}")
        return message[1]

    def respond(self, response: Mapping[str, object]) -> None:
        """Send a mobilebackup2 response, which ends an operation."""
        self.send(["DLMessageProcessMessage", dict(response)])

    def disconnect(self, reason: str) -> None:
        """Say goodbye."""
        self.send(["DLMessageDisconnect", reason])

    def send(self, message: Sequence[object]) -> None:
        """Send one message."""
        data = dump(message) or plistlib.dumps(list(message), fmt=plistlib.FMT_BINARY)
        self._stream.write(struct.pack(">I", len(data)) + data)

    def receive(self) -> list[object]:
        """The computer's next message: its name, then its parameters.

        Raises:
            HostGone: it said goodbye.
            LinkError: it sent something that is not a message.
        """
        while True:
            length = self._length(MAX_MESSAGE)
            try:
                data = self._stream.read_exact(length)
                message = simple(data, max_objects=MAX_OBJECTS, max_depth=MAX_DEPTH)
                if message is None:
                    message = plistlib.loads(data)
            except (ValueError, plistlib.InvalidFileException, RecursionError) as error:
                raise LinkError(GENERIC, "The message is not a property list") from error
            if not isinstance(message, list) or not message or not isinstance(message[0], str):
                raise LinkError(GENERIC, "The message is not an array that starts with a name")
            if message[0] == "DLMessageDisconnect":
                raise HostGone(str(message[1]) if len(message) > 1 else "")
            if message[0] != "DLMessagePing":
                return message

    def _length(self, limit: int) -> int:
        length = int.from_bytes(self._stream.read_exact(4), "big")
        if length > limit:
            raise LinkError(GENERIC, f"A length of {length} bytes, more than {limit}")
        return length

    # --- requests to the computer

    def free_space(self) -> int | None:
        """Bytes free on the computer; None if it is too old to be asked."""
        if self.version < 300:
            return None
        value = self._call(["DLMessageGetFreeDiskSpace"])
        return value if isinstance(value, int) else None

    def purge(self, wanted: int, urgency: int) -> int | None:
        """Ask the computer to free ``wanted`` bytes; return the bytes freed, or None if it cannot be asked."""
        if self.version < 400:
            return None
        value = self._call(["DLMessagePurgeDiskSpace", wanted, urgency])
        return value if isinstance(value, int) else 0

    def create_directory(self, path: str) -> None:
        """Make a folder; an existing one is fine."""
        try:
            self._call(["DLMessageCreateDirectory", path, {}, self.progress])
        except LinkError as error:
            if error.status != EXISTS:
                raise

    def contents(self, path: str) -> dict[str, ListedItem] | None:
        """The entries of a folder; None if the computer reports that it does not exist.

        Raises:
            LinkError: the answer is an error or not a listing.
        """
        try:
            value = self._call(["DLContentsOfDirectory", path, {}, self.progress])
        except LinkError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        if not isinstance(value, dict):
            raise LinkError(GENERIC, f"The listing of {path} is not a dictionary")
        return {name: _listed(path, entry) for name, entry in value.items()}

    def move(self, moves: Mapping[str, str]) -> dict[str, int]:
        """Move files; return the status of each source that failed."""
        name = "DLMessageMoveItems" if self.version >= 200 else "DLMessageMoveFiles"
        return self._bulk([name, dict(moves), {}, self.progress], list(moves))

    def remove(self, paths: Sequence[str]) -> dict[str, int]:
        """Remove files and folders with their contents; return the status of each path that failed."""
        name = "DLMessageRemoveItems" if self.version >= 200 else "DLMessageRemoveFiles"
        return self._bulk([name, list(paths), {}, self.progress], list(paths))

    def remove_directory(self, path: str) -> None:
        """Remove a folder: a message of computers older than version 200."""
        self._call(["DLMessageRemoveDirectory", path, {}, self.progress])

    def copy(self, source: str, destination: str, size: int = 0) -> None:
        """Copy a file or folder on the computer."""
        self._call(["DLMessageCopyItem", source, destination, {}, self.progress, size])

    def unknown(self, name: str) -> None:
        """Send a message that no computer knows."""
        self._call([name, EMPTY])

    def _call(self, message: Sequence[object]) -> object:
        self.before_message()
        self.send(message)
        code, text, value = self._status()
        if code != OK:
            raise LinkError(code, text)
        return value

    def _bulk(self, message: Sequence[object], paths: list[str]) -> dict[str, int]:
        self.before_message()
        self.send(message)
        return self._bulk_status(paths)

    def _bulk_status(self, paths: list[str]) -> dict[str, int]:
        """The statuses of a request for several files: those that failed, by path."""
        code, text, value = self._status()
        if code == OK:
            return {}
        if code != MULTI_STATUS:
            raise LinkError(code, text)
        if not isinstance(value, dict):
            raise LinkError(GENERIC, "A multi-status without its dictionary")
        if len(paths) == 1 and list(value) != paths:
            raise LinkError(GENERIC, "Unexpected bulk operation result count/key")
        return {path: _file_status(entry) for path, entry in value.items()}

    def _status(self) -> tuple[int, str, object]:
        message = self.receive()
        if message[0] != "DLMessageStatusResponse":
            raise LinkError(GENERIC, f"{message[0]} where a status was expected")
        if len(message) != 4:
            raise LinkError(GENERIC, "Too few components")
        return _signed(message[1]), str(message[2]), message[3]

    # --- files to the computer

    def upload(self, files: Iterable[Outgoing], total: int, *, single: bool = False) -> dict[str, int]:
        """Send files; return the status of each file that the computer could not take.

        A file that could not be read ends with its error on the wire. It is not in the result: the caller
        raised that error itself.

        Args:
            files: what to send; consumed one by one.
            total: total bytes of all files.
            single: one file of the backup's own, not a list of the phone's files.
        """
        self.before_message()
        announced = self._habits.announced(total, single=single)
        self.send(["DLMessageUploadFiles", {} if single else _CALLBACKS, self.progress, announced])
        paths: list[str] = []
        failed: set[str] = set()
        for file in files:
            paths.append(file.path)
            if not self.put_file(file):
                failed.add(file.path)
        self.end_files()
        statuses = self._bulk_status(paths)
        return {path: status for path, status in statuses.items() if path not in failed}

    def put_file(self, file: Outgoing) -> bool:
        """Send one file of a list; False if it could not be read to its end."""
        self._put_name(file.device_path)
        self._put_name(file.path)
        code, text = CODE_SUCCESS, b""
        try:
            for chunk in file.chunks:
                self._put_chunk(chunk)
        except FileFailed as error:
            code, text = error.code, error.text.encode()
        self._put(struct.pack(">IB", len(text) + 1, code) + text)
        return not code

    def end_files(self) -> None:
        """End a list of files."""
        self._put(bytes(4))
        self.flush()

    def giant_frame(self, path: str, length: int) -> None:
        """Announce a chunk of ``length`` bytes for a file, and wait for the computer's reaction."""
        self.send(["DLMessageUploadFiles", {}, self.progress, length])
        self._put_name("/var/mobile/giant")
        self._put_name(path)
        self._put(struct.pack(">IB", length, CODE_DATA) + bytes(1 << 16))
        self.flush()
        self._status()

    def giant_message(self, length: int) -> None:
        """Announce a message of ``length`` bytes, and wait for the computer's reaction."""
        self._stream.write(struct.pack(">I", length) + b"bplist00" + bytes(1 << 16))
        self._status()

    def _put_name(self, name: str) -> None:
        data = name.encode()
        self._put(struct.pack(">I", len(data)) + data)

    def _put_chunk(self, chunk: Buffer) -> None:
        size = self._chunk_size
        if len(chunk) <= size:
            if chunk:
                self._put(struct.pack(">IB", len(chunk) + 1, CODE_DATA))
                self._put(chunk)
            return
        view = memoryview(chunk)
        for start in range(0, len(view), size):
            self._put_chunk(view[start : start + size])

    def _put(self, data: Buffer) -> None:
        """Add bytes to the next write; one write carries many small files."""
        self._out += data
        if len(self._out) >= WRITE_SIZE:
            self.flush()

    def flush(self) -> None:
        """Send the gathered bytes."""
        if self._out:
            out, self._out = self._out, bytearray()
            self._stream.write(out)

    # --- files from the computer

    def download(self, paths: Sequence[str], sink: Callable[[str], Sink], total: int = 0) -> dict[str, int]:
        """Fetch files; return the status of each file that did not arrive.

        Args:
            paths: what to fetch.
            sink: called once for each file that arrives; returns where its bytes go.
            total: total bytes of all files, 0 if unknown.

        Raises:
            LinkError: the computer broke the protocol, or refused the request as a whole.
        """
        self.before_message()
        options = _CALLBACKS if total else {}
        self.send(["DLMessageDownloadFiles", list(paths), options, self.progress, total])
        wanted = set(paths)
        results = self.take_files(wanted, sink)
        try:
            results.update(self._bulk_status(list(paths)))
        except LinkError as error:
            if error.status == GENERIC or any(results.values()):
                raise
            results.update(dict.fromkeys(wanted - results.keys(), error.status))
        return {path: results.get(path, GENERIC) for path in paths if results.get(path, GENERIC) != OK}

    def take_files(self, wanted: Container[str], sink: Callable[[str], Sink]) -> dict[str, int]:
        """Take the files that the computer sends in answer to a request; return the status of each.

        Raises:
            LinkError: the computer sent a file that was not requested.
        """
        results: dict[str, int] = {}
        while length := self._length(MAX_PATH):
            path = self._stream.read_exact(length).decode("utf-8", "replace")
            if path not in wanted:
                raise LinkError(GENERIC, f"The computer sent {path}, which nobody asked for")
            results[path] = self._take_file(sink(path))
        return results

    def _take_file(self, sink: Sink) -> int:
        while True:
            length = self._length(MAX_FRAME)
            if length == 0:
                return GENERIC
            code = self._stream.read_exact(1)[0]
            if code != CODE_DATA:
                self._stream.read_exact(length - 1)
                return -code
            for part in self._parts(length - 1):
                sink.write(part)

    def _parts(self, length: int) -> Iterator[memoryview]:
        while length:
            part = self._incoming[: min(length, len(self._incoming))]
            self._stream.read_into(part)
            length -= len(part)
            yield part


def _signed(value: object) -> int:
    """A status as a signed 32-bit number, no matter how the computer wrote it."""
    if not isinstance(value, int):
        raise LinkError(GENERIC, "A status that is not a number")
    value &= 0xFFFF_FFFF
    return value - (1 << 32) if value >> 31 else value


def _file_status(entry: object) -> int:
    if not isinstance(entry, dict):
        raise LinkError(GENERIC, "A multi-status entry that is not a dictionary")
    return _signed(entry.get("DLFileErrorCode", GENERIC))


def _listed(path: str, entry: object) -> ListedItem:
    if not isinstance(entry, dict):
        raise LinkError(GENERIC, f"An entry in the listing of {path} is not a dictionary")
    kind = entry.get("DLFileType")
    size = entry.get("DLFileSize", 0)
    return ListedItem(
        kind == "DLFileTypeDirectory", kind == "DLFileTypeRegular", size if isinstance(size, int) else 0
    )
