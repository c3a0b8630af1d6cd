"""The keeper's secret: from it come the keys of all computers and the passwords of all repositories of a fleet."""

import base64
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from ibackup.base.errors import IbackupError, UsageError
from ibackup.copies.copy_passwords import derived_password
from ibackup.copies.fleet.fleet_keys import SigningKey, is_key
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

_KIND = "ibackup fleet keeper"


def refuse_existing(path: str) -> None:
    """Raises UsageError if there is such a file: a secret must not replace another one."""
    if os.path.lexists(path):
        raise UsageError(
            f"The file {path!r} already exists.", hint="Choose another name, or move that file away."
        )


@dataclass(frozen=True)
class KeeperSecret:
    """32 random bytes in base64. Anyone who has them has the fleet."""

    text: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """One that nobody has."""
        return cls(base64.b64encode(os.urandom(32)).decode())

    @classmethod
    def read(cls, path: str) -> Self:
        """Read its file. Raises IbackupError."""
        try:
            return cls._parse(JsonRecord.read(os.path.expanduser(path)))
        except (OSError, RecordFlaw) as error:
            reason = error.strerror if isinstance(error, OSError) else f"it {error}"
            raise IbackupError(
                f"The keeper's file {path!r} cannot be read: {reason}.",
                hint="Put it back from where you keep a second one. Without it, nobody can enrol a computer.",
            ) from None

    @classmethod
    def _parse(cls, record: JsonRecord) -> Self:
        if record.text("kind") != _KIND or not is_key(record.text("secret")):
            raise RecordFlaw("is not a keeper's file")
        return cls(record.text("secret"))

    def keep_in_new_file(self, path: str) -> None:
        """Write it into a new file that only its owner can read. Raises UsageError if there is one."""
        refuse_existing(path)
        with telling(f"The keeper's file {path!r} could not be written."):
            durable.make_dir(os.path.dirname(path), parents=True)
            durable.write_file(path, JsonRecord({"kind": _KIND, "schema": 1, "secret": self.text}).render())

    @property
    def _bytes(self) -> bytes:
        return base64.b64decode(self.text)

    @cached_property
    def key(self) -> SigningKey:
        """The keeper's own key, which signs who belongs to the fleet."""
        return SigningKey.derived(self._bytes, "ibackup fleet keeper key")

    def key_of(self, host: str, generation: int) -> SigningKey:
        """The key of a computer; another generation has another."""
        return SigningKey.derived(self._bytes, f"ibackup fleet host key {generation} {host}")

    def password_of(self, udid: str) -> str:
        """The password of a phone's repository."""
        return derived_password(self._bytes, f"ibackup fleet repository {udid}")
