"""Keyed archives (NSKeyedArchiver) of Foundation's objects."""

import plistlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Url:
    """An NSURL in an archive."""

    text: str


@dataclass(frozen=True, slots=True)
class OfClass:
    """An object of any class, with its keys."""

    name: str
    fields: Mapping[str, object]


def keyed_archive(root: object) -> bytes:
    """Texts, numbers, data, lists, dictionaries, UUIDs, links and other objects as apps archive them."""
    objects: list[object] = ["$null"]
    top = _add(objects, root)
    frame = {
        "$version": 100_000,
        "$archiver": "NSKeyedArchiver",
        "$top": {"root": top},
        "$objects": objects,
    }
    return plistlib.dumps(frame, fmt=plistlib.FMT_BINARY, sort_keys=False)


def _add(objects: list[object], value: object) -> plistlib.UID:
    if value is None:
        return plistlib.UID(0)
    place = len(objects)
    objects.append(None)
    if isinstance(value, Mapping):
        keys = [_add(objects, key) for key in value]
        values = [_add(objects, each) for each in value.values()]
        stored: object = {
            "NS.keys": keys,
            "NS.objects": values,
            "$class": _class(objects, "NSMutableDictionary", "NSDictionary"),
        }
    elif isinstance(value, list | tuple):
        stored = {"NS.objects": [_add(objects, each) for each in value], "$class": _class(objects, "NSArray")}
    elif isinstance(value, uuid.UUID):
        stored = {"NS.uuidbytes": value.bytes, "$class": _class(objects, "NSUUID")}
    elif isinstance(value, Url):
        stored = {
            "NS.base": plistlib.UID(0),
            "NS.relative": _add(objects, value.text),
            "$class": _class(objects, "NSURL"),
        }
    elif isinstance(value, OfClass):
        fields = {key: _add(objects, each) for key, each in value.fields.items()}
        stored = {**fields, "$class": _class(objects, value.name)}
    else:
        stored = value
    objects[place] = stored
    return plistlib.UID(place)


def _class(objects: list[object], *names: str) -> plistlib.UID:
    described = {"$classname": names[0], "$classes": [*names, "NSObject"]}
    if described in objects:
        return plistlib.UID(objects.index(described))
    objects.append(described)
    return plistlib.UID(len(objects) - 1)
