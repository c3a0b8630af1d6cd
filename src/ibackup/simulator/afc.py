"""com.apple.afc: the media folder as a small file system, where the sync lock lives.

A packet: 40 bytes of header (magic, whole length, length of header and parameters, number, operation; all
numbers little-endian, 64 bits), parameters, payload. An answer repeats the number of its question.
"""

import contextlib
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from ibackup.simulator.afcfiles import (
    BAD_HEADER,
    DENIED,
    INVALID,
    NOT_FOUND,
    SYNC_LOCK,
    WOULD_BLOCK,
    AfcError,
    AfcFile,
    AfcTree,
    normal,
)
from ibackup.simulator.faults import SyncLockHeld
from ibackup.simulator.stream import Stream, StreamEnded
from ibackup.simulator.virtual_phone import VirtualPhone

MAGIC: Final = b"CFA6LPAA"
HEADER: Final = struct.Struct("<8sQQQQ")
LIMIT: Final = 64 * 2**20
"""The longest packet that a computer may send, in bytes."""

STATUS, DATA, OPENED, TOLD = 0x01, 0x02, 0x0E, 0x13
"""The operation codes of answers."""

NOT_SUPPORTED: Final = 15
TOO_MUCH: Final = 13

LOCK_SHARED, LOCK_EXCLUSIVE, UNLOCK = 5, 6, 12

Answer: TypeAlias = tuple[int, bytes]
DONE: Final[Answer] = (STATUS, struct.pack("<Q", 0))


@dataclass
class OpenFile:
    """The file or folder that a handle refers to.

    Attributes:
        appends: every write is added at the end.
    """

    path: str
    file: AfcFile
    readable: bool
    writable: bool
    appends: bool
    position: int = 0

    @property
    def data(self) -> bytearray:
        """The file's bytes."""
        if self.file.data is None:  # a folder is never opened
            raise AfcError(INVALID)
        return self.file.data


@dataclass(frozen=True)
class _Mode:
    """What one of the open modes allows and does."""

    readable: bool
    writable: bool
    create: bool = False
    truncate: bool = False
    appends: bool = False


