"""Files with secrets of a fleet: each is new, for its owner alone, and says what kind of file it is."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ibackup.base.errors import IbackupError, UsageError
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

T = TypeVar("T")


def refuse_existing(path: str) -> None:
    """Raises UsageError if there is such a file: a secret must not replace another one."""
    if os.path.lexists(path):
        raise UsageError(
            f"The file {path!r} already exists.", hint="Choose another name, or move that file away."
        )


@dataclass(frozen=True, slots=True)
class SecretFileKind:
    """One kind of such files.

    Attributes:
        kind: as the file itself says it.
        noun: for people: "enrolment".
        hint: what to do if it cannot be read.
    """

    kind: str
    noun: str
    hint: str

    def keep_in_new_file(self, path: str, members: Mapping[str, object]) -> None:
        """Write a file that only its owner can read. Raises UsageError if there is one, IbackupError."""
        refuse_existing(path)
        with telling(f"The {self.noun} {path!r} could not be written."):
            durable.make_dir(os.path.dirname(path), parents=True)
            durable.write_file(path, JsonRecord({"kind": self.kind, "schema": 1, **members}).render())

    def read(self, path: str, parse: Callable[[JsonRecord], T]) -> T:
        """What ``parse`` makes of a file's members; it may raise RecordFlaw. Raises IbackupError."""
        try:
            record = JsonRecord.read(path)
            is_one = "kind" in record and record.text("kind") == self.kind
        except OSError as error:
            raise IbackupError(
                f"The {self.noun} {path!r} cannot be read: {error.strerror}.", hint=self.hint
            ) from None
        except RecordFlaw:
            is_one = False
        if not is_one:
            raise IbackupError(f"The file {path!r} is not {_article(self.noun)}.", hint=self.hint)
        try:
            return parse(record)
        except RecordFlaw as flaw:
            raise IbackupError(f"The {self.noun} {path!r} is damaged: it {flaw}.", hint=self.hint) from None


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
