"""What the keeper of a fleet gives to a computer: one file with all that it needs, to be carried there once."""

import os
from dataclasses import dataclass, field
from typing import Self

from ibackup.base.errors import IbackupError
from ibackup.base.udids import may_be_udid
from ibackup.copies.fleet.fleet_keys import SigningKey, is_key
from ibackup.copies.fleet.host_records import is_host_name
from ibackup.copies.fleet.keeper_secret import refuse_existing
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

_KIND = "ibackup fleet enrolment"


@dataclass(frozen=True, slots=True)
class EnrolledPhone:
    """One phone's repository in the fleet."""

    udid: str
    repository_id: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What one computer needs.

    Attributes:
        bucket: the fleet's place.
        host: the computer's name in the fleet.
        key: signs what it reports.
        keeper_key: the public half of the keeper's.
        phones: that it may back up.
    """

    bucket: str
    host: str
    key: SigningKey
    keeper_key: str
    phones: tuple[EnrolledPhone, ...]

    def keep_in_new_file(self, path: str) -> None:
        """Write it into a new file that only its owner can read. Raises UsageError if there is one."""
        refuse_existing(path)
        members: dict[str, object] = {
            "kind": _KIND,
            "schema": 1,
            "bucket": self.bucket,
            "host": self.host,
            "key": self.key.text,
            "keeper_key": self.keeper_key,
            "phones": [
                {"udid": each.udid, "repository_id": each.repository_id, "password": each.password}
                for each in self.phones
            ],
        }
        with telling(f"The enrolment {path!r} could not be written."):
            durable.make_dir(os.path.dirname(path), parents=True)
            durable.write_file(path, JsonRecord(members).render())

    @classmethod
    def read(cls, path: str) -> Self:
        """Read such a file. Raises IbackupError."""
        try:
            return cls._parse(JsonRecord.read(path))
        except (OSError, RecordFlaw) as error:
            reason = error.strerror if isinstance(error, OSError) else f"it {error}"
            raise IbackupError(
                f"The enrolment {path!r} cannot be read: {reason}.",
                hint="`ibackup fleet enrol` on the keeper's computer writes a new one.",
            ) from None

    @classmethod
    def _parse(cls, record: JsonRecord) -> Self:
        if record.text("kind") != _KIND or not is_host_name(record.text("host")):
            raise RecordFlaw("is no enrolment")
        if not is_key(record.text("key")) or not is_key(record.text("keeper_key")):
            raise RecordFlaw("has something other than keys where they should be")
        phones = tuple(
            EnrolledPhone(each.text("udid"), each.text("repository_id"), each.text("password"))
            for each in record.records("phones")
        )
        if not all(may_be_udid(each.udid) for each in phones):
            raise RecordFlaw("has a phone that is none")
        return cls(
            record.text("bucket"),
            record.text("host"),
            SigningKey(record.text("key")),
            record.text("keeper_key"),
            phones,
        )
