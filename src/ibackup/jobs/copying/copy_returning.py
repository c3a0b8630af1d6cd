"""Brings a snapshot back into the store from a second copy: it gets its name when all of it is verified and durable."""

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ibackup.base import held as held_files
from ibackup.base.errors import DamageFound, IbackupError, PhoneBusy, UsageError
from ibackup.base.events import Note, Observer, PhaseStarted
from ibackup.base.slices import SLICE_S
from ibackup.copies.copy_errors import CopyLocked
from ibackup.copies.copy_records import CopyRecord
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.copying.copy_getting import GotSnapshot, get, verified
from ibackup.jobs.copying.copy_run import by_id
from ibackup.jobs.copying.file_sharing import Sharing
from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.freshness import Known, is_ahead
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.private_folder import continued_folder, continued_path
from ibackup.store.records.proof_records import Proof, Proofs
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.work.sealing import FROZEN

_BESIDE = "`ibackup copy get {} --to FOLDER` fetches it into another folder."


@dataclass(frozen=True, slots=True)
class ReturnedSnapshot:
    """A snapshot that is in the store again, and how much of it shares the space of its neighbours."""

    snapshot: Snapshot
    got: GotSnapshot
    shared_files: int
    shared_bytes: int


def bring_back(
    copy: OpenedCopy,
    held: HeldSnapshot,
    there: Sequence[HeldSnapshot],
    folder: PhoneFolder,
    observe: Observer,
) -> ReturnedSnapshot:
    """Fetch a snapshot beside the phone's folder, verify every byte, and put it among the phone's snapshots, pinned.

    The phone's lock is held only at the end, so that fetching holds no backup up. What an interrupted run fetched stays
    at ``left_of`` for a week, and the next run continues with it.

    Args:
        copy: the copy.
        held: the snapshot there.
        there: everything that the copy holds; the store then knows of it.
        folder: of its phone in the store.
        observe: gets the events.

    Raises:
        UsageError: it is in the store already, or would count as newer than a later backup.
        DamageFound: what came is damaged, or is not the snapshot that was copied. Nothing of it is in the store.
        NoRoom: there is too little space on the store's disk.
        IbackupError: the copy cannot be read, or the store cannot be written.
    """
    _refuse_known(folder, held)
    with continued_folder(*_place_beside(folder, held)) as private:
        got = _got(copy, held, private, observe)
        _refuse_out_of_order(folder, held, Known(got.snapshot, "").made)
        fresh = Expectation.of(got.snapshot)
        sharing = Sharing(fresh, os.path.join(private, "links"))
        with telling("The snapshot could not be prepared for the store."):
            for neighbour in _neighbours(folder, held.id):
                observe(PhaseStarted("copy", f"Looking for files that snapshot {neighbour.id} has too."))
                # One that is removed or damaged meanwhile shares nothing.
                with contextlib.suppress(IbackupError), folder.hold(neighbour, f"return-{held.id}"):
                    sharing.share_with(neighbour)
            _make_durable(got.snapshot.path, fresh)
        with _turn(folder, observe):
            snapshot = _place(folder, got, copy.name)
            folder.note_returned(held.id)
    with contextlib.suppress(CopyLocked), copy.alone():  # a run that is at work there finds them, too
        record = CopyRecord.read(folder.proofs_path, copy.name, copy.config.repository_id)
        for each in by_id(there, folder.udid, record).values():
            record = record.with_found(each)
        record.write(folder.proofs_path, copy.name)
    return ReturnedSnapshot(snapshot, got, sharing.files, sharing.size)


def left_of(folder: PhoneFolder, held: HeldSnapshot) -> str:
    """Where an interrupted run leaves what it fetched."""
    return continued_path(*_place_beside(folder, held))


def _place_beside(folder: PhoneFolder, held: HeldSnapshot) -> tuple[str, str]:
    return os.path.dirname(folder.path), f"{folder.udid}-{held.id}"


