"""Reads an attributed text (NSAttributedString) from a typedstream, in which Messages keeps what was written.

The stream is a chain of values with their types before them. It has two tables for what was read before: one for
types and class names, one for objects and classes. A number from 0x92 on refers to an entry of one of them. Integers
take one byte, or 0x81 and two, or 0x82 and four, little-endian. Seen in 49 texts that phones wrote.

Every step takes at least one byte of the data, nothing that is referred to is read twice, and what nests is counted.
"""

import functools
import re
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from ibackup.contents.decoding.undecodable import Undecodable

MAX_BYTES: Final = 8 << 20
MAX_RUNS: Final = 20_000
MAX_OBJECTS: Final = 200_000
MAX_DEPTH: Final = 32
_MAX_CLASSES: Final = 16
_MAX_TYPE: Final = 64
_VALUE_DEPTH: Final = 3

_INT16, _INT32, _REAL, _NEW, _NIL, _END, _INT64 = 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87
_FIRST_REFERENCE: Final = -110
_HEADER: Final = b"\x04\x0bstreamtyped\x81\xe8\x03"
_TEXT_CLASSES: Final = frozenset({b"NSString", b"NSAttributedString"})
_STRUCTURE: Final = re.compile(rb"\{[^{}=]{0,64}=|\}")
_ARRAY: Final = re.compile(rb"\[([0-9]{1,9})([cC])\]")
_NOTHING: Final[Mapping[str, "AttributeValue"]] = MappingProxyType({})

AttributeValue = (
    None | str | int | float | bytes | tuple["AttributeValue", ...] | Mapping[str, "AttributeValue"]
)
"""None stands for an object of a class that this code does not know, or for what nests more than three levels."""


class TextRun(NamedTuple):
    """A range of the text, in UTF-16 units, with its attributes."""

    start: int
    length: int
    attributes: Mapping[str, AttributeValue]


class AttributedText(NamedTuple):
    """A text and its attributes.

    Attributes:
        text: whole, unless there is a flaw.
        runs: one after the other; they can end before the text does, or after it.
        flaw: what is wrong with it, as the end of a sentence about it; empty if nothing is. The text or the runs end
            where the data could no longer be read.
    """

    text: str
    runs: tuple[TextRun, ...] = ()
    flaw: str = ""

    def pieces(self) -> Iterator[tuple[str, Mapping[str, AttributeValue]]]:
        """The text in pieces of equal attributes. Together they are the text; none is empty."""
        only = self.runs[0] if len(self.runs) == 1 and self.text else None
        if only is not None and only.length >= len(self.text.encode("utf-16-le")) // 2:
            yield self.text, only.attributes
            return
        place = _places(self.text)
        at = 0
        for run in self.runs:
            end = max(at, place(run.start + run.length))
            if end > at:
                yield self.text[at:end], run.attributes
                at = end
        if at < len(self.text):
            yield self.text[at:], _NOTHING


def attributed_text(blob: bytes) -> AttributedText:
    """Decode an attributed text.

    Raises:
        Undecodable: it is something else, or too damaged to find a text in it.
    """
    try:
        return _plain_text(blob) or _read(blob)
    except Undecodable as error:
        text = _found_text(blob)
        if text is None:
            raise
        return AttributedText(text, flaw=str(error))


# -- the quick way --------------------------------------------------------------------------------------------------

_STRING_HEADS: Final = (
    _HEADER
    + b"\x84\x01@\x84\x84\x84\x12NSAttributedString\0\x84\x84\x08NSObject\0\x85\x92"
    + b"\x84\x84\x84\x08NSString\x01\x94\x84\x01+",
    _HEADER
    + b"\x84\x01@\x84\x84\x84\x19NSMutableAttributedString\0\x84\x84\x12NSAttributedString\0\x84\x84\x08NSObject\0\x85"
    + b"\x92\x84\x84\x84\x0fNSMutableString\x01\x84\x84\x08NSString\x01\x95\x84\x01+",
)
"""How nearly all attributed texts begin, up to the length of the text."""
_STRING_HEAD: Final = re.compile(b"|".join(map(re.escape, _STRING_HEADS)))
_SOME_TEXT: Final = re.compile(rb"(?:[\x01-\x7f]|\x81(?!\x00\x00)..)[0-9A-Za-z]", re.DOTALL)
_FIRST_RUN: Final = b"\x86\x84\x02iI\x01"
_LONGEST_TAIL: Final = 256


