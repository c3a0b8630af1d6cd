"""Single messages of real phones, from public reports: read in both encodings, and answered in a session.

The reports' own bytes are in ../shared/traces beside the repository, where that is there; here are messages of the same
shape without anybody's identifiers.
"""

import plistlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from ibackup.base.confined import PathRefused
from ibackup.base.errors import IbackupError, NoRoom, PasswordNeeded, PersonNeeded, PhoneRefused
from ibackup.base.events import Caution
from ibackup.device.devicelink import requests
from ibackup.device.devicelink.link import DeviceLink
from support.scripted import EMPTY, UDID, Device, blob, file, playing, status_plist
from support.working_lab import Lab

from .test_session import BACKUP, converse

TRACES: Final = Path(__file__).resolve().parents[4] / "shared" / "traces"
PROCESS: Final = "DLMessageProcessMessage"
UNBACK: Final = "_unback_/__UUID__/var/mobile/Applications/com.apple.TestFlight/Library"


def response(code: int, said: str = "") -> list[object]:
    description = {"ErrorDescription": said} if said else {}
    return [PROCESS, {"ErrorCode": code, **description, "MessageName": "Response"}]


MADE_UP: Final[dict[str, list[object]]] = {
    "version-400": ["DLMessageVersionExchange", 400, 0],
    "version-300": ["DLMessageVersionExchange", 300, 0],
    "hello-answer": [PROCESS, {"ErrorCode": 0, "ProtocolVersion": 2.1, "MessageName": "Response"}],
    "upload-callbacks-int64": [
        "DLMessageUploadFiles",
        {"DLDeviceIOCallbacks": 4955806704},
        13.061936,
        6878833,
    ],
    "upload-callbacks-int32": [
        "DLMessageUploadFiles",
        {"DLDeviceIOCallbacks": 392695960},
        1.1107738,
        6878833,
    ],
    "upload-single-status": ["DLMessageUploadFiles", {}, 0.97970221, 0],
    "download-empty-list": ["DLMessageDownloadFiles", [], {"DLDeviceIOCallbacks": 400508120}, 97.010055, 0],
    "create-directory-unback": ["DLMessageCreateDirectory", UNBACK, {}, 0.0],
    "copy-item-unback": [
        "DLMessageCopyItem",
        "UDID/32/32a0d4a3c258c40c8dbb8f1a29a664d9c4a7923a",
        UNBACK,
        {},
        0.0,
        0,
    ],
    "free-space": ["DLMessageGetFreeDiskSpace"],
    "purge-space": ["DLMessagePurgeDiskSpace", 26418026591, 4],
    "response-208": response(208, "Device locked (MBErrorDomain/208)"),
    "response-208-no-description": response(208),
    "response-105": response(105, "Insufficient free disk space on drive to back up (MBErrorDomain/105)"),
    "response-104": response(104, "Multiple errors uploading files (MBErrorDomain/104)"),
    "response-104-snapshot": response(
        104,
        "Error removing snapshot directory (MBErrorDomain/104). Underlying error: Directory not empty "
        "(MBErrorDomain/100).",
    ),
    "response-205": response(205, "Manifest references files not in backup (MBErrorDomain/205)"),
    "response-207": response(207, "Invalid password (MBErrorDomain/207)"),
    "response-3": response(
        3, 'Failed to create snapshot: File exists (17) at path "/private/var" (MBErrorDomain/3)'
    ),
    "response-100-keychain": response(
        100,
        "Error writing keychain backup. The operation couldn\u2019t be completed. (com.apple.security.xpc/3).",
    ),
    "host-hello": [PROCESS, {"SupportedProtocolVersions": [2.0, 2.1], "MessageName": "Hello"}],
    "host-backup-request": [
        PROCESS,
        {"TargetIdentifier": "0", "SourceIdentifier": "0", "MessageName": "Backup"},
    ],
    "host-create-answer": ["DLMessageStatusResponse", 0, EMPTY, EMPTY],
    "host-free-space-answer": ["DLMessageStatusResponse", 0, EMPTY, 10000000],
    "host-missing-status": [
        "DLMessageStatusResponse",
        -13,
        "Multi status",
        {"UDID/Status.plist": {"DLFileErrorString": "No such file or directory", "DLFileErrorCode": -6}},
    ],
}

PARSED: Final[dict[str, requests.PhoneRequest]] = {
    "upload-callbacks-int64": requests.UploadFiles(6878833, progress=13.061936),
    "upload-single-status": requests.UploadFiles(0, progress=0.97970221),
    "download-empty-list": requests.DownloadFiles((), 0, progress=97.010055),
    "create-directory-unback": requests.CreateDirectory(UNBACK, progress=0.0),
    "free-space": requests.FreeSpace(),
    "purge-space": requests.PurgeSpace(26418026591),
}
NOT_OF_A_PHONE: Final = ("version-", "host-")


def _read(path: Path) -> list[object]:
    message = plistlib.loads(path.read_bytes())
    assert isinstance(message, list)
    return message


def _all() -> list[object]:
    real = sorted(TRACES.glob("*.xml")) if TRACES.is_dir() else []
    made_up = [pytest.param(name, message, id=name) for name, message in MADE_UP.items()]
    return [*made_up, *(pytest.param(path.stem, _read(path), id=f"real-{path.stem}") for path in real)]


def _phones() -> list[object]:
    return [each for each in _all() if not each.values[0].startswith(NOT_OF_A_PHONE)]  # type: ignore[attr-defined]


