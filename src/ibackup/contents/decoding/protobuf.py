"""Reads protobuf messages without their description: by field number and by what the caller expects there.

A message is split into its fields when it is made, one level at a time. What is nested is parsed when it is asked
for, so ten thousand levels cost nothing, and a caller that follows them ends at ``MAX_DEPTH``.
"""

import struct
from collections.abc import Iterator
from typing import Final

from ibackup.contents.decoding.undecodable import Undecodable

MAX_BYTES: Final = 64 << 20
MAX_FIELDS: Final = 250_000
"""Fields of one message, or numbers of one packed field; those of nested messages not counted."""
MAX_DEPTH: Final = 64
_VARINT_BYTES: Final = 10
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES: Final = {_FIXED64: 8, _FIXED32: 4}


class ProtoMessage:
    """One message. Raises Undecodable, also from its methods.

    A field with another type than the caller asks for counts as missing: a newer app may have changed it. Of a field
    that occurs twice, the last one counts, as in protobuf itself.
    """

    __slots__ = ("_depth", "_fields")

    def __init__(self, data: bytes | memoryview, *, depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise Undecodable(f"it nests more than {MAX_DEPTH} levels deep")
        if len(data) > MAX_BYTES:
            raise Undecodable(f"it has {len(data):,} bytes; the limit is {MAX_BYTES:,}")
        self._depth = depth
        self._fields: dict[int, list[tuple[int, int | memoryview]]] = {}
        for number, kind, value in _split(memoryview(data)):
            self._fields.setdefault(number, []).append((kind, value))

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def numbers(self) -> list[int]:
        """The numbers of its fields, in ascending order."""
        return sorted(self._fields)

    def integer(self, number: int) -> int | None:
        """A whole number as stored, not negative, below 2^64."""
        values = self.integers(number)
        return values[-1] if values else None

    def integers(self, number: int) -> list[int]:
        """Repeated whole numbers, packed or not."""
        found: list[int] = []
        for kind, value in self._fields.get(number, ()):
            if isinstance(value, int):
                found.append(value)
            elif kind == _BYTES:
                found += _packed(value)
        return found

    def signed(self, number: int) -> int | None:
        """A whole number of type int32 or int64, which stores negative numbers in 64 bits."""
        value = self.integer(number)
        return value - (1 << 64) if value is not None and value >= 1 << 63 else value

    def real(self, number: int) -> float | None:
        """A float or a double."""
        for kind, value in reversed(self._fields.get(number, [])):
            if kind in _FIXED_BYTES and not isinstance(value, int):
                result: float = struct.unpack("<d" if kind == _FIXED64 else "<f", value)[0]
                return result
        return None

    def data(self, number: int) -> bytes | None:
        """Bytes."""
        values = self.datas(number)
        return values[-1] if values else None

    def datas(self, number: int) -> list[bytes]:
        """Repeated bytes."""
        return [bytes(value) for value in self._views(number)]

    def text(self, number: int) -> str | None:
        """A text; what is not UTF-8 is replaced."""
        value = self.data(number)
        return value.decode("utf-8", "replace") if value is not None else None

    def texts(self, number: int) -> list[str]:
        """Repeated texts."""
        return [value.decode("utf-8", "replace") for value in self.datas(number)]

    def message(self, number: int) -> "ProtoMessage | None":
        """A nested message."""
        views = self._views(number)
        return ProtoMessage(views[-1], depth=self._depth + 1) if views else None

    def messages(self, number: int) -> "Iterator[ProtoMessage]":
        """Repeated nested messages, one at a time."""
        for view in self._views(number):
            yield ProtoMessage(view, depth=self._depth + 1)

    def _views(self, number: int) -> list[memoryview]:
        return [
            value
            for kind, value in self._fields.get(number, ())
            if kind == _BYTES and not isinstance(value, int)
        ]


def _split(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """The fields: number, wire type, and the number or the bytes."""
    at, end, count = 0, len(data), 0
    while at < end:
        count += 1
        if count > MAX_FIELDS:
            raise Undecodable(f"it has more than {MAX_FIELDS:,} fields")
        tag, at = _varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise Undecodable("a field has the number 0")
        if kind == _VARINT:
            value, at = _varint(data, at, end)
            yield number, kind, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at, end)
        elif kind in _FIXED_BYTES:
            size = _FIXED_BYTES[kind]
        else:
            raise Undecodable(f"a field has the unknown type {kind}")
        if size > end - at:
            raise Undecodable("a field is longer than the data")
        yield number, kind, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    """A number of variable length, and the position after it."""
    value = shift = 0
    for place in range(at, min(end, at + _VARINT_BYTES)):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, place + 1
        shift += 7
    raise Undecodable("it ends within a number" if end - at < _VARINT_BYTES else "a number is too long")


def _packed(data: memoryview) -> Iterator[int]:
    at, end, count = 0, len(data), 0
    while at < end:
        count += 1
        if count > MAX_FIELDS:
            raise Undecodable(f"it has more than {MAX_FIELDS:,} numbers in one field")
        value, at = _varint(data, at, end)
        yield value
