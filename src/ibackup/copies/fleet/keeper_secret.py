"""The keeper's secret: from it come the keys of all computers and the passwords of all repositories of a fleet."""

import base64
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from ibackup.copies.copy_passwords import derived_password
from ibackup.copies.fleet.fleet_keys import SigningKey, is_key
from ibackup.copies.fleet.secret_files import SecretFileKind
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

_KIND = SecretFileKind(
    "ibackup fleet keeper",
    "keeper's file",
    "Put it back from where you keep a second one. Without it, nobody can enrol a computer.",
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
        return _KIND.read(os.path.expanduser(path), cls._parse)

    @classmethod
    def _parse(cls, record: JsonRecord) -> Self:
        if not is_key(record.text("secret")):
            raise RecordFlaw("has no secret")
        return cls(record.text("secret"))

    def keep_in_new_file(self, path: str) -> None:
        """Write it into a new file that only its owner can read. Raises UsageError if there is one."""
        _KIND.keep_in_new_file(path, {"secret": self.text})

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
