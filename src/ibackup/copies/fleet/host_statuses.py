"""What a computer of a fleet reports about one phone: one small signed object a run, never written over."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

from ibackup.base.identities import JOINERS
from ibackup.base.udids import may_be_udid
from ibackup.copies.fleet import fleet_keys
from ibackup.copies.fleet.fleet_keys import SigningKey
from ibackup.copies.fleet.host_records import is_host_name
from ibackup.store.disk import record_times
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

SCHEMA = 1
FOLDER = "status"
MOST_BYTES = 64 * 1024
"""A longer object is none of ours."""
_KIND = "ibackup fleet status"
MOST_DAMAGE = 20
"""How many damaged things a report names."""
_MOST_TEXT = 500  # characters
_MOST_REPORTS = 2**53
_PATH = re.compile(rf"{FOLDER}/([0-9A-Fa-f-]+)/([0-9]{{8}}T[0-9]{{6}}Z)\.([a-z0-9-]+)\.json")


def shown(text: str) -> str:
    """A text of a report as all may show it: not too long, and nothing in it that controls a terminal or a page."""
    return "".join(char if char.isprintable() or char in JOINERS else "\ufffd" for char in text[:_MOST_TEXT])


@dataclass(frozen=True, slots=True, order=True)
class StatusName:
    """The name of an object: they sort by phone, then by time.

    Attributes:
        when: as in the names of snapshots, UTC.
    """

    udid: str
    when: str
    host: str

    @property
    def path(self) -> str:
        """Below the fleet's place."""
        return f"{FOLDER}/{self.udid}/{self.when}.{self.host}.json"

    @classmethod
    def parse(cls, path: str) -> Self | None:
        """None for what is no such object."""
        match = _PATH.fullmatch(path)
        if match is None or not (
            may_be_udid(match[1]) and record_times.is_id(match[2]) and is_host_name(match[3])
        ):
            return None
        return cls(match[1], match[2], match[3])


@dataclass(frozen=True, slots=True)
class ReportedBackup:
    """The newest good snapshot on that computer; ``made``: the date of its data, UTC."""

    snapshot: str
    made: datetime
    files: int
    bytes: int
    encrypted: bool
    seal: str

    def to_members(self) -> dict[str, object]:
        """The form in which a status stores it."""
        return {
            "snapshot": self.snapshot,
            "made": record_times.written(self.made),
            "files": self.files,
            "bytes": self.bytes,
            "encrypted": self.encrypted,
            "seal": self.seal,
        }

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it. Raises RecordFlaw."""
        if not record_times.is_id(record.text("snapshot")):
            raise RecordFlaw("has no snapshot id under 'snapshot'")
        return cls(
            record.text("snapshot"),
            record.time("made"),
            record.number("files"),
            record.number("bytes"),
            record.flag("encrypted"),
            record.text("seal"),
        )


@dataclass(frozen=True, slots=True)
class ReportedCopy:
    """What that computer knows about the phone's repository in the fleet.

    Attributes:
        snapshot: the newest that is copied; empty if none is.
        copied: when that was, UTC.
        matched, stored, read, rehearsed: when the newest proof of each level was made, UTC; None without one.
    """

    repository: str
    snapshot: str = ""
    copied: datetime | None = None
    matched: datetime | None = None
    stored: datetime | None = None
    read: datetime | None = None
    rehearsed: datetime | None = None

    def to_members(self) -> dict[str, object]:
        """The form in which a status stores it."""
        times = {name: getattr(self, name) for name in _TIMES}
        return {
            "repository": self.repository,
            "snapshot": self.snapshot,
            **{name: record_times.written(when) for name, when in times.items() if when is not None},
        }

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it. Raises RecordFlaw."""
        times = {name: record.time(name) for name in _TIMES if name in record}
        return cls(record.text("repository"), record.text("snapshot"), **times)


_TIMES = ("copied", "matched", "stored", "read", "rehearsed")
ReportedResult = Literal["good", "damaged"]


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One report.

    Attributes:
        sequence: grows with each report of this computer about this phone.
        written: when it was made, UTC.
        exit_code: how the run ended.
        damage: what is known to be damaged, in the store or in the copy; empty if nothing is.
    """

    host: str
    udid: str
    device_name: str
    sequence: int
    written: datetime
    exit_code: int
    last_backup: ReportedBackup | None
    copy: ReportedCopy | None
    damage: tuple[str, ...] = ()

    @property
    def name(self) -> StatusName:
        """The name of its object."""
        return StatusName(self.udid, record_times.as_id(self.written), self.host)

    def signed(self, key: SigningKey) -> bytes:
        """The object."""
        members: dict[str, object] = {
            "schema": SCHEMA,
            "kind": _KIND,
            "host": self.host,
            "udid": self.udid,
            "device_name": self.device_name,
            "sequence": self.sequence,
            "written": record_times.written(self.written),
            "exit_code": self.exit_code,
            "damage": list(self.damage),
        }
        if self.last_backup is not None:
            members["last_backup"] = self.last_backup.to_members()
        if self.copy is not None:
            members["copy"] = self.copy.to_members()
        return key.signed(members)

    @classmethod
    def opened(cls, data: bytes, public_key: str) -> Self:
        """Read an object. Raises RecordFlaw, NotGenuine."""
        record = fleet_keys.opened(data, public_key)
        if record.text("kind") != _KIND:
            raise RecordFlaw("is not a status")
        if record.number("sequence") > _MOST_REPORTS:
            raise RecordFlaw("has a number that no computer reaches")
        return cls(
            record.text("host"),
            record.text("udid"),
            shown(record.text("device_name")),
            record.number("sequence"),
            record.time("written"),
            record.number("exit_code"),
            ReportedBackup.from_record(record.record("last_backup")) if "last_backup" in record else None,
            ReportedCopy.from_record(record.record("copy")) if "copy" in record else None,
            tuple(map(shown, record.texts("damage")[:MOST_DAMAGE])),
        )