def _plain_text(blob: bytes) -> AttributedText | None:
    """A text with one run, whose attributes an earlier text had, too: no other reading of it is possible.

    After an equal beginning, both tables are equal. So equal bytes after the length of the run mean equal attributes,
    and those were read by ``_read``. None if it is of another kind.
    """
    number = next((each for each, head in enumerate(_STRING_HEADS) if blob.startswith(head)), None)
    if number is None:
        return None
    length, start = _quick_length(blob, len(_STRING_HEADS[number]))
    end = start + length
    if not blob.startswith(_FIRST_RUN, end):
        return None
    units, rest = _quick_length(blob, end + len(_FIRST_RUN))
    if not start or not rest or len(blob) - rest > _LONGEST_TAIL:
        return None
    attributes = _attributes_of(number, blob[rest:])
    if attributes is None:
        return None
    return AttributedText(blob[start:end].decode("utf-8", "replace"), (TextRun(0, units, attributes),))


def quick_text(blob: bytes) -> bytes | None:
    """The text of ``attributed_text`` in UTF-8, without a look at the rest; None if it begins in an unusual way."""
    head = _STRING_HEAD.match(blob)
    length, start = _quick_length(blob, head.end()) if head else (0, 0)
    return blob[start : start + length] if start else None


def surely_has_text(blob: bytes) -> bool:
    """Whether ``attributed_text`` gives a text that is not empty; for most of those, and never for others."""
    head = _STRING_HEAD.match(blob)
    return head is not None and _SOME_TEXT.match(blob, head.end()) is not None


def _quick_length(blob: bytes, at: int) -> tuple[int, int]:
    """A length and the position after it, which is 0 if it is of an unusual form."""
    head = blob[at : at + 1]
    if not head:
        return 0, 0
    if head[0] < 0x80:
        return head[0], at + 1
    if head[0] == _INT16 and at + 3 <= len(blob):
        return blob[at + 1] | blob[at + 2] << 8, at + 3
    return 0, 0


@functools.lru_cache(maxsize=1024)
def _attributes_of(number: int, tail: bytes) -> Mapping[str, AttributeValue] | None:
    """The attributes of a text with one run that ends so."""
    try:
        found = _read(_STRING_HEADS[number] + b"\0" + _FIRST_RUN + b"\0" + tail)
    except Undecodable:
        return None
    return found.runs[0].attributes if len(found.runs) == 1 and not found.flaw else None


_STRING: Final = re.compile(rb"NS(?:Mutable)?String[\x00-\x02\x84-\xa0]{0,8}(?:\x84\x01)?\+", re.DOTALL)


def _found_text(blob: bytes) -> str | None:
    """The first text in a damaged stream, by what stands around texts; None if there is none for sure."""
    found = _STRING.search(blob) if blob.startswith(_HEADER) else None
    if not found:
        return None
    length, start = _quick_length(blob, found.end())
    if not start or not length or blob[start + length : start + length + 1] != b"\x86":
        return None
    try:
        return blob[start : start + length].decode()
    except UnicodeDecodeError:
        return None


# -- the whole way --------------------------------------------------------------------------------------------------


def _read(blob: bytes) -> AttributedText:
    if len(blob) > MAX_BYTES:
        raise Undecodable(f"it has {len(blob):,} bytes; the limit is {MAX_BYTES:,}")
    if not blob.startswith(_HEADER):
        raise Undecodable("it is not a typedstream")
    stream = _Stream(blob, len(_HEADER))
    if stream.types() != b"@" or stream.byte() != _NEW:
        raise Undecodable("it is not an attributed text")
    whole = stream.begin()
    if b"NSString" in whole.classes:
        return AttributedText(stream.text_of(whole))
    if b"NSAttributedString" not in whole.classes:
        raise Undecodable("it is not an attributed text")
    if stream.types() != b"@" or stream.byte() != _NEW:
        raise Undecodable("it has no text")
    inner = stream.begin()
    if b"NSString" not in inner.classes:
        raise Undecodable("it has no text")
    text = stream.text_of(inner)
    runs: list[TextRun] = []
    flaw = stream.flaw
    if not flaw:
        try:
            stream.finish(inner, 1)
            for run in _runs(stream):
                runs.append(run)  # noqa: PERF402 - those before a flaw count
        except Undecodable as error:
            flaw = str(error)
    return AttributedText(text, tuple(runs), flaw)


