"""Names that the target's file system supports, for any name on a phone.

A phone's file system is case-sensitive and takes nearly every character; computers and their disks differ.
``Rules`` finds out by trial what a folder supports. ``Namer`` gives every file of a backup its own place
below the target, keeps its name if possible, and reports each name that had to change.
"""

import hashlib
import os
import re
import sys
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ibackup.base import held
from ibackup.base.confined import Parts, name_flaw

STAGING = ".ibackup-part"
RENAMED_LIST = "ibackup-renamed.txt"
LONG_PATHS = "ibackup-long-paths"

RenameReason = Literal["character", "reserved", "collision", "length"]

_MAX_NAME = 255
_MAX_DEPTH = 100
_MAX_PATH = 1024  # bytes; the limit of a phone itself
_MAX_PORTABLE_PATH = 240  # characters; Windows allows 260 with the target's own path
_WINDOWS_LIMIT = 259
_PORTABLE_BAD = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_POSIX_BAD = re.compile(r"[/\x00]")
_SUFFIX_ROOM = 24  # bytes kept free in a shortened name for the part that makes it unique


@dataclass(frozen=True, slots=True)
class NameRules:
    """What a file system supports.

    Attributes:
        portable: names must be valid on every system, including Windows.
        folds: names that differ only in case or Unicode spelling are the same name.
        any_bytes: names need not be Unicode.
        name_limit: bytes in a name.
        path_limit: bytes in a path below the target.
    """

    portable: bool = False
    folds: bool = False
    any_bytes: bool = True
    name_limit: int = _MAX_NAME
    path_limit: int = _MAX_PATH

    @classmethod
    def everywhere(cls, target: str = "") -> "NameRules":
        """Names that are valid on every system."""
        room = (
            _WINDOWS_LIMIT - len(os.path.abspath(target)) - 1
            if sys.platform == "win32"
            else _MAX_PORTABLE_PATH
        )
        return cls(
            portable=True, folds=True, any_bytes=False, path_limit=max(80, min(room, _MAX_PORTABLE_PATH))
        )

    @classmethod
    def probe(cls, folder: str) -> "NameRules":
        """Find out by creating and removing files in an empty folder of ours. Raises OSError."""
        if sys.platform == "win32" or not _holds(folder, b"ibackup a:b?c*d. "):
            return cls.everywhere(os.path.dirname(folder))
        limit = _MAX_NAME
        if hasattr(os, "pathconf"):
            limit = min(limit, os.pathconf(folder, "PC_NAME_MAX"))
        folds = _same(folder, b"ibackup Name", b"IBACKUP nAME") or _same(
            folder, "ibackup \u00e9".encode(), "ibackup e\u0301".encode()
        )
        return cls(folds=folds, any_bytes=_holds(folder, b"ibackup \xff"), name_limit=max(limit, 64))


