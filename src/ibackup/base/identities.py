"""Remembers what identifies a phone or its owner as it is read, so that logs can leave it out; and phones' names."""

import threading
import unicodedata
from collections import Counter
from collections.abc import Mapping

from ibackup.base.udids import plain_udid

JOINERS = frozenset("\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}")
"""Hold emoji together and keep Persian letters apart, in many a phone's name; no terminal acts on them."""

_QUOTES = str.maketrans("‘’ʼ´`“”„", "'''''\"\"\"")  # noqa: RUF001 - as people and phones type them
_GENERIC = frozenset(["iphone", "ipad", "ipod", "ipod touch"])
_MOST_NOTED = 10_000  # for a phone that has another name each time; the oldest are forgotten first
_noted: dict[str, None] = {}
_noting = threading.Lock()
_called: dict[str, str] = {}


def note(*values: str | None) -> None:
    """Remember names, serial numbers and so on while the program runs; None and generic ones are skipped."""
    with _noting:
        for each in values:
            if each and len(each) > 1 and each.lower() not in _GENERIC:
                _noted.pop(each, None)
                _noted[each] = None
        while len(_noted) > _MOST_NOTED:
            del _noted[next(iter(_noted))]


def noted() -> list[str]:
    """All of them, longest first, so that none hides a part of another."""
    with _noting:
        known = list(_noted)
    return sorted(known, key=lambda each: (-len(each), each))


def name_phones(names: Mapping[str, str]) -> None:
    """Set the names, by UDID, that messages use for phones; replaces earlier ones."""
    _called.clear()
    _called.update((plain_udid(udid), name) for udid, name in names.items())


def called(udid: str) -> str:
    """What messages call a phone at the start of a sentence: its name or, if unknown, its UDID."""
    name = name_of(udid)
    return name if plain_udid(name) != plain_udid(udid) else f"The phone {udid}"


def name_of(udid: str) -> str:
    """The same within a sentence: its name, or its UDID."""
    return _called.get(plain_udid(udid)) or udid


def told_apart(names: Mapping[str, str]) -> dict[str, str]:
    """What to call phones that are shown together, by UDID: those of one name with the end of their UDIDs, too."""
    alike = Counter(map(plain_name, names.values()))
    return {
        udid: name if alike[plain_name(name)] == 1 else f"{name} (…{udid[-4:]})"
        for udid, name in names.items()
    }


def bare_name(text: str) -> str:
    """The letters and digits of a name, without accents: what anybody can type on any keyboard."""
    return "".join(each for each in unicodedata.normalize("NFKD", text).casefold() if each.isalnum())


def plain_name(text: str) -> str:
    """A name in normal form: case, kinds of quotation marks and spaces do not matter."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold().split())


def is_name_typed(typed: str, name: str) -> bool:
    """Whether someone typed this name: quotation marks, spaces, letter case and Unicode's forms do not matter."""
    return bool(typed) and _typed(typed) == _typed(name)


def _typed(name: str) -> str:
    simple = unicodedata.normalize("NFKC", name).casefold().strip()
    return "".join(char for char in simple if char.isalnum()) or simple
