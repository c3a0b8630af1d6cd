# ruff: noqa: E501 - seeds are one to a line, however long
"""What the fuzzers try: each target is a parser of bytes from outside, with the errors that it may raise.

A target that raises anything else, takes too long, touches what is not its own or leaves a thread has a fault.
``tests/corpus/<target>/`` holds inputs that reach different code; all of them are tried in every run of the tests.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import plistlib
import socket
import sqlite3
import struct
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ibackup.apple import manifest_mbdb, mbfile, mbfile_any_layout, plist_values, plists, recovered_list
from ibackup.apple.crypto.keybag import Keybag
from ibackup.apple.format_errors import FormatError, SealDamaged
from ibackup.apple.manifest_db import ManifestDb
from ibackup.apple.rows import Row
from ibackup.apple.verify import seal
from ibackup.base import confined
from ibackup.base.errors import IbackupError, ProtocolBroken, UsageError
from ibackup.config.stall_limits import Limits
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.device.devicelink import frames_and_chunks, requests
from ibackup.device.devicelink.link import DeviceLink
from ibackup.device.folder.working_files import WorkingFiles
from ibackup.device.lockdown import lockdown
from ibackup.device.lockdown.pairing import PairRecord
from ibackup.device.mux.usbmux import Address, Attached, Usbmux
from ibackup.doctor.gather.tar_stream import BadArchive
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.disk.lock import Holder
from ibackup.store.records.proof_records import Proofs
from ibackup.store.records.run_record import RunState
from ibackup.store.records.snapshot import SnapshotMeta
from support import (
    fuzzing_contents,
    fuzzing_doctor,
    fuzzing_notes,
    fuzzing_trace,
    fuzzing_wifi,
    minted,
    scripted,
)

CORPUS: Final = Path(__file__).parents[1] / "corpus"
MOST_BYTES: Final = 64 << 10
MOST_SECONDS: Final = 5.0

UDID = scripted.UDID
BREAK: Final = b"\n%%\n"
"""Between the records of a conversation: the first letter says what a record is, the rest is in it."""


@dataclass(frozen=True)
class Target:
    """Something that is given bytes.

    Attributes:
        run: gives them to it.
        allowed: what it may raise.
        seeds: inputs to begin with.
        words: pieces worth trying anywhere.
    """

    name: str
    run: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...] = ()

    def attempt(self, data: bytes) -> bool:
        """Try one input; whether it was taken. Raises what may not be raised."""
        try:
            self.run(data)
        except self.allowed as error:
            if isinstance(error, IbackupError):
                _check_text(error)
            return False
        return True

    def corpus(self) -> list[bytes]:
        """The stored inputs, in order of their names."""
        folder = CORPUS / self.name
        return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


def _check_text(error: IbackupError) -> None:
    """Nothing that a terminal would act on is in what a user reads."""
    assert error.what
    assert not any(ord(char) < 32 for char in error.message + error.hint), repr(error.message)


# -- files ----------------------------------------------------------------------------------------------------


def _all_plists(data: bytes) -> None:
    for parse in (plists.InfoPlist.parse, plists.StatusPlist.parse, plists.ManifestPlist.parse):
        with contextlib.suppress(FormatError):
            parse(data)
    plists.load(data)


def _mbfile(data: bytes) -> None:
    glanced: object = None
    with contextlib.suppress(FormatError):
        glanced = mbfile.glance(data)
    record = mbfile.decode(data)
    with contextlib.suppress(mbfile_any_layout.UnusualRecord, IndexError, UnicodeDecodeError, struct.error):
        read = mbfile.MBFile._make(mbfile_any_layout.read(data))
        with contextlib.suppress(FormatError):
            assert read == mbfile.decode_reference(data)
    # The quick reading of a record must not see another one than the careful reading.
    assert glanced == (record.size, record.encryption_key is not None)
    record.extended_attributes  # noqa: B018 - read for its errors


def _keybag(data: bytes) -> None:
    bag = Keybag.parse(data)
    if bag.rounds <= 100 and bag.double_rounds <= 100:
        bag.unlock("password")


def _mbdb(data: bytes) -> None:
    for row in manifest_mbdb.ManifestMbdb(data).rows():
        assert len(row.file_id) == 40


def _manifest_db(data: bytes) -> None:
    found = recovered_list.recover(recovered_list.reader(io.BytesIO(data), None), len(data))
    if found is not None:
        with contextlib.closing(found):
            assert all(row.file_id for row in found.rows())
    database = ManifestDb.open_plaintext(iter([data]), len(data))
    try:
        for row in database.rows():
            if isinstance(row, Row):
                with contextlib.suppress(FormatError):
                    row.record()
        list(database.flaws())
        database.row("00" * 20)
    finally:
        database.close()


def _seal(data: bytes) -> None:
    lines = list(seal.read(io.BytesIO(data)))
    read = seal.Seal.load(io.BytesIO(data))
    # sha256sum reads a star before the path and no end of the last line, too; the rest comes back as it was.
    again = b"".join(map(seal.encode, lines))
    assert list(seal.read(io.BytesIO(again))) == lines
    assert len(read) <= len(lines)


def _records(data: bytes) -> None:
    record = JsonRecord.load(data)
    Holder.parse(data)
    for parse in (SnapshotMeta.parse, RunState.from_record):
        try:
            found = parse(record)
        except (RecordFlaw, IbackupError):
            continue
        assert found == parse(JsonRecord.load(found.to_record().render()))
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = os.path.join(folder, "proofs.json")
        Path(path).write_bytes(data)
        Proofs.read(path).known_damaged  # noqa: B018 - read for its errors
    record.render()


def _in_file(read: Callable[[Path], object], data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "given.toml"
        path.write_bytes(data)
        try:
            read(path)
        except UsageError as error:
            # The folder's name is of no interest; what the file says must not drive a terminal.
            raise UsageError(error.what.replace(folder, "") or "-", hint=error.hint) from None


def _config(data: bytes) -> None:
    from ibackup.config import config_file

    _in_file(lambda path: config_file.load(str(path)), data)


def _spec(data: bytes) -> None:
    from ibackup.simulator.specfile import load_spec

    _in_file(load_spec, data)


def _paths(data: bytes) -> None:
    path = data.decode("utf-8", "surrogateescape")
    parts = confined.parse(path)
    assert "/".join(parts) == "/".join(part for part in path.split("/") if part)
    assert ".." not in parts
    assert not path.startswith("/")


# -- the phone ------------------------------------------------------------------------------------------------


class _Sink:
    """Takes files and looks whether their events are in order."""

    def __init__(self) -> None:
        self.open = False
        self.told: list[object] = []

    def begin(self, device_path: str, path: str) -> None:
        assert not self.open
        self.open = True
        self.told.append((device_path, path, bytearray()))

    def data(self, buffer: memoryview, start: int, stop: int) -> None:
        assert self.open
        self.told[-1][2].extend(buffer[start:stop])  # type: ignore[index]

    def end(self, code: int, text: str) -> None:
        assert self.open
        self.open = False
        self.told.append((code, text))


def _frames(data: bytes) -> None:
    """Once whole and once in pieces, whose sizes the first byte decides: the same must come of it."""
    outcomes: list[tuple[object, ...]] = []
    for step in (len(data) or 1, 1 + (data[0] if data else 0)):
        sink = _Sink()
        parser = frames_and_chunks.FileParser(sink)
        said = ""
        start = end = 0
        buffer = memoryview(bytearray(data))  # the parser moves data together in it
        try:
            while not parser.done and end < len(data):
                end = min(len(data), end + step)
                start = parser.parse(buffer, start, end)
                assert 0 <= start <= end
                assert parser.need > 0 or parser.done
        except ProtocolBroken as error:
            said = error.message
        # How much of a file was handed on before the stream broke depends on the pieces.
        outcomes.append((said, parser.done) if said else (said, parser.done, parser.received, sink.told))
    assert outcomes[0] == outcomes[1]
    if outcomes[0][0]:
        raise ProtocolBroken(str(outcomes[0][0]))


def wire(data: bytes) -> bytes:
    """What goes over the wire for a conversation: records with their lengths, so that what follows is still read."""
    out = bytearray()
    for record in data.split(BREAK):
        kind, rest = record[:1], record[1:]
        if kind in {b"m", b"n", b"c"}:  # a message, a name, a chunk, whose code is its first byte
            out += struct.pack(">I", len(rest)) + rest
        elif kind == b"e":  # the end of a list
            out += bytes(4)
        else:
            out += rest
    return bytes(out)


def _conversation(data: bytes) -> None:
    """A phone that says anything at all, to the link, the requests and the working copy together."""
    shm = "/dev/shm"
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=shm if os.path.isdir(shm) else None) as top:
        root, staging, outside = (Path(top) / name for name in ("copy", "staging", "outside"))
        for folder in (root, staging, outside):
            folder.mkdir()
        (outside / "secret").write_bytes(b"not for phones")
        (root / "Snapshot").mkdir()
        (root / "link").symlink_to(outside)
        ours, theirs = socket.socketpair()
        ledger = scripted.DictLedger()
        ledger.made_dir("Snapshot")
        with ours, theirs:
            theirs.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                theirs.send(wire(data)[:150_000])
            theirs.shutdown(socket.SHUT_WR)
            try:
                _answer(ours, root, staging, ledger)
            finally:
                assert sorted(os.listdir(top)) == ["copy", "outside", "staging"]
                assert {path.name: path.read_bytes() for path in outside.iterdir()} == {
                    "secret": b"not for phones"
                }
                assert os.listdir(staging) == []
                if (root / "link").is_symlink():
                    (root / "link").unlink()
                ledger.check(root)


def _answer(ours: socket.socket, root: Path, staging: Path, ledger: scripted.DictLedger) -> None:
    limits = Limits(
        answer_s=0.5, scan_s=0.5, message_s=0.5, between_files_s=0.5, within_file_s=0.5, sending_s=0.5
    )
    with (
        WorkingFiles(root, staging, UDID, ledger, free_space=lambda: 10**12, barrier=lambda _: None) as files,
        DeviceLink(ours, limits=limits) as link,
    ):
        while True:
            files.handle(link, requests.parse(link.receive()))


def _facts(data: bytes) -> None:
    found = plist_values.load_dict(data, "The phone")
    PairRecord.parse(data)
    for name in ("text", "shown", "integer", "count", "boolean", "data", "apple_time", "phone_time"):
        for key in list(found)[:20]:
            getattr(plist_values, name)(found, key)


class _Mux:
    """A usbmuxd that says the same to everybody: bytes that were given."""

    def __init__(self) -> None:
        self.said = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address(host="127.0.0.1", port=self._listener.getsockname()[1])
        self._over = False
        self._thread = threading.Thread(target=self._serve, name="virtual-mux of the fuzzer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, its thread too."""
        self._over = True
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname(), timeout=60).close()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._over:
            peer, _ = self._listener.accept()
            with peer, contextlib.suppress(OSError):
                peer.settimeout(60)
                peer.sendall(self.said)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(1 << 16):
                    pass


