"""What a folder or file is that someone named as a backup but that is not one, and what to type instead."""

import contextlib
import os
import re
import shlex
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from ibackup.apple.file_ids import FILE_ID

STORE: Final = "store.json"
"""The file that marks a folder as a store."""
_SNAPSHOT = "snapshot.json"
_SNAPSHOTS = "snapshots"
_MOST_LOOKED_AT = 100_000
_MOST_OPENED = 100
HEAD_BYTES = 512
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)

_OLDEST_ENDINGS = (".mdinfo", ".mddata", ".mdbackup")
_RENAMED = re.compile(r"manifest\b.*?\.(db|mbdb|plist)(?:\..*)?", re.IGNORECASE)
_STORED = re.compile(f"[0-9a-f]{{2}}|{FILE_ID.pattern}")
_DOMAIN = re.compile(
    r"(?:App|Sys)\w*Domain\w*-.+|(?:CameraRoll|Home|Media|Root|Wireless|Health|Keychain|Database)Domain"
)
_ARCHIVES = (
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (0, b"\x04\x22\x4d\x18", "an lz4 archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a rar archive"),
    (257, b"ustar", "a tar archive"),
)


class Other(NamedTuple):
    """What it is, as the end of a sentence about it, and what to do."""

    what: str
    hint: str


def other_format(folder: str) -> Other | None:
    """A backup in another format than ibackup reads.

    None if nothing shows that, or it has files of a format that ibackup reads.
    """
    found = None
    with contextlib.suppress(OSError), os.scandir(folder) as listing:
        for entry in islice(listing, _MOST_LOOKED_AT):
            if _STORED.fullmatch(entry.name):
                return None
            if entry.name.endswith(_OLDEST_ENDINGS):
                found = Other(
                    "a backup of iOS 2 or 3, which ibackup does not read",
                    "Programs of those years read it. Keep the folder unchanged.",
                )
            elif found is None and _DOMAIN.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                found = Other(
                    "a backup that another program unpacked, which ibackup does not read",
                    (
                        "Its files are there unchanged, in folders named after the phone's domains: open "
                        "them there."
                    ),
                )
    return found


def place(folder: str) -> Other | None:
    """A store, a part of one, or a part of a backup: what it is, and how to name its content."""
    above = os.path.dirname(os.path.abspath(folder))
    if _has(folder, STORE):
        return _store(folder, "a store of ibackup")
    if _has(above, STORE) and os.path.isdir(os.path.join(folder, _SNAPSHOTS)):
        return _store(
            above, "the folder of one phone in a store of ibackup", os.path.basename(os.path.abspath(folder))
        )
    phone = os.path.dirname(above)
    if os.path.basename(os.path.abspath(folder)) == _SNAPSHOTS and _has(phone, STORE):
        return _store(
            phone,
            ("the folder where a store of ibackup keeps the snapshots of one phone"),
            os.path.basename(above),
        )
    if copies := [path for path in _folders(folder) if _has(path, _SNAPSHOT)]:
        hint = f"Choose one of them: {', '.join(map(_quoted, copies[:3]))}{' …' if len(copies) > 3 else ''}."
        return Other("a folder with snapshots of ibackup in it", hint)
    if stores := [path for path in _folders(folder) if _has(path, STORE)]:
        return _store(stores[0], f"a folder with a store of ibackup in it: {stores[0]}")
    return None


def renamed(folder: str) -> Other | None:
    """A backup whose files have other names now: a disk, a server or a program for copying changed them."""
    for name, true in _renamed(folder):
        packed = archive_at(os.path.join(folder, name))
        if packed:
            return Other(
                f"probably a backup whose list of files is packed: '{name}' is {packed}",
                f"Work on a copy of the folder: unpack that file there, and name what comes out of it {true}.",
            )
        return Other(
            "probably a backup whose files were renamed",
            f"Work on a copy, and give them back their names: {_quoted(name)} was {true}. The others are Info.plist, "
            "Status.plist, and folders 00 to ff of files with 40 digits from 0 to f, all in lower case and without an "
            "ending.",
        )
    return None


