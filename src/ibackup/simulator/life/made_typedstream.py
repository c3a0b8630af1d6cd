"""Attributed texts as Messages stores them: typedstreams of an NSAttributedString."""

import struct
from collections.abc import Mapping, Sequence

MESSAGE_PART = "__kIMMessagePartAttributeName"

_NEW, _NIL, _END = b"\x84", b"\x85", b"\x86"
_ABOVE = {
    "NSMutableAttributedString": "NSAttributedString",
    "NSMutableString": "NSString",
    "NSNumber": "NSValue",
    "NSObject": None,
}
_VERSION = {"NSString": 1, "NSMutableString": 1}

Value = str | int | float | bytes | Mapping[str, object]


def attributed(
    pieces: Sequence[tuple[str, Mapping[str, Value]]], *, mutable: bool = False, units: int | None = None
) -> bytes:
    """A text from pieces, each with its attributes.

    Args:
        pieces: in order; equal attributes are stored once.
        mutable: as Messages writes what it received.
        units: the length that the last piece claims, if not its own, in UTF-16 units.
    """
    return _Writer().whole(pieces, mutable=mutable, units=units)


def message_body(text: str, part: int = 0) -> bytes:
    """The body of a message that is only text."""
    return attributed([(text, {MESSAGE_PART: part})])


class _Writer:
    """The tables of one stream."""

    def __init__(self) -> None:
        self._strings: list[str] = []
        self._objects: list[str] = []

    def whole(
        self, pieces: Sequence[tuple[str, Mapping[str, Value]]], *, mutable: bool, units: int | None
    ) -> bytes:
        kind = "Mutable" if mutable else ""
        text = "".join(piece for piece, _ in pieces)
        out = b"\x04\x0bstreamtyped" + integer(1000) + self._shared("@")
        out += self._begin(f"NS{kind}AttributedString") + self._shared("@")
        out += self._string(text, f"NS{kind}String")
        known: list[Mapping[str, Value]] = []
        for number, (piece, attributes) in enumerate(pieces):
            length = len(piece.encode("utf-16-le")) // 2
            if units is not None and number == len(pieces) - 1:
                length = units
            fresh = attributes not in known
            if fresh:
                known.append(attributes)
            out += self._shared("iI") + integer(known.index(attributes) + 1) + integer(length)
            if fresh:
                out += self._shared("@") + self._dictionary(attributes)
        return out + _END

    def _shared(self, text: str) -> bytes:
        if text in self._strings:
            return _reference(self._strings.index(text))
        self._strings.append(text)
        data = text.encode()
        return _NEW + integer(len(data)) + data

    def _begin(self, name: str) -> bytes:
        self._objects.append("")
        return _NEW + self._class(name)

    def _class(self, name: str | None) -> bytes:
        if name is None:
            return _NIL
        mark = f"class {name}"
        if mark in self._objects:
            return _reference(self._objects.index(mark))
        self._objects.append(mark)
        head = _NEW + self._shared(name) + integer(_VERSION.get(name, 0))
        return head + self._class(_ABOVE.get(name, "NSObject"))

    def _string(self, text: str, name: str = "NSString") -> bytes:
        data = text.encode()
        return self._begin(name) + self._shared("+") + integer(len(data)) + data + _END

    def _dictionary(self, values: Mapping[str, object]) -> bytes:
        out = self._begin("NSDictionary") + self._shared("i") + integer(len(values))
        for key, value in values.items():
            out += self._shared("@") + self._string(key) + self._shared("@") + self._value(value)
        return out + _END

    def _value(self, value: object) -> bytes:
        if isinstance(value, Mapping):
            return self._dictionary(value)
        if isinstance(value, bytes):
            head = self._begin("NSData") + self._shared("i") + integer(len(value))
            return head + self._shared(f"[{len(value)}c]") + value + _END
        if isinstance(value, str):
            return self._string(value)
        mark = f"number {value}"
        if mark in self._objects:  # phones keep one object for each small number
            return _reference(self._objects.index(mark))
        place = len(self._objects)
        code = "d" if isinstance(value, float) else "i"
        out = self._begin("NSNumber") + self._shared("*") + self._c_string(code) + self._shared(code)
        packed = b"\x83" + struct.pack("<d", value) if isinstance(value, float) else integer(int(str(value)))
        self._objects[place] = mark
        return out + packed + _END

    def _c_string(self, text: str) -> bytes:
        mark = f"c {text}"
        if mark in self._objects:
            return _reference(self._objects.index(mark))
        self._objects.append(mark)
        return _NEW + self._shared(text)


def integer(value: int) -> bytes:
    """A number in one, three or five bytes."""
    if -110 <= value <= 127:
        return struct.pack("<b", value)
    if -(1 << 15) <= value < 1 << 15:
        return b"\x81" + struct.pack("<h", value)
    return b"\x82" + struct.pack("<i", value)


def _reference(place: int) -> bytes:
    return integer(place - 110)