@functools.cache
def _mux() -> _Mux:
    return _Mux()


def close() -> None:
    """Let go of what the targets share; the tests that come next look for threads that were left."""
    if _mux.cache_info().currsize:
        _mux().close()
        _mux.cache_clear()


def mux_message(message: object) -> bytes:
    """As usbmuxd frames it."""
    body = plistlib.dumps(message)  # type: ignore[arg-type]
    return struct.pack("<IIII", 16 + len(body), 1, 8, 1) + body


def _usbmuxd(data: bytes) -> None:
    mux = _mux()
    mux.said = data
    client = Usbmux(mux.address)
    for ask in (client.devices, client.buid, lambda: client.read_pair_record(UDID)):
        with contextlib.suppress(IbackupError):
            ask()
    with client.listen() as listener:
        for _ in range(3):
            listener.next(0.05)


def _lockdown(data: bytes) -> None:
    mux = _mux()
    mux.said = mux_message({"MessageType": "Result", "Number": 0}) + data
    phone = lockdown.Lockdown(Usbmux(mux.address), Attached(1, UDID, "USB"), Limits())
    try:
        phone.read_basics()
        phone.values("com.apple.mobile.backup")
        phone.start_service("com.apple.mobilebackup2", escrow=False).close()
    finally:
        phone.close()


