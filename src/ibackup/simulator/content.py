"""The files on a virtual iPhone, and their bytes.

Nothing is stored: the files of a domain follow from the seed and their number, and their bytes come from a
pool of random data. A phone with 300,000 files, or with one file of 6 GB, therefore takes almost no memory.
Only two things are kept: which files changed when, and the few real files (databases, photos, preferences)
of the phone's life.
"""

import hashlib
import plistlib
import random
from array import array
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Self

from ibackup.apple import digests
from ibackup.apple.file_ids import file_id_of
from ibackup.simulator import app_containers, cloudfiles
from ibackup.simulator.life.lives import life_files
from ibackup.simulator.spec import PhoneSpec

CHUNK = 1 << 20
_POOL = CHUNK + 4093
_REMOVED = 0xFFFF
_DAY = 86_400
FILE, DIRECTORY, LINK = 1, 2, 4
"""The ``flags`` column of Manifest.db."""

_LONG_NAME = "a" * 120 + "ü" * 50 + "z" * 31 + ".txt"
_FOREIGN_NAME = "Übung - 東京, été 🎉.txt"
_ONLY_ENCRYPTED: Mapping[str, tuple[str, ...]] = {
    "HealthDomain": ("",),
    "KeychainDomain": ("",),
    "HomeDomain": ("Library/CallHistoryDB", "Library/Safari/History.db", "Library/Safari/Profiles/"),
}
"""By domain, how the paths begin that only encrypted backups have; of Safari, the history and not the bookmarks."""


@dataclass(frozen=True, slots=True)
class PhoneFile:
    """A file, folder or link on the phone. Times are Unix seconds; links and folders have size 0."""

    domain: str
    path: str
    kind: int
    size: int
    modified: int
    birth: int
    mode: int
    inode: int
    uid: int
    gid: int
    protection_class: int
    stamp: bytes
    """Sixteen bytes that differ for each state of each file."""
    target: str | None = None
    xattrs: bytes | None = None
    data: bytes | None = None
    """The bytes of a real file; None if they are made from the stamp."""

    @property
    def file_id(self) -> str:
        """The name the file has in a backup."""
        return file_id_of(self.domain, self.path)

    @property
    def has_digest(self) -> bool:
        """Whether the record of this file has a digest."""
        return self.kind == FILE and self.domain in digests.DOMAINS


@dataclass(slots=True)
class _Series:
    """Made-up files of one domain: what they look like, and which change last touched each of them."""

    domain: str
    number: int
    original: int
    min_size: int
    max_size: int
    touched: "array[int]"


@dataclass(frozen=True, slots=True)
class _Written:
    """A real file, or one that a test added."""

    data: bytes
    modified: int
    birth: int


