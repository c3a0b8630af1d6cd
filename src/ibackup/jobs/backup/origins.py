"""Whether what is wrong with a backup came from the phone, or happened on this computer."""

import os
from collections.abc import Iterable, Iterator
from functools import cached_property

from ibackup.apple.backup import DATABASE, LEGACY_DATABASE
from ibackup.apple.reasons import Reason
from ibackup.base.errors import IbackupError
from ibackup.base.sizes import bytes_text
from ibackup.store.disk.disk_errors import telling
from ibackup.store.records import failed_endings
from ibackup.store.records.snapshot import Flawed, hash_file
from ibackup.store.work.ledger_lines import Origin
from ibackup.store.work.working_copy import WorkingCopy


def was_so_before(working: WorkingCopy) -> bool:
    """Whether the last run came to the phone's end, too, and was not what the list says."""
    return any(ending.code == failed_endings.NO_ERROR for ending in working.folder.endings())


def unread(working: WorkingCopy) -> Iterator[Flawed]:
    """What the phone could not read, also in attempts that this one continues, and what is kept of it."""
    before = {file.path: file for file in working.base.meta.flawed} if working.base is not None else {}
    for file in working.ledger.unread():
        line = working.ledger.line(file.path)
        said = file.said or "no reason given"
        if line is None:
            kept = "nothing of it is kept"
        elif line.origin is Origin.CARRIED:
            if file.path in before:
                yield before[file.path]
                continue
            yield Flawed(file.device_path, file.path, Reason.OLDER, said)
            continue
        else:
            kept = f"its first {bytes_text(file.size)} are kept" if file.size else "nothing of it came"
        yield Flawed(file.device_path, file.path, Reason.UNREADABLE, f"{said}; {kept}")


class Origins:
    """Where the faults of one working copy come from.

    Args:
        working: at ``device_done``.
    """

    def __init__(self, working: WorkingCopy) -> None:
        self._working = working

    @cached_property
    def list_is_as_sent(self) -> bool:
        """Whether the list of files on the disk is, byte for byte, what the phone sent."""
        working = self._working
        with telling("The backup could not be checked."):
            for name in (DATABASE, LEGACY_DATABASE):
                line = working.ledger.line(name)
                if line is not None:
                    return hash_file(os.path.join(working.root, name)) == line.sha256
        return False

    def never_sent(self, path: str) -> bool:
        """Whether the phone does not send a file that it lists, however often it is asked.

        It did not at the run before, or the last backup already lacks the file; and this computer has not lost it.
        """
        if path in self._absent_before:
            return True
        return self._was_so_before and not self._is_lost(path)

    def lost_here(self, paths: Iterable[str]) -> bool:
        """Whether one of these missing files was in the last backup, and this computer lost it since."""
        return any(self._is_lost(path) for path in paths)

    def _is_lost(self, path: str) -> bool:
        base = self._working.base
        if base is None or not path or self._working.ledger.line(path) is not None:
            return False
        if path in self._left_out:
            return True
        had = self._sealed_in_base(path)
        return had and not os.path.lexists(os.path.join(base.backup_path, *path.split("/")))

    def _sealed_in_base(self, path: str) -> bool:
        base = self._working.base
        try:
            return base is not None and base.seal.get(path) is not None
        except (IbackupError, OSError):
            return True  # what it had is unknown

    @cached_property
    def _left_out(self) -> frozenset[str]:
        """What the clone of the last backup left out because it was damaged; also in a run that continues another."""
        base = self._working.base
        known = self._working.folder.proofs(base.id).damaged if base is not None else ()
        return frozenset([*self._working.cloned.left_out, *known])

    @cached_property
    def _absent_before(self) -> frozenset[str]:
        base, newest = self._working.base, self._working.folder.standing().newest_good
        found = base.meta.absent if base is not None else frozenset()
        return found | (newest.snapshot.meta.absent if newest is not None else frozenset())

    @cached_property
    def _was_so_before(self) -> bool:
        return was_so_before(self._working)