# -- seeds ----------------------------------------------------------------------------------------------------


def _plist_seeds() -> list[bytes]:
    status = {
        "UUID": "A", "Version": "3.3", "BackupState": "new", "SnapshotState": "finished", "IsFullBackup": False,
        "Date": datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None),
    }  # fmt: skip
    manifest = {
        "Version": "10.0",
        "IsEncrypted": True,
        "BackupKeyBag": b"1",
        "ManifestKey": bytes(44),
        "Lockdown": {"ProductVersion": "18.0"},
    }
    info = {
        "Device Name": "A",
        "Unique Identifier": UDID,
        "Installed Applications": ["a.b"],
        "Applications": {"a.b": {}},
    }
    shapes: list[object] = [status, manifest, info, [1, -1, 2.5, True, "ä", b"x", {"a": [[]]}, 1 << 63]]
    return [plistlib.dumps(each, fmt=fmt) for each in shapes for fmt in plistlib.PlistFormat]  # type: ignore[arg-type]


def _mbfile_seeds() -> list[bytes]:
    return [
        minted.record_blob(minted.Spec("HomeDomain", "a/b", b"x" * 5))
        if hasattr(minted, "record_blob")
        else _packed(path, size)
        for path, size in (("a/b", 5), ("", 0))
    ]


