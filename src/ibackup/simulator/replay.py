"""A virtual iPhone that repeats what a real one sent: the phone's side of a trace, with made-up contents.

Lockdown and the small services are those of the virtual iPhone, because every client asks them different
things. The backup service sends what is in the trace, in its order, no matter what the computer answers;
answers that differ from the trace are reported. Made-up contents are not encrypted.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final, cast, get_args

from ibackup.apple.file_ids import file_id_of
from ibackup.simulator import keybags
from ibackup.simulator.devicelink import FileFailed, HostGone, LinkError, Outgoing, PhoneLink, Sink
from ibackup.simulator.hostfiles import (
    BackupState,
    SnapshotState,
    WrittenManifestPlist,
    WrittenStatusPlist,
    about_phone,
)
from ibackup.simulator.mbfile_records import MBFileRecord, encode
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.stream import Stream, StreamEnded
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.written_manifest_db import ManifestReader, ManifestWriter, WrittenRow
from ibackup.trace.redaction import MARK, moved_out
from ibackup.trace.trace_reader import Trace, TraceClosed, TraceListed, TraceNotice, TraceSaid, TraceTold
from ibackup.trace.trace_reader import TraceRow as Seen

PASSWORD: Final = "replayed"  # noqa: S105 - of a phone that is not
"""The backup password of the phone, if the trace involves one."""
MOST_FILES: Final = 1_000_000
"""How many made-up files are remembered for the made-up Manifest.db."""
_DOMAIN: Final = "CameraRollDomain"
_DEEPEST: Final = 32
_BLOCK: Final = 64 << 10
_LARGEST_MANIFEST: Final = 256 << 20
_LONGEST_PAUSE_S: Final = 3600.0
_FILE: Final = re.compile(r"([0-9a-f]{2})/([0-9a-f]{16,40})(?![0-9a-f])")
_PHONE: Final = re.compile(r"UDID-[0-9a-f]{8}(-aside)?")
_SAFE_NOTICE: Final = re.compile(r"com\.apple\.[A-Za-z.-]{1,80}")

Teller = Callable[[str], None]


def spec_of(trace: Trace) -> PhoneSpec:
    """The phone of a trace, as far as the trace shows."""
    usual, told = PhoneSpec(), trace.values
    return PhoneSpec(
        name="Replayed iPhone",
        ios_version=told.get("ProductVersion", usual.ios_version),
        build_version=told.get("BuildVersion", usual.build_version),
        product_type=told.get("ProductType", usual.product_type),
        device_class=told.get("DeviceClass", usual.device_class),
        backup_password=PASSWORD if "ChangePassword" in trace.jobs else None,
        keybag_rounds=10,
    )


class Replay:
    """A phone's backup service that plays a trace.

    Args:
        trace: its sessions are played in order, then again from the first.
        phone: the phone that gets this backup service.
        tell: called with a line for each finished session, and for each answer that differs from the trace.
        real_time: pause for as long as the phone was silent.
        largest: the most bytes to make up for one file; larger files are shortened.
    """

    def __init__(
        self,
        trace: Trace,
        phone: VirtualPhone,
        tell: Teller,
        *,
        real_time: bool = False,
        largest: int | None = None,
    ) -> None:
        self.trace = trace
        self.phone = phone
        self.tell = tell
        self.real_time = real_time
        self.largest = largest
        self.files: dict[str, int] = {}
        self._next = 0
        phone.backup_service = self.serve

    def serve(self, stream: Stream) -> None:
        """Play the next session on a connection."""
        with self.phone.lock:
            number = self._next
            self._next = (number + 1) % len(self.trace.sessions)
        _Session(self, stream, number).play()


class _Session:
    """One connection."""

    def __init__(self, replay: Replay, stream: Stream, number: int) -> None:
        self._replay = replay
        self._phone = replay.phone
        self._stream = stream
        self._link = PhoneLink(stream, chunk_size=self._phone.spec.chunk_size)
        self._number = number
        self._time: float | None = None
        self._says: TraceTold | None = None
        self._uploading = False
        self._messages = self._differences = 0
        self._source = self._phone.udid
        self._restores = False
        self._theirs: list[str] = []  # the computer's files, for a restore
        self._mapped: dict[str, str] = {}
        self._new_password: str | None = None
        self._changes_password = False

    def play(self) -> None:
        """Send everything, as far as the computer allows."""
        head = f"Session {self._number + 1}"
        try:
            for time, record in self._replay.trace.records(self._number):
                self._pause(time, record)
                if not self._step(record):
                    break
            how = "was played to its end"
        except HostGone:
            how = "was ended by the computer"
        except LinkError as error:
            self._differ(f"the computer broke the protocol: {error.text}")
            how = "cannot continue"
        except StreamEnded:
            self._tell(f"{head} stopped after {self._messages:,} messages.")
            raise
        unlike = (
            (f"{self._differences:,} of the computer's") if self._differences else "none of the computer's"
        )
        self._tell(f"{head} {how}: {self._messages:,} messages, {unlike} different from the trace.")
        self._stream.close()

    def _tell(self, text: str) -> None:
        self._phone.journal.add("replay", text)
        self._replay.tell(text)

    def _differ(self, text: str) -> None:
        self._differences += 1
        if self._differences <= 100:
            self._tell(f"Message {self._messages:,}: {text}.")

    def _pause(self, time: float, record: object) -> None:
        before, self._time = self._time, time
        from_phone = isinstance(record, TraceNotice | TraceListed) or (
            isinstance(record, TraceSaid) and record.way == "<"
        )
        if self._replay.real_time and from_phone and before is not None and time > before:
            self._stream.pause(min(time - before, _LONGEST_PAUSE_S))

    def _step(self, record: object) -> bool:
        """Do what one record says; False if the session is over."""
        if self._uploading and not isinstance(record, TraceListed | TraceTold | TraceNotice | TraceClosed):
            self._uploading = False
            self._link.end_files()
        match record:
            case TraceNotice():
                if _SAFE_NOTICE.fullmatch(record.name):
                    self._phone.notify(record.name)
            case TraceTold():
                self._says = record
            case TraceListed(way="<"):
                for row in record.rows:
                    self._link.put_file(
                        Outgoing(self._path(row.device_path), self._path(row.path), self._content(row))
                    )
            case TraceSaid(way="<"):
                self._say(record.message)
            case TraceSaid():
                return self._hear(record.message)
            case TraceClosed() if record.error == "ConnectionLost":
                self._link.flush()
                self._stream.drop()
                raise StreamEnded("as in the trace")
            case TraceClosed():
                return False
        return True

    # -- what the phone sends
    # ---------------------------------------------------------------------------------

    def _say(self, redacted: list[object]) -> None:
        self._messages += 1
        message = [redacted[0], *(self._made_up(each) for each in redacted[1:] if not _is_more(each))]
        if message[0] == "DLMessageProcessMessage" and self._changes_password and self._is_good(message):
            self._phone.set_backup_password(self._new_password)
            self._changes_password = False
        self._link.send(message)
        self._uploading = message[0] == "DLMessageUploadFiles"
        if message[0] == "DLMessageDownloadFiles" and len(message) > 1 and isinstance(message[1], list):
            self._take(list(map(str, message[1])))

    @staticmethod
    def _is_good(message: list[object]) -> bool:
        return len(message) > 1 and isinstance(message[1], dict) and message[1].get("ErrorCode") == 0

    def _made_up(self, value: object, depth: int = 0) -> object:
        """A value from the trace as the phone would send it; what was left out is made up."""
        if isinstance(value, str):
            return self._path(value)
        if isinstance(value, list) and depth < _DEEPEST:
            return [self._made_up(each, depth + 1) for each in value if not _is_more(each)]
        if isinstance(value, dict) and depth < _DEEPEST:
            return _stand_in(value) if MARK in value else self._dictionary(value, depth)
        if isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
            return value
        return value if isinstance(value, float) else 0

    def _dictionary(self, values: Mapping[str, object], depth: int) -> dict[str, object]:
        made: dict[str, object] = {}
        for key, value in values.items():
            moved = moved_out(key) if value is None else None
            made[self._path(key)] = (
                self._path(moved) if moved is not None else self._made_up(value, depth + 1)
            )
        return made

    def _path(self, path: str) -> str:
        """A path from the trace, with this phone's UDID and with valid fileIDs."""
        path = _PHONE.sub(self._udid, path)
        return _FILE.sub(lambda found: self._file(found[2]), path)

    def _udid(self, found: re.Match[str]) -> str:
        name = self._source if self._restores else self._phone.udid
        return f"{name}-20010101-000000" if found[1] else name

    def _file(self, stand_in: str) -> str:
        if self._theirs and stand_in not in self._mapped:
            self._mapped[stand_in] = self._theirs.pop()
        file_id = self._mapped.get(stand_in) or _file_id(_name(stand_in))
        return f"{file_id[:2]}/{file_id}"

    # -- files ------------------------------------------------------------------------------------------------

    def _content(self, row: Seen) -> Iterator[bytes]:
        """The bytes of a file, and its outcome."""
        name = row.path.rpartition("/")[2]
        says, self._says = self._says, None
        data = self._special(name, says.says if says is not None and says.name == name else {}, row)
        if data is not None:
            yield from data
        else:
            largest = self._replay.largest
            yield from _made(name, row.size if largest is None else min(row.size, largest))
            found = _FILE.search(row.path)
            if found and not row.code and len(self._replay.files) < MOST_FILES:
                self._replay.files[found[2]] = row.size if largest is None else min(row.size, largest)
        if row.code is None:
            self._link.flush()
            self._stream.drop()
            raise StreamEnded("as in the trace")
        if row.code:
            raise FileFailed(row.code, row.text)

    def _special(self, name: str, says: Mapping[str, object], row: Seen) -> Iterator[bytes] | None:
        """The content of a file that the computer parses, which must be of the right kind."""
        if row.code:
            return None
        if name == "Status.plist":
            return iter([_status(says)])
        if name == "Manifest.plist":
            bag = keybags.mint(None, seed=b"replay", rounds=10)
            rest = about_phone(self._phone.spec, self._phone.domain(), passcode=self._phone.has_passcode)
            return iter(
                [WrittenManifestPlist(encrypted=False, keybag=bag.data, manifest_key=None, rest=rest).dump()]
            )
        return self._manifest_db() if name == "Manifest.db" else None

    def _manifest_db(self) -> Iterator[bytes]:
        """A manifest of all files made up so far."""
        with tempfile.TemporaryDirectory(prefix="ibackup-replay-") as folder:
            path = os.path.join(folder, "Manifest.db")
            writer = ManifestWriter(path)
            made_at = self._phone.spec.made_at
            for folder_name in ("", "Media", "Media/DCIM"):
                writer.add(_row(folder_name, 0, made_at, is_folder=True))
            for stand_in, size in self._replay.files.items():
                writer.add(_row(_name(stand_in), size, made_at))
            writer.finish({})
            with open(path, "rb") as file:
                while data := file.read(_BLOCK):
                    yield data

    def _take(self, paths: list[str]) -> None:
        """Take what the computer sends; read a restore's Manifest.db for its list of files."""
        with tempfile.TemporaryDirectory(prefix="ibackup-replay-") as folder:
            kept = os.path.join(folder, "Manifest.db")
            with open(kept, "wb") as file:

                def sink(path: str) -> Sink:
                    return (
                        _Keep(file.write) if self._restores and path.endswith("/Manifest.db") else _Keep(len)
                    )

                self._link.take_files(frozenset(paths), sink)
            if self._restores and not self._theirs and not self._mapped and os.path.getsize(kept):
                try:
                    with ManifestReader(kept) as manifest:
                        self._theirs = list(manifest.file_ids())[:MOST_FILES]
                except ValueError:
                    pass  # it is encrypted, so the requested files will be missing

    # -- what the computer sends
    # ------------------------------------------------------------------------------

    def _hear(self, expected: list[object]) -> bool:
        """Compare the computer's message with the one in the trace."""
        if expected[0] == "DLMessageDisconnect":
            with suppress(HostGone):
                self._link.receive()
                self._differ("the computer continues where it said goodbye in the trace")
            return False
        heard = self._link.receive()
        self._messages += 1
        if _gist(heard) != _gist(expected):
            self._differ(f"the computer sent {_gist(heard)} where the trace has {_gist(expected)}")
        request = heard[1] if len(heard) > 1 else None
        if isinstance(request, dict):
            self._note(request)
        return True

    def _note(self, request: Mapping[str, object]) -> None:
        """Record what the made-up answers depend on."""
        name, source, new = (request.get(key) for key in ("MessageName", "SourceIdentifier", "NewPassword"))
        self._restores = name == "Restore"
        self._source = source if isinstance(source, str) and source else self._phone.udid
        self._changes_password = name == "ChangePassword"
        self._new_password = new if isinstance(new, str) and new else None


