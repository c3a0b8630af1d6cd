"""Fetches from a second copy only the files of a snapshot that are needed, and compares each with the seal."""

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from ibackup.apple.backup import DATABASE, LEGACY_DATABASE, PLISTS, Backup
from ibackup.apple.file_ids import FILE_ID
from ibackup.apple.rows import Kind
from ibackup.base import held as held_files
from ibackup.base.counts import count_text
from ibackup.base.errors import DamageFound, NoRoom
from ibackup.base.events import Caution, Observer
from ibackup.base.sizes import size_text
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.explore.opening import SnapshotTarget
from ibackup.explore.selection import Selection
from ibackup.explore.target_room import TargetRoom
from ibackup.jobs.copying.copy_getting import First, fetch_records, record_names, require_room
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.free_space import free_bytes
from ibackup.store.private_folder import private_folder
from ibackup.store.records.snapshot import hash_file

_LISTS = (*PLISTS, DATABASE, LEGACY_DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")
"""What a backup is opened with."""


@dataclass
class PartialSnapshot:
    """A snapshot of a second copy, of which only some files are here.

    Attributes:
        copy, held: where it is from.
        expected: every file that it has there, by the seal.
        target: what to open; other files of it seem to be missing.
    """

    copy: OpenedCopy
    held: HeldSnapshot
    expected: Expectation
    target: SnapshotTarget
    _observe: Observer
    _here: set[str] = field(default_factory=set)

    def fetch(self, backup: Backup, selection: Selection) -> None:
        """Fetch the chosen files; one that is damaged or missing there is left out, with a warning.

        Args:
            backup: ``target``, opened and unlocked; open it again afterwards.
            selection: the files.

        Raises:
            NoRoom: there is too little space for them.
            IbackupError: the copy cannot be read.
        """
        needed = TargetRoom.of_records(backup, selection).needed
        with telling("The free space could not be determined."):
            free = free_bytes(self.expected.folder)
        if needed > free:
            raise NoRoom(
                f"There is not enough space to fetch these files into '{self.expected.folder}'.",
                why=f"They need {size_text(needed)}, and {size_text(free)} are free.",
                hint="Free some space there, or choose fewer files.",
            )
        rows = selection.rows(backup)
        self.fetch_paths(self._places(row.file_id for row in rows if row.kind is Kind.FILE))

    def _places(self, ids: Iterable[str]) -> set[str]:
        """The paths of stored files. Another program may have moved or renamed some, but not their 40 digits."""
        by_id = {
            found[0]: path
            for path in self.expected.sums
            if (found := FILE_ID.match(path.rpartition("/")[2].lower()))
        }
        return {by_id[each] for each in ids if each in by_id}

    def fetch_paths(self, paths: AbstractSet[str]) -> None:
        """Fetch stored files. Raises IbackupError: the copy cannot be read."""
        new = paths - self._here
        if new:
            with contextlib.suppress(DamageFound):  # ``have`` finds it too, file by file
                self.copy.engine.fetch(self.held, self.expected.folder, self._observe, new)
            self.have(new)

    def have(self, paths: Collection[str]) -> None:
        """Compare files that were just fetched with the seal, and remove what is damaged. Raises IbackupError."""
        self._here |= set(paths)
        with telling("What was fetched could not be read."):
            wrong = [
                path for path in sorted(paths) if path in self.expected.sums and not self._is_whole(path)
            ]
        if wrong:
            self._observe(
                Caution(
                    f"{count_text(len(wrong), 'file is', 'files are')} damaged or missing in the copy "
                    f"{self.copy.name}. The first is {wrong[0]}.",
                    f"To find out more: `ibackup copy prove {self.copy.name} --all`",
                )
            )

    def _is_whole(self, path: str) -> bool:
        """Whether a file is what its seal says; what is not is removed, so that nobody takes it for the file."""
        local = self.expected.local(path)
        found = hash_file(local)
        if found is not None and found != self.expected.sums[path]:
            held_files.unlink(local)
        return found == self.expected.sums[path]


@contextlib.contextmanager
def partly_fetched(
    copy: OpenedCopy,
    held: HeldSnapshot,
    parent: str,
    observe: Observer,
    *,
    whole: bool,
    first: First | None = None,
) -> Iterator[PartialSnapshot]:
    """Fetch the lists of a snapshot into a private folder that is removed at the end.

    Files of an encrypted backup stay encrypted there.

    Args:
        copy: the copy.
        held: the snapshot.
        parent: the folder for the private one.
        observe: gets the events.
        first: see ``fetch_records``.
        whole: fetch all of it.

    Raises:
        DamageFound: the lists there are damaged, or are not those that were copied.
        NoRoom: there is too little space for all of it.
        IbackupError: the copy cannot be read; or what ``first`` raises.
    """
    with private_folder(parent) as private:
        folder = os.path.join(private, held.id)
        with telling("There is no place for what is fetched."):
            durable.make_dir(folder)
            if whole:
                require_room(copy, held, folder)
        snapshot = fetch_records(copy, held, folder, observe, first)
        expected = Expectation.of(snapshot)
        target = SnapshotTarget(snapshot.backup_path, snapshot, snapshot.udid, copy=copy.name)
        part = PartialSnapshot(copy, held, expected, target, observe)
        part.have(record_names(held))
        part.fetch_paths(
            expected.sums.keys()
            if whole
            else {f"{held.udid}/{name}" for name in _LISTS} & expected.sums.keys()
        )
        yield part