def _got(copy: OpenedCopy, held: HeldSnapshot, private: str, observe: Observer) -> GotSnapshot:
    whole = os.path.join(private, held.id)
    if os.path.isdir(whole):
        # An earlier run was stopped when all of it was there. A power cut may have undone that.
        with contextlib.suppress(DamageFound):
            got = verified(held, whole, observe)
            if got.verdict.status != "damaged":
                return got
        with telling("What an earlier run fetched could not be replaced."):
            held_files.remove_tree(whole)
    why = "It does not match its seal."
    try:
        got = get(copy, held, private, observe)
        if got.verdict.status != "damaged":
            return got
    except DamageFound as error:
        why = error.message
    raise DamageFound(
        f"Snapshot {held.id} came from {copy.name} damaged, so it is not in the store.",
        why=why,
        hint=f"For the rest of it: {_BESIDE.format(held.id)}",
    )


def _refuse_known(folder: PhoneFolder, held: HeldSnapshot) -> None:
    for entry in folder.entries():
        if entry.id != held.id:
            continue
        same = isinstance(entry, Snapshot) and entry.meta.seal == held.seal
        raise UsageError(
            f"Snapshot {held.id} is in the store already."
            if same
            else f"The store has another snapshot {held.id}, or a damaged one.",
            hint=_BESIDE.format(held.id),
        )


def _refuse_out_of_order(folder: PhoneFolder, held: HeldSnapshot, made: datetime) -> None:
    """Ids give the order: ``latest``, and what the next backup builds on, must stay the newest data."""
    now = record_times.now()
    if is_ahead(made, now) or is_ahead(record_times.from_id(held.id), now):
        raise UsageError(
            f"Snapshot {held.id} is dated in the future, so it would hide the backups that follow.",
            hint=_BESIDE.format(held.id),
        )
    hidden = [each for each in folder.standing().snapshots if each.id < held.id and each.made > made]
    if hidden:
        raise UsageError(
            f"Snapshot {held.id} would count as newer than snapshot {hidden[-1].id}, which is from a later date.",
            why="A clock was wrong when one of them was made.",
            hint=_BESIDE.format(held.id),
        )


def _neighbours(folder: PhoneFolder, snapshot_id: str) -> list[Snapshot]:
    """The snapshots before and after it."""
    found = folder.snapshots()
    before = [each for each in found if each.id < snapshot_id][-1:]
    return before + [each for each in found if each.id > snapshot_id][:1]


def _make_durable(path: str, fresh: Expectation) -> None:
    """Refuse what the seal does not name, take the modes of a snapshot, and write all of it to the disk.

    Raises DamageFound, OSError.
    """
    folders: list[str] = []
    for folder, below, names in os.walk(path, topdown=False):
        for name in (*below, *names):
            file = os.path.join(folder, name)
            facts = os.lstat(file)
            if stat.S_ISDIR(facts.st_mode):
                continue
            known = os.path.relpath(file, path).replace(os.sep, "/")
            if not stat.S_ISREG(facts.st_mode) or known not in fresh.sums:
                raise DamageFound(f"What came has something that its seal does not name: {known!a}.")
            if os.name == "posix" and facts.st_nlink == 1:
                durable.set_mode(file, FROZEN)
        if os.name == "posix":
            durable.set_mode(folder, 0o700)
        folders.append(folder)
    durable.sync_all(path, map(fresh.local, fresh.sums), folders)


@contextlib.contextmanager
def _turn(folder: PhoneFolder, observe: Observer) -> Iterator[None]:
    """Hold the phone's lock; a backup that runs now ends first, since what took hours to fetch must not be lost."""
    lock, told = folder.lock(), False
    while True:
        try:
            lock.acquire()
            break
        except PhoneBusy:
            if not told:
                observe(Note("A backup of this phone is running. The snapshot gets its name when that ends."))
            told = True
            time.sleep(SLICE_S)
    try:
        yield
    finally:
        lock.release()


def _place(folder: PhoneFolder, got: GotSnapshot, name: str) -> Snapshot:
    """Give it its name. The pin comes first: no prune must find it without one."""
    held = got.held
    _refuse_known(folder, held)
    _refuse_out_of_order(folder, held, Known(got.snapshot, "").made)
    proof = Proof("full", record_times.now(), got.verdict.status)
    proofs = Proofs((proof,), pinned=True, pin_note=f"fetched from {name}")
    folder.change_proofs(held.id, lambda _of_an_earlier_one: proofs, "The pin could not be recorded.")
    folder.note_returned(held.id)
    target = os.path.join(folder.snapshots_path, held.id)
    with telling("The snapshot could not get its name."):
        durable.rename_new(got.snapshot.path, target)
        durable.sync_dir(folder.snapshots_path)
    return Snapshot.open(target)