def _some(kind: str) -> list[object]:
    return [each for each in _all() if kind in each.values[0] and "host-" not in each.values[0]]  # type: ignore[attr-defined]


def _shape(value: object) -> object:
    """Types and keys, as far as nobody's identifiers are in them."""
    if isinstance(value, dict):
        return {key if "/" not in key else "path": _shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shape(each) for each in value]
    return type(value).__name__


@pytest.mark.skipif(not TRACES.is_dir(), reason="the real messages are not here")
@pytest.mark.parametrize("name", MADE_UP)
def test_those_here_are_like_the_real_ones(name: str) -> None:
    assert _shape(MADE_UP[name]) == _shape(_read(TRACES / f"{name}.xml"))


@pytest.mark.parametrize(("name", "message"), _phones())
@pytest.mark.parametrize("encoding", [plistlib.FMT_BINARY, plistlib.FMT_XML], ids=["binary", "xml"])
def test_they_are_read(name: str, message: list[object], encoding: plistlib.PlistFormat) -> None:
    body = plistlib.dumps(message, fmt=encoding)
    with (
        playing(lambda device: device.raw(struct.pack(">I", len(body)) + body)) as sock,
        DeviceLink(sock) as link,
    ):
        request = requests.parse(link.receive())
    if name in PARSED and message == MADE_UP[name]:
        assert request == PARSED[name]
    if name.startswith("response-"):
        assert isinstance(request, requests.Process)
        assert request.message == message[1]


def encoded(message: list[object]) -> bytes:
    body = plistlib.dumps(message, fmt=plistlib.FMT_BINARY)
    return struct.pack(">I", len(body)) + body


def play(lab: Lab, script: Callable[[Device], object]) -> None:
    """A session in which the phone has said Hello and was asked for a backup."""

    def whole(device: Device) -> None:
        device.greet()
        assert device.receive() == [PROCESS, BACKUP]
        script(device)
        device.respond(0)

    converse(lab, whole)


@pytest.mark.parametrize(("name", "message"), _some("version-"))
def test_versions(lab: Lab, name: str, message: list[object]) -> None:
    def script(device: Device) -> None:
        device.send(*message)
        assert device.receive() == ["DLMessageVersionExchange", "DLVersionsOk", message[1]]
        device.send("DLMessageDeviceReady")
        hello = device.receive()
        assert hello[0] == PROCESS
        assert hello[1] == MADE_UP["host-hello"][1]
        device.send(*MADE_UP["hello-answer"])
        asked = device.receive()
        assert isinstance(asked[1], dict)
        assert asked[1].keys() == MADE_UP["host-backup-request"][1].keys()  # type: ignore[attr-defined]
        device.respond(0)

    converse(lab, script)


@pytest.mark.parametrize(("name", "message"), _some("upload-"))
def test_files_arrive(lab: Lab, name: str, message: list[object]) -> None:
    """A size that is announced as 0 is no reason for a warning, nor is one that is too small."""
    sent = file(f"{UDID}/Status.plist", status_plist("uploading"))

    def script(device: Device) -> None:
        for folder in ("", "/Snapshot", "/Snapshot/ab"):
            device.ask("DLMessageCreateDirectory", UDID + folder, {}, 0.0)
        device.send(*message)
        device.raw((sent if name == "upload-single-status" else file(blob(1), b"x" * 5000)) + bytes(4))
        assert device.status() == (0, EMPTY, {})

    play(lab, script)
    assert not [event for event in lab.told if isinstance(event, Caution)]


def test_other_requests(lab: Lab) -> None:
    def script(device: Device) -> None:
        device.send(*MADE_UP["download-empty-list"])
        assert device.read(4) == bytes(4)
        assert device.status() == (0, EMPTY, {})
        code, text, free = device.ask(*MADE_UP["free-space"])
        assert (code, text, type(free)) == (0, EMPTY, int)
        _, status = device.download(f"{UDID}/Status.plist")
        missing = MADE_UP["host-missing-status"]
        assert status[:2] == (missing[1], missing[2])
        assert next(iter(status[2].values()))["DLFileErrorCode"] == -6  # type: ignore[attr-defined]
        assert device.ask("DLMessageCreateDirectory", UDID, {}, 0.0) == (0, EMPTY, EMPTY)
        assert device.ask(*MADE_UP["purge-space"])[0] == -1

    play(lab, script)


@pytest.mark.parametrize(("name", "message"), _some("-unback"))
def test_what_is_for_an_unback_is_refused(lab: Lab, name: str, message: list[object]) -> None:
    with pytest.raises(PathRefused):
        play(lab, lambda device: device.raw(encoded(message)))
    assert not list(lab.root.parent.rglob("_unback_*"))


KINDS: Final[dict[int, type[IbackupError]]] = {
    3: PhoneRefused,
    100: PhoneRefused,
    104: PhoneRefused,
    105: NoRoom,
    205: PhoneRefused,
    207: PasswordNeeded,
    208: PersonNeeded,
}


@pytest.mark.parametrize(("name", "message"), _some("response-"))
def test_refusals(lab: Lab, name: str, message: list[object]) -> None:
    said = message[1]
    assert isinstance(said, dict)
    with pytest.raises(IbackupError) as caught:
        play(lab, lambda device: device.raw(encoded(message)))
    error = caught.value
    assert error.error_code == said["ErrorCode"]
    assert isinstance(error, KINDS[said["ErrorCode"]])
    assert error.hint
