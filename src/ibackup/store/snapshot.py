"""A finished snapshot: what it says of itself, and whether its seal is the one it was closed with."""

import hashlib
import os
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Literal, Self

from ibackup.errors import DamageFound, IbackupError, NotABackup
from ibackup.manifest.seal import Seal
from ibackup.store import times
from ibackup.store.records import Record, RecordFlaw
from ibackup.store.trouble import telling
from ibackup.store.udids import is_udid

SCHEMA = 1
META_NAME = "snapshot.json"
SEAL_NAME = "SHA256SUMS"
_ANOTHER = "Use another snapshot (see `ibackup list`), and make a new backup."

Checked = Literal["manifest", "phone"]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that the phone reported it could not read.

    Attributes:
        device_path: where it lies on the phone, as the phone told; may be empty.
        path: where it would stand below the backup folder.
        code: the phone's status code, negative.
        text: the phone's words.
        expected: whether every phone does this for this file, so that it does not count.
    """

    device_path: str
    path: str
    code: int
    text: str = ""
    expected: bool = False

    def to_members(self) -> dict[str, object]:
        """As it stands in a record."""
        return {
            "device_path": self.device_path,
            "path": self.path,
            "code": self.code,
            "text": self.text,
            "expected": self.expected,
        }

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """The same from a record. Raises RecordFlaw."""
        return cls(
            device_path=record.text("device_path"),
            path=record.text("path"),
            code=record.whole("code"),
            text=record.text("text"),
            expected=record.flag("expected"),
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """What the run knows of a snapshot before it is sealed; kept in run.json, so that it can be finished later.

    Attributes:
        data_from: when the phone made the data, by Status.plist; ``finished`` where it does not say.
        full: whether the phone sent everything.
        checked: what it was compared with: its own manifest, or the phone's word alone.
        received_bytes: what the phone sent in this run.
        tool: name and version of the program.
        rewraps: for what a change of the password left: the id of the snapshot whose files it has; else empty.
    """

    udid: str
    device_name: str
    product_type: str
    ios_version: str
    started: datetime
    finished: datetime
    data_from: datetime
    full: bool
    encrypted: bool
    checked: Checked
    received_bytes: int
    tool: str
    unreadable: tuple[Unreadable, ...] = ()
    rewraps: str = ""

    def to_members(self) -> dict[str, object]:
        """As it stands in a record."""
        rewraps: dict[str, object] = {"rewraps": self.rewraps} if self.rewraps else {}
        return rewraps | {
            "udid": self.udid,
            "device_name": self.device_name,
            "product_type": self.product_type,
            "ios_version": self.ios_version,
            "started": times.written(self.started),
            "finished": times.written(self.finished),
            "data_from": times.written(self.data_from),
            "full": self.full,
            "encrypted": self.encrypted,
            "checked": self.checked,
            "received_bytes": self.received_bytes,
            "tool": self.tool,
            "unreadable": [each.to_members() for each in self.unreadable],
        }

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """The same from a record. Raises RecordFlaw."""
        return cls(
            udid=record.text("udid"),
            device_name=record.text("device_name"),
            product_type=record.text("product_type"),
            ios_version=record.text("ios_version"),
            started=record.time("started"),
            finished=record.time("finished"),
            data_from=record.time("data_from"),
            full=record.flag("full"),
            encrypted=record.flag("encrypted"),
            checked=_checked(record.text("checked")),
            received_bytes=record.number("received_bytes"),
            tool=record.text("tool"),
            unreadable=tuple(Unreadable.from_record(each) for each in record.records("unreadable")),
            rewraps=_snapshot_id(record.text("rewraps")) if "rewraps" in record else "",
        )


def _snapshot_id(text: str) -> str:
    if not times.is_id(text):
        raise RecordFlaw("has no snapshot's id under 'rewraps'")
    return text


def _checked(text: str) -> Checked:
    if text == "manifest":
        return "manifest"
    if text == "phone":
        return "phone"
    raise RecordFlaw("says neither manifest nor phone under 'checked'")


@dataclass(frozen=True, slots=True)
class SnapshotMeta(Draft):
    """What ``snapshot.json`` says.

    Attributes:
        sequence: counts the phone's snapshots; the newest has the highest, whatever the clock said.
        files, bytes: below the backup folder.
        carried_files: how many of them came from the snapshot before, unchanged.
        seal: SHA-256 of SHA256SUMS.
    """

    sequence: int = field(kw_only=True)
    files: int = field(kw_only=True)
    bytes: int = field(kw_only=True)
    carried_files: int = field(kw_only=True)
    seal: str = field(kw_only=True)
    schema: int = field(default=SCHEMA, kw_only=True)

    def to_record(self) -> Record:
        """All of it, with the checksum of the rest under ``sha256``."""
        members = Draft.to_members(self) | {
            "schema": self.schema,
            "sequence": self.sequence,
            "files": self.files,
            "bytes": self.bytes,
            "carried_files": self.carried_files,
            "seal": self.seal,
        }
        return Record(members | {"sha256": Record(members).sha256()})

    def renumbered(self, sequence: int) -> "SnapshotMeta":
        """The same with another sequence number."""
        return replace(self, sequence=sequence)

    @classmethod
    def read(cls, path: str) -> "SnapshotMeta":
        """Read a ``snapshot.json`` and check it against its own checksum.

        Raises:
            DamageFound: it is missing or not what was written.
            IbackupError: a newer version made it, or it cannot be read.
        """
        with telling(f"The record {path!r} could not be read."):
            try:
                return cls.parse(Record.read_strictly(path))
            except FileNotFoundError:
                flaw = "is missing"
            except RecordFlaw as error:
                flaw = str(error)
        raise DamageFound(
            f"{path!r} is damaged: it {flaw}.",
            hint=f"{_ANOTHER} The folder beside that file may be whole: `ibackup extract` takes files out of it, "
            "when it is named by its path.",
        )

    @classmethod
    def parse(cls, record: Record) -> "SnapshotMeta":
        """The same from a record. Raises RecordFlaw; IbackupError for one of a newer version."""
        schema = record.number("schema")
        if record.text("sha256") != record.without("sha256").sha256():
            raise RecordFlaw("does not have the checksum that it names")
        if schema > SCHEMA:
            raise IbackupError(
                "This snapshot was made by a newer ibackup.",
                why=f"Its record has schema {schema}; this version knows {SCHEMA}.",
                hint="Use that newer version for it; `ibackup --version` tells which one this is.",
            )
        draft = Draft.from_record(record)
        if not is_udid(draft.udid):
            raise RecordFlaw("has no UDID under 'udid'")
        seal = record.text("seal")
        if len(seal) != 64 or not set(seal) <= set("0123456789abcdef"):
            raise RecordFlaw("has no SHA-256 under 'seal'")
        return cls(
            **{name: getattr(draft, name) for name in Draft.__dataclass_fields__},
            schema=schema,
            sequence=record.number("sequence"),
            files=record.number("files"),
            bytes=record.number("bytes"),
            carried_files=record.number("carried_files"),
            seal=seal,
        )


@dataclass(frozen=True)
class Snapshot:
    """A finished snapshot; ``path`` is its folder, ``id`` that folder's name."""

    id: str
    path: str
    meta: SnapshotMeta

    @classmethod
    def open(cls, path: str) -> Self:
        """Read the snapshot in a folder. Raises DamageFound."""
        return cls(os.path.basename(path), path, SnapshotMeta.read(os.path.join(path, META_NAME)))

    @property
    def udid(self) -> str:
        """The phone's UDID, which is the backup folder's name."""
        return self.meta.udid

    @property
    def backup_path(self) -> str:
        """The folder in Apple's own format."""
        return os.path.join(self.path, self.meta.udid)

    @property
    def seal_path(self) -> str:
        """The list of checksums."""
        return os.path.join(self.path, SEAL_NAME)

    def refuse_if_removed(self) -> None:
        """Tell a snapshot that was pruned while it was being read from one that is damaged. Raises NotABackup."""
        if not os.path.lexists(self.path):
            raise NotABackup(
                f"Snapshot {self.id} was removed while it was being read.",
                hint="`ibackup list` shows the snapshots that there are.",
            )

    def verify_seal_file(self) -> None:
        """Look whether the list of checksums is the one the snapshot was closed with. Raises DamageFound."""
        found = hash_file(self.seal_path)
        if found is None:
            raise DamageFound(f"Snapshot {self.id} is damaged: {SEAL_NAME} is missing.", hint=_ANOTHER)
        if found.hex() != self.meta.seal:
            raise DamageFound(
                f"Snapshot {self.id} is damaged: {SEAL_NAME} is not the list it was closed with.",
                hint=_ANOTHER,
            )

    @cached_property
    def seal(self) -> Seal:
        """The checksums, in memory. Raises DamageFound when they are not what they were."""
        self.verify_seal_file()
        return Seal.read(self.seal_path)


@dataclass(frozen=True, slots=True)
class BrokenSnapshot:
    """A folder with a snapshot's name whose record cannot be read; ``error`` says why."""

    id: str
    path: str
    error: IbackupError


def hash_file(path: str, dir_fd: int | None = None) -> bytes | None:
    """SHA-256 of a regular file, a link not followed; None when nothing is there. Raises OSError."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        fd = os.open(path, flags, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    with open(fd, "rb", buffering=0) as source:
        return hashlib.file_digest(source, "sha256").digest()
