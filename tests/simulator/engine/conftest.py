"""A small host for the backup engine: one socket, its backup folder in memory, every message written down."""

import contextlib
import plistlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from ibackup.simulator.mobilebackup2 import serve
from ibackup.simulator.spec import DomainSpec, PhoneSpec
from ibackup.simulator.stream import Stream, StreamEnded
from ibackup.simulator.virtual_phone import VirtualPhone

NAMES = {
    "DLMessageMoveFiles": "move",
    "DLMessageMoveItems": "move",
    "DLMessageRemoveFiles": "remove",
    "DLMessageRemoveItems": "remove",
    "DLMessageRemoveDirectory": "remove_directory",
    "DLMessageCreateDirectory": "create",
    "DLMessageUploadFiles": "upload",
    "DLMessageDownloadFiles": "download",
    "DLContentsOfDirectory": "list",
    "DLMessageCopyItem": "copy",
    "DLMessageGetFreeDiskSpace": "free",
    "DLMessagePurgeDiskSpace": "purge",
}


def _never(_: int, __: str) -> bool:
    return False


class Cut(Exception):
    """The host hangs up here."""


class HostRefused(Exception):
    """The host ends the conversation."""


@dataclass
class Host:
    """A computer with an empty disk.

    Attributes:
        files: what it stores, by path.
        messages: what the phone asked for in the last conversation, the path of each uploaded file included.
        cut: called with the number and the name of each message; True hangs up before it is answered.
        override: answers of its own, (code, text, value), by short name.
        room: what it says is free.
        xml: answers as pymobiledevice3 does: XML, negative numbers as unsigned 64-bit ones.
        phone_s: seconds of computing that the last conversation cost the phone.
        trailers: for each uploaded file that did not end well, its code and text.
    """

    phone: VirtualPhone
    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    messages: list[tuple[str, list[object]]] = field(default_factory=list)
    uploaded: list[str] = field(default_factory=list)
    trailers: dict[str, tuple[int, str]] = field(default_factory=dict)
    override: dict[str, tuple[int, str, object]] = field(default_factory=dict)
    cut: Callable[[int, str], bool] = _never
    major: int | None = 400
    room: int = 1 << 40
    xml: bool = False
    phone_s: float = 0.0

    # --- conversations

    def backup(self, **more: object) -> dict[str, object]:
        """Ask for a backup; the phone's response."""
        self.files[f"{self.phone.udid}/Info.plist"] = plistlib.dumps(
            {"Product Version": self.phone.spec.ios_version}
        )
        return self.request({"MessageName": "Backup", "TargetIdentifier": self.phone.udid, **more})

    def cut_off(self, cut: Callable[[int, str], bool]) -> None:
        """Ask for a backup and hang up when ``cut`` says so."""
        self.cut = cut
        try:
            self.backup()
        except Cut:
            return
        finally:
            self.cut = _never
        raise AssertionError("the backup was over before")

    def restore(self, source: str | None = None, /, **options: object) -> dict[str, object]:
        """Ask for a restore; the phone's response."""
        identifiers = {
            "TargetIdentifier": self.phone.udid,
            "SourceIdentifier": source or self.phone.udid,
        }
        return self.request({"MessageName": "Restore", **identifiers, "Options": options})

    def change_password(self, old: str | None, new: str | None) -> dict[str, object]:
        """Ask for another password; the phone's response."""
        request = {"MessageName": "ChangePassword", "TargetIdentifier": self.phone.udid}
        request |= {"OldPassword": old} if old else {}
        request |= {"NewPassword": new} if new else {}
        return self.request(request)

    def request(self, request: Mapping[str, object]) -> dict[str, object]:
        """Have one conversation with one request; the phone's response.

        Raises:
            Cut: this host hung up.
            HostRefused: the phone did.
        """
        self.messages, self.uploaded, self.trailers = [], [], {}
        ours, theirs = socket.socketpair()
        failures: list[BaseException] = []

        def run() -> None:
            stream = Stream(theirs)
            try:
                serve(stream, self.phone)
            except StreamEnded:
                pass
            except BaseException as error:  # noqa: BLE001 - told below
                failures.append(error)
            finally:
                stream.drop()
                self.phone_s = time.thread_time()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            self._file = ours.makefile("rwb", buffering=1 << 16)
            self._greet()
            self._send(["DLMessageProcessMessage", dict(request)])
            return self._serve()
        except (EOFError, OSError) as error:
            raise HostRefused("the phone hung up") from error
        finally:
            with contextlib.suppress(OSError):
                self._file.close()
            ours.close()
            thread.join()
            if failures:
                raise failures[0]

    def _greet(self) -> None:
        name, major, minor = self._receive()
        assert (name, minor) == ("DLMessageVersionExchange", 0)
        mine = major if self.major is None else self.major
        self._send(["DLMessageVersionExchange", "DLVersionsOk", mine])
        assert self._receive() == ["DLMessageDeviceReady"]
        hello = {"MessageName": "Hello", "SupportedProtocolVersions": [2.0, 2.1]}
        self._send(["DLMessageProcessMessage", hello])
        response = self._receive()
        assert response[1] == {"MessageName": "Response", "ErrorCode": 0, "ProtocolVersion": 2.1}

    def _serve(self) -> dict[str, object]:
        while True:
            message = self._receive()
            if message[0] == "DLMessageProcessMessage":
                response = message[1]
                assert isinstance(response, dict)
                self._send(["DLMessageDisconnect", "___EmptyParameterString___"])
                return response
            if message[0] == "DLMessageDisconnect":
                raise HostRefused(str(message[1]))
            name = NAMES.get(str(message[0]), str(message[0]))
            self.messages.append((name, message))
            if self.cut(len(self.messages), name):
                raise Cut
            answer = getattr(self, f"_{name}", None)
            if name in self.override:
                if name == "upload":
                    self._upload(message)
                self._status(*self.override[name])
            elif answer is None:
                self._status(-2, "unknown", {})
            else:
                self._status(*answer(message))

    # --- requests

    def _create(self, message: list[object]) -> tuple[int, str, object]:
        self.folders.add(str(message[1]))
        return 0, "", {}

    def _free(self, message: list[object]) -> tuple[int, str, object]:
        assert message == ["DLMessageGetFreeDiskSpace"]
        return 0, "", self.room

    def _upload(self, message: list[object]) -> tuple[int, str, object]:
        assert len(message) == 4
        assert isinstance(message[2], float)
        while self._frame():
            path = self._frame().decode()
            data, code, text = self._body()
            self.files[path] = data
            self.uploaded.append(path)
            if code:
                self.trailers[path] = (code, text.decode())
        return 0, "", {}

    def _download(self, message: list[object]) -> tuple[int, str, object]:
        assert len(message) == 5
        missing = {}
        paths = message[1]
        assert isinstance(paths, list)
        for path in paths:
            self._put(path.encode())
            data = self.files.get(path)
            if data is None:
                self._put(b"\x06No such file or directory")
                missing[path] = {"DLFileErrorString": "No such file", "DLFileErrorCode": self._number(-6)}
                continue
            for start in range(0, len(data), 32_768):
                self._put(b"\x0c" + data[start : start + 32_768])
            self._put(b"\0")
        self._file.write(bytes(4))
        return (-13, "Multi status", missing) if missing else (0, "", {})

    def _list(self, message: list[object]) -> tuple[int, str, object]:
        assert len(message) == 4
        top = f"{message[1]}/"
        when = datetime.now(UTC).replace(tzinfo=None)
        found: dict[str, object] = {}
        for folder in self.folders:
            if folder.startswith(top) and "/" not in folder[len(top) :]:
                found[folder[len(top) :]] = {"DLFileType": "DLFileTypeDirectory", "DLFileSize": 64}
        for path, data in self.files.items():
            if path.startswith(top) and "/" not in path[len(top) :]:
                found[path[len(top) :]] = {
                    "DLFileType": "DLFileTypeRegular",
                    "DLFileSize": len(data),
                    "DLFileModificationDate": when,
                }
        return 0, "", found

    def _move(self, message: list[object]) -> tuple[int, str, object]:
        assert len(message) == 4
        moves = message[1]
        assert isinstance(moves, dict)
        for source, destination in moves.items():
            if source not in self.files:
                failed = {"DLFileErrorString": "gone", "DLFileErrorCode": self._number(-6)}
                return -13, "Multi status", {source: failed}
            self.files[destination] = self.files.pop(source)
        return 0, "", {}

    def _remove(self, message: list[object]) -> tuple[int, str, object]:
        assert len(message) == 4
        paths = message[1]
        assert isinstance(paths, list)
        for path in paths:
            self.files.pop(path, None)
            self.files = {name: data for name, data in self.files.items() if not name.startswith(f"{path}/")}
            self.folders = {name for name in self.folders if name != path and not name.startswith(f"{path}/")}
        return 0, "", {}

    def _copy(self, message: list[object]) -> tuple[int, str, object]:
        assert len(message) == 6
        source, destination = str(message[1]), str(message[2])
        for name, data in list(self.files.items()):
            if name == source or name.startswith(f"{source}/"):
                self.files[destination + name[len(source) :]] = data
        return 0, "", {}

    # --- bytes

    def _receive(self) -> list[object]:
        message = plistlib.loads(self._frame())
        assert isinstance(message, list)
        return message

    def _send(self, message: Sequence[object]) -> None:
        kind = plistlib.FMT_XML if self.xml else plistlib.FMT_BINARY
        self._put(plistlib.dumps(list(message), fmt=kind))
        self._file.flush()

    def _status(self, code: int, text: str, value: object) -> None:
        empty = "___EmptyParameterString___"
        self._send(["DLMessageStatusResponse", self._number(code), text or empty, value])

    def _number(self, code: int) -> int:
        return code + (1 << 64) if self.xml and code < 0 else code

    def _put(self, data: bytes) -> None:
        self._file.write(struct.pack(">I", len(data)) + data)

    def _read(self, count: int) -> bytes:
        data: bytes = self._file.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def _frame(self) -> bytes:
        return self._read(int.from_bytes(self._read(4), "big"))

    def _body(self) -> tuple[bytes, int, bytes]:
        parts = []
        while (frame := self._frame())[0] == 0x0C:
            parts.append(frame[1:])
        return b"".join(parts), frame[0], frame[1:]


SMALL = PhoneSpec(
    domains=(
        DomainSpec(name="CameraRollDomain", count=6, max_size=70_000),
        DomainSpec(name="HomeDomain", count=12),
        DomainSpec(name="HealthDomain", count=3),
    ),
    keybag_rounds=100,
    batch_size=4,
)


@pytest.fixture
def small() -> PhoneSpec:
    """A phone of two dozen files in small batches."""
    return SMALL


@pytest.fixture
def make() -> Callable[..., Host]:
    """Makes a host and its phone; keywords change the small phone's spec."""

    def made(**changes: object) -> Host:
        return Host(VirtualPhone(replace(SMALL, **changes)))  # type: ignore[arg-type]  # checked by PhoneSpec

    return made


@pytest.fixture(params=[None, "geheim"], ids=["plain", "encrypted"])
def password(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """The backup password, once without and once with one."""
    return request.param  # type: ignore[no-any-return]
