"""A phone that says what a test wrote down, byte by byte, and a ledger in memory. Nothing of the product's framing."""

import contextlib
import hashlib
import os
import plistlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ibackup.base.confined import FolderItem

UDID = "00008101-000A0B0C0D0E0F01"
EMPTY = "___EmptyParameterString___"
OPTIONS = {"DLDeviceIOCallbacks": 4369}


def blob(number: int, folder: str = "Snapshot/") -> str:
    """The wire path of a made-up file's content."""
    name = hashlib.sha1(str(number).encode()).hexdigest()
    return f"{UDID}/{folder}{name[:2]}/{name}"


def status_plist(state: str, *, full: bool = True) -> bytes:
    return plistlib.dumps(
        {"UUID": "U", "Version": "3.3", "BackupState": "new", "SnapshotState": state, "IsFullBackup": full},
        fmt=plistlib.FMT_BINARY,
    )


class Device:
    """The phone's end of the socket; everything blocks, and fails after a few seconds."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(60)

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send(self, *message: object) -> None:
        body = plistlib.dumps(list(message), fmt=plistlib.FMT_BINARY)
        self.raw(struct.pack(">I", len(body)) + body)

    def read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            if not part:
                raise EOFError(f"{len(data)} of {size} bytes")
            data += part
        return bytes(data)

    def receive(self) -> list[object]:
        (length,) = struct.unpack(">I", self.read(4))
        message = plistlib.loads(self.read(length))
        assert isinstance(message, list)
        return message

    def status(self) -> tuple[int, object, object]:
        message = self.receive()
        assert message[0] == "DLMessageStatusResponse"
        assert len(message) == 4, "a phone fails with less than four components"
        code = message[1]
        assert isinstance(code, int)
        assert -(1 << 31) <= code < 1 << 31
        return code, message[2], message[3]

    def ask(self, *message: object) -> tuple[int, object, object]:
        self.send(*message)
        return self.status()

    def greet(self, major: int = 400) -> None:
        """The version exchange and the hello, as a phone does them."""
        self.send("DLMessageVersionExchange", major, 0)
        answer = self.receive()
        assert answer[:2] == ["DLMessageVersionExchange", "DLVersionsOk"]
        self.send("DLMessageDeviceReady")
        hello = self.receive()
        assert hello == [
            "DLMessageProcessMessage",
            {"MessageName": "Hello", "SupportedProtocolVersions": [2.0, 2.1]},
        ]
        self.respond(0, ProtocolVersion=2.1)

    def respond(self, code: int, **more: object) -> None:
        self.send("DLMessageProcessMessage", {"MessageName": "Response", "ErrorCode": code, **more})

    def upload(self, *files: bytes, total: int = 1 << 30) -> tuple[int, object, object]:
        """UploadFiles with these files, each made by ``file``."""
        self.send("DLMessageUploadFiles", OPTIONS, 12.5, total)
        self.raw(b"".join(files) + bytes(4))
        return self.status()

    def download(self, *paths: str) -> tuple[dict[str, tuple[int, bytes]], tuple[int, object, object]]:
        """What came of each path: the code that ended it, and its bytes or the error's text; then the status."""
        self.send("DLMessageDownloadFiles", list(paths), OPTIONS, 3.0, 0)
        found: dict[str, tuple[int, bytes]] = {}
        while length := struct.unpack(">I", self.read(4))[0]:
            path = self.read(length).decode()
            data = bytearray()
            while True:
                (length,) = struct.unpack(">I", self.read(4))
                assert 1 <= length <= (32 << 10) + 1
                code, part = self.read(1)[0], self.read(length - 1)
                if code != 0x0C:
                    found[path] = (code, bytes(data) if code == 0 else part)
                    break
                data += part
        return found, self.status()


def name(path: str | bytes) -> bytes:
    data = path if isinstance(path, bytes) else path.encode()
    return struct.pack(">I", len(data)) + data


def chunk(data: bytes, code: int = 0x0C) -> bytes:
    return struct.pack(">IB", len(data) + 1, code) + data


def file(
    path: str | bytes, *parts: bytes, end: tuple[int, bytes] = (0, b""), source: str = "/var/mobile/x"
) -> bytes:
    """A whole file as a phone sends it."""
    return name(source) + name(path) + b"".join(map(chunk, parts)) + chunk(end[1], end[0])


@contextlib.contextmanager
def playing(script: Callable[[Device], object]) -> Iterator[socket.socket]:
    """A socket to a phone that plays a script; what goes wrong in the script fails the test."""
    ours, theirs = socket.socketpair()
    failures: list[BaseException] = []

    def play() -> None:
        with theirs:
            try:
                script(Device(theirs))
            except (OSError, EOFError):
                pass  # the computer hung up, which many tests want
            except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
                failures.append(error)

    thread = threading.Thread(target=play, name="scripted-phone")
    thread.start()
    try:
        yield ours
    finally:
        ours.close()
        thread.join()
    if failures:
        raise failures[0]


class DictLedger:
    """A ledger in memory that is strict about what it is told."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[int, bytes, float]] = {}
        self.folders = {""}
        self.sums: dict[str, bytes | None] = {}
        self.unread: dict[str, tuple[str, str]] = {}

    def stored(self, path: str, size: int, sha256: bytes, mtime: float, sha1: bytes | None = None) -> None:
        assert path.rpartition("/")[0] in self.folders
        assert path not in self.folders
        self.files[path] = (size, sha256, mtime)
        self.sums[path] = sha1
        self.unread.pop(path, None)

    def could_not_read(self, path: str, device_path: str, said: str, size: int) -> None:
        assert self.files[path][0] == size
        self.unread[path] = (device_path, said)

    def moved(self, source: str, target: str) -> None:
        assert target.rpartition("/")[0] in self.folders
        self.removed(target)
        for path in [path for path in self.files if (path + "/").startswith(source + "/")]:
            self.files[target + path[len(source) :]] = self.files.pop(path)
        for path in [path for path in self.folders if (path + "/").startswith(source + "/")]:
            self.folders.remove(path)
            self.folders.add(target + path[len(source) :])

    def removed(self, path: str) -> None:
        for known in [known for known in self.files if (known + "/").startswith(path + "/")]:
            del self.files[known]
        self.folders -= {known for known in self.folders if (known + "/").startswith(path + "/")}

    def made_dir(self, path: str) -> None:
        assert path.rpartition("/")[0] in self.folders
        assert path not in self.files
        self.folders.add(path)

    def get(self, path: str) -> FolderItem | None:
        last = path.rpartition("/")[2]
        if path in self.folders:
            return FolderItem(last, "directory", 0, 0.0)
        if path in self.files:
            return FolderItem(last, "file", self.files[path][0], self.files[path][2])
        return None

    def version(self, _folder: str) -> int:
        return 0

    def listing(self, folder: str) -> Iterator[FolderItem]:
        for path in sorted({*self.folders, *self.files} - {""}):
            if path.rpartition("/")[0] == folder:
                item = self.get(path)
                assert item is not None
                yield item

    def check(self, root: Path) -> None:
        """Compare with what is on the disk, byte by byte."""
        files: dict[str, tuple[int, bytes, float]] = {}
        folders = {""}
        for path in root.rglob("*"):
            below = path.relative_to(root).as_posix()
            if path.is_dir():
                folders.add(below)
                continue
            data = path.read_bytes()
            files[below] = (len(data), hashlib.sha256(data).digest(), path.stat().st_mtime)
            assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600
        assert files == self.files
        assert folders == self.folders