def _packed(path: str, size: int, key: bytes | None = None) -> bytes:
    """A record as phones archive it."""
    uid = plistlib.UID
    body: dict[str, object] = {
        "$class": uid(2), "Size": size, "Mode": 0o100644, "LastModified": 1, "Birth": 1, "LastStatusChange": 1,
        "InodeNumber": 7, "UserID": 501, "GroupID": 501, "ProtectionClass": 3, "Flags": 0, "RelativePath": uid(3),
        "Digest": uid(4),
    }  # fmt: skip
    classes = {"$classname": "MBFile", "$classes": ["MBFile", "NSObject"]}
    objects: list[object] = ["$null", body, classes, path, bytes(20)]
    if key is not None:
        body["EncryptionKey"] = uid(5)
        objects += [
            {"$class": uid(6), "NS.data": key},
            {"$classname": "NSMutableData", "$classes": ["NSData"]},
        ]
    archive = {
        "$version": 100000,
        "$archiver": "NSKeyedArchiver",
        "$top": {"root": uid(1)},
        "$objects": objects,
    }
    return plistlib.dumps(archive, fmt=plistlib.FMT_BINARY, sort_keys=False)


def _keybag_seeds() -> list[bytes]:
    keys = {number: bytes([number]) * 32 for number in range(1, 12)}
    return [minted.make_keybag("password", keys, double=double) for double in (True, False)]


def _mbdb_seeds() -> list[bytes]:
    def text(value: bytes | None) -> bytes:
        return b"\xff\xff" if value is None else struct.pack(">H", len(value)) + value

    def row(mode: int, properties: int = 0) -> bytes:
        names = text(b"HomeDomain") + text(b"a/b") + text(None) + text(bytes(20)) + text(None)
        return (
            names
            + struct.pack(">HQIIIIIQBB", mode, 1, 501, 501, 1, 2, 3, 4, 3, properties)
            + text(b"p") * 2 * properties
        )

    return [manifest_mbdb.MAGIC + row(0o100644) + row(0o40755, 1) + row(0o120777), manifest_mbdb.MAGIC]


def _database_seeds() -> list[bytes]:
    found = []
    for pages in (512, 4096):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m.db")
            db = sqlite3.connect(path)
            db.execute(f"PRAGMA page_size = {pages}")
            db.execute(
                "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER, file BLOB)"
            )
            db.execute("CREATE TABLE Properties (key TEXT PRIMARY KEY, value BLOB)")
            for path_, flags in (("a/b", 1), ("c", 2), ("d", 4)):
                name = hashlib.sha1(f"HomeDomain-{path_}".encode()).hexdigest()
                db.execute(
                    "INSERT INTO Files VALUES (?, ?, ?, ?, ?)",
                    (name, "HomeDomain", path_, flags, _packed(path_, 3)),
                )
            db.commit()
            db.close()
            found.append(Path(path).read_bytes())
    return found


