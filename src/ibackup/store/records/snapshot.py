"""A finished snapshot: what it says about itself, and whether its seal is the one it was closed with."""

import errno
import hashlib
import os
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Literal, Self

from ibackup.apple.fitting import MOST_UNRECORDED
from ibackup.apple.reasons import Reason
from ibackup.apple.verify.seal import Seal
from ibackup.base.errors import DamageFound, IbackupError, NotABackup
from ibackup.base.udids import may_be_udid
from ibackup.store.disk import record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.records.photo_originals import PhotoOriginals

SCHEMA = 1
META_NAME = "snapshot.json"
SEAL_NAME = "SHA256SUMS"
_ANOTHER = "Use another snapshot (see `ibackup list`), and make a new backup."

Checked = Literal["manifest", "phone"]
SealState = Literal["whole", "missing", "changed"]


@dataclass(frozen=True, slots=True)
class Flawed:
    """A file that is kept as the phone sent it, although it differs from the phone's list.

    Attributes:
        device_path: where it is on the phone, if known: the phone's own path, or domain and path.
        path: where it is, or would be, below the backup folder.
        reason: see ``Reason``.
        text: the phone's words, or the difference.
    """

    device_path: str
    path: str
    reason: Reason
    text: str = ""

    def to_members(self) -> dict[str, object]:
        """The form in which a record stores it."""
        return {
            "device_path": self.device_path,
            "path": self.path,
            "reason": self.reason.value,
            "text": self.text,
        }

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from a record. Raises RecordFlaw."""
        return cls(
            device_path=record.text("device_path"),
            path=record.text("path"),
            reason=_reason(record),
            text=record.text("text"),
        )


def _reason(record: JsonRecord) -> Reason:
    if "reason" not in record:  # the first records had the phone's status instead, and 0 for an odd size
        return Reason.UNREADABLE if record.whole("code") else Reason.SIZE
    try:
        return Reason(record.text("reason"))
    except ValueError:
        raise RecordFlaw("has an unknown flaw under 'reason'") from None


IMPORT = " import"
"""Ends the name of the tool in the record of a backup that another program made."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the run knows about a snapshot before it is sealed; kept in run.json, so that it can be finished later.

    Attributes:
        data_from: when the phone made the data, from Status.plist; ``finished`` if it does not say.
        full: whether the phone sent everything.
        checked: what it was compared with: its own manifest, or only the phone's word.
        received_bytes: what the phone sent in this run.
        tool: name and version of the program.
        flawed: the files that are kept although they differ from the phone's list.
        rewraps: after a password change, the id of the snapshot whose files it has; otherwise empty.
        photos: how many originals are only in iCloud; None if the photo library could not be read.
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
    flawed: tuple[Flawed, ...] = ()
    rewraps: str = ""
    photos: PhotoOriginals | None = None

    @property
    def absent(self) -> frozenset[str]:
        """Files on the phone's list that the phone never sent: where they would be, below the backup folder."""
        return frozenset(file.path for file in self.flawed if file.reason is Reason.ABSENT)

    @property
    def imported(self) -> bool:
        """Whether another program made the backup."""
        return self.tool.endswith(IMPORT)

    def to_members(self) -> dict[str, object]:
        """The form in which a record stores it."""
        rewraps: dict[str, object] = {"rewraps": self.rewraps} if self.rewraps else {}
        photos: dict[str, object] = {"photos": self.photos.to_members()} if self.photos else {}
        return (
            rewraps
            | photos
            | {
                "udid": self.udid,
                "device_name": self.device_name,
                "product_type": self.product_type,
                "ios_version": self.ios_version,
                "started": record_times.written(self.started),
                "finished": record_times.written(self.finished),
                "data_from": record_times.written(self.data_from),
                "full": self.full,
                "encrypted": self.encrypted,
                "checked": self.checked,
                "received_bytes": self.received_bytes,
                "tool": self.tool,
                "flawed": [each.to_members() for each in self.flawed],
            }
        )

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from a record. Raises RecordFlaw."""
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
            flawed=tuple(Flawed.from_record(each) for each in record.records(_flawed_key(record))),
            rewraps=_snapshot_id(record.text("rewraps")) if "rewraps" in record else "",
            photos=PhotoOriginals.from_record(record.record("photos")) if "photos" in record else None,
        )


def _flawed_key(record: JsonRecord) -> str:
    return "unreadable" if "flawed" not in record and "unreadable" in record else "flawed"


def _snapshot_id(text: str) -> str:
    if not record_times.is_id(text):
        raise RecordFlaw("has no snapshot id under 'rewraps'")
    return text


def _checked(text: str) -> Checked:
    if text == "manifest":
        return "manifest"
    if text == "phone":
        return "phone"
    raise RecordFlaw("has neither manifest nor phone under 'checked'")


@dataclass(frozen=True, slots=True)
class SnapshotMeta(Draft):
    """What ``snapshot.json`` says.

    Attributes:
        sequence: number of the snapshot in the store that made it; ids say which is newer.
        files, bytes: below the backup folder.
        carried_files: how many of them came unchanged from the previous snapshot.
        seal: SHA-256 of SHA256SUMS.
    """

    sequence: int = field(kw_only=True)
    files: int = field(kw_only=True)
    bytes: int = field(kw_only=True)
    carried_files: int = field(kw_only=True)
    seal: str = field(kw_only=True)
    schema: int = field(default=SCHEMA, kw_only=True)

    def to_record(self) -> JsonRecord:
        """All members, with the checksum of the others under ``sha256``."""
        members = Draft.to_members(self) | {
            "schema": self.schema,
            "sequence": self.sequence,
            "files": self.files,
            "bytes": self.bytes,
            "carried_files": self.carried_files,
            "seal": self.seal,
        }
        return JsonRecord(members | {"sha256": JsonRecord(members).sha256()})

    def renumbered(self, sequence: int) -> "SnapshotMeta":
        """A copy with another sequence number."""
        return replace(self, sequence=sequence)

    @classmethod
    def read(cls, path: str) -> "SnapshotMeta":
        """Read a ``snapshot.json`` and check it against its own checksum.

        Raises:
            DamageFound: it is missing or damaged.
            IbackupError: a newer version made it, or it cannot be read.
        """
        with telling(f"The record {path!r} could not be read.", reading=True):
            try:
                return cls.parse(JsonRecord.read_strictly(path))
            except FileNotFoundError:
                flaw = "is missing"
            except RecordFlaw as error:
                flaw = str(error)
        raise DamageFound(
            f"{path!r} is damaged: it {flaw}.",
            hint=f"{_ANOTHER} The folder beside that file may be undamaged: give its path to `ibackup "
            "extract` to get files out of it.",
        )

    @classmethod
    def parse(cls, record: JsonRecord) -> "SnapshotMeta":
        """Read it from a record. Raises RecordFlaw; IbackupError for a newer version."""
        schema = record.number("schema")
        if record.text("sha256") != record.without("sha256").sha256():
            raise RecordFlaw("does not match its own checksum")
        if schema > SCHEMA:
            raise IbackupError(
                "This snapshot was made by a newer ibackup.",
                why=f"Its record has schema {schema}; this version knows {SCHEMA}.",
                hint="Use the newer version for it; `ibackup --version` shows which version this is.",
            )
        draft = Draft.from_record(record)
        if not may_be_udid(draft.udid):
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
        """The phone's UDID, from the backup folder's name."""
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
        """Raise NotABackup if the snapshot was pruned meanwhile, so that it does not seem damaged."""
        if not os.path.lexists(self.path):
            raise NotABackup(
                f"Snapshot {self.id} was removed while it was being read.",
                hint="`ibackup list` shows the existing snapshots.",
            )

    def seal_state(self) -> SealState:
        """Whether the list of checksums is the one the snapshot was closed with. Raises OSError."""
        found = hash_file(self.seal_path)
        if found is None:
            return "missing"
        return "whole" if found.hex() == self.meta.seal else "changed"

    def verify_seal_file(self) -> None:
        """Refuse a snapshot without an intact seal. Raises DamageFound, OSError."""
        state = self.seal_state()
        if state == "missing":
            raise DamageFound(f"Snapshot {self.id} is damaged: {SEAL_NAME} is missing.", hint=_ANOTHER)
        if state == "changed":
            raise DamageFound(
                f"Snapshot {self.id} is damaged: {SEAL_NAME} is not the list it was closed with.",
                hint=_ANOTHER,
            )

    @cached_property
    def seal(self) -> Seal:
        """The checksums, in memory. Raises DamageFound if they have changed."""
        self.verify_seal_file()
        return Seal.read(self.seal_path)


@dataclass(frozen=True, slots=True)
class BrokenSnapshot:
    """A folder with a snapshot's name and an unreadable record; ``error`` says why."""

    id: str
    path: str
    error: IbackupError

    @property
    def begun(self) -> datetime:
        """When its run began, UTC: its name says so."""
        return record_times.from_id(self.id)


def hash_file(path: str, dir_fd: int | None = None) -> bytes | None:
    """SHA-256 of a regular file; links are not followed; None if nothing is there.

    Raises:
        OSError: it cannot be read, or is longer than any file of a backup.
    """
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    try:
        fd = os.open(path, flags, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    with open(fd, "rb", buffering=0) as source:
        if os.fstat(fd).st_size > MOST_UNRECORDED:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        return hashlib.file_digest(source, "sha256").digest()
