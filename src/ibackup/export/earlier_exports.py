"""What earlier exports wrote into a folder, so that the next one changes only what is new.

A record in the folder says at which place each conversation, note or page went, and the SHA-256 of each file that
ibackup made itself. A file whose content is no longer that belongs to the user and is left alone.
"""

import json
from contextlib import suppress

from ibackup.base.confined import Confined, Parts, PathRefused, parse

RECORD = "ibackup-export.json"
_SCHEMA = 1
_MOST_BYTES = 256 * 1024 * 1024


class EarlierExports:
    """The record of a folder; ``save`` writes it back if it changed."""

    def __init__(self, target: Confined) -> None:
        self._target = target
        self._places: dict[str, str] = {}
        self._sums: dict[str, str] = {}
        self._changed = False
        self._read()

    def _read(self) -> None:
        with suppress(OSError, PathRefused, ValueError, RecursionError):
            with open(self._target.open_file((RECORD,)), "rb") as source:
                found = json.loads(source.read(_MOST_BYTES))
            if isinstance(found, dict) and found.get("schema") == _SCHEMA:
                self._places = _texts(found.get("places"))
                self._sums = _texts(found.get("sha256"))

    def places(self) -> list[Parts]:
        """Every place that is given away."""
        return [parts for path in self._places.values() if (parts := _parsed(path)) is not None]

    def place(self, key: str) -> Parts | None:
        """Where the thing with this key went earlier."""
        path = self._places.get(key)
        return None if path is None else _parsed(path)

    def placed(self, key: str, parts: Parts) -> None:
        """Remember where a thing goes."""
        path = "/".join(parts)
        if self._places.get(key) != path:
            self._places[key] = path
            self._changed = True

    def sha256(self, parts: Parts) -> str:
        """The SHA-256 of a file as ibackup wrote it, in hexadecimal; empty if it did not."""
        return self._sums.get("/".join(parts), "")

    def wrote(self, parts: Parts, sha256: str) -> None:
        """Remember what was written."""
        path = "/".join(parts)
        if self._sums.get(path) != sha256:
            self._sums[path] = sha256
            self._changed = True

    def text(self) -> bytes | None:
        """The record, to be written; None if nothing changed."""
        if not self._changed:
            return None
        about = (
            "Written by ibackup export, so that the next export changes only what is new. Delete it at will."
        )
        record = {"about": about, "schema": _SCHEMA, "places": self._places, "sha256": self._sums}
        return json.dumps(record, indent=0, sort_keys=True, ensure_ascii=False).encode(
            "utf-8", "backslashreplace"
        )


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(key, str) and isinstance(text, str)}


def _parsed(path: str) -> Parts | None:
    try:
        return parse(path)
    except PathRefused:
        return None
