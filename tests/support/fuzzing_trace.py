"""The fuzzers' target for traces: a file is looked through, and then played to a computer that has answered already."""

import json
import plistlib
import socket
import struct
import tempfile
from pathlib import Path
from typing import Final

from ibackup.base.errors import UsageError
from ibackup.simulator.replay import Replay, spec_of
from ibackup.simulator.stream import Stream, StreamEnded
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.trace.trace_reader import Trace

_HEAD: Final = {"trace": 1, "tool": "ibackup 0.1.0", "command": "now"}
_HELLO: Final = {"MessageName": "Hello", "SupportedProtocolVersions": [2.0, 2.1]}
_STATUS: Final = ["DLMessageStatusResponse", 0, "___EmptyParameterString___", {}]
_OPTIONS: Final = {"DLDeviceIOCallbacks": {"~": "int", "bits": 33}}
LINES: Final[list[dict[str, object]]] = [
    _HEAD,
    {"t": 0.1, "c": 1, "open": "lockdownd"},
    {
        "t": 0.1,
        "c": 1,
        "<": {"Request": "GetValue", "Value": {"ProductVersion": "27.0", "ProductType": "iPhone17,1"}},
    },
    {"t": 0.1, "c": 2, "open": "com.apple.mobile.notification_proxy"},
    {"t": 0.2, "c": 3, "open": "com.apple.mobilebackup2"},
    {"t": 0.2, "c": 3, "<": ["DLMessageVersionExchange", 400, 0], "n": 80},
    {"t": 0.2, "c": 3, ">": ["DLMessageVersionExchange", "DLVersionsOk", 400]},
    {"t": 0.2, "c": 3, "<": ["DLMessageDeviceReady"]},
    {"t": 0.2, "c": 3, ">": ["DLMessageProcessMessage", _HELLO]},
    {"t": 0.3, "c": 3, "<": ["DLMessageProcessMessage", {"MessageName": "Response", "ErrorCode": 0}]},
    {"t": 0.3, "c": 3, ">": ["DLMessageProcessMessage", {"MessageName": "Backup"}]},
    {
        "t": 0.4,
        "c": 2,
        "<": {"Command": "RelayNotification", "Name": "com.apple.mobile.backup.domain_changed"},
    },
    {"t": 0.5, "c": 3, "<": ["DLMessageUploadFiles", _OPTIONS, 1.5, 4096]},
    {"t": 0.5, "c": 3, "plist": "Status.plist", "says": {"SnapshotState": "moving", "BackupState": "new"}},
    {
        "t": 0.5,
        "c": 3,
        "files": "<",
        "list": [
            ["UDID-0b04e281/Status.plist", 189, "/var/mobile/p"],
            ["UDID-0b04e281/Snapshot/66/6693b87f8730cdd5", 90, "=/q"],
            ["UDID-0b04e281/Snapshot/Manifest.plist", 90],
            ["UDID-0b04e281/Snapshot/Manifest.db", 4096, "", 0, ""],
            ["UDID-0b04e281/Snapshot/34/340d163b444ccc01", 5, "/a", 11, "I/O"],
        ],
    },
    {"t": 0.5, "c": 3, ">": _STATUS},
    {
        "t": 0.6,
        "c": 3,
        "<": ["DLMessageMoveItems", {"UDID-0b04e281/Snapshot/66/6693b87f8730cdd5": None}, _OPTIONS, 9.0],
    },
    {"t": 0.6, "c": 3, ">": _STATUS},
    {"t": 0.7, "c": 3, "<": ["DLMessageProcessMessage", {"MessageName": "Response", "ErrorCode": 208}]},
    {"t": 0.8, "c": 3, "close": "ConnectionLost"},
    {"t": 0.9, "end": {"exit": 13, "error": "ConnectionLost", "code": None}},
]
WORDS: Final = (
    *(b'"open":"com.apple.mobilebackup2"', b'"<":["DLMessageDownloadFiles",["UDID-0b04e281/Manifest.db"]]'),
    *(b'"files":"<"', b"\\ud800", b"1e999", b"NaN", b"null", b"[[[[[[[[", b'{"~":"data","n":999999}', b"-1"),
    *(b'"c":3,', b'{"~":"more"}', b"99999999999999999999", b'"Restore"', b"\n", b"4294967296"),
)


def _answers() -> bytes:
    """What a computer says that only ever says that all is well."""
    said = [["DLMessageVersionExchange", "DLVersionsOk", 400]]
    said += [
        ["DLMessageProcessMessage", {"MessageName": name, "NewPassword": "x"}] for name in ("Hello", "Backup")
    ]
    bodies = [plistlib.dumps(each, fmt=plistlib.FMT_BINARY) for each in [*said, *[_STATUS] * 20]]
    return b"".join(struct.pack(">I", len(body)) + body for body in bodies)


_ANSWERS: Final = _answers()


def play(data: bytes) -> None:
    """Look through a trace and play all of it."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "given.trace"
        path.write_bytes(data)
        try:
            trace = Trace.open(str(path))
        except UsageError as error:
            raise UsageError(error.what.replace(folder, "") or "-", hint=error.hint) from None
        phone = VirtualPhone(spec_of(trace))
        replay = Replay(trace, phone, lambda _: None, largest=1 << 12)
        for _ in trace.sessions[:3]:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                theirs.sendall(_ANSWERS)
                theirs.shutdown(socket.SHUT_WR)
                ours.settimeout(0.1)
                stream = Stream(ours)
                try:
                    replay.serve(stream)
                except StreamEnded:
                    pass
                finally:
                    stream.drop()


def seeds() -> list[bytes]:
    """A whole trace, one that was cut off, one of a restore, and none."""
    whole = [json.dumps(line).encode() for line in LINES]
    restore = b"\n".join(whole).replace(b'"Backup"', b'"Restore"')
    return [b"\n".join(whole) + b"\n", b"\n".join(whole)[:900], restore, b"{}", b""]