class Content:
    """The files on a phone."""

    def __init__(self, spec: PhoneSpec) -> None:
        self._spec = spec
        self._seed = str(spec.seed).encode()
        self._series: dict[str, list[_Series]] = {}
        self._written: dict[str, dict[str, _Written]] = {}
        self._folders: dict[str, set[str]] = {}
        self._epoch = 0
        pool = random.Random(spec.seed).randbytes(_POOL)
        self._pool = memoryview(pool + pool)
        for domain in spec.domains:
            self._add_series(domain.name, domain.count, domain.min_size, domain.max_size)
        for app in spec.apps:
            self._add_series(f"AppDomain-{app.bundle_id}", app.count, app.min_size, app.max_size)
        for file in chain(app_containers.app_files(spec), app_containers.supervision(spec)):
            self._put(file.domain, file.path, file.data, file.modified, file.modified)
        for file in cloudfiles.files(spec, spec.icloud) if spec.icloud is not None else ():
            self._put(file.domain, file.path, file.data, file.modified, file.modified)
        for domain_name, folder in app_containers.app_folders(spec):
            self._folders.setdefault(domain_name, set()).add(folder)
        self._uses = 0
        self._life: dict[tuple[str, str], bytes] = {}
        self._live_on()
        for _ in range(spec.uses):
            self.change()

    @classmethod
    def build(cls, spec: PhoneSpec) -> Self:
        """The content of a new phone with this spec."""
        return cls(spec)

    # --- content

    def entries(self, *, encrypted: bool = True) -> Iterator[PhoneFile]:
        """Everything that a backup contains, folders before their contents.

        Args:
            encrypted: whether the backup is encrypted; if not, health data, passwords and calls are left
                out.
        """
        for domain in self.domains():
            yield from self._domain_entries(domain, encrypted=encrypted)

    def files(self, *, encrypted: bool = True) -> Iterator[PhoneFile]:
        """The regular files among `entries`."""
        return (entry for entry in self.entries(encrypted=encrypted) if entry.kind == FILE)

    def domains(self) -> list[str]:
        """The domains that have files, sorted."""
        big = ["CameraRollDomain"] if self._spec.big_file_size is not None else []
        return sorted({*self._series, *self._written, *self._folders, *big})

    def find(self, domain: str, path: str) -> PhoneFile | None:
        """The entry at a path, or None."""
        entries = self._domain_entries(domain, encrypted=True)
        return next((entry for entry in entries if entry.path == path), None)

    def chunks(self, entry: PhoneFile) -> Iterator[bytes | memoryview]:
        """The bytes of a file, in chunks of about a mebibyte."""
        if entry.data is not None:
            yield entry.data
            return
        head = entry.stamp[: entry.size]
        left = entry.size - len(head)
        offset = int.from_bytes(entry.stamp[:4], "big") % _POOL
        if left < CHUNK:
            yield head + self._pool[offset : offset + left]
            return
        yield head
        while left:
            part = self._pool[offset : offset + min(left, CHUNK)]
            left -= len(part)
            offset = (offset + len(part)) % _POOL
            yield part

    def read(self, entry: PhoneFile) -> bytes:
        """The bytes of a file, all at once."""
        return b"".join(self.chunks(entry))

    # --- changes

    def change(
        self, *, added: int = 0, changed: int = 0, removed: int = 0, fraction: float = 0.0, seed: int = 0
    ) -> None:
        """Let the phone be used: its life goes on, and some made-up files change; all others keep bytes and times.

        Args:
            added: how many files are new, spread over the domains.
            changed: how many files get new bytes, sizes and times.
            removed: how many files are deleted.
            fraction: the share of all files to change, in addition to `changed`.
            seed: decides which files.
        """
        self._epoch += 1
        rng = random.Random(f"{self._spec.seed} {seed} {self._epoch}")
        series = [each for group in self._series.values() for each in group]
        alive = [(each, i) for each in series for i, epoch in enumerate(each.touched) if epoch != _REMOVED]
        wanted = removed + changed + round(fraction * len(alive))
        chosen = rng.sample(alive, min(len(alive), wanted))
        for each, i in chosen[:removed]:
            each.touched[i] = _REMOVED
        for each, i in chosen[removed:]:
            each.touched[i] = self._epoch
        for i in range(added if series else 0):
            series[i % len(series)].touched.append(self._epoch)
        self._uses += 1
        self._live_on()

    def write(self, domain: str, path: str, data: bytes, *, modified: int | None = None) -> None:
        """Write a file with these bytes, or replace it."""
        if modified is None:
            self._epoch += 1
        when = self._spec.made_at + self._epoch * _DAY if modified is None else modified
        old = self._written.get(domain, {}).get(path)
        self._put(domain, path, data, when, old.birth if old else when)

    def remove(self, domain: str, path: str) -> None:
        """Remove a file.

        Raises:
            KeyError: there is no such file.
        """
        if path in self._written.get(domain, {}):
            del self._written[domain][path]
            return
        for series in self._series.get(domain, ()):
            for i in range(len(series.touched)):
                if series.touched[i] != _REMOVED and _path(series, i) == path:
                    series.touched[i] = _REMOVED
                    return
        raise KeyError(path)

    # --- making the content

    def _live_on(self) -> None:
        """Bring the phone's life to what it is after as many uses as there were."""
        now = {(file.domain, file.path): file for file in life_files(self._spec, self._uses)}
        for place, file in now.items():
            if self._life.get(place) != file.data:
                when = self._spec.made_at + self._epoch * _DAY if self._uses else file.modified
                self.write(*place, file.data, modified=when)
        for place in self._life.keys() - now.keys():
            with suppress(KeyError):  # a test removed it
                self.remove(*place)
        self._life = {place: file.data for place, file in now.items()}

    def _add_series(self, domain: str, count: int, min_size: int, max_size: int) -> None:
        group = self._series.setdefault(domain, [])
        group.append(_Series(domain, len(group), count, min_size, max_size, array("H", bytes(2 * count))))

    def _put(self, domain: str, path: str, data: bytes, modified: int, birth: int) -> None:
        self._written.setdefault(domain, {})[path] = _Written(data, modified, birth)

    def _domain_entries(self, domain: str, *, encrypted: bool) -> Iterator[PhoneFile]:
        hidden = None if encrypted else _ONLY_ENCRYPTED.get(domain)
        yield self._folder(domain, "")
        if hidden == ("",):
            return
        folders = {""}
        for path in sorted(self._folders.get(domain, ())):
            yield from self._new_folders(domain, path, folders)
        for entry in self._domain_files(domain):
            if hidden is not None and entry.path.startswith(hidden):
                continue
            parent = entry.path.rpartition("/")[0]
            if parent not in folders:
                yield from self._new_folders(domain, parent, folders)
            yield entry

    def _new_folders(self, domain: str, path: str, known: set[str]) -> Iterator[PhoneFile]:
        parts = path.split("/")
        for depth in range(len(parts)):
            folder = "/".join(parts[: depth + 1])
            if folder not in known:
                known.add(folder)
                yield self._folder(domain, folder)

    def _domain_files(self, domain: str) -> Iterator[PhoneFile]:
        written = self._written.get(domain, {})
        for path, file in sorted(written.items()):
            yield self._real_file(domain, path, file)
        for series in self._series.get(domain, ()):
            if series.original > 3:
                yield self._link(domain, f"{_folder_of(series)}/latest")
            for i, epoch in enumerate(series.touched):
                if epoch != _REMOVED and (entry := self._made_file(series, i, epoch)).path not in written:
                    yield entry
        if domain == "CameraRollDomain" and self._spec.big_file_size is not None:
            yield self._big_file(self._spec.big_file_size)

    def _made_file(self, series: _Series, i: int, epoch: int) -> PhoneFile:
        path = _path(series, i)
        stamp = self._stamp(series.domain, path, epoch)
        first = self._stamp(series.domain, path, 0) if epoch else stamp
        birth = self._spec.made_at - 2 * _DAY - int.from_bytes(first[4:8], "big") % (900 * _DAY)
        modified = birth
        if epoch:
            modified = self._spec.made_at + epoch * _DAY + int.from_bytes(stamp[4:8], "big") % 3600
            birth = birth if i < series.original else modified
        number = int.from_bytes(stamp[8:16], "big")
        size = series.min_size + number % (series.max_size - series.min_size + 1)
        return PhoneFile(
            domain=series.domain,
            path=path,
            kind=FILE,
            size=series.min_size if i == 0 else size,
            modified=modified,
            birth=birth,
            mode=0o100644,
            inode=self._inode(first),
            uid=0 if series.domain == "RootDomain" else 501,
            gid=-2 if i % 97 == 96 else 501,
            protection_class=(3, 3, 3, 4, 1, 2)[first[0] % 6],
            stamp=stamp,
            xattrs=_xattrs(first) if i % 13 == 12 else None,
        )

    def _big_file(self, size: int) -> PhoneFile:
        path = "Media/DCIM/199APPLE/IMG_9999.MOV"
        stamp = self._stamp("CameraRollDomain", path, 0)
        when = self._spec.made_at - _DAY
        return PhoneFile(
            "CameraRollDomain", path, FILE, size, when, when, 0o100644, self._inode(stamp), 501, 501, 3, stamp
        )

    def _real_file(self, domain: str, path: str, file: _Written) -> PhoneFile:
        stamp = self._stamp(domain, path, 0)
        return PhoneFile(
            domain=domain,
            path=path,
            kind=FILE,
            size=len(file.data),
            modified=file.modified,
            birth=file.birth,
            mode=0o100644,
            inode=self._inode(stamp),
            uid=501,
            gid=501,
            protection_class=3,
            stamp=stamp,
            data=file.data,
        )

    def _folder(self, domain: str, path: str) -> PhoneFile:
        stamp = self._stamp(domain, path, 0)
        when = self._spec.made_at - 3 * _DAY - int.from_bytes(stamp[4:8], "big") % (900 * _DAY)
        inode = self._inode(stamp)
        protection = (1, 3, 4)[stamp[1] % 3] if stamp[0] < 13 else 0
        return PhoneFile(domain, path, DIRECTORY, 0, when, when, 0o40755, inode, 501, 501, protection, stamp)

    def _link(self, domain: str, path: str) -> PhoneFile:
        stamp = self._stamp(domain, path, 0)
        when = self._spec.made_at - 3 * _DAY
        target = f"/var/mobile/{path.rpartition('/')[0]}/current"
        inode = self._inode(stamp)
        return PhoneFile(
            domain, path, LINK, 0, when, when, 0o120755, inode, 501, 501, 0, stamp, target=target
        )

    def _inode(self, stamp: bytes) -> int:
        """Small numbers up to iOS 26; since iOS 27 they use all 64 bits."""
        number = 1000 + int.from_bytes(stamp[9:12], "big")
        return number | 1 << 62 if self._spec.version >= (27,) else number

    def _stamp(self, domain: str, path: str, epoch: int) -> bytes:
        name = f"{domain}\0{path}\0{epoch}".encode()
        return hashlib.blake2b(name, digest_size=16, key=self._seed).digest()


