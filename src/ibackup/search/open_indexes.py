"""Opens the indexes of a phone's snapshots, or of one backup folder, and brings them up to date.

They can stay open for one search after the other: reading an index takes longer than searching in it.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.base.closeable import Closeable
from ibackup.base.errors import DamageFound, NotABackup, PasswordNeeded
from ibackup.base.events import Caution, Observer, PhaseStarted, Progress, ignore
from ibackup.contents.gaps import Gap
from ibackup.search.index_container import IndexNotKept, IndexUnusable
from ibackup.search.kept_indexes import KeptIndexes
from ibackup.search.search_gaps import SearchGap
from ibackup.search.snapshot_group import IndexFile, SnapshotGroup
from ibackup.search.snapshot_index import SnapshotIndex
from ibackup.search.text_blocks import MemoryBlocks
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import BrokenSnapshot, Snapshot
from ibackup.vault.unlocker import Unlocker

_OPENING: Final = PhaseStarted("prepare", "Opening the encrypted backup.")


class OpenIndexes(Closeable):
    """The open indexes of one phone or folder; close them when done. Use them in one thread.

    Attributes:
        groups: the snapshots by their keys.
        snapshots: the ids of all that are known, oldest first, each with the time of its data.
        gaps: what could not be read.
    """

    def __init__(
        self,
        groups: Sequence[SnapshotGroup],
        snapshots: Mapping[str, datetime | None],
        gaps: Sequence[SearchGap],
    ) -> None:
        self.groups = tuple(groups)
        self.snapshots = snapshots
        self.gaps = tuple(dict.fromkeys(gaps))

    def close(self) -> None:
        """Give the memory back."""
        for group in self.groups:
            group.let_go()
            group.backup.close()


class IndexOpener:
    """Opens indexes.

    Args:
        unlocker: opens encrypted backups.
        observe: gets phases, progress and cautions.
    """

    def __init__(self, unlocker: Unlocker, observe: Observer = ignore) -> None:
        self._unlocker = unlocker
        self._observe = observe

    # -- a folder ---------------------------------------------------------------------------------------------

    def folder(self, path: str, udid: str | None = None) -> OpenIndexes:
        """The index of one backup folder; nothing of it is kept.

        Raises:
            PasswordNeeded: it is encrypted and no password opens it.
            NotABackup, FormatError: it cannot be read.
            NoRoom: there is no space for a temporary copy.
        """
        with ExitStack() as stack:
            backup = stack.enter_context(Backup.open(path, known=True))
            backup.salvage()
            if not backup.unlocked:
                backup.refuse_without_list()
            self._unlocker.open(backup, udid, _OPENING)
            if not backup.unlocked:
                raise _needed()
            group = SnapshotGroup(None, backup)
            stack.callback(group.let_go)
            from ibackup.search.index_building import add_backup

            group.index = SnapshotIndex()
            blocks = MemoryBlocks()
            group.index.write_to(blocks)
            add_backup(group.index, backup, path, "", None, _Reading(self._observe, 1))
            group.index.end_block()
            group.index.read_from(blocks)
            self._learn(group)
            gaps = [_gap(path, gap, lost=lost) for _, gap, lost in group.index.gaps]
            found = OpenIndexes([group], {path: None}, gaps)
            stack.pop_all()
            return found

    # -- the snapshots of a phone -----------------------------------------------------------------------------

    def phone(self, folder: PhoneFolder, store: str, *, fresh: bool = False) -> OpenIndexes:
        """The indexes of the snapshots of a phone.

        Args:
            folder: of the phone.
            store: id of the store.
            fresh: begin again, since a text of what is kept cannot be read.

        Raises:
            NoRoom: there is no space for a temporary copy.
        """
        kept = KeptIndexes(store, folder.udid)
        if fresh:
            kept.forget_others([])
        entries = folder.entries()
        gaps = [
            SearchGap(each.id, each.error.message) for each in entries if isinstance(each, BrokenSnapshot)
        ]
        snapshots = sorted(
            (each for each in entries if isinstance(each, Snapshot)),
            key=lambda each: (each.meta.data_from, each.meta.sequence),
        )
        with ExitStack() as stack:
            groups = self._groups(snapshots, kept, folder.udid, gaps, stack)
            for group in groups:
                if group.locked is None:
                    self._bring_up_to_date(group, snapshots, kept, gaps)
            if all(gap.minor for gap in gaps):  # else the keys of some snapshots are not known
                kept.forget_others([group.keybag for group in groups])
            known = {ident for group in groups for ident in group.known}
            order = {each.id: each.meta.data_from for each in snapshots if each.id in known}
            found = OpenIndexes(groups, order, gaps)
            stack.pop_all()
            return found

    def _groups(
        self,
        snapshots: Sequence[Snapshot],
        kept: KeptIndexes,
        udid: str,
        gaps: list[SearchGap],
        stack: ExitStack,
    ) -> list[SnapshotGroup]:
        """The snapshots by their keys, each with its index, and which ones that lacks."""
        groups: dict[bytes | None, SnapshotGroup] = {}
        seals = {each.id: each.meta.seal for each in snapshots}
        covered: set[str] = set()
        for snapshot in reversed(snapshots):
            if snapshot.id in covered:
                continue
            with ExitStack() as opening:
                try:
                    backup = opening.enter_context(Backup.open(snapshot.backup_path, known=True))
                    backup.salvage()
                    keybag = backup.manifest.keybag if backup.is_encrypted else None
                    group = groups.get(keybag)
                    if group is None:
                        group = SnapshotGroup(keybag, backup, self._locked(backup, udid))
                        groups[keybag] = group
                        stack.push(opening.pop_all())
                        stack.callback(group.let_go)
                        covered |= self._opened(group, kept, seals)
                except (FormatError, NotABackup, DamageFound, OSError) as error:
                    if os.path.lexists(snapshot.path):
                        gaps.append(SearchGap(snapshot.id, _why(error)))
                    continue
            if group.locked is not None:
                gaps.append(SearchGap(snapshot.id, group.locked.message, locked=True))
            elif snapshot.id not in covered:
                group.members.add(snapshot.id)
                group.new = True
        return list(groups.values())

    def _locked(self, backup: Backup, udid: str) -> PasswordNeeded | None:
        try:
            self._unlocker.open(backup, udid, _OPENING)
        except PasswordNeeded as error:
            return error
        return None if backup.unlocked else _needed()

    @staticmethod
    def _opened(group: SnapshotGroup, kept: KeptIndexes, seals: Mapping[str, str]) -> set[str]:
        """Open the index of a group; the snapshots that it knows as they are."""
        if group.locked is None and SnapshotIndex.can_be_kept():
            group.take(kept.open(group.keybag, group.secret))
        if group.index is None:
            return set()
        try:
            known = {each.id for each in group.index.snapshots if seals.get(each.id) == each.seal}
        except IndexUnusable:
            group.let_go()
            return set()
        group.members |= known
        return known

    # -- bringing an index up to date -------------------------------------------------------------------------

    def _bring_up_to_date(
        self, group: SnapshotGroup, snapshots: Sequence[Snapshot], kept: KeptIndexes, gaps: list[SearchGap]
    ) -> None:
        seals = {each.id: each.meta.seal for each in snapshots}
        if not SnapshotIndex.can_be_kept():
            self._update(group, snapshots, None, gaps)
        elif group.new or self._stale(group, seals):
            try:
                with kept.lock(self._observe):
                    group.take(kept.open(group.keybag, group.secret))
                    self._update(group, snapshots, kept, gaps)
            except IndexNotKept as error:
                self._observe(
                    Caution(
                        f"What was read for the search could not be kept: {error}.",
                        "The next search has to read the snapshots again.",
                    )
                )
                group.let_go()
                self._update(group, snapshots, None, gaps)
        self._learn(group)
        if group.index is not None:
            ids = {number: ident for ident, number in group.known.items()}
            gaps += [
                _gap(ids[number], gap, lost=lost) for number, gap, lost in group.index.gaps if number in ids
            ]

    @staticmethod
    def _stale(group: SnapshotGroup, seals: dict[str, str]) -> list[int]:
        if group.index is None:
            return []
        return [each.number for each in group.index.snapshots if seals.get(each.id) != each.seal]

    @staticmethod
    def _learn(group: SnapshotGroup) -> None:
        if group.index is not None:
            group.known = {each.id: each.number for each in group.index.snapshots}

    def _update(
        self,
        group: SnapshotGroup,
        snapshots: Sequence[Snapshot],
        kept: KeptIndexes | None,
        gaps: list[SearchGap],
    ) -> None:
        """Add what is new and drop what is gone; the lock is held."""
        building = IndexFile(group, kept)
        try:
            wanted = self._wanted(group, snapshots)
            try:
                building.begin(self._stale(group, {each.id: each.meta.seal for each in snapshots}))
            except IndexUnusable:
                group.let_go()
                wanted = self._wanted(group, snapshots)
                building.begin([])
            reading = _Reading(self._observe, len(wanted))
            for place, snapshot in enumerate(wanted):
                self._add(group, snapshot, reading, gaps)
                reading.end_snapshot()
                building.save_now_and_then(more=place + 1 < len(wanted))
            building.end()
        finally:
            building.drop()

    @staticmethod
    def _wanted(group: SnapshotGroup, snapshots: Sequence[Snapshot]) -> list[Snapshot]:
        """The snapshots to add, oldest first. One older than those that are known means beginning again."""
        known: set[str] = set()
        seals = {each.id: each.meta.seal for each in snapshots}
        if group.index is not None:
            known = {each.id for each in group.index.snapshots if seals.get(each.id) == each.seal}
        mine = [each for each in snapshots if each.id in known or each.id in group.members]
        new = [each for each in mine if each.id not in known]
        if new and mine.index(new[0]) < len(mine) - len(new):
            group.let_go()
            return mine
        return new

    def _add(
        self,
        group: SnapshotGroup,
        snapshot: Snapshot,
        tick: Callable[[int], None],
        gaps: list[SearchGap],
    ) -> None:
        from ibackup.search.index_building import (
            add_backup,
            sums_of,
        )  # reads much that a second search can do without

        if group.index is None:
            return
        try:
            with Backup.open(snapshot.backup_path, known=True) as backup:
                backup.salvage()
                if not backup.unlock_like(group.backup):
                    self._unlocker.open(backup, snapshot.udid)
                add_backup(group.index, backup, snapshot.id, snapshot.meta.seal, sums_of(snapshot), tick)
        except (FormatError, NotABackup, DamageFound) as error:
            if os.path.lexists(snapshot.path):  # else it was pruned meanwhile
                gaps.append(SearchGap(snapshot.id, _why(error)))


class _Reading:
    """How far the reading of snapshots is; called with each further number of documents."""

    def __init__(self, observe: Observer, snapshots: int) -> None:
        self._observe = observe
        self._snapshots = snapshots
        self._done = self._documents = 0
        self._in_this = self._in_last = 0
        if snapshots:
            what = "a snapshot" if snapshots == 1 else f"{snapshots:,} snapshots"
            observe(PhaseStarted("search", f"Reading {what} for the search."))

    def __call__(self, documents: int) -> None:
        self._documents += documents
        self._in_this += documents
        # A snapshot has about as much as the one before.
        part = min(self._in_this / self._in_last, 0.95) if self._in_last else 0.0
        percent = 100 * (self._done + part) / self._snapshots
        self._observe(Progress("search", percent=percent, files=self._documents))

    def end_snapshot(self) -> None:
        """Begin the next one."""
        self._done += 1
        self._in_last, self._in_this = max(self._in_this, self._in_last), 0
        self(0)


def _needed() -> PasswordNeeded:
    return PasswordNeeded(
        "This backup is encrypted and no password was given.",
        hint="Use --password-file or --password-command, or set IBACKUP_PASSWORD_FILE; on a terminal you are "
        "asked for it.",
    )


def _gap(snapshot: str, gap: Gap, *, lost: bool) -> SearchGap:
    return SearchGap(snapshot, f"{gap.part}: {gap.reason}", minor=not lost)


def _why(error: FormatError | NotABackup | DamageFound | OSError) -> str:
    """Why a snapshot cannot be searched, for people."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return error.message