def _seal_seeds() -> list[bytes]:
    lines = [
        f"{'ab' * 32}  {UDID}/{name}\n" for name in ("Info.plist", "00/" + "00" * 20, "0a/0a" + "11" * 19)
    ]
    return [
        "".join(lines).encode(),
        f"\\{'0' * 64}  {UDID}/a\\nb\\\\c\n".encode(),
        f"{'0' * 64} *u/x\n".encode(),
    ]


def _record_seeds() -> list[bytes]:
    draft = {
        "udid": UDID, "device_name": "é", "product_type": "iPhone13,2", "ios_version": "26.1",
        "started": "2026-11-22T02:00:04Z", "finished": "2026-11-22T02:00:05Z", "data_from": "2026-11-22T02:00:05Z",
        "full": True, "encrypted": False, "checked": "phone", "received_bytes": 1, "tool": "ibackup",
        "flawed": [{"device_path": "/a", "path": "b", "reason": "digest", "text": ""}],
    }  # fmt: skip
    meta = draft | {"schema": 1, "sequence": 1, "files": 2, "bytes": 3, "carried_files": 0, "seal": "0" * 64}
    meta["sha256"] = JsonRecord(meta).sha256()
    run = {
        "schema": 1, "run_id": "20261122T020004Z-abcdef", "phase": "synced", "boot_id": "b", "started": "2026-11-22T02:00:04Z",
        "base": "", "barrier": "", "resumed": 0, "draft": draft, "sealed": {"sha256": "0", "files": 1, "bytes": 2, "carried_files": 0},
    }  # fmt: skip
    proofs = {
        "schema": 1,
        "last": [{"level": "full", "when": "2026-11-22T02:00:04Z", "result": "good", "damaged": []}],
        "damaged": ["a"],
        "pinned": False,
        "pin_note": "",
    }
    store = {"schema": 1, "id": "x", "copies": True}
    return [
        json.dumps(each, indent=2, sort_keys=True).encode() + b"\n" for each in (meta, run, proofs, store)
    ]


def message(*parts: object) -> bytes:
    """A message of a conversation, in XML, which can be changed anywhere and still be read."""
    return b"m" + plistlib.dumps(list(parts), fmt=plistlib.FMT_XML)


def _conversation_seeds() -> list[bytes]:
    name = "00" * 20
    blob = f"{UDID}/Snapshot/00/{name}"
    file = [b"n/var/x", f"n{blob}".encode(), b"c\x0cdata", b"c\x0cmore", b"c\0"]
    status = [b"n/s", f"n{UDID}/Status.plist".encode(), b"c\x0c" + scripted.status_plist("moving"), b"c\0"]
    options = {"DLDeviceIOCallbacks": 4369}
    upload = message("DLMessageUploadFiles", options, 1.5, 100)
    asked: list[list[bytes]] = [
        [upload, *file, *status, b"e"],
        [upload, b"n/x", f"n{blob}".encode(), b"c\x0cpart", b"c\x0bInput/output error", b"e"],
        [upload, *file, b"e", message("DLMessageMoveItems", {blob: f"{UDID}/00/{name}"}, options, 2.0)],
        [upload, *file, b"e", message("DLMessageRemoveItems", [blob, f"{UDID}/Snapshot"], options, 2.0)],
        [upload, *file, b"e", message("DLMessageCopyItem", blob, f"{UDID}/Manifest.db", options, 2.0, 8)],
        [
            upload,
            *file,
            b"e",
            message("DLMessageDownloadFiles", [blob, f"{UDID}/Info.plist"], options, 2.0, 0),
        ],
        [
            message("DLMessageCreateDirectory", f"{UDID}/Snapshot/00", options),
            message("DLContentsOfDirectory", f"{UDID}", options),
        ],
        [
            message("DLMessageGetFreeDiskSpace", options),
            message("DLMessagePurgeDiskSpace", 1 << 30, options, 4),
        ],
        [message("DLMessageRemoveDirectory", f"{UDID}/link"), message("DLMessageDisconnect", "bye")],
        [
            message("DLMessagePing", "x"),
            message("DLMessageProcessMessage", {"MessageName": "Response", "ErrorCode": 0}),
        ],
    ]
    return [BREAK.join(each) for each in asked]