def _folder_of(series: _Series) -> str:
    if series.domain == "CameraRollDomain":
        return "Media/DCIM"
    if series.domain == "MediaDomain":
        return f"Media/Recordings{series.number or ''}"
    if series.domain == "HealthDomain":
        return f"Health{series.number or ''}"
    if series.domain.startswith("AppDomain"):
        return f"Documents{series.number or ''}"
    return f"Library/Store{series.number or ''}"


def _path(series: _Series, i: int) -> str:
    folder = _folder_of(series)
    if series.domain == "CameraRollDomain":
        return f"{folder}/{101 + 20 * series.number + i // 1000}APPLE/IMG_{i % 10_000:04d}.HEIC"
    if i == 5:
        return f"{folder}/{_FOREIGN_NAME}"
    if i == 6:
        return f"{folder}/{_LONG_NAME}"
    return f"{folder}/{i // 500:03d}/{i:06d}.dat"


@cache
def _xattrs_form() -> tuple[bytes, bytes]:
    """What comes before and after the stamp in the extended attributes of a file."""
    stamp = b"here: the stamp."
    values = {"com.apple.TextEncoding": b"utf-8;134217984", "com.example.stamp": stamp}
    before, _, after = plistlib.dumps(values, fmt=plistlib.FMT_BINARY).partition(stamp)
    return before, after


def _xattrs(stamp: bytes) -> bytes:
    before, after = _xattrs_form()
    return before + stamp + after