_MODES: Final[Mapping[int, _Mode]] = {
    1: _Mode(readable=True, writable=False),
    2: _Mode(readable=True, writable=True, create=True),
    3: _Mode(readable=False, writable=True, create=True, truncate=True),
    4: _Mode(readable=True, writable=True, create=True, truncate=True),
    5: _Mode(readable=False, writable=True, create=True, appends=True),
    6: _Mode(readable=True, writable=True, create=True, appends=True),
}


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Serve one connection until it ends; then release its locks."""
    serve_tree(stream, phone, phone.afc)


def serve_tree(stream: Stream, phone: VirtualPhone, tree: AfcTree) -> None:
    """Serve one connection from any file tree."""
    session = AfcSession(phone, tree)
    try:
        while True:
            number, operation, parameters, payload = _read_packet(stream)
            try:
                kind, body = session.answer(operation, parameters, payload)
            except AfcError as error:
                kind, body = STATUS, struct.pack("<Q", error.status)
            size = HEADER.size + len(body)
            # Data answers count their data as payload, other answers as parameters.
            this = HEADER.size if kind == DATA else size
            stream.write(HEADER.pack(MAGIC, size, this, number, kind) + body)
    finally:
        session.end()


def _read_packet(stream: Stream) -> tuple[int, int, bytes, bytes]:
    """Read one packet: its number, operation, parameters and payload."""
    magic, whole, this, number, operation = HEADER.unpack(stream.read_exact(HEADER.size))
    if magic != MAGIC or not HEADER.size <= this <= whole <= LIMIT:
        raise StreamEnded("not an AFC packet")
    body = stream.read_exact(whole - HEADER.size)
    parameters = this - HEADER.size
    return number, operation, body[:parameters], body[parameters:]


class AfcSession:
    """The operations of one connection."""

    def __init__(self, phone: VirtualPhone, tree: AfcTree | None = None) -> None:
        self._phone = phone
        self._tree = phone.afc if tree is None else tree
        self._handles: dict[int, OpenFile] = {}
        self._next_handle = 1
        self._operations: Mapping[int, Callable[[bytes, bytes], Answer]] = {
            0x03: self._read_folder,
            0x08: self._remove,
            0x09: self._make_folder,
            0x0A: self._file_info,
            0x0B: self._device_info,
            0x0D: self._open,
            0x0F: self._read,
            0x10: self._write,
            0x11: self._seek,
            0x12: self._tell,
            0x14: self._close,
            0x15: self._set_size,
            0x18: self._rename,
            0x1B: self._lock,
            0x1C: self._link,
            0x1E: self._set_time,
            0x22: self._remove_all,
        }

    def answer(self, operation: int, parameters: bytes, payload: bytes) -> Answer:
        """Do one operation.

        Raises:
            AfcError: the operation failed.
        """
        do = self._operations.get(operation)
        if do is None:
            raise AfcError(NOT_SUPPORTED)
        try:
            with self._tree.lock:
                return do(parameters, payload)
        except (struct.error, UnicodeDecodeError) as error:
            raise AfcError(BAD_HEADER) from error

    def end(self) -> None:
        """Release everything that the connection still has open or locked."""
        for handle in list(self._handles):
            with contextlib.suppress(AfcError):  # there is no client left to report an error to
                self._close(struct.pack("<Q", handle), b"")

    # --- paths

    def _read_folder(self, parameters: bytes, _: bytes) -> Answer:
        return DATA, _strings(self._tree.names(_path(parameters)))

    def _remove(self, parameters: bytes, _: bytes) -> Answer:
        path = _path(parameters)
        self._tree.remove(path)
        self._phone.journal.add("afc_remove", normal(path))
        return DONE

    def _remove_all(self, parameters: bytes, _: bytes) -> Answer:
        path = _path(parameters)
        self._tree.remove(path, contents=True)
        self._phone.journal.add("afc_remove", normal(path))
        return DONE

    def _make_folder(self, parameters: bytes, _: bytes) -> Answer:
        self._tree.make_folder(_path(parameters))
        return DONE

    def _file_info(self, parameters: bytes, _: bytes) -> Answer:
        node = self._tree.node(_path(parameters))
        size = 64 if node.data is None else len(node.data)
        facts = {
            "st_size": size,
            "st_blocks": -(-size // 4096) * 8,
            "st_nlink": 1,
            "st_ifmt": "S_IFDIR" if node.is_folder else "S_IFREG",
            "st_mtime": node.modified_ns,
            "st_birthtime": node.born_ns,
        }
        return DATA, _pairs(facts)

    def _device_info(self, _: bytes, __: bytes) -> Answer:
        spec = self._phone.spec
        facts = {
            "Model": spec.product_type,
            "FSTotalBytes": spec.capacity,
            "FSFreeBytes": self._phone.free,
            "FSBlockSize": 4096,
        }
        return DATA, _pairs(facts)

    def _rename(self, parameters: bytes, _: bytes) -> Answer:
        source, target = _paths(parameters)
        self._tree.rename(source, target)
        return DONE

    def _link(self, parameters: bytes, _: bytes) -> Answer:
        (kind,) = struct.unpack_from("<Q", parameters)
        target, _name = _paths(parameters[8:])
        self._tree.node(target)
        raise AfcError(NOT_SUPPORTED if kind in (1, 2) else INVALID)

    def _set_time(self, parameters: bytes, _: bytes) -> Answer:
        (when,) = struct.unpack_from("<Q", parameters)
        self._tree.node(_path(parameters[8:])).modified_ns = when
        return DONE

    # --- handles

    def _open(self, parameters: bytes, _: bytes) -> Answer:
        (number,) = struct.unpack_from("<Q", parameters)
        path = normal(_path(parameters[8:]))
        mode = _MODES.get(number)
        if mode is None:
            raise AfcError(INVALID)
        file = self._tree.open_file(path, create=mode.create, truncate=mode.truncate)
        handle = self._next_handle
        self._next_handle += 1
        self._handles[handle] = OpenFile(path, file, mode.readable, mode.writable, mode.appends)
        return OPENED, struct.pack("<Q", handle)

    def _file(self, parameters: bytes) -> OpenFile:
        (handle,) = struct.unpack_from("<Q", parameters)
        file = self._handles.get(handle)
        if file is None:
            raise AfcError(INVALID)
        return file

    def _read(self, parameters: bytes, _: bytes) -> Answer:
        file = self._file(parameters)
        (size,) = struct.unpack_from("<Q", parameters, 8)
        if not file.readable:
            raise AfcError(DENIED)
        if size > LIMIT:
            raise AfcError(TOO_MUCH)
        data = bytes(file.data[file.position : file.position + size])
        file.position += len(data)
        return DATA, data

    def _write(self, parameters: bytes, payload: bytes) -> Answer:
        file = self._file(parameters)
        if not file.writable:
            raise AfcError(DENIED)
        if file.appends:
            file.position = len(file.data)
        file.data.extend(bytes(max(0, file.position - len(file.data))))
        file.data[file.position : file.position + len(payload)] = payload
        file.position += len(payload)
        self._written(file)
        return DONE

    def _seek(self, parameters: bytes, _: bytes) -> Answer:
        file = self._file(parameters)
        whence, offset = struct.unpack_from("<Qq", parameters, 8)
        bases = {0: 0, 1: file.position, 2: len(file.data)}
        if whence not in bases or not 0 <= bases[whence] + offset <= LIMIT:
            raise AfcError(INVALID)
        file.position = bases[whence] + offset
        return DONE

    def _tell(self, parameters: bytes, _: bytes) -> Answer:
        return TOLD, struct.pack("<Q", self._file(parameters).position)

    def _set_size(self, parameters: bytes, _: bytes) -> Answer:
        file = self._file(parameters)
        (size,) = struct.unpack_from("<Q", parameters, 8)
        if not file.writable:
            raise AfcError(DENIED)
        if size > LIMIT:
            raise AfcError(TOO_MUCH)
        del file.data[size:]
        file.data.extend(bytes(size - len(file.data)))
        self._written(file)
        return DONE

    def _written(self, file: OpenFile) -> None:
        file.file.modified_ns = time.time_ns()
        self._phone.journal.add("afc_write", file.path)

    def _close(self, parameters: bytes, _: bytes) -> Answer:
        file = self._file(parameters)
        del self._handles[struct.unpack_from("<Q", parameters)[0]]
        if not any(other.path == file.path for other in self._handles.values()):
            self._release(file.path)
        return DONE

    # --- locks

    def _lock(self, parameters: bytes, _: bytes) -> Answer:
        file = self._file(parameters)
        (operation,) = struct.unpack_from("<Q", parameters, 8)
        if operation == UNLOCK:
            self._release(file.path)
            return DONE
        if operation not in (LOCK_SHARED, LOCK_EXCLUSIVE):
            raise AfcError(INVALID)
        if file.path not in self._tree.paths():
            raise AfcError(NOT_FOUND)
        fault = self._phone.fault(SyncLockHeld) if file.path == SYNC_LOCK else None
        if fault is not None or not self._tree.take_lock(
            file.path, self, exclusive=operation == LOCK_EXCLUSIVE
        ):
            self._phone.journal.add("lock_refused", file.path)
            raise AfcError(WOULD_BLOCK if fault is None else fault.status)
        self._phone.journal.add("lock_taken", file.path)
        return DONE

    def _release(self, path: str) -> None:
        if self._tree.drop_lock(path, self):
            self._phone.journal.add("lock_released", path)


def _path(parameters: bytes) -> str:
    return parameters.split(b"\0", 1)[0].decode("utf-8")


def _paths(parameters: bytes) -> tuple[str, str]:
    first, _, rest = parameters.partition(b"\0")
    return first.decode("utf-8"), _path(rest)


def _strings(items: list[str]) -> bytes:
    return b"".join(item.encode("utf-8") + b"\0" for item in items)


def _pairs(facts: Mapping[str, object]) -> bytes:
    return _strings([str(item) for pair in facts.items() for item in pair])
