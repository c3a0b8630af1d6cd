"""Clone a finished snapshot into a working copy, in one pass that also fills the ledger.

Only files in the snapshot's seal are cloned, and only if nothing speaks against them. A file that is known to
be damaged is left out; one that changed since, or has an impossible size, is read again first. So the phone
sends damaged files again, and damage is never silently inherited.
"""

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from ibackup.apple.file_ids import FILE_ID
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

MTIME_SLACK_S = 2.0
_EMPTY = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
_SNAPSHOT_DIR = "Snapshot"
_REPORT_EVERY = 2000
_PROBE_FILES = 16
_CHANGED = "has changed since its snapshot was closed"
_USUAL = re.compile(f"[0-9a-f]{{2}}/{FILE_ID.pattern}")


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


def clone(
    base: Snapshot,
    target: str,
    ledger: FileLedger,
    *,
    damaged: AbstractSet[str] = frozenset(),
    sums: Sums | None = None,
    copies: bool = False,
    linkers: Sequence[Linker] = LINKERS,
    observer: Observer = ignore,
) -> Cloned:
    """Clone ``base`` into the empty folder ``target`` and fill the ledger.

    Args:
        base: the snapshot to clone.
        target: the destination; on another file system, every file is copied.
        ledger: gets every file and folder that is cloned.
        damaged: paths below the backup folder that are known to be damaged.
        sums: the known SHA-1s of its files.
        copies: whether files may be copied if they can be neither reflinked nor hard-linked.
        linkers: the cheap ways to try, best first.
        observer: gets what is left out, and the progress.

    Raises:
        DamageFound: the seal of ``base`` has changed since it was closed.
        NoLinks: the file system has neither reflinks nor hard links and ``copies`` is False.
        NoRoom: there is no space for a copy.
        OSError: any other error of the file system.
    """
    base.verify_seal_file()
    with _Clone(base, target, ledger, sums, observer) as job:
        job.choose(linkers, copies=copies)
        job.carry_all(damaged)
        job.make_empty_folders()
    return job.result


class _Clone(Closeable):
    """One running clone."""

    def __init__(
        self, base: Snapshot, target: str, ledger: FileLedger, sums: Sums | None, observer: Observer
    ) -> None:
        self.result = Cloned()
        self._base = base
        self._ledger = ledger
        self._sums = sums
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

    def close(self) -> None:
        """Close both folders."""
        self._source.close()
        self._target.close()

    def _lines(self) -> Iterator[tuple[str, str, bytes]]:
        """Folder, name and checksum of every sealed file, validated because the store may be anyone's."""
        prefix = self._base.udid + "/"
        with open(self._base.seal_path, "rb") as source:
            for path, sha256 in seal.read(source):
                below = path.removeprefix(prefix)
                folder, _, name = below.rpartition("/")
                if below == path or not _plain(below):
                    raise DamageFound(
                        (
                            f"The seal of snapshot {self._base.id} names {confined.shown(path)}, which no "
                            "backup contains."
                        ),
                        hint="Check it with `ibackup verify`, and make a new backup with --full.",
                    )
                yield folder, name, bytes.fromhex(sha256)

    # -- choosing the way -----------------------------------------------------------------------------------

    def choose(self, linkers: Sequence[Linker], *, copies: bool) -> None:
        """Choose the first way that works for one of the first files."""
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

    # -- the pass -------------------------------------------------------------------------------------------

    def carry_all(self, damaged: AbstractSet[str]) -> None:
        """Clone every sealed file that nothing speaks against; if the total size is wrong, read all files."""
        total = self._base.meta.files
        for count, (folder, name, sha256) in enumerate(self._lines(), 1):
            self._carry(folder, name, sha256, damaged)
            if count % _REPORT_EVERY == 0:
                self._observer(Progress("prepare", files=count, total_files=total))
        if self._seen_bytes != self._base.meta.bytes and not isinstance(self._linker, Copy):
            self._read_all()

    def _carry(self, folder: str, name: str, sha256: bytes, damaged: AbstractSet[str]) -> None:
        path = f"{folder}/{name}" if folder else name
        try:
            source = self._source.folder(folder)
            at, dir_fd = place(source, name)
            found = os.stat(at, dir_fd=dir_fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            self._leave_out(path, "is missing")
            return
        if not stat.S_ISREG(found.st_mode):
            self._leave_out(path, "is no longer a file")
            return
        self._seen_bytes += found.st_size
        if folder.partition("/")[0] == _SNAPSHOT_DIR:
            return  # left half done by the phone; useless to the next run
        if path in damaged:
            self._leave_out(path, "is known to be damaged")
            return
        suspicious = found.st_mtime > self._newest or (found.st_size == 0) is not (sha256 == _EMPTY)
        whole = not suspicious or _holds(at, dir_fd, sha256)
        if not whole or not self._link(source, self._target.folder(folder), name, sha256):
            self._leave_out(path, _CHANGED)
        else:
            sha1 = self._sums.get(name) if self._sums is not None else None
            self._ledger.carried(path, found.st_size, sha256, found.st_mtime, sha1)
            self.result.files += 1
            self.result.bytes += found.st_size

    def _link(self, source: Folder, target: Folder, name: str, sha256: bytes) -> bool:
        """Clone one file; False if reading it on the way showed damage."""
        try:
            try:
                read = self._linker.carry(source, target, name)
            except OSError as error:
                if not cannot(error):
                    raise
                # This one file has reached its limit of links, or is special in another way.
                read = Copy().carry(source, target, name)
                self.result.copied = True
        except OSError as error:
            if error.errno == errno.EIO:
                return False
            raise
        if read is None or read == sha256:
            return True
        path, at = place(target, name)
        held.unlink(path, dir_fd=at)
        return False

    def _leave_out(self, path: str, why: str) -> None:
        self.result.left_out.append(path)
        self._observer(
            Caution(
                f"{path} in snapshot {self._base.id} {why}; the phone will send it again.",
                "Run `ibackup verify` to see whether more is damaged.",
            )
        )

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
            path, at = place(self._target.folder(folder), name)
            if not _holds(path, at, line.sha256):
                held.unlink(path, dir_fd=at)
                self._ledger.removed(line.path)
                self.result.files -= 1
                self.result.bytes -= line.size
                self._leave_out(line.path, _CHANGED)
            done += line.size
            self._observer(Progress("prepare", bytes=done, total_bytes=self.result.bytes))

    def make_empty_folders(self) -> None:
        """Make the folders that contain no files: the phone made them and looks for them."""
        for folder in folders(self._base.backup_path):
            if folder and folder.partition("/")[0] != _SNAPSHOT_DIR and _plain(folder):
                self._target.folder(folder)
                self._ledger.made_dir(folder)


def _holds(path: str, dir_fd: int | None, sha256: bytes) -> bool:
    """Whether a file is readable and unchanged."""
    try:
        return hash_file(path, dir_fd) == sha256
    except OSError as error:
        if error.errno == errno.EIO:  # a bad sector
            return False
        raise


def _plain(path: str) -> bool:
    """Whether a path from a seal is allowed below a backup folder."""
    if _USUAL.fullmatch(path):
        return True
    try:
        return "/".join(confined.parse(path)) == path
    except confined.PathRefused:
        return False
