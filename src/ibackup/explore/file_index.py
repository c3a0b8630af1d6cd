"""All files of a backup in little memory: read once, then each folder is there at once.

A phone has 300,000 files. Kept one by one with their records they take hundreds of megabytes; here a file is its name
in one long text, its size and its folder.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.apple.format_errors import FormatError
from ibackup.apple.rows import BadRow, Kind
from ibackup.base.how_far import HowFar, untold
from ibackup.explore.app_owners import Apps

_DEEPEST: Final = 64
_MOST_FOLDERS: Final = 1_000_000
"""What is deeper, or in more folders, is listed by its longer path in the last folder that counts."""
_LINK: Final = 1 << 63
_MOST_BYTES: Final = _LINK - 1
_NONE: Final = 0xFFFFFFFF
_LATEST: Final = 1 << 40
"""Seconds since 1970; a record may say anything."""
_TOLD_EACH: Final = 4096
_READING: Final = 0.9
"""Of the time; the rest goes into sorting."""


class ListedFile(NamedTuple):
    """A file or link in a folder; ``bytes`` as its record says, ``modified`` too if the index has times."""

    name: str
    bytes: int
    is_link: bool
    modified: int = 0


class ListedFolder(NamedTuple):
    """A folder with everything below it."""

    name: str
    bytes: int
    files: int


class BelowFolder(NamedTuple):
    """A file, or an empty folder, anywhere below a folder; the path is that below the domain."""

    domain: str
    path: str
    kind: Kind


@dataclass(slots=True)
class AppFiles:
    """The files of one app, or one part of the system.

    Attributes:
        key: a bundle identifier, or else a domain.
        name: for people.
        domains: of its files, largest first.
    """

    key: str
    name: str
    bytes: int = 0
    files: int = 0
    domains: list[ListedFolder] = field(default_factory=list)


class FileIndex:
    """The files of one backup, by folder.

    Attributes:
        apps: with their sizes, the largest first.
        bytes, files: of all of them.
        unreadable: how many entries of the backup's list cannot be used.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        apps: Apps,
        unreadable: "_Count",
        expected: int = 0,
        how_far: HowFar = untold,
        *,
        with_times: bool = False,
    ) -> None:
        building = _Building(with_times=with_times)
        for number, entry in enumerate(entries):
            building.add(entry, unreadable)
            if expected and not number % _TOLD_EACH:
                how_far(min(number / expected, 1) * _READING)
        self._names = building.folder_names
        self._parents = building.folder_parents
        self._bytes = building.folder_bytes
        self._counts = building.folder_files
        self._sort_files(building)
        self._sort_folders()
        self.unreadable = unreadable.count
        self.apps = self._by_app(apps)
        self.bytes = sum(each.bytes for each in self.apps)
        self.files = sum(each.files for each in self.apps)

    @classmethod
    def of(
        cls, backup: Backup, expected: int = 0, how_far: HowFar = untold, *, with_times: bool = False
    ) -> "FileIndex":
        """Read the list of an unlocked backup, however damaged. Raises FormatError, PasswordNeeded.

        Args:
            backup: it.
            expected: about how many files it has; 0 if that is unknown.
            how_far: is told how much of the list is read, if that is known.
            with_times: also keep when each file was changed; its whole record is read for that.
        """
        unreadable = _Count()
        entries = backup.entries(bad=unreadable)
        return cls(entries, Apps.of(backup), unreadable, expected, how_far, with_times=with_times)

    def app(self, key: str) -> AppFiles | None:
        """The files of an app; None if it has none."""
        return next((each for each in self.apps if each.key == key), None)

    def app_of(self, domain: str) -> AppFiles | None:
        """The app that a domain belongs to."""
        return next((app for app in self.apps if any(each.name == domain for each in app.domains)), None)

    def folder(self, domain: str, path: str = "") -> "IndexedFolder | None":
        """A folder; None if there is none of that name. An empty path is the domain's own."""
        number = self._below(_NONE, domain)
        for name in path.split("/") if path else ():
            if number is None:
                break
            number = self._below(number, name)
        return None if number is None else IndexedFolder(self, number, domain, path)

    # -- making it ------------------------------------------------------------------------------------------

    def _sort_files(self, building: "_Building") -> None:
        """The files of a folder one after the other, in the order of the list."""
        folders = building.file_folders
        order = sorted(range(len(folders)), key=folders.__getitem__)
        sizes, times, ends, blob = array("Q"), array("q"), array("I"), bytearray()
        starts = array("I", bytes(4 * (len(self._names) + 1)))
        for place in order:
            starts[folders[place] + 1] += 1
            sizes.append(building.file_sizes[place])
            if building.file_times:
                times.append(building.file_times[place])
            blob += building.name(place)
            ends.append(len(blob))
        for number in range(len(self._names)):
            starts[number + 1] += starts[number]
        self._starts, self._sizes, self._ends, self._blob = starts, sizes, ends, bytes(blob)
        self._times = times

    def _sort_folders(self) -> None:
        """The folders of a folder one after the other, by name; the domains are below none."""
        order = sorted(range(len(self._names)), key=lambda each: (self._parents[each], self._names[each]))
        self._order = array("I", order)
        self._ordered_parents = array("I", (self._parents[each] for each in order))
        for number in range(len(self._names) - 1, -1, -1):  # a folder comes after the one that it is in
            parent = self._parents[number]
            if parent != _NONE:
                self._bytes[parent] += self._bytes[number]
                self._counts[parent] += self._counts[number]

    def _by_app(self, apps: Apps) -> tuple[AppFiles, ...]:
        found: dict[str, AppFiles] = {}
        for number in self.folders_in(_NONE):
            listed = self.listed(number)
            owner = apps.owner(listed.name)
            app = found.setdefault(owner.key, AppFiles(owner.key, owner.name))
            app.bytes += listed.bytes
            app.files += listed.files
            app.domains.append(listed)
        for app in found.values():
            app.domains.sort(key=lambda each: (-each.bytes, each.name))
        there = (each for each in found.values() if each.files)
        return tuple(sorted(there, key=lambda each: (-each.bytes, each.key)))

    # -- for IndexedFolder -------------------------------------------------------------------------------------

    def _below(self, parent: int, name: str) -> int | None:
        found = self.folders_in(parent)
        place = bisect_left(found, name, key=self._names.__getitem__)
        return found[place] if place < len(found) and self._names[found[place]] == name else None

    def folders_in(self, parent: int) -> "array[int]":
        """The numbers of the folders in a folder, by name."""
        start = bisect_left(self._ordered_parents, parent)
        return self._order[start : bisect_left(self._ordered_parents, parent + 1, lo=start)]

    def listed(self, number: int) -> ListedFolder:
        """A folder."""
        return ListedFolder(self._names[number], self._bytes[number], self._counts[number])

    def files_in(self, number: int) -> range:
        """The numbers of the files in a folder."""
        return range(self._starts[number], self._starts[number + 1])

    def file(self, number: int) -> ListedFile:
        """A file."""
        packed = self._sizes[number]
        name = self._blob[self._ends[number - 1] if number else 0 : self._ends[number]]
        modified = self._times[number] if self._times else 0
        text = name.decode("utf-8", "surrogateescape")
        return ListedFile(text, packed & _MOST_BYTES, bool(packed & _LINK), modified)


