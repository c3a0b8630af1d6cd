"""Fetches a snapshot back from a second copy, and verifies what came."""

import contextlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from ibackup.apple.backup import MANIFEST, Backup
from ibackup.apple.verify.findings import Level
from ibackup.base import held as held_files
from ibackup.base.counts import count_text
from ibackup.base.errors import DamageFound, NoRoom, PhoneBusy, UsageError
from ibackup.base.events import Note, Observer, PhaseStarted
from ibackup.base.sizes import size_text
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.proving.backup_proof import ProofVerdict, prove
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.free_space import free_bytes
from ibackup.store.disk.lock import PhoneLock
from ibackup.store.records.snapshot import META_NAME, SEAL_NAME, Snapshot, hash_file

_BLOCK = 4096  # bytes that files are rounded up to on most disks

First = Callable[[Backup], object]


@dataclass(frozen=True, slots=True)
class GotSnapshot:
    """A snapshot that was fetched, and what a full verification said about it."""

    held: HeldSnapshot
    snapshot: Snapshot
    verdict: ProofVerdict


def choose(held: Sequence[HeldSnapshot], ref: str, udid: str | None, name: str) -> HeldSnapshot:
    """The held snapshot that a reference means: an id, a unique beginning of one, or ``latest``.

    Raises:
        UsageError: none, or several.
    """
    found = [
        each
        for each in held
        if (udid is None or each.udid == udid) and (ref == "latest" or each.id.startswith(ref))
    ]
    if not found:
        known = ", ".join(sorted({each.id for each in held})) or "none"
        raise UsageError(f"The copy {name} has no snapshot {ref!r}.", hint=f"It has: {known}.")
    phones = sorted({each.udid for each in found})
    if len(phones) > 1:
        raise UsageError(
            f"Several phones have such a snapshot in the copy {name}.",
            hint=f"Choose one with --phone: {', '.join(phones)}.",
        )
    ids = sorted({each.id for each in found})
    if ref != "latest" and len(ids) > 1:
        raise UsageError(f"Several snapshots begin with {ref!r}.", hint=f"Choose one of: {', '.join(ids)}.")
    return max(found, key=lambda each: each.id)


def get(
    copy: OpenedCopy, held: HeldSnapshot, folder: str, observe: Observer, first: First | None = None
) -> GotSnapshot:
    """Fetch a snapshot into a folder below ``folder`` that has its id, and verify every byte.

    Until all of it is there, the folder's name ends in ``.part``. If an earlier run left that, what it has and matches
    the seal is not fetched again.

    Args:
        copy: the copy.
        held: the snapshot there.
        folder: is made if it is missing.
        observe: gets the events.
        first: see ``fetch_records``; None if the snapshot is only fetched.

    Raises:
        UsageError: the folder is there already.
        PhoneBusy: another run fetches it to the same place.
        DamageFound: what came is not the snapshot that was copied.
        NoRoom: there is too little space for it.
        IbackupError: the copy cannot be read; or what ``first`` raises.
    """
    target, part = os.path.join(folder, held.id), part_of(folder, held)
    if os.path.lexists(target):
        raise UsageError(f"'{target}' is there already.", hint="Give another folder with --to.")
    with telling(f"The folder '{folder}' could not be made."):
        durable.make_dir(folder, parents=True)
    with _alone(part):
        continues = _is_left_over(part, held)
        if not continues:
            with telling(f"The folder '{part}' could not be made."):
                require_room(copy, held, folder)
                durable.make_dir(part)
        if continues or first is not None:
            expected = Expectation.of(fetch_records(copy, held, part, observe, first))
            here = _kept(expected, observe) if continues else expected.sums.keys() & record_names(held)
            if continues:
                with telling("The free space could not be determined."):
                    require_room(copy, held, folder, here)
            if missing := expected.sums.keys() - here:
                copy.engine.fetch(held, part, observe, missing)
        else:
            copy.engine.fetch(held, part, observe)
        with telling(f"'{part}' could not be renamed."):
            durable.rename_new(part, target)
    return verified(held, target, observe)


def part_of(folder: str, held: HeldSnapshot) -> str:
    """Where a snapshot is until all of it was fetched into a folder."""
    return os.path.join(folder, held.id + ".part")


@contextlib.contextmanager
def _alone(part: str) -> Iterator[None]:
    """Keep another run from fetching to the same place. Raises PhoneBusy."""
    lock = PhoneLock(part + ".lock")
    try:
        lock.acquire()
    except PhoneBusy as error:
        raise PhoneBusy(f"Another run of ibackup fetches to '{part}'.", hint=error.hint) from None
    try:
        yield
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            held_files.unlink(part + ".lock")


