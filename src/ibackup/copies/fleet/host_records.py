"""Which computers belong to a fleet, each with its public key and its phones, as the keeper signed it."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from ibackup.base.udids import may_be_udid
from ibackup.copies.fleet import fleet_keys
from ibackup.copies.fleet.fleet_keys import SigningKey
from ibackup.store.disk import record_times
from ibackup.store.disk.json_records import RecordFlaw

SCHEMA = 1
FOLDER = "hosts"
_KIND = "ibackup fleet host"
_HOST = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def is_host_name(text: str) -> bool:
    """Whether a computer of a fleet can have this name, which is part of the names of objects."""
    return _HOST.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class HostRecord:
    """One computer.

    Attributes:
        host: its name in the fleet.
        public_key: verifies what it reports.
        repositories: the ids of the repositories of the phones that it may back up, by UDID.
        generation: grows when it gets another key.
        changed: when the keeper wrote this, UTC.
        revoked: whether it no longer belongs to the fleet.
    """

    host: str
    public_key: str
    repositories: dict[str, str]
    generation: int
    changed: datetime
    revoked: bool = False

    @property
    def phones(self) -> tuple[str, ...]:
        """The UDIDs of its phones."""
        return tuple(self.repositories)

    @property
    def path(self) -> str:
        """Its object in the bucket."""
        return f"{FOLDER}/{self.host}.json"

    def signed(self, keeper: SigningKey) -> bytes:
        """The object."""
        return keeper.signed(
            {
                "schema": SCHEMA,
                "kind": _KIND,
                "host": self.host,
                "public_key": self.public_key,
                "phones": self.repositories,
                "generation": self.generation,
                "changed": record_times.written(self.changed),
                "revoked": self.revoked,
            }
        )

    @classmethod
    def opened(cls, data: bytes, keeper_key: str) -> Self:
        """Read the object. Raises RecordFlaw, NotGenuine."""
        record = fleet_keys.opened(data, keeper_key)
        if record.text("kind") != _KIND or not is_host_name(record.text("host")):
            raise RecordFlaw("is not about a computer of a fleet")
        phones = record.record("phones")
        if not all(map(may_be_udid, phones.names())) or not fleet_keys.is_key(record.text("public_key")):
            raise RecordFlaw("has a phone or a key that is none")
        return cls(
            record.text("host"),
            record.text("public_key"),
            {udid: phones.text(udid) for udid in phones.names()},
            record.number("generation"),
            record.time("changed"),
            record.flag("revoked"),
        )
