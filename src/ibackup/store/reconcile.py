"""Make the ledger of a broken run's working copy anew from what is on disk, keeping every checksum that still holds.

After a killed process the files are what they were, and the ledger may lag a batch behind them. After a power cut
it is the other way round: a file that was not yet known to be on the disk may be empty or torn while its name is
there, and the phone would take it for sent.
"""

import os
import stat
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibackup.confined import name_flaw
from ibackup.events import Caution, Observer, Progress, ignore
from ibackup.store.clone import MTIME_SLACK_S
from ibackup.store.ledger import Ledger, LedgerUnsound, Line, Origin
from ibackup.store.linkers import place
from ibackup.store.snapshot import Snapshot, hash_file
from ibackup.store.trees import Found, Tree, walk

if TYPE_CHECKING:
    from ibackup.manifest.seal import Seal

SNAPSHOT_DIR = "Snapshot"
_REPORT_EVERY = 2000


@dataclass(slots=True)
class Reconciled:
    """What was found in a broken run's working copy.

    Attributes:
        kept_files, kept_bytes: what the phone need not send again, below ``Snapshot/``.
        removed: files that were not certain to be whole, by path; the phone sends them again.
        read_files: how many had to be read for their checksum.
        lost_files: files that were whole in ``Snapshot/`` and are in neither place now: a power cut took the move to
            their final place apart. The phone counts them as moved.
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
    damaged: AbstractSet[str] = frozenset(),
    observer: Observer = ignore,
) -> tuple[Ledger, Reconciled]:
    """Replace the ledger at ``ledger_path`` by one that is in step with the files below ``root``.

    Args:
        root: the backup folder in the working copy.
        ledger_path: where the old one is, if it still is, and the new one will be.
        base: the snapshot that the working copy was cloned from.
        rebooted: whether the computer was started anew since, or its disk failed or was pulled; then only files that
            are known to have been on the disk are kept.
        moving: whether the phone had begun to move files out of ``Snapshot/``.
        damaged: paths of the base that were found to be damaged since.
        observer: told of what is removed, and how far the work is.

    Raises:
        OSError: a file cannot be read or removed.
    """
    old = _old_ledger(ledger_path)
    fresh_path = f"{ledger_path}.new"
    fresh = Ledger.create(fresh_path)
    job = _Job(root, old, fresh, base, observer, rebooted=rebooted, damaged=damaged)
    try:
        job.run()
        if rebooted and moving:
            job.look_for_lost()
        fresh.make_durable()
    finally:
        fresh.close()
        if old is not None:
            old.close()
    for suffix in ("", "-wal", "-shm"):
        if suffix and os.path.exists(ledger_path + suffix):
            os.unlink(ledger_path + suffix)
    os.replace(fresh_path, ledger_path)
    return Ledger(ledger_path), job.result


def _old_ledger(path: str) -> Ledger | None:
    if not os.path.exists(path):
        return None
    try:
        ledger = Ledger(path)
    except LedgerUnsound:
        return None
    try:
        ledger.check()
    except LedgerUnsound:
        ledger.close()
        return None
    return ledger


class _Job:
    """One reconciliation under way."""

    def __init__(
        self,
        root: str,
        old: Ledger | None,
        fresh: Ledger,
        base: Snapshot | None,
        observer: Observer,
        *,
        rebooted: bool,
        damaged: AbstractSet[str],
    ) -> None:
        self.result = Reconciled()
        self._root = root
        self._old = old
        self._fresh = fresh
        self._base = base
        self._base_seal: Seal | None = None
        self._rebooted = rebooted
        self._damaged = damaged
        self._observer = observer
        self._seen = 0

    def run(self) -> None:
        """Go through every folder once."""
        with Tree(self._root) as tree:
            for folder, held in walk(self._root):
                self._fresh.made_dir(folder)
                # The second: a move out of Snapshot/ that the old ledger had not written when the process ended.
                known = (
                    self._lines(folder),
                    self._lines(f"{SNAPSHOT_DIR}/{folder}" if folder else SNAPSHOT_DIR),
                )
                for found in held:
                    if not stat.S_ISDIR(found.stat.st_mode):
                        self._file(tree, found, [lines[found.name] for lines in known if found.name in lines])

    def look_for_lost(self) -> None:
        """Count what was whole in ``Snapshot/`` and is nowhere now; after ``run``."""
        folders = [] if self._old is None else self._old.folders()
        for folder in folders:
            below = folder.removeprefix(f"{SNAPSHOT_DIR}/")
            if below in {"", SNAPSHOT_DIR}:
                continue  # the backup's own files are written anew
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

    def _file(self, tree: Tree, found: Found, known: list[Line]) -> None:
        self._seen += 1
        if self._seen % _REPORT_EVERY == 0:
            self._observer(Progress("prepare", files=self._seen))
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
        self._fresh.keep(Line(found.path, line.size, line.mtime, line.sha256, line.origin))
        if found.folder.partition("/")[0] == SNAPSHOT_DIR:
            self.result.kept_files += 1
            self.result.kept_bytes += found.stat.st_size

    def _holds(self, line: Line, found: os.stat_result) -> bool:
        """Whether what the old ledger says of a file holds for what is there now."""
        if self._rebooted and line.origin is Origin.NEW:
            return False
        return line.size == found.st_size and line.mtime == found.st_mtime

    def _from_base(self, found: Found) -> Line | None:
        """The file as the base has it, if it is the same file or was carried over with its size and time."""
        sha256 = self._base_sum(found.path)
        theirs = self._of_base(found) if sha256 is not None else None
        if self._base is None or sha256 is None or theirs is None:
            return None
        mine = found.stat
        if mine.st_mtime > self._base.meta.finished.timestamp() + MTIME_SLACK_S:
            return None  # changed since the base was closed: read it
        same_looks = (mine.st_size, mine.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)
        if _same_file(mine, theirs) or (same_looks and not self._rebooted):
            return Line(found.path, mine.st_size, mine.st_mtime, sha256, Origin.CARRIED)
        return None

    def _of_base(self, found: Found) -> os.stat_result | None:
        """What the base has under this name; None when that is gone or out of reach."""
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

    def _read(self, tree: Tree, found: Found) -> Line | None:
        """The file with its checksum from its content; None when that cannot be trusted."""
        base_sum = self._base_sum(found.path)
        # Info.plist is written anew in any case, and the phone itself looks at its Status.plist first.
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
            return None  # a link to a file of the base that was damaged since
        origin = Origin.CARRIED if sha256 == base_sum else Origin.NEW
        return Line(found.path, found.stat.st_size, found.stat.st_mtime, sha256, origin)

    def _remove(self, tree: Tree, found: Found) -> None:
        path, at = place(tree.folder(found.folder), found.name)
        os.unlink(path, dir_fd=at)
        self.result.removed.append(found.path)
        if len(self.result.removed) == 1:
            self._observer(
                Caution(
                    f"{found.path!a} is damaged in the snapshot that the broken run began from; it is sent again.",
                    "Run `ibackup verify` to see what else is.",
                )
                if found.path in self._damaged or self._base_sum(found.path) is not None
                else Caution(
                    "Files that may have been lost when the computer went down or its disk was gone are sent again by "
                    "the phone."
                )
                if self._rebooted
                else Caution(
                    f"{found.path!a} in the broken run is nothing that a backup has; it was removed."
                )
            )


def _same_file(mine: os.stat_result, theirs: os.stat_result) -> bool:
    return mine.st_ino != 0 and (mine.st_ino, mine.st_dev) == (theirs.st_ino, theirs.st_dev)