def _is_left_over(part: str, held: HeldSnapshot) -> bool:
    """Whether an earlier run left part of this snapshot there. Raises UsageError for anything else of that name."""
    if not os.path.lexists(part):
        return False
    with telling(f"'{part}' could not be read.", reading=True):
        names = [] if os.path.islink(part) else os.listdir(part)
        ours = {SEAL_NAME, META_NAME, held.udid}.issuperset(names)
        if not ours or any(map(os.path.islink, [part, *(os.path.join(part, name) for name in names)])):
            raise UsageError(
                f"'{part}' is there already, and it is no snapshot that ibackup fetched in part.",
                hint="Remove it, or give another folder with --to.",
            )
    return True


def record_names(held: HeldSnapshot) -> set[str]:
    """The files that say which files there are, and whether a password fits."""
    return {SEAL_NAME, META_NAME, f"{held.udid}/{MANIFEST}"}


def fetch_records(
    copy: OpenedCopy, held: HeldSnapshot, folder: str, observe: Observer, first: First | None = None
) -> Snapshot:
    """Fetch only what says which files a snapshot has, into a folder that has no other file of it but the same.

    Args:
        copy: the copy.
        held: the snapshot there.
        folder: for the snapshot.
        observe: gets the events.
        first: gets the backup, which has no list of files yet; it may raise, for example for a wrong password, before
            much is fetched for nothing. Not called if the part of it that says so is damaged.

    Raises:
        DamageFound: it is not the snapshot that was copied.
        IbackupError: the copy cannot be read; or what ``first`` raises.
    """
    wanted = record_names(held)
    with telling("What an earlier run fetched could not be replaced."):
        for path in wanted:
            with contextlib.suppress(FileNotFoundError):
                held_files.unlink(os.path.join(folder, *path.split("/")))
    with contextlib.suppress(DamageFound):  # found again below, or when all of it is verified
        copy.engine.fetch(held, folder, observe, wanted)
    snapshot = opened_as(held, folder)
    sealed = Expectation.of(snapshot).sums.get(f"{held.udid}/{MANIFEST}")
    if first is not None and sealed is not None:
        with telling("What was fetched could not be read."):
            whole = hash_file(os.path.join(snapshot.backup_path, MANIFEST)) == sealed
        if whole:
            with Backup.open(snapshot.backup_path, known=True) as backup:
                first(backup)
    return snapshot


def _kept(expected: Expectation, observe: Observer) -> set[str]:
    """The files that are here already, as the seal has them; everything else is removed. Raises IbackupError."""
    observe(PhaseStarted("verify", "Comparing with the seal what an earlier run fetched."))
    here: set[str] = set()
    with telling("What an earlier run fetched could not be read."):
        for folder, below, names in os.walk(expected.folder):
            for name in (*below, *names):
                file = os.path.join(folder, name)
                if os.path.isdir(file) and not os.path.islink(file):
                    continue
                path = os.path.relpath(file, expected.folder).replace(os.sep, "/")
                wanted = expected.sums.get(path)
                if wanted is not None and not os.path.islink(file) and hash_file(file) == wanted:
                    here.add(path)
                else:
                    held_files.unlink(file)
    files = count_text(len(here), "file is", "files are")
    observe(Note(f"{files} here already and whole, of {len(expected.sums):,}."))
    return here


def require_room(
    copy: OpenedCopy, held: HeldSnapshot, folder: str, here: Collection[str] = frozenset()
) -> None:
    """Raise NoRoom if a snapshot certainly does not fit; DamageFound if it has something that is no file. OSError.

    Args:
        copy: the copy.
        held: the snapshot.
        folder: where it goes.
        here: the files that are there already.
    """
    sizes = copy.engine.sizes(held)
    needed = sum(-(-size // _BLOCK) * _BLOCK for path, size in sizes.items() if path not in here)
    free = free_bytes(folder)
    if needed > free:
        raise NoRoom(
            f"There is not enough space for snapshot {held.id} in '{folder}'.",
            why=f"It needs {size_text(needed)}, and {size_text(free)} are free.",
            hint="Free some space there, or choose another folder.",
        )


def verified(held: HeldSnapshot, target: str, observe: Observer) -> GotSnapshot:
    """Verify every byte of a snapshot that was fetched. Raises DamageFound if it is not the one that was copied."""
    snapshot = opened_as(held, target)
    return GotSnapshot(
        held, snapshot, prove(snapshot.backup_path, Level.FULL, snapshot=snapshot, observer=observe)
    )


def opened_as(held: HeldSnapshot, target: str) -> Snapshot:
    """Open a snapshot that was fetched. Raises DamageFound if it is not the one that was copied."""
    snapshot = Snapshot.open(target)
    if (snapshot.udid, snapshot.meta.seal) != (held.udid, held.seal):
        raise DamageFound(
            f"What came is not the snapshot {held.id} that was copied: its seal is another one.",
            hint=f"It is in '{target}'. Do not restore it before you know where it comes from.",
        )
    return snapshot
