"""Reads a whole keyed archive (NSKeyedArchiver) into lists, dictionaries, texts, numbers, data and dates.

``apple.keyed_archive`` reads a few keys of one known object, many times a second; this reads what an app made of any
objects. The plist is checked before it is parsed. The archive's own references are followed with a limit on depth
and on what they unfold to, and a reference back to an object that contains it becomes None.
"""

import plistlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from ibackup.apple import plists
from ibackup.apple.format_errors import FormatError
from ibackup.contents.decoding.undecodable import Undecodable

MAX_BYTES: Final = 16 << 20
MAX_OBJECTS: Final = 200_000
"""Also of the tree that the references unfold to."""
MAX_DEPTH: Final = 64
MAX_LINK: Final = 1 << 20
"""Characters of an NSURL with its base."""
_EPOCH: Final = datetime(2001, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ArchivedObject:
    """An object of a class that this code does not know, with its own keys; ``name`` is its class."""

    name: str
    fields: Mapping[str, object]


def plain_plist(data: bytes) -> object:
    """The value of a plist that an app stored; a text, number, data, date, list or dictionary. Raises Undecodable."""
    try:
        return plists.load(data, limit=MAX_BYTES, max_objects=MAX_OBJECTS, max_depth=MAX_DEPTH)
    except FormatError as error:
        raise Undecodable(error.flaw) from error


def unarchive(data: bytes) -> object:
    """The archived object: of the Foundation classes their Python counterpart, of any other an ArchivedObject.

    NSDictionary becomes a dictionary (without the keys that are no text), NSArray and NSSet a list, NSString and NSURL
    a text, NSUUID a text in capitals, NSDate a datetime in UTC, NSData bytes, NSNull None.

    Raises:
        Undecodable: it is no archive, refers to what is not there, or exceeds a limit.
    """
    frame = plain_plist(data)
    if not isinstance(frame, dict):
        raise Undecodable("it is not a keyed archive")
    objects, top = frame.get("$objects"), frame.get("$top")
    if not isinstance(objects, list) or not isinstance(top, dict) or "root" not in top:
        raise Undecodable("it is not a keyed archive")
    return _Unarchiving(objects).value(top["root"], 0).content


@dataclass(slots=True)
class _Built:
    """An object that was built, and how many objects it unfolds to."""

    content: object
    size: int = 1


@dataclass(slots=True)
class _Unarchiving:
    """One archive on its way to objects; each object of the archive is built once."""

    objects: list[object]
    built: dict[int, _Built] = field(default_factory=dict)
    under_way: set[int] = field(default_factory=set)
    classes: dict[int, tuple[str, frozenset[str]]] = field(default_factory=dict)

    def value(self, value: object, depth: int) -> _Built:
        """What a value of the archive stands for."""
        if depth > MAX_DEPTH:
            raise Undecodable(f"it nests more than {MAX_DEPTH} levels deep")
        number = _reference(value)
        if number is None:
            return self._inline(value, depth)
        if not 0 <= number < len(self.objects):
            raise Undecodable("it refers to an object that is not there")
        if number in self.under_way:
            return _Built(None)
        if number not in self.built:
            self.under_way.add(number)
            self.built[number] = self._object(self.objects[number], depth)
            self.under_way.discard(number)
        return self.built[number]

    def _inline(self, value: object, depth: int) -> _Built:
        if isinstance(value, list):
            return self._list(value, depth)
        if isinstance(value, dict):
            return self._dictionary(value.items(), depth)
        return _Built(value.replace(tzinfo=UTC) if isinstance(value, datetime) else value)

    def _list(self, values: list[object], depth: int) -> _Built:
        parts = []
        size = 1
        for value in values:
            part = self.value(value, depth + 1)
            parts.append(part.content)
            size = self._sum(size, part)
        return _Built(parts, size)

    def _dictionary(self, items: Iterable[tuple[object, object]], depth: int) -> _Built:
        found: dict[str, object] = {}
        size = 1
        for key, value in items:
            name = self.value(key, depth + 1).content
            if isinstance(name, str):
                part = self.value(value, depth + 1)
                found[name] = part.content
                size = self._sum(size, part)
        return _Built(found, size)

    @staticmethod
    def _sum(size: int, part: _Built) -> int:
        if size + part.size > MAX_OBJECTS:
            raise Undecodable(f"it unfolds to more than {MAX_OBJECTS:,} objects")
        return size + part.size

    def _object(self, stored: object, depth: int) -> _Built:
        if stored == "$null":
            return _Built(None)
        if not isinstance(stored, dict):
            return self._inline(stored, depth)
        name, names = self._class(stored.get("$class"))
        if "NSDictionary" in names:
            keys, values = stored.get("NS.keys"), stored.get("NS.objects")
            if not isinstance(keys, list) or not isinstance(values, list) or len(keys) != len(values):
                raise Undecodable("a dictionary in it does not have as many values as keys")
            return self._dictionary(zip(keys, values, strict=True), depth)
        if not names.isdisjoint(("NSArray", "NSSet", "NSOrderedSet")):
            values = stored.get("NS.objects")
            if not isinstance(values, list):
                raise Undecodable("a list in it has no elements")
            return self._list(values, depth)
        return self._known(name, names, stored, depth)

    def _known(self, name: str, names: frozenset[str], stored: dict[object, object], depth: int) -> _Built:
        def part(key: str) -> object:
            return self.value(stored.get(key), depth + 1).content

        if "NSString" in names or "NSData" in names:
            kind = "NS.string" if "NSString" in names else "NS.data"
            content = part(kind) if kind in stored else part("NS.bytes")
            return _Built(_text(content) if "NSString" in names else content)
        if "NSURL" in names:
            link = _text(part("NS.base")) + _text(part("NS.relative"))
            if len(link) > MAX_LINK:  # each base may have a base
                raise Undecodable("a link in it is too long")
            return _Built(link)
        if "NSUUID" in names:
            content = part("NS.uuidbytes")
            whole = isinstance(content, bytes) and len(content) == 16
            return _Built(str(uuid.UUID(bytes=content)).upper() if whole else None)  # type: ignore[arg-type]
        if "NSDate" in names:
            return _Built(_date(part("NS.time")))
        if "NSNull" in names:
            return _Built(None)
        own = {key: value for key, value in stored.items() if key != "$class"}
        found = self._dictionary(own.items(), depth)
        return _Built(ArchivedObject(name, found.content), found.size)  # type: ignore[arg-type]

    def _class(self, value: object) -> tuple[str, frozenset[str]]:
        """The name of a class, and that with the names of the classes it inherits from."""
        number = _reference(value)
        if number is None or not 0 <= number < len(self.objects):
            return "", frozenset()
        if number not in self.classes:
            stored = self.objects[number]
            described = stored if isinstance(stored, dict) else {}
            name, names = described.get("$classname"), described.get("$classes")
            name = name if isinstance(name, str) else ""
            listed = names if isinstance(names, list) else []
            self.classes[number] = name, frozenset(each for each in (*listed, name) if isinstance(each, str))
        return self.classes[number]


def _reference(value: object) -> int | None:
    """The number of the object that a value refers to; an archive in XML has a dictionary in place of a UID."""
    if isinstance(value, plistlib.UID):
        return value.data
    if isinstance(value, dict) and len(value) == 1:
        number = value.get("CF$UID")
        return number if isinstance(number, int) else None
    return None


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def _date(seconds: object) -> datetime | None:
    if not isinstance(seconds, int | float):
        return None
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError):  # ValueError: not a number
        return None
