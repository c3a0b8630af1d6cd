"""The working copy: the folder in which a run lets the phone write, until it is sealed and renamed to a snapshot.

A run writes only in the working copy that it has claimed by giving it its own name. Each step is recorded in
``run.json`` once it is durable. Whatever interrupts the run, the next command finds either a working copy
that it can continue or a whole snapshot.
"""

import contextlib
import errno
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Self

from ibackup.apple.format_errors import FormatError
from ibackup.apple.plists import StatusPlist
from ibackup.base.closeable import Closeable
from ibackup.base.confined import shown
from ibackup.base.errors import IbackupError, PhoneBusy
from ibackup.base.events import Caution, Observer, ignore
from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.phone_folder import LeftOver, PhoneFolder
from ibackup.store.records import unsynced_runs
from ibackup.store.records.run_record import Phase, RunState, Sealed, new_run_id
from ibackup.store.records.snapshot import Draft, Snapshot
from ibackup.store.work import closing, sealing, sha1_sums
from ibackup.store.work.cloning import LINKERS, BaseChanged, Clone, Cloned
from ibackup.store.work.file_ledger import FileLedger
from ibackup.store.work.ledger_database import LedgerUnsound
from ibackup.store.work.ledger_rebuilding import Reconciled, reconcile
from ibackup.store.work.linkers import Linker
from ibackup.store.work.links_under_way import LinksUnderWay
from ibackup.store.work.seal_beside import SealBeside, start_beside
from ibackup.store.work.sha1_sums import Sums

_log = logging.getLogger(__name__)

LEDGER_NAME = "ledger.sqlite"
STAGING_NAME = "staging"
SUMS_NAME = "sums"
_STATUS_BYTES = 1 << 20


