"""Clone a finished snapshot into a working copy, in one pass that also fills the ledger.

Only files in the snapshot's seal are cloned, and only if nothing speaks against them. A file that is known to
be damaged is left out; one that changed since, or has an impossible size, is read again first. So the phone
sends damaged files again, and damage is never silently inherited.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from ibackup.apple.format_errors import SealDamaged
from ibackup.apple.verify import seal
from ibackup.base import confined, held
from ibackup.base.closeable import Closeable
from ibackup.base.errors import DamageFound, NoRoom
from ibackup.base.events import Caution, Observer, Progress, ignore
from ibackup.store.disk import free_space
from ibackup.store.records.snapshot import Snapshot, hash_file
from ibackup.store.work.file_ledger import FileLedger
from ibackup.store.work.folder_trees import FolderTree, folders
from ibackup.store.work.linkers import Copy, Folder, HardLink, Linker, Reflink, cannot, place
from ibackup.store.work.sha1_sums import Sums

if TYPE_CHECKING:
    from ibackup.store.work.ledger_lines import Carried

MTIME_SLACK_S = 2.0
_EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
_SNAPSHOT_DIR = "Snapshot"
_REPORT_EVERY = 2000
_PROBE_FILES = 16
_MISSING = "is missing"
_CHANGED = "has changed since its snapshot was closed"


class NoLinks(NoRoom):
    """The file system cannot share files between snapshots, and full-size copies were not allowed."""


LINKERS: tuple[Linker, ...] = (Reflink(), HardLink())


@dataclass(slots=True)
class Cloned:
    """The result of a clone.

    Attributes:
        files, bytes: what was cloned.
        copied: whether some files were copied, so that their data is new on the disk.
        left_out: the missing or damaged files, by path; the phone sends them again.
    """

    files: int = 0
    bytes: int = 0
    copied: bool = False
    left_out: list[str] = field(default_factory=list)


class BaseChanged(DamageFound):
    """Files of a snapshot that seemed whole could not be carried over when their turn came."""


class Clone(Closeable):
    """One running clone: what there is to carry is found first, and is then in the ledger; afterwards it is carried.

    Args:
        base: the snapshot to clone.
        target: the destination, an empty folder; on another file system, every file is copied.
        ledger: gets every file and folder that is cloned.
        sums: the known SHA-1s of its files.
        observer: gets what is left out, and the progress.

    Attributes:
        result: what was cloned so far.
        copied: the files that had to be copied although others could be linked, by path.
        late: the files that could not be carried although they seemed whole, by path.

    Raises (all methods):
        OSError: an error of the file system.
    """

    def __init__(
        self,
        base: Snapshot,
        target: str,
        ledger: FileLedger,
        *,
        sums: Sums | None = None,
        observer: Observer = ignore,
    ) -> None:
        base.verify_seal_file()
        self.result = Cloned()
        self.copied: list[str] = []
        self.late: list[str] = []
        self._base = base
        self._ledger = ledger
        self._sha1_of = _unknown if sums is None else sums.get
        self._observer = observer
        self._source = FolderTree(base.backup_path)
        try:
            self._target = FolderTree(target, make=True)
        except OSError:
            self._source.close()
            raise
        self._linker: Linker = Copy()
        self._newest = base.meta.finished.timestamp() + MTIME_SLACK_S
        self._seen_bytes = 0
        self._waiting: list[str] = []  # folders whose files are not carried yet
        self._stopped = False

    def close(self) -> None:
        """Close both folders."""
        self._source.close()
        self._target.close()

    def stop(self) -> None:
        """Have ``carry`` end soon, because the result will not be used; from any thread."""
        self._stopped = True

    @property
    def is_quick(self) -> bool:
        """Whether no file has to be read, so that what is carried is what was found."""
        return not isinstance(self._linker, Copy)

    def _lines(self) -> Iterator[tuple[str, str, bytes]]:
        """Folder, name and checksum of every sealed file, validated because the store may be anyone's."""
        with open(self._base.seal_path, "rb") as source:
            try:
                yield from seal.read_places(source, self._base.udid, _plain)
            except SealDamaged as error:
                raise DamageFound(
                    f"The seal of snapshot {self._base.id} {error.flaw}.",
                    hint="Check it with `ibackup verify`, and make a new backup with --full.",
                ) from None

    # -- choosing the way -----------------------------------------------------------------------------------

    def choose(self, linkers: Sequence[Linker], *, copies: bool) -> None:
        """Choose the first way that works for one of the first files.

        Args:
            linkers: the cheap ways to try, best first.
            copies: whether files may be copied if they can be neither reflinked nor hard-linked.

        Raises:
            NoLinks: the file system has neither reflinks nor hard links and ``copies`` is False.
            NoRoom: there is no space for a copy.
        """
        for linker in linkers:
            if self._works(linker):
                self._linker = linker
                return
        if not copies:
            raise self._no_links()
        self.result.copied = True
        needed, free = self._base.meta.bytes, free_space.free_bytes(self._target.path)
        if free < needed:
            raise NoRoom(
                f"A copy of the newest snapshot needs {needed:,} bytes; {free:,} are free.",
                why="This file system has no links, so every snapshot takes its full size.",
                hint=(
                    "Free some space, remove old snapshots with `ibackup prune`, or move the store to a "
                    "disk with links."
                ),
            )

    def _works(self, linker: Linker) -> bool:
        tried = 0
        for folder, name, _ in self._lines():
            tried += 1
            if tried > _PROBE_FILES:
                break
            try:
                source = self._source.folder(folder)
                path, at = place(source, name)
                if not stat.S_ISREG(os.stat(path, dir_fd=at, follow_symlinks=False).st_mode):
                    continue
                linker.carry(source, self._target.folder(""), name)
            except (FileNotFoundError, NotADirectoryError):
                continue  # damage, which the pass over all files reports
            except OSError as error:
                if cannot(error):
                    return False
                raise
            path, at = place(self._target.folder(""), name)
            held.unlink(path, dir_fd=at)
            return True
        return tried == 0

    def _no_links(self) -> NoLinks:
        needed, free = self._base.meta.bytes, free_space.free_bytes(self._target.path)
        return NoLinks(
            "This file system cannot share files between snapshots: it has neither reflinks nor hard links.",
            why=f"A second snapshot would take its full size: about {needed:,} bytes; {free:,} are free.",
            hint="To let every snapshot take its full size, run `ibackup now --copies` once. To save "
            "space, move the store to a disk formatted as ext4, XFS, btrfs, APFS or NTFS.",
        )

    # -- what there is to carry -------------------------------------------------------------------------------

    def take_stock(self, damaged: AbstractSet[str]) -> None:
        """Enter every sealed file that nothing speaks against into the ledger; make the folders; carry the top files.

        If the total size is wrong, all files are read.

        Args:
            damaged: paths below the backup folder that are known to be damaged.

        Raises:
            DamageFound: the seal names what no backup contains.
        """
        total, count, told = self._base.meta.files, 0, 0
        for folder, lines in groupby(self._lines(), key=itemgetter(0)):
            count += self._enter(folder, lines, damaged)
            if count - told >= _REPORT_EVERY:
                told = count
                self._observer(Progress("prepare", files=count, total_files=total))
        if self._seen_bytes != self._base.meta.bytes and self.is_quick:
            self._read_all()
        self._make_folders()
        self._ledger.flush()
        self._waiting = [folder for folder in self._ledger.folders() if folder]
        self._carry_folder("")
        self.settle()

    def _enter(self, folder: str, lines: Iterable[tuple[str, str, bytes]], damaged: AbstractSet[str]) -> int:
        """Enter the files of one folder into the ledger; return how many the seal names."""
        prefix = f"{folder}/" if folder else ""
        half_done = folder.partition("/")[0] == _SNAPSHOT_DIR
        newest, sha1_of, is_file = self._newest, self._sha1_of, stat.S_ISREG
        count = seen_bytes = 0
        carried: list[Carried] = []
        try:
            source: Folder | None = self._source.folder(folder)
        except (FileNotFoundError, NotADirectoryError):
            source = None
        start, dir_fd = (None, source) if isinstance(source, int) else (source, None)
        for _, name, sha256 in lines:
            count += 1
            if source is None:
                self._leave_out(prefix + name, _MISSING)
                continue
            path = name if start is None else os.path.join(start, name)
            try:
                found = os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                self._leave_out(prefix + name, _MISSING)
                continue
            if not is_file(found.st_mode):
                self._leave_out(prefix + name, "is no longer a file")
                continue
            size, mtime = found.st_size, found.st_mtime
            seen_bytes += size
            if half_done:
                continue  # left half done by the phone; useless to the next run
            if damaged and prefix + name in damaged:
                self._leave_out(prefix + name, "is known to be damaged")
                continue
            suspicious = mtime > newest or (size == 0) is not (sha256 == _EMPTY)
            if suspicious and not _holds(path, dir_fd, sha256):
                self._leave_out(prefix + name, _CHANGED)
                continue
            carried.append((name, size, mtime, sha256, sha1_of(name)))
        if carried:
            self._ledger.carried(folder, carried)
        self._seen_bytes += seen_bytes
        self.result.files += len(carried)
        self.result.bytes += sum(file[1] for file in carried)
        return count

    def _read_all(self) -> None:
        """The total size differs from the sealed one, so some file changed without a new time: find it."""
        self._observer(
            Caution(
                f"The files of snapshot {self._base.id} do not have the size they had when it was closed. "
                "ibackup reads each of them before it uses it.",
                "Run `ibackup verify` to see what is damaged.",
            )
        )
        done = 0
        for line in self._ledger.lines():
            folder, _, name = line.path.rpartition("/")
            if not _holds(*place(self._source.folder(folder), name), line.sha256):
                self._forget(line.path)
            done += line.size
            self._observer(Progress("prepare", bytes=done, total_bytes=self.result.bytes))

    def _make_folders(self) -> None:
        """Make all folders, also those that contain no files: the phone made them and looks for them."""
        for folder in folders(self._base.backup_path):
            if folder and folder.partition("/")[0] != _SNAPSHOT_DIR and _plain(folder):
                self._target.folder(folder)
                self._ledger.made_dir(folder)

    # -- carrying it ----------------------------------------------------------------------------------------

    def carry(self) -> None:
        """Carry what was entered. This may run in another thread, as long as the others only read the ledger."""
        for folder in self._waiting:
            if self._stopped:
                return
            self._carry_folder(folder)

    def _carry_folder(self, folder: str) -> None:
        source, target = self._source.folder(folder), self._target.folder(folder)
        carry = self._linker.carry
        for name, sha256 in self._ledger.carried_in(folder):
            try:
                if carry(source, target, name) in (None, sha256):
                    continue
                self._take_back(target, name)
            except OSError as error:
                if self._copy_instead(error, source, target, folder, name, sha256):
                    continue
            self.late.append(_path(folder, name))

    def settle(self) -> None:
        """Take back what could not be carried. The phone must not know of it yet."""
        for path in self.late:
            self._forget(path)
        self.late.clear()

    def _forget(self, path: str) -> None:
        item = self._ledger.get(path)
        self._ledger.removed(path)
        self.result.files -= 1
        self.result.bytes -= item.size if item is not None else 0
        self._leave_out(path, _CHANGED)

    def _copy_instead(
        self, error: OSError, source: Folder, target: Folder, folder: str, name: str, sha256: bytes
    ) -> bool:
        """After this error, copy one file; False if it is gone, or reading it showed damage."""
        try:
            if not cannot(error):
                raise error
            # This one file has reached its limit of links, or is special in another way.
            read = Copy().carry(source, target, name)
        except OSError as found:
            if found.errno in {errno.EIO, errno.ENOENT}:  # a bad sector, or gone since
                return False
            raise
        self.result.copied = True
        self.copied.append(_path(folder, name))
        if read != sha256:
            self._take_back(target, name)
        return read == sha256

    @staticmethod
    def _take_back(target: Folder, name: str) -> None:
        at, dir_fd = place(target, name)
        held.unlink(at, dir_fd=dir_fd)

    def _leave_out(self, path: str, why: str) -> None:
        self.result.left_out.append(path)
        self._observer(
            Caution(
                f"{path} in snapshot {self._base.id} {why}; the phone will send it again.",
                "Run `ibackup verify` to see whether more is damaged.",
            )
        )


def _path(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _holds(path: str, dir_fd: int | None, sha256: bytes) -> bool:
    """Whether a file is readable and unchanged."""
    try:
        return hash_file(path, dir_fd) == sha256
    except OSError as error:
        if error.errno == errno.EIO:  # a bad sector
            return False
        raise


def _unknown(_name: str) -> None:
    """The SHA-1 of a file, if none is known."""


def _plain(path: str) -> bool:
    """Whether a path from a seal is allowed below a backup folder."""
    try:
        return "/".join(confined.parse(path)) == path
    except confined.PathRefused:
        return False
