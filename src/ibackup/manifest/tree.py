"""What lies in a backup folder: blobs by the first two digits of their ids, and everything else."""

import re
from collections.abc import Iterator

from ibackup.confined import MAX_DEPTH, Confined, Item, Parts, PathRefused, name_flaw
from ibackup.manifest.rows import FILE_ID

PREFIXES = tuple(f"{number:02x}" for number in range(256))
_PREFIX = re.compile(r"[0-9a-f]{2}")
MAX_OTHERS = 100_000

Bucket = dict[str, Item]

_LITTER = frozenset([".DS_Store", ".localized", "Thumbs.db", "desktop.ini"])


def is_litter(name: str) -> bool:
    """Whether macOS or Windows leaves files of this name in any folder that somebody looks into."""
    return name in _LITTER or name.startswith("._")


class Tree:
    """A backup folder's content; blobs are listed folder by folder, so that only a 256th is in memory at a time.

    Attributes:
        flat: whether blobs lie side by side at the top, as up to iOS 9.
        others: everything that is no blob, by its path; complete when all buckets were asked for.
        unlisted: folders that the computer cannot list, with its reason.
    """

    def __init__(self, confined: Confined, *, flat: bool) -> None:
        self._confined = confined
        self.flat = flat
        self.others: dict[str, Item] = {}
        self.unlisted: dict[str, str] = {}
        self._flat: dict[str, Bucket] = {}
        self._folders: dict[str, Item] = {}
        for item in confined.items(()):
            if flat and FILE_ID.fullmatch(item.name):
                self._flat.setdefault(item.name[:2], {})[item.name] = item
            elif not flat and _PREFIX.fullmatch(item.name):
                self._folders[item.name] = item
            else:
                self._other((item.name,), item)

    def bucket(self, prefix: str) -> Bucket:
        """The blobs whose ids begin with two hex digits, by id."""
        if self.flat:
            return self._flat.get(prefix, {})
        folder = self._folders.get(prefix)
        if folder is None:
            return {}
        if folder.kind != "directory":
            self.others[prefix] = folder
            return {}
        blobs: Bucket = {}
        for item in self._items((prefix,)):
            name = item.name
            if name.startswith(prefix) and FILE_ID.fullmatch(name):
                blobs[name] = item
            else:
                self._other((prefix, name), item)
        return blobs

    def measure(self) -> tuple[int, int]:
        """Number and bytes of all blobs, for the progress."""
        files = size = 0
        for prefix in PREFIXES:
            for item in self.bucket(prefix).values():
                files += 1
                size += item.size
        return files, size

    def _items(self, parts: Parts) -> Iterator[Item]:
        try:
            yield from self._confined.items(parts)
        except (FileNotFoundError, PathRefused, NotADirectoryError):
            return  # it went away or became a link since it was listed: its files count as missing
        except OSError as error:
            self.unlisted["/".join(parts)] = error.strerror or str(error)

    def _other(self, parts: Parts, item: Item) -> None:
        """Note an item that is no blob; of a folder, what is in it."""
        if item.kind != "directory":
            if len(self.others) < MAX_OTHERS:
                self.others["/".join(parts)] = item
            return
        if len(parts) >= MAX_DEPTH or any(name_flaw(part) for part in parts):
            return
        for inner in self._items(parts):
            self._other((*parts, inner.name), inner)