class WorkingCopy(Closeable):
    """A working copy that this run has claimed. The phone's lock must be held.

    Attributes:
        path: its folder; ``root`` is the backup folder in it, ``staging`` is where files are written first.
        ledger: what is known about each file below ``root``.
        run: how far it got.
        base: the snapshot it was cloned from, or None.
        cloned: the result of the clone, for a copy made by this run.
        reconciled: what an interrupted run had left, for a copy taken over from one.
    """

    def __init__(
        self,
        folder: PhoneFolder,
        path: str,
        run: RunState,
        ledger: FileLedger,
        base: Snapshot | None,
        observer: Observer,
    ) -> None:
        self.folder = folder
        self.path = path
        self.run = run
        self.ledger = ledger
        self.base = base
        self.root = os.path.join(path, folder.udid)
        self.staging = os.path.join(path, STAGING_NAME)
        self.cloned = Cloned()
        self.reconciled = Reconciled()
        self._observer = observer
        self._unsound = False
        self._links: LinksUnderWay | None = None
        self._clone: Clone | None = None
        self._beside: SealBeside | None = None

    @classmethod
    def create(
        cls,
        folder: PhoneFolder,
        base: Snapshot | None,
        *,
        copies: bool = False,
        linkers: Sequence[Linker] = LINKERS,
        observer: Observer = ignore,
        soon: bool = False,
    ) -> Self:
        """Make a new working copy, empty or as a clone of ``base``.

        Args:
            folder: of the phone.
            base: what to start from.
            copies: see ``Clone.choose``.
            linkers: see ``Clone.choose``.
            observer: gets what is left out, and the progress.
            soon: return when the ledger is filled, and carry the files meanwhile, if that takes no reading. Until
                ``complete`` returns, nothing that was carried may be changed, and only the files at the top are there.

        Raises:
            NoRoom: the disk is full, or has no links and ``copies`` is False.
            DamageFound: the seal of ``base`` is damaged.
            IbackupError: it cannot be written.
        """
        folder.make()
        started = record_times.now()
        run_id = new_run_id(started)
        path = folder.working_path(run_id)
        with telling("The working copy could not be created."):
            durable.make_dir(path)
            made = cls._in(folder, path, RunState(run_id, "prepared", "", started), observer)
            try:
                made._prepare(base, linkers, copies=copies, soon=soon)  # noqa: SLF001 - its own
            except BaseException:
                made._end_clone()  # noqa: SLF001
                made.ledger.abandon()
                with contextlib.suppress(OSError, IbackupError):  # the next run removes the rest of it
                    folder.discard(path)
                raise
        return made

    def _prepare(self, base: Snapshot | None, linkers: Sequence[Linker], *, copies: bool, soon: bool) -> None:
        """Clone, and make the result durable: after a power cut, the phone would count an empty file as sent."""
        if base is not None:
            sums = Sums(self.folder.sums_file(base.id), base.meta.seal)
            self._clone = Clone(base, self.root, self.ledger, sums=sums, observer=self._observer)
            self.cloned = self._clone.result
            self._clone.choose(linkers, copies=copies)
            self._clone.take_stock(self.folder.proofs(base.id).damaged)
            self.base = base
            self.run = replace(self.run, base=base.id)
            if not soon or not self._clone.is_quick:
                self._clone.carry()
                self._clone.settle()
                self._end_clone()
        self.ledger.make_durable()
        if self._clone is not None:
            folders = self._folders()
            self._links = LinksUnderWay(lambda: self._carry(folders), self._clone.stop)
            return
        new = self.ledger.carried_paths() if self.cloned.copied else ()
        durable.sync_all(self.path, self._paths(new), self._folders())
        self._record()

    def _carry(self, folders: list[str]) -> None:
        """In a thread: carry the files, and make that durable."""
        if self._clone is not None:
            self._clone.carry()
            durable.sync_all(self.path, self._paths(self._clone.copied), folders)

    def complete(self) -> None:
        """Return when everything that the ledger knows is there, and recorded. Nothing of it may change before.

        Raises:
            BaseChanged: files of the base were not as they seemed.
            IbackupError: it cannot be written.
        """
        if self._links is None:
            return
        with telling("The working copy could not be created."):
            self._links.wait()
            late = self._clone.late if self._clone is not None else []
            if late:
                raise BaseChanged(
                    f"{len(late):,} files of snapshot {self.run.base} changed while this backup started from it, "
                    f"{shown(late[0])} for example.",
                    hint="Run `ibackup verify` to see what is damaged, and check the disk.",
                )
            self._end_clone()
            self._record()

    def _record(self) -> None:
        """Record a new working copy, whose files are durable by now: from here on, it can be continued."""
        self.run = self.run.write(self.path)
        durable.sync_dir(self.folder.path)
        _log.debug(
            "a new working copy %s, from %s: %d files carried over, %d left out",
            self.run.run_id,
            self.run.base or "nothing",
            self.cloned.files,
            len(self.cloned.left_out),
        )

    def _end_helpers(self) -> None:
        self._end_clone()
        beside, self._beside = self._beside, None
        if beside is not None:
            beside.close()

    def _end_clone(self) -> None:
        links, self._links = self._links, None
        if links is not None:
            links.give_up()
        clone, self._clone = self._clone, None
        if clone is not None:
            clone.close()

    @classmethod
    def _in(cls, folder: PhoneFolder, path: str, run: RunState, observer: Observer) -> Self:
        durable.make_dir(os.path.join(path, folder.udid))
        durable.make_dir(os.path.join(path, STAGING_NAME))
        return cls(folder, path, run, FileLedger.create(os.path.join(path, LEDGER_NAME)), None, observer)

    @classmethod
    def adopt(cls, folder: PhoneFolder, left: LeftOver, *, observer: Observer = ignore) -> Self:
        """Claim what an interrupted run left (``resumable`` or ``unfinished``) and bring its ledger up to date.

        If the ledger of an unfinished one is lost, the phase goes back to receiving, because then only the
        phone can say whether everything is there.

        Raises:
            PhoneBusy: another run was faster.
            DamageFound: its run.json is damaged.
            IbackupError: it cannot be read or written.
        """
        started = record_times.now()
        run_id = new_run_id(started)
        path = folder.working_path(run_id)
        with telling("The working copy of an interrupted run could not be taken over."):
            try:
                durable.rename_new(left.path, path)
            except FileNotFoundError:
                raise PhoneBusy("Another run has just taken over this phone's working copy.") from None
            durable.sync_dir(folder.path)
            run = RunState.read(path)
            base = _base_of(folder, run)
            made = cls._adopted(folder, path, run, base, observer)
            try:
                # From device_done on, this finishes the earlier run, so its times stay.
                first = run.started if made.run.reached("device_done") else started
                made.run = replace(made.run, run_id=run_id, started=first, resumed=run.resumed + 1).write(
                    path
                )
                made.ledger.begin(made.run.resumed)
                unsynced_runs.settle(run.run_id)
            except BaseException:
                made.ledger.abandon()
                raise
        return made

    @classmethod
    def _adopted(
        cls, folder: PhoneFolder, path: str, run: RunState, base: Snapshot | None, observer: Observer
    ) -> Self:
        ledger_path = os.path.join(path, LEDGER_NAME)
        durable.make_dir(os.path.join(path, STAGING_NAME))
        if run.reached("device_done"):
            with contextlib.suppress(LedgerUnsound):
                return cls(folder, path, run, _sound_ledger(ledger_path), base, observer)
            if run.reached("sealed"):
                # The seal has everything needed from here on.
                return cls(folder, path, run, FileLedger.create(ledger_path), base, observer)
            run = replace(run, phase="receiving", draft=None)
        closing.empty_folder(os.path.join(path, STAGING_NAME))
        root = os.path.join(path, folder.udid)
        durable.make_dir(root)
        lost_power = not run.same_boot or unsynced_runs.is_noted(run.run_id)
        ledger, found = reconcile(
            root,
            ledger_path,
            base,
            rebooted=lost_power,
            moving=bool(run.barrier),
            sending=_is_sending(root),
            damaged=folder.proofs(base.id).damaged if base else frozenset(),
            attempt=run.resumed + 1,
            observer=observer,
        )
        made = cls(folder, path, replace(run, barrier=""), ledger, base, observer)
        made.reconciled = found
        _log.debug(
            "taken over at %s, the computer or its disk went down since: %s; %d files kept, %d read, %d removed",
            run.phase,
            lost_power,
            found.kept_files,
            found.read_files,
            len(found.removed),
        )
        return made

    def close(self) -> None:
        """Close the ledger; everything reported is written first. What is not complete can only be removed then."""
        self._end_helpers()
        self.ledger.close()

    # -- while the phone sends ------------------------------------------------------------------------------

    def advance(self, phase: Phase, *, draft: Draft | None = None, sealed: Sealed | None = None) -> None:
        """Record that a phase is done. For device_done, everything is made durable first.

        Args:
            phase: the finished phase.
            draft: what is known about the snapshot; needed at device_done, and at verified if that changed
                it.
            sealed: only for ``seal``.
        """
        if self._links is not None and phase == "receiving":
            self.run = replace(self.run, phase=phase)  # recorded when it is complete
            return
        with telling("The run's state could not be recorded."):
            if phase == "device_done":
                self.checkpoint()
            run = replace(
                self.run, phase=phase, draft=draft or self.run.draft, sealed=sealed or self.run.sealed
            )
            if run.reached("device_done") and run.draft is None:
                raise IbackupError(f"A run cannot be {phase} without a draft of its snapshot.")
            self.run = run.write(self.path)
        if phase == "device_done":
            self._begin_seal()
        _log.debug("phase %s is done", phase)

    def checkpoint(self) -> None:
        """Make everything that arrived durable, and then the ledger that records it.

        After this, not even a power cut makes the phone send it again. It takes one ``syncfs`` on local Linux
        file systems, and elsewhere an fsync for each file since the last time.
        """
        self.complete()
        began = time.monotonic()
        with telling("The received files could not be written to the disk."):
            if self._unsound:
                # If asked again, the system would report that there is nothing more to write.
                raise OSError(errno.EIO, os.strerror(errno.EIO), self.path)
            try:
                durable.sync_all(self.path, self._paths(self.ledger.unsynced()), self._folders())
            except (OSError, IbackupError):
                self._unsound = True
                unsynced_runs.note(self.run.run_id)
                raise
            self.ledger.mark_synced()
            self.ledger.make_durable()
        _log.debug("all that has come is on the disk, after %.1f s", time.monotonic() - began)

    def barrier(self, state: str) -> None:
        """The same, before a Status.plist with this SnapshotState (``moving`` or ``finished``) is stored.

        The phone's order of operations is its transaction log: no operation may reach the disk before an
        earlier one.
        """
        self.checkpoint()
        with telling("The run's state could not be recorded."):
            self.run = replace(self.run, barrier=state).write(self.path)
        if self._beside is None:  # it loads while the phone moves and removes files
            self._beside = start_beside(self.ledger)

    def settled(self, _state: str) -> None:
        """Make sure that the Status.plist just stored is on the disk, before the phone acts on it."""
        with telling("The run's state could not be written to the disk."):
            durable.sync_all(self.root, [os.path.join(self.root, "Status.plist")], [self.root])

    def suspend(self) -> None:
        """Leave an interrupted run so that nothing received is lost, whatever happens to the computer next."""
        self.checkpoint()
        self.close()

    def _paths(self, below: "closing.Paths") -> "closing.Paths":
        return (os.path.join(self.root, *path.split("/")) for path in below)

    def _folders(self) -> list[str]:
        below = [os.path.join(self.root, *folder.split("/")) for folder in self.ledger.folders()]
        return [*reversed(below), self.path]

    # -- when the phone is done -----------------------------------------------------------------------------

    def _begin_seal(self) -> None:
        """Have the seal prepared while the list is checked. From here on, only SHA-1s are added to the ledger."""
        if self._beside is not None and not closing.has_snapshot_dir(self.ledger):
            self.ledger.leave_file()
            self._beside.begin(self.path, self.folder.udid, self.ledger.path)

    def _sealed(self) -> tuple[Sealed, bool]:
        """Compare, freeze and seal; also whether the file system accepted the modes."""
        if self._beside is not None:
            sealed = self._beside.sealed()
            modes = None if sealed is None else self._beside.freeze()
            self._end_helpers()
            if sealed is not None and modes is not None:
                sealing.publish_seal(self.path)
                return sealed, modes
        modes = sealing.compare_and_freeze(self.root, self.ledger)
        sealed = sealing.prepare_seal(self.path, self.folder.udid, self.ledger)
        sealing.publish_seal(self.path)
        return sealed, modes

    def seal(self) -> Sealed:
        """Compare the ledger with the disk, then write SHA256SUMS from it.

        What the phone left in ``Snapshot/`` is not part of a finished backup and is removed; empty folders
        stay as the phone made them.

        Raises:
            DamageFound: a file is missing, has another size, or is not in the ledger.
        """
        with telling("The seal could not be written."):
            left = closing.remove_snapshot_dir(self.root, self.ledger)
            if left:
                self._observer(Caution(f"The phone left {left} files in Snapshot/. ibackup removed them."))
            sealed, modes = self._sealed()
            if not modes:
                self._observer(
                    Caution(
                        (
                            "This file system does not support permissions, so the snapshot's files are "
                            "not write-protected."
                        ),
                        (
                            "Make sure that no other program writes to them; `ibackup verify` would find "
                            "such changes."
                        ),
                    )
                )
        sha1_sums.write(os.path.join(self.path, SUMS_NAME), sealed.sha256, self.ledger.sha1_sums())
        self.advance("sealed", sealed=sealed)
        return sealed

    def make_durable(self) -> None:
        """Make sure that every byte of the future snapshot is on the disk."""
        with telling("The snapshot could not be written to the disk."):
            files = chain([sealing.seal_path(self.path)], self._paths(self.ledger.unsynced()))
            durable.sync_all(self.path, files, self._folders())
        self.advance("synced")

    def commit(self) -> Snapshot:
        """Give the sealed and durable copy its record and its final name; from then on it is a snapshot."""
        draft, sealed = self.run.draft, self.run.sealed
        if draft is None or sealed is None or not self.run.reached("synced"):
            raise IbackupError("A working copy cannot become a snapshot before it is sealed and durable.")
        with telling("The snapshot could not get its final name."):
            closing.write_meta(self.folder, self.path, draft, sealed)
            self.advance("committed")
            self.ledger.abandon()
            closing.keep_sums(self.folder, os.path.join(self.path, SUMS_NAME), draft.started)
            closing.tidy(self.path)
            return closing.rename(self.folder, self.path, draft.started, self._observer)

    # -- if it fails ----------------------------------------------------------------------------------------

    def set_aside(self) -> str:
        """Move it out of the way; a later run makes a new one. Returns its new path."""
        self.close()
        _log.debug("the working copy %s is set aside", self.run.run_id)
        return self.folder.set_aside(self.path)

    def discard(self) -> None:
        """Remove it with everything in it."""
        self._end_helpers()
        self.ledger.abandon()
        self.folder.discard(self.path)


def _sound_ledger(path: str) -> FileLedger:
    if not os.path.exists(path):
        raise LedgerUnsound("it is not there")
    ledger = FileLedger(path)
    try:
        ledger.check()
    except BaseException:
        ledger.abandon()
        raise
    return ledger


def _is_sending(root: str) -> bool:
    """Whether the phone was still sending, or had not begun, according to its Status.plist."""
    try:
        with open(os.path.join(root, "Status.plist"), "rb") as file:
            return StatusPlist.parse(file.read(_STATUS_BYTES)).snapshot_state == "uploading"
    except FileNotFoundError:
        return True
    except (OSError, FormatError):
        return False  # in doubt, keep it with what is known about it


def _base_of(folder: PhoneFolder, run: RunState) -> Snapshot | None:
    """The snapshot that a run cloned, if it still exists and is intact enough to compare with."""
    if not run.base:
        return None
    try:
        base = folder.find(run.base)
        base.verify_seal_file()
    except (IbackupError, OSError):
        return None
    return base
