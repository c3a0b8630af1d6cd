"""The history of the last nights for ``ibackup log``: one line of JSON per phone's turn, in the user's state folder.

There are two files; the older one is removed when the newer one is full. Unreadable lines are skipped.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping

from ibackup.base.udids import same_udid
from ibackup.store.disk import durable
from ibackup.store.records.used_stores import state_dir

_NAME = "history.jsonl"
_FULL_BYTES = 1_000_000
_LONGEST_LINE = 20_000
_NOTHING = frozenset(["not_due", "absent", "waiting"])


class History:
    """The files; ``folder`` is where, by default the user's state folder."""

    def __init__(self, folder: str | None = None) -> None:
        self.folder = state_dir() if folder is None else folder
        self._path = os.path.join(self.folder, _NAME)

    def add(self, members: Mapping[str, object]) -> None:
        """Add a line; a failure stops nothing."""
        line = json.dumps(members, ensure_ascii=False, separators=(",", ":")) + "\n"
        with contextlib.suppress(OSError):
            durable.make_dir(self.folder, parents=True)
            if os.path.exists(self._path) and os.path.getsize(self._path) > _FULL_BYTES:
                os.replace(self._path, f"{self._path}.1")
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            with open(os.open(self._path, flags, 0o600), "ab") as out:
                out.write(line.encode("utf-8", "backslashreplace"))

    @property
    def mark(self) -> tuple[int, ...]:
        """Changes when something was added."""
        found: list[int] = []
        for path in (self._path, f"{self._path}.1"):
            with contextlib.suppress(OSError):
                status = os.stat(path)
                found += (status.st_ino, status.st_size, status.st_mtime_ns)
        return tuple(found)

    def read(self) -> list[dict[str, object]]:
        """Everything recorded, oldest first."""
        return [*self._lines(f"{self._path}.1"), *self._lines(self._path)]

    def turns(self, udid: str | None = None) -> list[dict[str, object]]:
        """The turns of one phone or of all, oldest first; ``times`` counts those that repeat.

        A cron job that tries every quarter of an hour says the same all day.
        """
        kept: list[dict[str, object]] = []
        last: dict[str, dict[str, object]] = {}
        for entry in self.read():
            who = str(entry.get("udid", ""))
            if not isinstance(entry.get("ended"), str) or not (udid is None or same_udid(who, udid)):
                continue
            before, times = last.get(who), 1
            if before is not None and entry.get("state") in _NOTHING and _same(before, entry):
                kept.remove(before)
                times += int(str(before["times"]))
            last[who] = {**entry, "times": times}
            kept.append(last[who])
        return kept

    @staticmethod
    def _lines(path: str) -> Iterator[dict[str, object]]:
        try:
            with open(path, "rb") as source:
                while line := source.readline(_LONGEST_LINE):
                    with contextlib.suppress(ValueError, RecursionError):
                        found = json.loads(line)
                        if isinstance(found, dict):
                            yield found
        except OSError:
            return


def _same(one: dict[str, object], other: dict[str, object]) -> bool:
    return all(one.get(key) == other.get(key) for key in ("state", "message", "program", "proofs"))