def _can_be_said(name: str) -> bool:
    """Whether the system's own encoding has these characters; a Latin-1 locale does not have all."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return True


def _holds(folder: str, name: bytes) -> bool:
    path = os.path.join(os.fsencode(folder), name)
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError:
        return False
    try:
        # Some systems accept a name but store another.
        return name in os.listdir(os.fsencode(folder))
    finally:
        held.unlink(path)


def _same(folder: str, one: bytes, other: bytes) -> bool:
    base = os.fsencode(folder)
    path = os.path.join(base, one)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        return os.path.lexists(os.path.join(base, other))
    finally:
        held.unlink(path)


@dataclass(frozen=True, slots=True)
class Renamed:
    """A file or folder that could not keep its name; ``became`` is its path below the target."""

    domain: str
    path: str
    became: str
    reason: RenameReason


class Namer:
    """Assigns places below the target, each once; the first file to ask for a name gets it.

    Args:
        rules: what the target supports.
        tell: called with every name that had to change; for a folder once, not for each file in it.
    """

    def __init__(self, rules: NameRules, tell: Callable[[Renamed], None]) -> None:
        self._rules = rules
        self._tell = tell
        self._bad = _PORTABLE_BAD if rules.portable else _POSIX_BAD
        self._folders: dict[str, Parts] = {}
        # Hashes instead of names: a million names would take five times the memory. If two hashes ever agree,
        # a name is changed needlessly.
        self._taken: set[int] = set()
        for name in (STAGING, RENAMED_LIST):
            self._taken.add(hash(((), self._folded(name))))

    def folder(self, domain: str, path: str, file_id: str) -> Parts:
        """The place of a folder; always the same."""
        if self._is_long(domain, path):
            return self._long(domain, path, file_id)
        return self._folder(domain, path) if path else self._root(domain)

    def file(self, domain: str, path: str, file_id: str) -> Parts:
        """A place for a file or link."""
        if self._is_long(domain, path):
            return self._long(domain, path, file_id)
        parent, name = self._parent(domain, path)
        return (*parent, self._place(parent, name, domain, path))

    def place(self, parent: Parts, name: str) -> Parts:
        """A place for a name that is not from a phone's own path; a name that has to change is not reported."""
        return (*parent, self._unique(parent, self._fit(name)[0]))

    def keep(self, parts: Parts) -> None:
        """Give a place to nobody, nor the folders above it as files."""
        for depth in range(1, len(parts) + 1):
            self._taken.add(hash((parts[: depth - 1], self._folded(parts[depth - 1]))))

    def _is_long(self, domain: str, path: str) -> bool:
        length = len(domain) + len(path) + 1
        if length * 4 > self._rules.path_limit:
            length = (
                len(domain.encode("utf-8", "surrogateescape"))
                + len(path.encode("utf-8", "surrogateescape"))
                + 1
            )
        return length > self._rules.path_limit or (len(path) >= _MAX_DEPTH and path.count("/") >= _MAX_DEPTH)

    def _root(self, domain: str) -> Parts:
        known = self._folders.get(domain)
        if known is None:
            known = self._folders[domain] = (self._place((), domain, domain, ""),)
        return known

    def _parent(self, domain: str, path: str) -> tuple[Parts, str]:
        """The place of the folder that contains a path, and the path's last name."""
        above, slash, name = path.rpartition("/")
        return (self._folder(domain, above) if slash else self._root(domain)), name

    def _folder(self, domain: str, path: str) -> Parts:
        """The place of a folder below a domain; an empty path is the domain's folder."""
        key = f"{domain}\0{path}"
        known = self._folders.get(key)
        if known is None:
            parent, name = self._parent(domain, path)
            known = self._folders[key] = (*parent, self._place(parent, name, domain, path))
        return known

    def _long(self, domain: str, path: str, file_id: str) -> Parts:
        """A place for a path that is too deep or too long: one folder, with the name made unique by the id."""
        key = f"{domain}\0{path}"
        known = self._folders.get(key)
        if known is not None:
            return known
        parent = self._root(LONG_PATHS)
        name = f"{file_id[:8]} {path[-self._rules.name_limit :].rpartition('/')[2]}"
        limit = self._rules.path_limit - len(LONG_PATHS) - 1
        place = self._unique(parent, self._shortened(self._fit(name)[0], min(limit, self._rules.name_limit)))
        self._tell(Renamed(domain, path, "/".join((*parent, place)), "length"))
        return (*parent, place)

    def _place(self, parent: Parts, name: str, domain: str, path: str) -> str:
        fitted, reason = self._fit(name)
        place = self._unique(parent, fitted)
        if place != name:
            self._tell(Renamed(domain, path, "/".join((*parent, place)), reason or "collision"))
        return place

    def _unique(self, parent: Parts, name: str) -> str:
        number = 1
        place = name
        while True:
            key = hash((parent, self._folded(place)))
            if key not in self._taken:
                self._taken.add(key)
                return place
            number += 1
            stem, dot, ending = name.rpartition(".")
            if not stem or len(ending) > 16:
                stem, dot, ending = name, "", ""
            place = self._shortened(f"{stem} ({number}){dot}{ending}", self._rules.name_limit, f" ({number})")

    def _folded(self, name: str) -> str:
        """A key that is equal for all names that some file system might treat as the same."""
        if not self._rules.folds:
            return name
        if name.isascii():
            return name.lower()
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        return "".join(char for char in folded if unicodedata.category(char) != "Cf")

    def _fit(self, name: str) -> tuple[str, RenameReason | None]:
        """A name that the file system supports, and why it had to change."""
        reason: RenameReason | None = None
        if self._bad.search(name):
            name, reason = self._bad.sub("_", name), "character"
        if not self._rules.any_bytes and not name.isascii():
            plain = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            if plain != name:
                name, reason = plain, "character"
        if not name.isascii() and not _can_be_said(name):
            name, reason = "".join(char if _can_be_said(char) else "_" for char in name), "character"
        if name in {"", ".", ".."}:
            name, reason = "_" * max(1, len(name)), "reserved"
        if self._rules.portable:
            if name[-1] in ". ":
                name, reason = name.rstrip(". ") + "_", "character"
            if name_flaw(name).startswith("is a reserved"):
                name, reason = "_" + name, "reserved"
        if len(name) * 4 > self._rules.name_limit:
            short = self._shortened(name, self._rules.name_limit)
            if short != name:
                name, reason = short, "length"
        return name, reason

    def _shortened(self, name: str, limit: int, keep: str = "") -> str:
        """A name shortened to a limit in bytes, with its ending kept, and made different from other shortened names."""
        data = name.encode("utf-8", "surrogateescape")
        if len(data) <= limit:
            return name
        stem, dot, ending = name.rpartition(".")
        tail = f"{dot}{ending}".encode("utf-8", "surrogateescape")
        if not stem or len(tail) > 16:
            tail = b""
        mark = hashlib.sha256(data).hexdigest()[:8]
        tail = f"~{mark}{keep}".encode() + tail
        head = data[: max(1, min(limit - len(tail), limit - _SUFFIX_ROOM))]
        cut = head.decode("utf-8", "ignore").rstrip(". ")
        return cut + tail.decode("utf-8", "surrogateescape")
