"""Puts damaged files of finished snapshots back: the one exception to the rule that nothing changes a snapshot.

No existing file is ever opened for writing. A new file is fetched into a private folder, proven against the seal, made
durable, and only then renamed over each damaged entry. Whenever that is interrupted, an entry is either what it was or
the proven file.
"""

import contextlib
import errno
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ibackup.apple.verify import seal
from ibackup.base import held
from ibackup.base.closeable import Closeable
from ibackup.base.confined import Confined, Parts, PathRefused, parse, shown
from ibackup.base.errors import DamageFound
from ibackup.base.events import Observer, Progress
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import META_NAME, SEAL_NAME, Snapshot, SnapshotMeta, hash_file
from ibackup.store.work.linkers import Copy, HardLink, cannot
from ibackup.store.work.sealing import FROZEN

_FETCHED = "fetched"
_LINKS = "links"
# What reading a damaged file may say: a bad sector, or that something else is in its place.
_DAMAGED = frozenset([errno.EIO, errno.EISDIR, errno.EINVAL, errno.ENOTDIR, errno.ENXIO])
_REPORT_EVERY = 500


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A file that is damaged or missing.

    Attributes:
        path: below the snapshot's folder, with forward slashes.
        sha256: of its content, as the seal has it.
        places: the folders in which it is to be put back, below the phone's: of snapshots, and of interrupted runs.
    """

    path: str
    sha256: bytes
    places: tuple[Parts, ...]


def damage_of(snapshot: Snapshot, observe: Observer) -> dict[str, bytes]:
    """Every file that is damaged or missing, with its SHA-256 in the seal, by its path below the snapshot's folder.

    Raises:
        DamageFound: the seal itself is not the one it was closed with, so nothing can be compared.
        IbackupError: it cannot be read.
    """
    found: dict[str, bytes] = {}
    done = 0
    with telling(f"Snapshot {snapshot.id} could not be read.", reading=True):
        snapshot.verify_seal_file()
        with Confined(snapshot.path) as below, open(snapshot.seal_path, "rb") as source:
            for count, line in enumerate(seal.read(source), 1):
                sha256 = bytes.fromhex(line.sha256)
                try:
                    size = _size_if_whole(below, parse(line.path), sha256)
                except PathRefused as error:
                    raise DamageFound(
                        f"The seal of snapshot {snapshot.id} names {shown(line.path)}, which no backup contains.",
                        hint="`ibackup verify` says what is wrong with it.",
                    ) from error
                if size is None:
                    found[line.path] = sha256
                done += size or 0
                if count % _REPORT_EVERY == 0:
                    observe(
                        Progress(
                            "verify",
                            bytes=done,
                            total_bytes=max(done, snapshot.meta.bytes),
                            files=count,
                            total_files=max(count, snapshot.meta.files),
                        )
                    )
    return found


def _seal_of(snapshot: Snapshot) -> seal.Seal | None:
    """The checksums of another snapshot; None if they are damaged. Raises OSError."""
    try:
        return snapshot.seal
    except DamageFound:
        return None


def _size_if_whole(below: Confined, parts: Parts, sha256: bytes) -> int | None:
    """The size in bytes of a file that has this content; None if it is damaged or missing. Raises OSError."""
    try:
        fd, size = below.open_sized(parts)
        with open(fd, "rb", buffering=0) as source:
            return size if hashlib.file_digest(source, "sha256").digest() == sha256 else None
    except (FileNotFoundError, PathRefused):
        return None
    except OSError as error:
        if error.errno in _DAMAGED:
            return None
        raise


class Healing(Closeable):
    """Puts files of one phone's snapshots back. The phone's lock must be held, and nothing else be under way."""

    def __init__(self, folder: PhoneFolder) -> None:
        self._folder = folder
        self._path = folder.healing_path
        with telling("There is no place to repair the snapshot in."):
            for path in (self._path, os.path.join(self._path, _LINKS)):
                durable.make_dir(path)
            self._below = Confined(folder.path, os.path.join(self._path, _LINKS))
        self._folders = self._links = 0

    @property
    def fetched(self) -> str:
        """The private folder into which files are fetched, by their paths below the snapshot's folder."""
        return os.path.join(self._path, self._fetched)

    @property
    def _fetched(self) -> str:
        return f"{_FETCHED}-{self._folders}"

    def empty(self) -> str:
        """Make ``fetched`` a new, empty folder, and return it."""
        with telling("There is no place to repair the snapshot in."):
            with contextlib.suppress(FileNotFoundError):
                held.remove_tree(self.fetched)
            self._folders += 1  # a removed folder of the same name may be open still
            durable.make_dir(self.fetched)
        return self.fetched

    def close(self) -> None:
        """Remove the private folder."""
        self._below.close()
        self._folder.discard(self._path)

    def places(self, snapshot: Snapshot, damage: Mapping[str, bytes]) -> list[DamagedFile]:
        """Where each damaged file has to be put back: also in snapshots and interrupted runs that share it.

        Raises:
            IbackupError: the store cannot be read.
        """
        found: dict[str, list[Parts]] = {path: [("snapshots", snapshot.id)] for path in damage}
        with telling("The snapshots could not be read.", reading=True):
            for other in self._folder.snapshots():
                if other.id != snapshot.id and (sums := _seal_of(other)) is not None:
                    for path, sha256 in damage.items():
                        own, _, below = path.partition("/")
                        if below and own == sums.folder and sums.get(below) == sha256:
                            self._add(found[path], ("snapshots", other.id), path, sha256)
            for left in self._folder.left_overs():
                if left.run is not None:
                    place = (os.path.basename(left.path),)
                    for path, sha256 in damage.items():
                        if self._is_shared(("snapshots", snapshot.id), place, path):
                            self._add(found[path], place, path, sha256)
        return [DamagedFile(path, damage[path], tuple(places)) for path, places in found.items()]

    def _add(self, places: list[Parts], place: Parts, path: str, sha256: bytes) -> None:
        if _size_if_whole(self._below, (*place, *parse(path)), sha256) is None:
            places.append(place)

    def _is_shared(self, snapshot: Parts, run: Parts, path: str) -> bool:
        """Whether an interrupted run has the very file of a snapshot, or one that looks like it: it took that over."""
        try:
            mine, theirs = (
                os.lstat(os.path.join(self._folder.path, *place, *parse(path))) for place in (run, snapshot)
            )
        except OSError:
            return False
        return (mine.st_ino, mine.st_dev) == (theirs.st_ino, theirs.st_dev) or (
            (mine.st_size, mine.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)
        )

    def put_back(self, wanted: Sequence[DamagedFile]) -> list[DamagedFile]:
        """Rename what was fetched over the damaged entries, if it is what was sealed; returns what was put back.

        Raises:
            IbackupError: the disk refuses it. What was put back until then stays.
        """
        with telling("The damaged files could not be replaced."):
            proven = [each for each in wanted if self._is_proven(each)]
            moves = [move for each in proven for move in self._moves(each)]
            durable.sync_all(self._path, [self._full(source) for source, _ in moves], [])
            for source, target in moves:
                self._below.make_dir(target[:-1])
                self._below.rename(source, target)
            durable.sync_all(self._path, [], {self._full(target[:-1]) for _, target in moves})
        return proven

    def _full(self, parts: Parts) -> str:
        return os.path.join(self._folder.path, *parts)

    def _source(self, path: str) -> Parts:
        return (os.path.basename(self._path), self._fetched, *parse(path))

    def _is_proven(self, wanted: DamagedFile) -> bool:
        """Whether the sealed content was fetched, and nothing but a file is in its way."""
        source = self._source(wanted.path)
        if _size_if_whole(self._below, source, wanted.sha256) is None:
            return False
        # On Windows, files that cannot be written cannot be moved either.
        durable.set_mode(self._full(source), 0o600 if sys.platform == "win32" else FROZEN)
        return not any(self._is_folder((*place, *parse(wanted.path))) for place in wanted.places)

    def _is_folder(self, parts: Parts) -> bool:
        try:
            return self._below.item(parts).kind == "directory"
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _moves(self, wanted: DamagedFile) -> Iterator[tuple[Parts, Parts]]:
        """From where to where: the fetched file itself goes to the last place, links to it go to the others."""
        source, path = self._source(wanted.path), parse(wanted.path)
        for place in wanted.places[:-1]:
            self._links += 1
            links = (os.path.basename(self._path), _LINKS, str(self._links))
            durable.make_dir(self._full(links))
            old, new = self._full(source[:-1]), self._full(links)
            try:
                HardLink().carry(old, new, path[-1])
            except OSError as error:
                if not cannot(error):
                    raise
                Copy().carry(old, new, path[-1])
                if sys.platform != "win32":
                    durable.set_mode(os.path.join(new, path[-1]), FROZEN)
            yield (*links, path[-1]), (*place, *path)
        yield source, (*wanted.places[-1], *path)


