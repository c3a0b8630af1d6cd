"""Folders in which parts of an encrypted and of an unencrypted backup lie together, or that were decrypted in part."""

import plistlib
import shutil
from collections.abc import Callable, Iterator

from support.minted import Minted, decrypted

Make = Callable[[str | None], Minted]
"""Mints a backup with this password; all of them of the same files."""

PASSWORD = "correct horse"
LISTS, PLIST = "Manifest.db", "Manifest.plist"


def files_of(made: Minted) -> Iterator[tuple[str, str]]:
    """Domain and path of all files, by the names that they are stored under."""
    files = [(spec.domain, spec.path) for spec in made.specs if spec.flags == 1]
    return iter(sorted(files, key=lambda names: made.blob(*names).name))


def take(made: Minted, other: Minted, *names: str) -> Minted:
    """Put some of another backup's own files in place of its own."""
    for name in names:
        shutil.copy(other.folder / name, made.folder / name)
    return made


def take_files(made: Minted, other: Minted, step: int = 1) -> Minted:
    """Put another backup's stored files in place of its own: all, or one in so many."""
    for names in list(files_of(made))[::step]:
        shutil.copy(other.blob(*names), made.blob(*names))
    return made


def open_list(made: Minted) -> Minted:
    """Decrypt the list of files in its place."""
    path = made.folder / LISTS
    path.write_bytes(decrypted(made.manifest_key, path.read_bytes()))
    return made


def say_plain(made: Minted) -> Minted:
    """Have its plist say that nothing is encrypted, as some programs do when they have decrypted it."""
    path = made.folder / PLIST
    values = plistlib.loads(path.read_bytes()) | {"IsEncrypted": False}
    path.write_bytes(plistlib.dumps(values, fmt=plistlib.FMT_BINARY))
    return made


MIXTURES: dict[str, Callable[[Make], Minted]] = {
    # name: what it is made of; the files that nothing can decrypt any more come first
    "list of a plain one": lambda make: take(make(PASSWORD), make(None), LISTS),
    "list of a plain one, half its files": lambda make: take_files(
        take(make(PASSWORD), plain := make(None), LISTS), plain, 2
    ),
    "files of an encrypted one": lambda make: take_files(make(None), make(PASSWORD)),
    "one file in two of an encrypted one": lambda make: take_files(make(None), make(PASSWORD), 2),
    "opened list, plist of a plain one": lambda make: take(open_list(make(PASSWORD)), make(None), PLIST),
    "plist of an encrypted one": lambda make: take(make(None), make(PASSWORD), PLIST),
    "opened list": lambda make: open_list(make(PASSWORD)),
    "opened list, half its files": lambda make: take_files(open_list(make(PASSWORD)), make(None), 2),
    "opened list, all its files": lambda make: take_files(open_list(make(PASSWORD)), make(None)),
    "half its files": lambda make: take_files(make(PASSWORD), make(None), 2),
    "all its files": lambda make: take_files(make(PASSWORD), make(None)),
    "all opened, and said so": lambda make: say_plain(take_files(open_list(make(PASSWORD)), make(None))),
    "flag turned": lambda make: say_plain(make(PASSWORD)),
    "plist of a plain one": lambda make: take(make(PASSWORD), make(None), PLIST),
}
