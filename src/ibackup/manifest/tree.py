"""What lies in a backup folder: blobs by the first two digits of their ids, and everything else."""

import re
from collections.abc import Collection, Iterator

from ibackup.confined import MAX_DEPTH, Confined, Item, Parts, PathRefused, name_flaw
from ibackup.manifest.rows import FILE_ID

PREFIXES = tuple(f"{number:02x}" for number in range(256))
_PREFIX = re.compile(r"[0-9a-f]{2}")
MAX_OTHERS = 100_000

_DIGITS = b"0123456789abcdef"
_ID_LENGTH = 40


class Bucket:
    """The blobs of one folder.

    Attributes:
        sizes: of those that are files, in bytes, by id.
        odd: those that are no files, by id.
    """

    __slots__ = ("odd", "sizes")

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.odd: dict[str, Item] = {}

    def get(self, file_id: str) -> Item | None:
        """What stands in a blob's place; its time is not told."""
        size = self.sizes.get(file_id)
        return self.odd.get(file_id) if size is None else Item(file_id, "file", size, 0)

    def ids(self) -> set[str]:
        """Those of all blobs."""
        return self.sizes.keys() | self.odd.keys()

    def add(self, item: Item) -> None:
        """One blob more."""
        if item.kind == "file":
            self.sizes[item.name] = item.size
        else:
            self.odd[item.name] = item


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
                self._flat.setdefault(item.name[:2], Bucket()).add(item)
            elif not flat and _PREFIX.fullmatch(item.name):
                self._folders[item.name] = item
            else:
                self._other((item.name,), item)

    def bucket(self, prefix: str) -> Bucket:
        """The blobs whose ids begin with two hex digits."""
        if self.flat:
            return self._flat.get(prefix, Bucket())
        bucket = Bucket()
        folder = self._folders.get(prefix)
        if folder is None:
            return bucket
        if folder.kind != "directory":
            self.others[prefix] = folder
            return bucket
        try:
            bucket.sizes, others = self._confined.sizes((prefix,))
        except (OSError, PathRefused) as error:
            self._cannot_list((prefix,), error)
            return bucket
        if not _are_ids(bucket.sizes, prefix):
            for name in [name for name in bucket.sizes if not _is_id(name, prefix)]:
                self._other((prefix, name), Item(name, "file", bucket.sizes.pop(name), 0))
        for item in others:
            if _is_id(item.name, prefix):
                bucket.add(item)
            else:
                self._other((prefix, item.name), item)
        return bucket

    def measure(self) -> tuple[int, int]:
        """Number and bytes of all blobs, for the progress."""
        files = size = 0
        for prefix in PREFIXES:
            bucket = self.bucket(prefix)
            files += len(bucket.sizes)
            size += sum(bucket.sizes.values())
        return files, size

    def _items(self, parts: Parts) -> Iterator[Item]:
        try:
            yield from self._confined.items(parts)
        except (OSError, PathRefused) as error:
            self._cannot_list(parts, error)

    def _cannot_list(self, parts: Parts, error: OSError | PathRefused) -> None:
        if isinstance(error, (FileNotFoundError, PathRefused, NotADirectoryError)):
            return  # it went away or became a link since it was listed: its files count as missing
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


def _is_id(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and FILE_ID.fullmatch(name) is not None


def _are_ids(names: Collection[str], prefix: str) -> bool:
    """Whether all of many names are ids with this beginning: a few calls for thousands of names."""
    joined = "/" + "/".join(names)  # no name has a slash
    return (
        set(map(len, names)) <= {_ID_LENGTH}
        and joined.count("/" + prefix) == len(names)
        and not joined.encode("utf-8", "surrogateescape").translate(None, b"/" + _DIGITS)
    )