def records_of(folder: PhoneFolder, held_id: str, fetched: str, seal_sum: str) -> list[DamagedFile]:
    """The seal and the record of a snapshot, as far as they are damaged, after both were fetched.

    Args:
        folder: of the phone.
        held_id: the snapshot's id.
        fetched: the folder into which they were fetched.
        seal_sum: SHA-256 of its SHA256SUMS when it was closed.

    Raises:
        DamageFound: the record that was fetched is not that of this snapshot.
        IbackupError: something cannot be read.
    """
    place: Parts = ("snapshots", held_id)
    found: list[DamagedFile] = []
    sealed = DamagedFile(SEAL_NAME, bytes.fromhex(seal_sum), (place,))
    with Confined(folder.path) as below, telling(f"The seal of {held_id} could not be read.", reading=True):
        if _size_if_whole(below, (*place, SEAL_NAME), sealed.sha256) is None:
            found.append(sealed)
    try:
        Snapshot.open(os.path.join(folder.snapshots_path, held_id))
    except DamageFound:
        fresh = SnapshotMeta.read(os.path.join(fetched, META_NAME))
        if (fresh.udid, fresh.seal) != (folder.udid, seal_sum):
            raise DamageFound(f"The record of snapshot {held_id} in the copy is of another one.") from None
        with telling("What was fetched could not be read.", reading=True):
            sha256 = hash_file(os.path.join(fetched, META_NAME))
        if sha256 is not None:
            found.append(DamagedFile(META_NAME, sha256, (place,)))
    return found