def _frame_seeds() -> list[bytes]:
    whole = scripted.file(scripted.blob(1), b"abc", b"def") + scripted.file(
        scripted.blob(2), end=(11, b"bad")
    )
    return [bytes([4]) + whole + bytes(4), whole + bytes(4), bytes(4)]


def _facts_seeds() -> list[bytes]:
    facts_of = {
        "UniqueDeviceID": UDID, "DeviceName": "A", "ProductType": "iPhone13,2", "WillEncrypt": True, "HostID": "H",
        "DeviceCertificate": b"-----BEGIN CERTIFICATE-----", "EscrowBag": bytes(32), "SystemBUID": "B", "TotalDataCapacity": -1,
    }  # fmt: skip
    return [plistlib.dumps(facts_of, fmt=fmt) for fmt in plistlib.PlistFormat]


def _usbmuxd_seeds() -> list[bytes]:
    device = {
        "DeviceID": 3,
        "MessageType": "Attached",
        "Properties": {"SerialNumber": UDID, "ConnectionType": "USB", "DeviceID": 3},
    }
    return [
        mux_message({"DeviceList": [device]}),
        mux_message({"BUID": "X"}),
        mux_message({"PairRecordData": b"<plist/>"}),
        mux_message({"MessageType": "Result", "Number": 0})
        + mux_message(device)
        + mux_message({"MessageType": "Detached", "DeviceID": 3}),
        mux_message({"MessageType": "Result", "Number": 3}),
    ]


def _lockdown_seeds() -> list[bytes]:
    def framed(*answers: object) -> bytes:
        bodies = [plistlib.dumps(each) for each in answers]  # type: ignore[arg-type]
        return b"".join(struct.pack(">I", len(body)) + body for body in bodies)

    kind = {"Request": "QueryType", "Type": "com.apple.mobile.lockdown"}
    values_ = {
        "Request": "GetValue",
        "Value": {"UniqueDeviceID": UDID, "DeviceName": "A", "ProductVersion": "18.0"},
    }
    service = {"Request": "StartService", "Port": 50000, "Service": "com.apple.mobilebackup2"}
    return [
        framed(kind, values_, values_, service),
        framed(kind, values_, {"Request": "GetValue", "Error": "PasswordProtected"}),
        framed(kind, {"Request": "GetValue", "Value": []}),
    ]


def _config_seeds() -> list[bytes]:
    return [
        f'store = "s"\n[[phones]]\nname = "ann"\nudid = "{UDID}"\npassword_file = "p"\n'.encode(),
        b'[prune]\nkeep_last = 7\nkeep_within = "30d"\n',
    ]


def _spec_seeds() -> list[bytes]:
    return [
        b'seed = 2\nname = "x"\nbattery = 5\n[[domains]]\nname = "HomeDomain"\ncount = 2\n[passcode]\nkind = "late"\n',
        b'[[faults]]\nfault = "GiantFrame"\nlength = 3\n[lockdown]\nDeviceName = "a"\n[[apps]]\nbundle_id = "a"\nname = "b"\n',
    ]