def _runs(stream: "_Stream") -> Iterator[TextRun]:
    """The runs of an attributed text: pairs of a number and a length, each new number with its attributes."""
    known: dict[int, Mapping[str, AttributeValue]] = {}
    meanings = _Meanings()
    start = count = 0
    while True:
        types = stream.types_or_end()
        if types is None:
            return
        count += 1
        if count > MAX_RUNS:
            raise Undecodable(f"it has more than {MAX_RUNS:,} pieces")
        if types != b"iI":
            raise Undecodable("its attributes are damaged")
        number, length = stream.integer(), stream.integer(signed=False)
        if number not in known:
            if stream.types() != b"@":
                raise Undecodable("its attributes are damaged")
            value = meanings.of(stream.item())
            known[number] = value if isinstance(value, Mapping) else _NOTHING
        yield TextRun(start, length, known[number])
        start += length


class _Object:
    """An object of the stream: its classes, most special first, and its values, or the one they stand for."""

    __slots__ = ("classes", "values")

    def __init__(self) -> None:
        self.classes: tuple[bytes, ...] = ()
        self.values: list[object] = []


class _Stream:
    """The data, how far it was read, and the tables of what it can refer to.

    Attributes:
        flaw: that the text ended too soon; empty if it did not.
    """

    __slots__ = ("at", "blob", "depth", "flaw", "objects", "strings")

    def __init__(self, blob: bytes, at: int) -> None:
        self.blob = blob
        self.at = at
        self.depth = 0
        self.flaw = ""
        self.strings: list[bytes] = []
        self.objects: list[object] = []

    def byte(self) -> int:
        """The next byte."""
        try:
            value = self.blob[self.at]
        except IndexError:
            raise Undecodable("it is incomplete") from None
        self.at += 1
        return value

    def take(self, size: int) -> bytes:
        """The next bytes."""
        end = self.at + size
        if end > len(self.blob):
            raise Undecodable("it is incomplete")
        data = self.blob[self.at : end]
        self.at = end
        return data

    def integer(self, head: int | None = None, *, signed: bool = True) -> int:
        """A whole number; ``head`` is its first byte, if that was read."""
        head = self.byte() if head is None else head
        if head == _INT16:
            return int.from_bytes(self.take(2), "little", signed=signed)
        if head == _INT32:
            return int.from_bytes(self.take(4), "little", signed=signed)
        if head == _INT64:  # assumed, by the order of the others; no sample has one
            return int.from_bytes(self.take(8), "little", signed=signed)
        if _REAL <= head < 0x92:
            raise Undecodable("it has something else where a number belongs")
        return head - 256 if signed and head >= 0x80 else head

    def real(self, size: int) -> float:
        """A number with a fraction, or a whole one in short."""
        head = self.byte()
        if head != _REAL:
            return self.integer(head)
        value: float = struct.unpack("<f" if size == 4 else "<d", self.take(size))[0]
        return value

    def string(self) -> bytes | None:
        """Bytes that nothing refers to."""
        head = self.byte()
        return None if head == _NIL else self.take(self.integer(head, signed=False))

    def shared(self, head: int | None = None) -> bytes | None:
        """A type or a name, new or from the table."""
        head = self.byte() if head is None else head
        if head == _NIL:
            return None
        if head == _NEW:
            value = self.string()
            if value is None or len(self.strings) >= MAX_OBJECTS:
                raise Undecodable("its types are damaged")
            self.strings.append(value)
            return value
        return self.strings[self._place(head, len(self.strings))]

    def _place(self, head: int, size: int) -> int:
        """The place in a table of this size that a number refers to."""
        place = self.integer(head) - _FIRST_REFERENCE
        if not 0 <= place < size:
            raise Undecodable("it refers to what is not there")
        return place

    def types(self) -> bytes:
        """The types of the values that follow."""
        types = self.types_or_end()
        if types is None:
            raise Undecodable("it ends too soon")
        return types

    def types_or_end(self) -> bytes | None:
        """The types of the values that follow; None at the end of the object."""
        head = self.byte()
        if head == _END:
            return None
        types = self.shared(head)
        if not types or len(types) > _MAX_TYPE:
            raise Undecodable("its types are damaged")
        return types

    def begin(self) -> _Object:
        """A new object, up to its values."""
        if len(self.objects) >= MAX_OBJECTS:
            raise Undecodable(f"it has more than {MAX_OBJECTS:,} objects")
        found = _Object()
        self.objects.append(found)
        found.classes = self._class()
        return found

    def _class(self) -> tuple[bytes, ...]:
        """The names of a class and of those it inherits from."""
        names: list[bytes] = []
        places: list[int] = []
        while (head := self.byte()) == _NEW:
            name = self.shared()
            self.integer()  # its version
            if name is None or len(names) >= _MAX_CLASSES:
                raise Undecodable("its classes are damaged")
            names.append(name)
            places.append(len(self.objects))
            self.objects.append(None)
        above: object = () if head == _NIL else self.objects[self._place(head, len(self.objects))]
        if not isinstance(above, tuple) or len(above) + len(names) > _MAX_CLASSES:
            raise Undecodable("its classes are damaged")
        whole = (*names, *above)
        for order, place in enumerate(places):
            self.objects[place] = whole[order:]
        return whole

    def text_of(self, found: _Object) -> str:
        """The text of a string that has begun. What is missing at the end of the data is named in ``flaw``."""
        if self.types() != b"+":
            raise Undecodable("it has no text")
        size = self.integer(signed=False)
        data = self.blob[self.at : self.at + size]
        self.at += len(data)
        if len(data) < size:
            self.flaw = "it ends within its text"
        found.values = [data]
        return data.decode("utf-8", "replace" if len(data) == size else "ignore")

    def finish(self, found: _Object, known: int = 0) -> None:
        """Read the values of an object that has begun; ``known`` is how many it must have in the end."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Undecodable(f"it nests more than {MAX_DEPTH} levels deep")
        while (types := self.types_or_end()) is not None:
            self._values(types, found.values)
        self.depth -= 1
        if known and len(found.values) != known:
            raise Undecodable("it has more than one text")

    def _values(self, types: bytes, into: list[object]) -> None:
        array = _ARRAY.fullmatch(types)
        if array:
            into.append(self.take(int(array[1])))
            return
        for code in _STRUCTURE.sub(b"", types):
            into.append(self._one(code))
            if len(into) > MAX_OBJECTS:
                raise Undecodable(f"it has more than {MAX_OBJECTS:,} values")

    def _one(self, code: int) -> object:
        if code in b"@":
            return self.item()
        if code in b"iIlLqQsS":
            return self.integer(signed=code in b"ilqs")
        if code in b"cCB":
            value = self.byte()
            return value - 256 if code in b"c" and value >= 0x80 else value
        if code in b"fd":
            return self.real(4 if code in b"f" else 8)
        if code in b"+":
            return self.string()
        if code in b"*":
            return self._c_string()
        if code in b"%:":
            return self.shared()
        raise Undecodable("it has values of an unknown type")

    def _c_string(self) -> object:
        """A shared string that is in the table of objects, too."""
        head = self.byte()
        if head == _NIL:
            return None
        if head != _NEW:
            return self.objects[self._place(head, len(self.objects))]
        value = self.shared()
        self.objects.append(value)
        return value

    def item(self) -> object:
        """An object, new or from the table."""
        head = self.byte()
        if head == _NIL:
            return None
        if head != _NEW:
            return self.objects[self._place(head, len(self.objects))]
        found = self.begin()
        self.finish(found)
        return found


class _Meanings:
    """What the objects of a stream stand for; each is looked at once a level."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], AttributeValue] = {}

    def of(self, item: object, depth: int = 0) -> AttributeValue:
        """What an object stands for."""
        if not isinstance(item, _Object) or depth > _VALUE_DEPTH:
            return None
        key = id(item), depth
        if key not in self._known:
            self._known[key] = self._found(item.classes, item.values, depth)
        return self._known[key]

    def _found(self, classes: tuple[bytes, ...], values: list[object], depth: int) -> AttributeValue:
        first = values[0] if values else None
        second = values[1] if len(values) > 1 else None
        if b"NSString" in classes:
            return first.decode("utf-8", "replace") if isinstance(first, bytes) else ""
        if b"NSNumber" in classes:
            return second if isinstance(second, int | float) else None
        if b"NSDate" in classes:
            return first if isinstance(first, int | float) else None
        if b"NSData" in classes:
            return second if isinstance(second, bytes) else b""
        if b"NSAttributedString" in classes:
            return self.of(first, depth + 1)
        inner = [self.of(value, depth + 1) for value in values[1:]]
        if b"NSDictionary" in classes:
            pairs = zip(inner[::2], inner[1::2], strict=False)
            return MappingProxyType({key: value for key, value in pairs if isinstance(key, str)})
        if b"NSArray" in classes or b"NSSet" in classes:
            return tuple(inner)
        if b"NSURL" in classes:
            return "".join(part for part in inner if isinstance(part, str))
        return None


def _places(text: str) -> Callable[[int], int]:
    """A function from UTF-16 units to places in a text; the middle of a pair counts as its beginning."""
    pairs = [] if text.isascii() else [at for at, char in enumerate(text) if char > "\uffff"]
    starts = [at + before for before, at in enumerate(pairs)]
    return lambda units: min(units - bisect_left(starts, units), len(text))
