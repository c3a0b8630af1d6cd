"""The content of a backup folder: blobs by the first two digits of their ids, and everything else."""

import re
from collections.abc import Collection, Iterator

from ibackup.apple.file_ids import FILE_ID
from ibackup.apple.found_folders import UNDER_WAY
from ibackup.apple.litter import is_litter
from ibackup.apple.rearranged import Rearranged
from ibackup.base.confined import MAX_DEPTH, Confined, FolderItem, Parts, PathRefused, name_flaw

PREFIXES = tuple(f"{number:02x}" for number in range(256))
_PREFIX = re.compile(r"[0-9a-f]{2}")
MAX_OTHERS = 100_000

_DIGITS = b"0123456789abcdef"
_ID_LENGTH = 40


class Bucket:
    """The blobs of one folder.

    Attributes:
        sizes: size in bytes of each blob that is a file, by id.
        odd: the blobs that are not files, by id.
        newer: the blobs in ``Snapshot/``.
    """

    __slots__ = ("newer", "odd", "sizes")

    def __init__(self) -> None:
        self.newer: set[str] = set()
        self.sizes: dict[str, int] = {}
        self.odd: dict[str, FolderItem] = {}

    def get(self, file_id: str) -> FolderItem | None:
        """What is in a blob's place; without its time."""
        size = self.sizes.get(file_id)
        return self.odd.get(file_id) if size is None else FolderItem(file_id, "file", size, 0)

    def ids(self) -> set[str]:
        """The ids of all blobs."""
        return self.sizes.keys() | self.odd.keys()

    def below(self, newer: "Bucket") -> "Bucket":
        """These blobs, with `newer` replacing those with the same id."""
        made = Bucket()
        made.newer = newer.ids()
        made.sizes = {name: size for name, size in self.sizes.items() if name not in newer.odd} | newer.sizes
        made.odd = {name: item for name, item in self.odd.items() if name not in newer.sizes} | newer.odd
        return made

    def add(self, item: FolderItem) -> None:
        """Add one blob."""
        if item.kind == "file":
            self.sizes[item.name] = item.size
        else:
            self.odd[item.name] = item


class BlobTree:
    """A backup folder's content; blobs are listed folder by folder, so that only a 256th is in memory at a time.

    Attributes:
        flat: whether all blobs are in one folder, as up to iOS 9.
        both: whether ``Snapshot/`` is included; its blobs come first.
        others: everything that is not a blob, by its path; complete once all buckets were read.
        litter: what other programs left there, with everything below it, by path; none of it is in
            ``others``.
        unlisted: folders that the computer cannot list, with the reason.
    """

    def __init__(
        self,
        confined: Confined,
        *,
        flat: bool,
        both: bool = False,
        top: Parts = (),
        elsewhere: Rearranged | None = None,
    ) -> None:
        self._confined = confined
        self._elsewhere = elsewhere
        self._top = top
        self.flat = flat
        self.others: dict[str, FolderItem] = {}
        self.litter: dict[str, FolderItem] = {}
        self.unlisted: dict[str, str] = {}
        self._newer: BlobTree | None = None
        if both:
            newer = self._newer = BlobTree(confined, flat=flat, top=(UNDER_WAY,))
            self.others, self.litter, self.unlisted = newer.others, newer.litter, newer.unlisted
        self._flat: dict[str, Bucket] = {}
        self._folders: dict[str, FolderItem] = {}
        for item in confined.items(self._top):
            if flat and FILE_ID.fullmatch(item.name):
                self._flat.setdefault(item.name[:2], Bucket()).add(item)
            elif not flat and _PREFIX.fullmatch(item.name):
                self._folders[item.name] = item
            elif not (both and item.name == UNDER_WAY):
                self._other((*self._top, item.name), item)

    def bucket(self, prefix: str) -> Bucket:
        """The blobs whose ids begin with two hex digits."""
        bucket = self._flat.get(prefix, Bucket()) if self.flat else self._listed(prefix)
        if self._newer is not None:
            bucket = bucket.below(self._newer.bucket(prefix))
        if self._elsewhere is not None:
            for name, (_, size) in self._elsewhere.of(prefix).items():
                if bucket.get(name) is None:
                    bucket.sizes[name] = size
        return bucket

    def _listed(self, prefix: str) -> Bucket:
        bucket = Bucket()
        folder = self._folders.get(prefix)
        parts = (*self._top, prefix)
        if folder is None:
            return bucket
        if folder.kind != "directory":
            self.others["/".join(parts)] = folder
            return bucket
        try:
            bucket.sizes, others = self._confined.sizes(parts)
        except (OSError, PathRefused) as error:
            self._cannot_list(parts, error)
            return bucket
        if not _are_ids(bucket.sizes, prefix):
            for name in [name for name in bucket.sizes if not _is_id(name, prefix)]:
                self._other((*parts, name), FolderItem(name, "file", bucket.sizes.pop(name), 0))
        for item in others:
            if _is_id(item.name, prefix):
                bucket.add(item)
            else:
                self._other((*parts, item.name), item)
        return bucket

    def measure(self) -> tuple[int, int]:
        """The number and total size of all blobs, for the progress."""
        files = size = 0
        for prefix in PREFIXES:
            bucket = self.bucket(prefix)
            files += len(bucket.sizes)
            size += sum(bucket.sizes.values())
        return files, size

    def _items(self, parts: Parts) -> Iterator[FolderItem]:
        try:
            yield from self._confined.items(parts)
        except (OSError, PathRefused) as error:
            self._cannot_list(parts, error)

    def _cannot_list(self, parts: Parts, error: OSError | PathRefused) -> None:
        if isinstance(error, (FileNotFoundError, PathRefused, NotADirectoryError)):
            return  # it disappeared or became a link after it was listed: its files count as missing
        self.unlisted["/".join(parts)] = error.strerror or str(error)

    def _other(self, parts: Parts, item: FolderItem) -> None:
        """Record an item that is not a blob; for a folder, record its contents."""
        if self._elsewhere is not None and self._elsewhere.has("/".join(parts)):
            return
        if item.kind != "directory":
            found = self.litter if any(map(is_litter, parts)) else self.others
            if len(found) < MAX_OTHERS:
                found["/".join(parts)] = item
            return
        if len(parts) >= MAX_DEPTH or any(name_flaw(part) for part in parts):
            return
        for inner in self._items(parts):
            self._other((*parts, inner.name), inner)


def _is_id(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and FILE_ID.fullmatch(name) is not None


def _are_ids(names: Collection[str], prefix: str) -> bool:
    """Whether all names are ids with this beginning: a few calls for thousands of names."""
    joined = "/" + "/".join(names)  # no name has a slash
    return (
        set(map(len, names)) <= {_ID_LENGTH}
        and joined.count("/" + prefix) == len(names)
        and not joined.encode("utf-8", "surrogateescape").translate(None, b"/" + _DIGITS)
    )
