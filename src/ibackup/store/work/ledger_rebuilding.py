"""Rebuilds the ledger of an interrupted run's working copy from the disk, keeping every checksum that is still valid.

After a killed process the files are unchanged, and the ledger may lag a batch behind them. After a power cut
it is the reverse: a file that was not yet known to be on the disk may be empty or torn although its name is
there, and the phone would think that it was sent.
"""

import os
import stat
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibackup.base import held
from ibackup.base.confined import name_flaw
from ibackup.base.events import Caution, Observer, Progress, ignore
from ibackup.store.records.snapshot import Snapshot, hash_file
from ibackup.store.work.cloning import MTIME_SLACK_S
from ibackup.store.work.file_ledger import FileLedger
from ibackup.store.work.folder_trees import FolderTree, Found, walk
from ibackup.store.work.ledger_database import LedgerUnsound
from ibackup.store.work.ledger_lines import Line, Origin, first_of
from ibackup.store.work.linkers import place

if TYPE_CHECKING:
    from ibackup.apple.verify.seal import Seal

SNAPSHOT_DIR = "Snapshot"
_REPORT_EVERY = 2000


@dataclass(slots=True)
class Reconciled:
    """What was found in an interrupted run's working copy.

    Attributes:
        kept_files, kept_bytes: what the phone need not send again, below ``Snapshot/``.
        removed: files that may not be complete, by path; the phone sends them again.
        read_files: how many files had to be read for their checksum.
        lost_files: files that were complete in ``Snapshot/`` and are now in neither place, because a power
            cut undid part of the move to their final place. The phone counts them as moved.
    """

    kept_files: int = 0
    kept_bytes: int = 0
    removed: list[str] = field(default_factory=list)
    read_files: int = 0
    lost_files: int = 0


def reconcile(
    root: str,
    ledger_path: str,
    base: Snapshot | None,
    *,
    rebooted: bool,
    moving: bool = False,
    sending: bool = False,
    damaged: AbstractSet[str] = frozenset(),
    attempt: int = 1,
    observer: Observer = ignore,
) -> tuple[FileLedger, Reconciled]:
    """Replace the ledger at ``ledger_path`` by one that matches the files below ``root``.

    Args:
        root: the backup folder in the working copy.
        ledger_path: the path of the old ledger, if it exists, and of the new one.
        base: the snapshot that the working copy was cloned from.
        rebooted: whether the computer was restarted since, or its disk failed or was pulled; then only files
            that are known to have been on the disk are kept.
        moving: whether the phone had begun to move files out of ``Snapshot/``.
        sending: whether it was still sending. Then files that it could not read are removed, so that it sends
            them again. Later the phone moves them, and what it reported about them stays known.
        damaged: paths of the base that were found to be damaged since.
        attempt: the number of the phone's next attempt, before which everything here arrived.
        observer: gets what is removed, and the progress.

    Raises:
        OSError: a file cannot be read or removed.
    """
    fresh_path = f"{ledger_path}.new"
    with ExitStack() as ledgers:
        old = _old_ledger(ledger_path)
        if old is not None:
            ledgers.enter_context(old)
        fresh = ledgers.enter_context(FileLedger.create(fresh_path))
        unread = old.unread() if old is not None else []
        if not sending:
            for note in unread:
                fresh.could_not_read(*note)
        torn = {f"{SNAPSHOT_DIR}/{note.path}" for note in unread} if sending else set()
        job = _Job(
            root, old, fresh, base, observer, rebooted=rebooted, damaged=damaged, attempt=attempt, torn=torn
        )
        job.run()
        if rebooted and moving:
            job.look_for_lost()
        fresh.make_durable()
    for suffix in ("", "-wal", "-shm"):
        if suffix and os.path.exists(ledger_path + suffix):
            held.unlink(ledger_path + suffix)
    os.replace(fresh_path, ledger_path)
    return FileLedger(ledger_path), job.result


def _old_ledger(path: str) -> FileLedger | None:
    if not os.path.exists(path):
        return None
    try:
        ledger = FileLedger(path)
    except LedgerUnsound:
        return None
    try:
        ledger.check()
    except LedgerUnsound:
        ledger.close()
        return None
    except BaseException:
        ledger.close()
        raise
    return ledger


