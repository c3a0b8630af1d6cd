"""Takes the JSON that a program prints, piece by piece: one object a line, or one array that may be very long."""

import json
from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
"""A JSON object from another program; what is in it is checked by those who use it."""
Hear = Callable[[Object], None]

_LONGEST = 4 * 1024 * 1024  # characters of one object


class OutputTooLong(ValueError):
    """An object has no end."""


class JsonLines:
    """Hears every line that is a JSON object; other lines are kept as text.

    Args:
        hear: gets the objects.
    """

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._rest = bytearray()
        self.text: list[str] = []

    def __call__(self, piece: bytes) -> None:
        """Take output. Raises OutputTooLong."""
        self._rest += piece
        if b"\n" not in piece:
            if len(self._rest) > _LONGEST:
                raise OutputTooLong
            return
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            self._line(line)

    def close(self) -> None:
        """Take what came after the last line feed."""
        rest, self._rest = bytes(self._rest), bytearray()
        self._line(rest)

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        found = object_of(line)
        if found is not None:
            self._hear(found)
        elif len(self.text) < 1000:
            self.text.append(line.decode("utf-8", "replace"))


class JsonArray:
    """Hears every object of an array, without having the whole array in memory.

    Args:
        hear: gets the objects.
    """

    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._rest = b""
        self._decoder = json.JSONDecoder()

    def __call__(self, piece: bytes) -> None:
        """Take output. Raises OutputTooLong."""
        self._rest += piece
        if len(self._rest) > _LONGEST:
            raise OutputTooLong
        # A brace in a name may end a piece of an object, which then is no JSON: the next brace is tried with it.
        end = self._rest.rfind(b"}")
        if end < 0:
            return
        text = self._rest[: end + 1].decode("utf-8", "replace")
        at = 0
        while (start := text.find("{", at)) >= 0:
            try:
                found, at = self._decoder.raw_decode(text, start)
            except (ValueError, RecursionError):
                at = start
                break
            if isinstance(found, dict):
                self._hear(found)
        self._rest = text[at:].encode() + self._rest[end + 1 :]

    def close(self) -> None:
        """Nothing is left to take: an object without an end is none."""
        self._rest = b""


def object_of(data: bytes) -> Object | None:
    """A JSON object, or None for anything else."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
