"""Small JSON files: read with suspicion, written in one canonical form.

A ``Record`` is the only place where the store handles raw members; each kind of file turns it into a frozen
dataclass.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from datetime import datetime
from typing import Self, TypeVar

from ibackup.store.disk import record_times

MAX_BYTES = 64 * 1024 * 1024

_Kind = TypeVar("_Kind", str, int, bool, list[object], dict[str, object])
_SAID = {str: "text", int: "whole number", bool: "true or false", list: "list", dict: "object"}


class RecordFlaw(ValueError):
    """A record breaks the rules of its kind; the text says how, as the end of a sentence."""


class JsonRecord:
    """The members of a JSON object; reading one checks its type and may raise RecordFlaw."""

    def __init__(self, members: Mapping[str, object]) -> None:
        self._members = members

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Parse a JSON object."""
        try:
            members = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise RecordFlaw(f"is not JSON ({error})") from None
        if not isinstance(members, dict):
            raise RecordFlaw("is not a JSON object")
        return cls(members)

    @classmethod
    def read(cls, path: str) -> Self:
        """Read and parse a file. Raises OSError too."""
        return cls.load(read_bytes(path))

    @classmethod
    def read_strictly(cls, path: str) -> Self:
        """Read and parse a file that must be, byte for byte, what ``render`` returns."""
        data = read_bytes(path)
        record = cls.load(data)
        if record.render() != data:
            raise RecordFlaw("is not in the form in which ibackup writes it")
        return record

    def __contains__(self, key: str) -> bool:
        return self._members.get(key) is not None

    def names(self) -> tuple[str, ...]:
        """The names of all members."""
        return tuple(self._members)

    def _get(self, key: str, kind: type[_Kind]) -> _Kind:
        value = self._members.get(key)
        # In Python, true is a number.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise RecordFlaw(f"has no {_SAID[kind]} under {key!r}")
        return value

    def text(self, key: str) -> str:
        """A string."""
        return self._get(key, str)

    def whole(self, key: str) -> int:
        """A whole number."""
        return self._get(key, int)

    def number(self, key: str) -> int:
        """A whole number that is not negative."""
        value = self.whole(key)
        if value < 0:
            raise RecordFlaw(f"has a negative number under {key!r}")
        return value

    def flag(self, key: str) -> bool:
        """A truth value."""
        return self._get(key, bool)

    def time(self, key: str) -> datetime:
        """A moment."""
        try:
            return record_times.read(self.text(key))
        except ValueError:
            raise RecordFlaw(f"has no time under {key!r}") from None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self._get(key, list)
        if not all(isinstance(value, str) for value in values):
            raise RecordFlaw(f"has something other than texts under {key!r}")
        return tuple(str(value) for value in values)

    def numbers(self, key: str) -> tuple[int, ...]:
        """A list of whole numbers that are not negative."""
        values = self._get(key, list)
        found = tuple(
            value for value in values if isinstance(value, int) and not isinstance(value, bool) and value >= 0
        )
        if len(found) != len(values):
            raise RecordFlaw(f"has something other than numbers under {key!r}")
        return found

    def record(self, key: str) -> "JsonRecord":
        """An object."""
        return JsonRecord(self._get(key, dict))

    def records(self, key: str) -> "tuple[JsonRecord, ...]":
        """A list of objects."""
        values = self._get(key, list)
        found = tuple(JsonRecord(value) for value in values if isinstance(value, dict))
        if len(found) != len(values):
            raise RecordFlaw(f"has something other than objects under {key!r}")
        return found

    def without(self, key: str) -> "JsonRecord":
        """The same members except one."""
        return JsonRecord({name: value for name, value in self._members.items() if name != key})

    def render(self) -> bytes:
        """The text of the file: members sorted, indented, UTF-8."""
        text = json.dumps(self._members, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        # A lone surrogate has no UTF-8; escaped with a backslash it happens to be valid JSON for the same
        # character.
        return text.encode(errors="backslashreplace")

    def compact(self) -> bytes:
        """The compact canonical form, of which checksums and signatures are made: members sorted, no spaces, UTF-8."""
        text = json.dumps(self._members, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="backslashreplace")

    def sha256(self) -> str:
        """SHA-256 of the compact form."""
        return hashlib.sha256(self.compact()).hexdigest()


def read_bytes(path: str, limit: int = MAX_BYTES) -> bytes:
    """All bytes of a small regular file; links are not followed. Raises OSError, RecordFlaw if it is too long."""
    flags = (
        os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )
    fd = os.open(path, flags)
    with open(fd, "rb") as source:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise RecordFlaw("is not a regular file")
        if found.st_size > limit:
            raise RecordFlaw(f"is longer than {limit} bytes")
        return source.read(limit + 1)[:limit]