class _Keep:
    """A sink that passes on no more bytes than a Manifest.db may have."""

    def __init__(self, write: Callable[[memoryview], object]) -> None:
        self._write = write
        self._left = _LARGEST_MANIFEST

    def write(self, data: memoryview) -> object:
        """Take the next bytes."""
        self._left -= len(data)
        return self._write(data) if self._left >= 0 else None


def _gist(message: list[object]) -> str:
    """What matters in a computer's message: its name, and the status or request in it."""
    what = message[1] if len(message) > 1 else None
    if message[0] == "DLMessageProcessMessage" and isinstance(what, dict):
        return f"a {str(what.get('MessageName'))[:40]!a} request"
    if message[0] == "DLMessageStatusResponse" and isinstance(what, int):
        return f"status {(what + (1 << 31)) % (1 << 32) - (1 << 31)}"
    return f"{str(message[0])[:60]!a}"


def _is_more(value: object) -> bool:
    return isinstance(value, dict) and value.get(MARK) == "more"


def _stand_in(mark: Mapping[str, object]) -> object:
    """A made-up value of the same type as the one left out."""
    bits, size = mark.get("bits"), mark.get("n")
    match mark[MARK]:
        case "int":
            return 1 << (bits - 1) if isinstance(bits, int) and 0 < bits < 64 else 0
        case "real":
            return 0.0
        case "data":
            return bytes(min(size, 1 << 20) if isinstance(size, int) and size > 0 else 0)
    return ""