_HOSTILE = (b"../", b"..\\", b"/etc/passwd", b"\0", b"C:", b"CON", b"link/secret", b"Status.plist", UDID.encode(), b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0")  # fmt: skip
_XML = (b"<string>", b"</string>", b"<dict>", b"<array>", b"<integer>-1</integer>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"<real>nan</real>", b"<true/>", b"<data>AA==</data>")  # fmt: skip
_DL = tuple(name.encode() for name in requests._MAKERS)

TARGETS: Final = {
    target.name: target
    for target in (
        Target("frames", _frames, (IbackupError,), _frame_seeds, _HOSTILE),
        Target("conversation", _conversation, (IbackupError,), _conversation_seeds, (*_HOSTILE, *_XML, *_DL, BREAK, BREAK + b"c\x0c", BREAK + b"n", BREAK + b"e")),
        Target("plists", _all_plists, (FormatError,), _plist_seeds, _XML),
        Target("mbfile", _mbfile, (FormatError,), _mbfile_seeds, (b"$objects", b"Size", b"bplist00")),
        Target("keybag", _keybag, (IbackupError,), _keybag_seeds, (b"UUID", b"CLAS", b"WPKY", b"ITER", b"DPIC", b"\0\0\0\4")),
        Target("mbdb", _mbdb, (FormatError,), _mbdb_seeds, (b"\xff\xff", b"\0\0")),
        Target("manifest_db", _manifest_db, (FormatError,), _database_seeds, (b"CREATE VIEW ", b"CREATE TABLE ", b" CHECK (1)", b" AS (1)", b" DEFAULT (1)", b"Files", b"\xff\xff")),
        Target("seal", _seal, (SealDamaged,), _seal_seeds, (b"\\n", b"\\", b"\n", b" *", b"  ", UDID.encode())),
        Target("records", _records, (RecordFlaw,), _record_seeds, (b"null", b"-1", b"1e999", b"NaN", b"\\ud800", b"[[", b"{}", b"true", b"99999999999999999999")),
        Target("paths", _paths, (confined.PathRefused,), lambda: [b"a/b", b"../x", b"CON.txt", f"{UDID}/00".encode()], _HOSTILE),
        Target("facts", _facts, (IbackupError,), _facts_seeds, _XML),
        Target("adverts", fuzzing_wifi.advert, (), fuzzing_wifi.advert_seeds, fuzzing_wifi.WORDS),
        Target("heartbeat", fuzzing_wifi.heartbeat, (IbackupError,), fuzzing_wifi.beat_seeds, (*_XML, b"Marco", b"Interval", b"bplist00")),
        Target("usbmuxd", _usbmuxd, (IbackupError,), _usbmuxd_seeds, (*_XML, b"\x10\0\0\0")),
        Target("lockdown", _lockdown, (IbackupError,), _lockdown_seeds, _XML),
        Target("config", _config, (UsageError,), _config_seeds, (b"[[phones]]", b"[prune]", b'"""', b"= -1", b"inf", b"\x1b[2J")),
        Target("notes", fuzzing_doctor.notes, (FormatError,), fuzzing_doctor.note_seeds, (*_XML, *fuzzing_doctor.NOTE_WORDS)),
        Target("log", fuzzing_doctor.log, (), fuzzing_doctor.log_seeds, fuzzing_doctor.LOG_WORDS),
        Target("archive", fuzzing_doctor.archive, (BadArchive,), fuzzing_doctor.archive_seeds, fuzzing_doctor.TAR_WORDS),
        Target("feeds", fuzzing_doctor.feeds, (ValueError,), fuzzing_doctor.feed_seeds, fuzzing_doctor.FEED_WORDS),
        Target("trace", fuzzing_trace.play, (UsageError,), fuzzing_trace.seeds, fuzzing_trace.WORDS),
        Target("texts", fuzzing_contents.attributed_text, (Undecodable,), fuzzing_contents.text_seeds, fuzzing_contents.TEXT_WORDS),
        Target("protobuf", fuzzing_contents.protobuf, (Undecodable,), fuzzing_contents.proto_seeds, fuzzing_contents.PROTO_WORDS),
        Target("archives", fuzzing_contents.archive, (Undecodable,), fuzzing_contents.archive_seeds, fuzzing_contents.ARCHIVE_WORDS),
        Target("written_notes", fuzzing_notes.text, (Undecodable,), fuzzing_notes.text_seeds, fuzzing_notes.TEXT_WORDS),
        Target("note_tables", fuzzing_notes.rows, (Undecodable,), fuzzing_notes.row_seeds, fuzzing_notes.TABLE_WORDS),
        Target("messages", fuzzing_contents.messages, (FormatError,), fuzzing_contents.message_seeds, (b"CREATE VIEW ", b"attributedBody", b"p:0/", b"\xff\xff", b"bplist00")),
        Target("spec", _spec, (UsageError,), _spec_seeds, (b"[[faults]]", b"[passcode]", b"= -1", b"nan", b"1979-05-27")),
    )
}  # fmt: skip