@dataclass(frozen=True, slots=True)
class IndexedFolder:
    """A folder of a ``FileIndex``."""

    index: FileIndex = field(repr=False)
    number: int
    domain: str
    path: str

    @property
    def bytes(self) -> int:
        """Of everything below it."""
        return self.index.listed(self.number).bytes

    @property
    def files(self) -> int:
        """How many files and links are below it."""
        return self.index.listed(self.number).files

    @property
    def here(self) -> int:
        """How many folders, files and links are in it, without those further below."""
        return len(self.index.folders_in(self.number)) + len(self.index.files_in(self.number))

    def folders(self) -> list[ListedFolder]:
        """The folders in it, by name."""
        return [self.index.listed(each) for each in self.index.folders_in(self.number)]

    def all_files(self) -> Iterator[ListedFile]:
        """The files and links in it, in the order of the backup's list."""
        return (self.index.file(each) for each in self.index.files_in(self.number))

    def listing(self, *, by_size: bool, start: int, count: int) -> list[ListedFolder | ListedFile]:
        """A part of what is in it: folders first, each by name without regard to case, or the largest first."""
        folders = list(self.index.folders_in(self.number))
        files = list(self.index.files_in(self.number))
        if by_size:
            folders.sort(key=lambda each: -self.index.listed(each).bytes)
            files.sort(key=lambda each: -self.index.file(each).bytes)
        else:
            folders.sort(key=lambda each: self.index.listed(each).name.casefold())
            files.sort(key=lambda each: self.index.file(each).name.casefold())
        end = start + count
        found: list[ListedFolder | ListedFile] = [self.index.listed(each) for each in folders[start:end]]
        found += [
            self.index.file(each) for each in files[max(0, start - len(folders)) : max(0, end - len(folders))]
        ]
        return found

    def below(self) -> Iterator[BelowFolder]:
        """All files and links below it, and its empty folders."""
        waiting = [(self.number, self.path)]
        while waiting:
            number, path = waiting.pop()
            files, folders = self.index.files_in(number), self.index.folders_in(number)
            for each in files:
                file = self.index.file(each)
                kind = Kind.LINK if file.is_link else Kind.FILE
                yield BelowFolder(self.domain, _joined(path, file.name), kind)
            if not files and not folders:
                yield BelowFolder(self.domain, path, Kind.FOLDER)
            waiting += [(each, _joined(path, self.index.listed(each).name)) for each in reversed(folders)]


