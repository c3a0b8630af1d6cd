"""What the keeper of a fleet gives to a computer: one file with all that it needs, to be carried there once."""

from dataclasses import dataclass, field
from typing import Self

from ibackup.base.udids import may_be_udid
from ibackup.copies.fleet.fleet_keys import SigningKey, is_key
from ibackup.copies.fleet.host_records import is_host_name
from ibackup.copies.fleet.secret_files import SecretFileKind
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

_KIND = SecretFileKind(
    "ibackup fleet enrolment", "enrolment", "`ibackup fleet enrol` on the keeper's computer writes a new one."
)


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
        members = {
            "bucket": self.bucket,
            "host": self.host,
            "key": self.key.text,
            "keeper_key": self.keeper_key,
            "phones": [
                {"udid": each.udid, "repository_id": each.repository_id, "password": each.password}
                for each in self.phones
            ],
        }
        _KIND.keep_in_new_file(path, members)

    @classmethod
    def read(cls, path: str) -> Self:
        """Read such a file. Raises IbackupError."""
        return _KIND.read(path, cls._parse)

    @classmethod
    def _parse(cls, record: JsonRecord) -> Self:
        if not is_host_name(record.text("host")):
            raise RecordFlaw("names no computer")
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