def renamed_list(folder: str) -> str:
    """What may be the list of files of a backup that has none, and what to do with it; empty when nothing is."""
    for name, true in _renamed(folder):
        if name == true or true.endswith("plist"):
            continue
        packed = archive_at(os.path.join(folder, name))
        if packed:
            return f"'{name}' is {packed}: in a copy of the folder, unpack it to {true}"
        return f"'{name}' may be it: in a copy of the folder, rename that to {true}"
    return ""


def is_in_icloud_drive(folder: str, missing: Iterable[str]) -> bool:
    """Whether placeholders are there for all of these files: iCloud Drive removed them from this computer.

    It keeps the name, with a dot before it and ``.icloud`` behind it (seen up to macOS 13).

    Args:
        folder: the backup.
        missing: files that are not there, below the folder.
    """
    paths = [os.path.split(os.path.join(folder, path)) for path in missing]
    return bool(paths) and all(_has(above, f".{name}.icloud") for above, name in paths)


def packed(folder: str) -> Other | None:
    """A folder with an archive in it, in which the backup may be."""
    with contextlib.suppress(OSError), os.scandir(folder) as listing:
        names = sorted(
            entry.name for entry in islice(listing, _MOST_LOOKED_AT) if entry.is_file(follow_symlinks=False)
        )
        for name in names[:_MOST_OPENED]:
            if what := archive_at(os.path.join(folder, name)):
                return Other(
                    f"not a backup, but '{name}' in it is {what}",
                    "If your backup is in there, unpack it first, then name the folder that comes out of it.",
                )
    return None


def archive_at(path: str) -> str:
    """What kind of archive a file is by its first bytes; empty if it is none, or cannot be read."""
    try:
        fd = os.open(
            path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | _NO_LINKS
        )
        with open(fd, "rb") as source:
            return archive(source.read(HEAD_BYTES))
    except OSError:
        return ""


def archive(head: bytes) -> str:
    """What kind of archive begins with these bytes, at least 512 of them; empty if none does."""
    return next((what for at, magic, what in _ARCHIVES if head[at:].startswith(magic)), "")


def _renamed(folder: str) -> Iterator[tuple[str, str]]:
    """Files that were called Manifest.db, Manifest.mbdb or Manifest.plist, as far as their names show."""
    with contextlib.suppress(OSError), os.scandir(folder) as listing:
        for entry in islice(listing, _MOST_LOOKED_AT):
            found = _RENAMED.fullmatch(entry.name)
            if found and entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_size:
                yield entry.name, f"Manifest.{found[1].lower()}"


def part_of(folder: str, marks: tuple[str, ...]) -> Other | None:
    """The error for a folder of stored files, if the folder above it is a backup.

    ``marks`` are files that every backup has.
    """
    path = os.path.abspath(folder)
    above = os.path.dirname(path)
    if not re.fullmatch(r"[0-9a-f]{2}|Snapshot", os.path.basename(path)) or not any(
        _has(above, mark) for mark in marks
    ):
        return None
    return Other("only part of a backup", f"Name the whole folder instead: {_quoted(above)}.")


def file(path: str) -> Other:
    """A file where a folder is expected."""
    name = os.path.basename(path)
    if what := archive_at(path):
        return Other(what, "Unpack it first, then name the folder that comes out of it.")
    if os.path.basename(os.path.dirname(os.path.abspath(path))) and name.startswith(
        ("Manifest.", "Info.", "Status.")
    ):
        return Other(
            "a file of a backup",
            (f"Name its folder instead: {_quoted(os.path.dirname(os.path.abspath(path)))}."),
        )
    return Other("not a folder", "Name the folder that contains Manifest.plist.")


def _store(path: str, what: str, udid: str = "") -> Other:
    here = f"--store {_quoted(path)}" + (f" --udid {udid}" if udid else "")
    return Other(
        what,
        f"`ibackup list {here}` lists its snapshots. Use the same options with every command, and "
        f"`latest` or an id for the snapshot: `ibackup verify latest {here}`.",
    )


def _has(folder: str, name: str) -> bool:
    return os.path.lexists(os.path.join(folder, name))


def _folders(folder: str) -> Iterator[str]:
    with contextlib.suppress(OSError), os.scandir(folder) as listing:
        yield from sorted(
            entry.path for entry in islice(listing, _MOST_LOOKED_AT) if entry.is_dir(follow_symlinks=False)
        )


def _quoted(path: str) -> str:
    return shlex.quote(path)