def _file_id(name: str) -> str:
    return file_id_of(_DOMAIN, name)


def _name(stand_in: str) -> str:
    return f"Media/DCIM/{stand_in}"


def _made(name: str, size: int) -> Iterator[bytes]:
    """`size` made-up bytes, different for each file."""
    block = hashlib.sha256(name.encode()).digest() * (_BLOCK // 32)
    while size > 0:
        yield block[:size]
        size -= _BLOCK


def _status(says: Mapping[str, object]) -> bytes:
    backup, snapshot, full = (says.get(key) for key in ("BackupState", "SnapshotState", "IsFullBackup"))
    return WrittenStatusPlist(
        uuid="11111111-2222-4333-8444-555555555555",
        backup_state=cast("BackupState", backup) if backup in get_args(BackupState) else "new",
        snapshot_state=cast("SnapshotState", snapshot) if snapshot in get_args(SnapshotState) else "finished",
        full=bool(full),
    ).dump()


def _row(name: str, size: int, made_at: int, *, is_folder: bool = False) -> WrittenRow:
    record = MBFileRecord(
        path=name,
        size=size,
        mode=0o040755 if is_folder else 0o100644,
        inode=1,
        uid=501,
        gid=501,
        modified=made_at,
        changed=made_at,
        birth=made_at,
        protection_class=0 if is_folder else 3,
    )
    return WrittenRow(_file_id(name), _DOMAIN, name, 2 if is_folder else 1, encode(record))