class _Job:
    """One running reconciliation."""

    def __init__(
        self,
        root: str,
        old: FileLedger | None,
        fresh: FileLedger,
        base: Snapshot | None,
        observer: Observer,
        *,
        rebooted: bool,
        damaged: AbstractSet[str],
        attempt: int,
        torn: AbstractSet[str],
    ) -> None:
        self.result = Reconciled()
        self._root = root
        self._old = old
        self._fresh = fresh
        self._base = base
        self._base_seal: Seal | None = None
        self._rebooted = rebooted
        self._damaged = damaged
        self._torn = torn
        # Files not yet in the ledger arrived after all that are, and before anything that arrives now.
        self._arrived = first_of(attempt)
        self._observer = observer
        self._seen = 0

    def run(self) -> None:
        """Go through every folder once."""
        with FolderTree(self._root) as tree:
            for folder, held in walk(self._root):
                self._fresh.made_dir(folder)
                # The second lookup finds a move out of Snapshot/ that the old ledger had not recorded when
                # the process ended.
                known = (
                    self._lines(folder),
                    self._lines(f"{SNAPSHOT_DIR}/{folder}" if folder else SNAPSHOT_DIR),
                )
                for found in held:
                    if not stat.S_ISDIR(found.stat.st_mode):
                        self._file(tree, found, [lines[found.name] for lines in known if found.name in lines])

    def look_for_lost(self) -> None:
        """Count the files that were complete in ``Snapshot/`` and no longer exist; call it after ``run``."""
        folders = [] if self._old is None else self._old.folders()
        for folder in folders:
            below = folder.removeprefix(f"{SNAPSHOT_DIR}/")
            if below in {"", SNAPSHOT_DIR}:
                continue  # the backup's own files are written again
            here = {
                (line.path.rpartition("/")[2], line.sha256)
                for where in (below, f"{SNAPSHOT_DIR}/{below}")
                for line in self._fresh.lines_in(where)
            }
            for name, line in self._lines(folder).items():
                self.result.lost_files += line.origin is Origin.SYNCED and (name, line.sha256) not in here

    def _lines(self, folder: str) -> dict[str, Line]:
        if self._old is None:
            return {}
        return {line.path.rpartition("/")[2]: line for line in self._old.lines_in(folder)}

    def _file(self, tree: FolderTree, found: Found, known: list[Line]) -> None:
        self._seen += 1
        if self._seen % _REPORT_EVERY == 0:
            self._observer(Progress("prepare", files=self._seen))
        if found.path in self._torn:
            path, at = place(tree.folder(found.folder), found.name)
            held.unlink(path, dir_fd=at)
            return
        line = None
        if stat.S_ISREG(found.stat.st_mode) and not name_flaw(found.name):
            line = next((line for line in known if self._holds(line, found.stat)), None)
            if line is None:
                line = self._from_base(found) or self._read(tree, found)
            if line is not None and line.origin is Origin.CARRIED and found.path in self._damaged:
                line = None
        if line is None:
            self._remove(tree, found)
            return
        self._fresh.keep(line._replace(path=found.path))
        if found.folder.partition("/")[0] == SNAPSHOT_DIR:
            self.result.kept_files += 1
            self.result.kept_bytes += found.stat.st_size

    def _holds(self, line: Line, found: os.stat_result) -> bool:
        """Whether the old ledger's entry for a file is valid for the file that is there now."""
        if self._rebooted and line.origin is Origin.NEW:
            return False
        return line.size == found.st_size and line.mtime == found.st_mtime

    def _from_base(self, found: Found) -> Line | None:
        """The base's entry for a file, if it is the same file or was cloned with its size and time."""
        sha256 = self._base_sum(found.path)
        theirs = self._of_base(found) if sha256 is not None else None
        if self._base is None or sha256 is None or theirs is None:
            return None
        mine = found.stat
        if mine.st_mtime > self._base.meta.finished.timestamp() + MTIME_SLACK_S:
            return None  # changed after the base was closed: read it
        same_looks = (mine.st_size, mine.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)
        if _same_file(mine, theirs) or (same_looks and not self._rebooted):
            return Line(found.path, mine.st_size, mine.st_mtime, sha256, Origin.CARRIED)
        return None

    def _of_base(self, found: Found) -> os.stat_result | None:
        """What the base has under this name; None if it is gone or out of reach."""
        if self._base is None:
            return None
        try:
            return os.lstat(os.path.join(self._base.backup_path, *found.path.split("/")))
        except OSError:
            return None

    def _base_sum(self, path: str) -> bytes | None:
        if self._base is None:
            return None
        if self._base_seal is None:
            self._base_seal = self._base.seal
        return self._base_seal.get(path)

    def _read(self, tree: FolderTree, found: Found) -> Line | None:
        """The file with the checksum of its content; None if it cannot be trusted."""
        base_sum = self._base_sum(found.path)
        # Info.plist is always written again, and the phone itself checks its Status.plist first.
        at_top = not found.folder and found.name in {"Info.plist", "Status.plist"} and found.stat.st_size > 0
        if self._rebooted and base_sum is None and not at_top:
            return None
        path, at = place(tree.folder(found.folder), found.name)
        sha256 = hash_file(path, at)
        self.result.read_files += 1
        if sha256 is None or (self._rebooted and sha256 != base_sum and not at_top):
            return None
        theirs = self._of_base(found) if sha256 != base_sum else None
        if theirs is not None and _same_file(found.stat, theirs):
            return None  # a link to a file of the base that has been damaged since
        size, mtime = found.stat.st_size, found.stat.st_mtime
        if sha256 == base_sum:
            return Line(found.path, size, mtime, sha256, Origin.CARRIED)
        return Line(found.path, size, mtime, sha256, Origin.NEW, arrived=self._arrived)

    def _remove(self, tree: FolderTree, found: Found) -> None:
        path, at = place(tree.folder(found.folder), found.name)
        held.unlink(path, dir_fd=at)
        self.result.removed.append(found.path)
        if len(self.result.removed) == 1:
            self._observer(
                Caution(
                    (
                        f"{found.path!a} is damaged in the snapshot from which the interrupted run began. "
                        "The phone sends it again."
                    ),
                    "Run `ibackup verify` to see whether more is damaged.",
                )
                if found.path in self._damaged or self._base_sum(found.path) is not None
                else Caution(
                    "The phone sends files again that may have been lost when the computer went down or "
                    "its disk was gone."
                )
                if self._rebooted
                else Caution(
                    f"ibackup removed {found.path!a} from the interrupted run: no backup contains "
                    "such a file."
                )
            )


def _same_file(mine: os.stat_result, theirs: os.stat_result) -> bool:
    return mine.st_ino != 0 and (mine.st_ino, mine.st_dev) == (theirs.st_ino, theirs.st_dev)