def _joined(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


class _Count:
    """Counts the rows that cannot be used."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _row: BadRow) -> None:
        self.count += 1


class _Building:
    """Takes the entries in the order of the list."""

    def __init__(self, *, with_times: bool = False) -> None:
        self._with_times = with_times
        self.file_times = array("q")
        self.folder_names: list[str] = []
        self.folder_parents, self.folder_files = array("I"), array("I")
        self.folder_bytes = array("Q")
        self.file_folders, self.file_sizes = array("I"), array("Q")
        self._name_ends, self._name_blob = array("I"), bytearray()
        self._numbers: dict[tuple[int, str], int] = {}
        self._known: dict[str, int] = {}  # by domain and path, while it is read

    def add(self, entry: Entry, bad: "_Count") -> None:
        if entry.kind is Kind.FOLDER:
            self._folder(entry.domain, entry.relative_path)
            return
        try:
            size = entry.record.size if self._with_times else entry.glance()
        except FormatError:
            bad.count += 1
            return
        above, _, name = entry.relative_path.rpartition("/")
        number, rest = self._folder(entry.domain, above)
        name = _joined(rest, name)
        size = min(max(size, 0), _MOST_BYTES >> 20)
        if self._with_times:
            self.file_times.append(min(max(entry.mtime, 0), _LATEST))
        self.file_folders.append(number)
        self.file_sizes.append(size | (_LINK if entry.kind is Kind.LINK else 0))
        self._name_blob += name.encode("utf-8", "surrogateescape")
        self._name_ends.append(len(self._name_blob))
        self.folder_files[number] += 1
        self.folder_bytes[number] += size if entry.kind is Kind.FILE else 0

    def name(self, place: int) -> bytearray:
        return self._name_blob[self._name_ends[place - 1] if place else 0 : self._name_ends[place]]

    def _folder(self, domain: str, path: str) -> tuple[int, str]:
        """The number of a folder, and what of its path is not made into folders."""
        key = f"{domain}\0{path}"
        known = self._known.get(key)
        if known is not None:
            return known, ""
        number = self._one(_NONE, domain)
        names = path.split("/", _DEEPEST) if path else []
        for depth, name in enumerate(names):
            if depth == _DEEPEST or (
                len(self.folder_names) >= _MOST_FOLDERS and (number, name) not in self._numbers
            ):
                return number, "/".join(names[depth:])
            number = self._one(number, name)
        self._known[key] = number
        return number, ""

    def _one(self, parent: int, name: str) -> int:
        number = self._numbers.get((parent, name))
        if number is None:
            number = self._numbers[parent, name] = len(self.folder_names)
            self.folder_names.append(name)
            self.folder_parents.append(parent)
            self.folder_files.append(0)
            self.folder_bytes.append(0)
        return number
