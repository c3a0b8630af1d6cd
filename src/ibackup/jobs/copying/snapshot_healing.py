"""Repairs a damaged snapshot in the store with what a second copy still has whole."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ibackup.apple.verify.findings import Level
from ibackup.base.errors import DamageFound, IbackupError, Interrupted, NoRoom, NotABackup
from ibackup.base.events import Caution, Observer, PhaseStarted
from ibackup.base.exit_codes import ExitCode
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.proving.backup_proof import prove
from ibackup.store.disk.lock import PhoneLock
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Verdict
from ibackup.store.records.snapshot import META_NAME, SEAL_NAME, Snapshot
from ibackup.store.work.healing import DamagedFile, Healing, damage_of, records_of

FLAWED_BEFORE = "Some files differ from the phone's own list, as when they were backed up."
"""Of a snapshot that is whole again, and had flaws."""


@dataclass
class HealedSnapshot:
    """What came of repairing one snapshot.

    Attributes:
        damaged: the files that were damaged or missing, by their paths below the snapshot's folder.
        healed: those that are whole again, and the copy that each came from; in a dry run, those that a copy holds.
        shared: the ids of other snapshots that shared such a file, and have the whole one too now.
        status: what the verification at the end said; None in a dry run.
    """

    id: str
    udid: str
    damaged: set[str] = field(default_factory=set)
    healed: dict[str, str] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    status: Verdict | None = None

    @property
    def left(self) -> list[str]:
        """The files that are still damaged."""
        return sorted(self.damaged - self.healed.keys())

    @property
    def is_whole(self) -> bool:
        """Whether no damage is left, as far as that was verified."""
        return not self.left and self.status != "damaged"


class HealingCopies:
    """The copies from which snapshots are repaired, each opened when it is first needed.

    Attributes:
        errors: why a copy could not be used, by its name; it is not tried again.
    """

    def __init__(self, openers: Mapping[str, Callable[[], OpenedCopy]], observe: Observer) -> None:
        self._openers = openers
        self._observe = observe
        self._opened: dict[str, tuple[OpenedCopy, list[HeldSnapshot]]] = {}
        self.errors: dict[str, IbackupError] = {}

    def holding(
        self, names: list[str], udid: str, snapshot_id: str, seal_sum: str | None
    ) -> Iterator[tuple[OpenedCopy, HeldSnapshot]]:
        """Where a snapshot is held, in the copies of these names; ``seal_sum``: with this seal, if it is known."""
        for name in names:
            for each in self._held(name):
                if (each.udid, each.id) == (udid, snapshot_id) and seal_sum in (None, each.seal):
                    yield self._opened[name][0], each

    def _held(self, name: str) -> list[HeldSnapshot]:
        if name in self.errors:
            return []
        if name not in self._opened:
            try:
                self._observe(PhaseStarted("copy", f"Looking at the copy {name}."))
                copy = self._openers[name]()
                copy.require()
                self._opened[name] = copy, copy.engine.held()
            except IbackupError as error:
                self.failed(name, error)
                return []
        return self._opened[name][1]

    def failed(self, name: str, error: IbackupError) -> None:
        """Note that a copy cannot be used. Raises what has nothing to do with the copy."""
        if isinstance(error, Interrupted | NoRoom):
            raise error
        self._observe(Caution(error.message, error.hint))
        self.errors[name] = error


def exit_code(done: Sequence[HealedSnapshot], copies: HealingCopies) -> ExitCode:
    """What came of all of them: if nothing could be repaired because a copy cannot be used, the code of that."""
    if all(each.is_whole for each in done):
        return ExitCode.FLAWED if any(each.status == "flawed" for each in done) else ExitCode.OK
    if copies.errors and not any(each.healed for each in done):
        return next(iter(copies.errors.values())).exit_code
    return ExitCode.DAMAGE


def heal(
    folder: PhoneFolder,
    snapshot_id: str,
    copies: HealingCopies,
    names: list[str],
    observe: Observer,
    *,
    dry_run: bool = False,
) -> HealedSnapshot:
    """Replace the damaged and missing files of a snapshot by what a copy has, and verify it.

    Args:
        folder: of the phone.
        snapshot_id: the snapshot; its record may be damaged too.
        copies: where to look.
        names: the copies to try, in this order.
        observe: gets the events.
        dry_run: find the damage, and which copy holds the snapshot; change nothing.

    Raises:
        PhoneBusy: a run has this phone.
        IbackupError: the store cannot be read or written.
    """
    done = HealedSnapshot(snapshot_id, folder.udid)
    if dry_run:
        _look(folder, done, copies, names, observe)
        return done
    with folder.lock() as lock:
        folder.clear_up()
        with Healing(folder) as healing:
            _Patient(folder, done, copies, names, observe, healing, lock).heal()
        if not done.left:
            done.status = _verified(folder, snapshot_id, observe)
        else:
            done.status = "damaged"
        for each in sorted(done.shared):
            if folder.proofs(each).known_damaged:
                _verified(folder, each, observe)
    return done


def _look(
    folder: PhoneFolder, done: HealedSnapshot, copies: HealingCopies, names: list[str], observe: Observer
) -> None:
    seal_sum: str | None = None
    try:
        snapshot = Snapshot.open(os.path.join(folder.snapshots_path, done.id))
    except DamageFound:
        done.damaged = {META_NAME}
    else:
        seal_sum = snapshot.meta.seal
        if not _has_seal(snapshot):
            done.damaged = {SEAL_NAME}
        else:
            done.damaged = set(_damage(snapshot, observe))
    if done.damaged:
        for copy, _ in copies.holding(names, folder.udid, done.id, seal_sum):
            done.healed = dict.fromkeys(done.damaged, copy.name)
            return


def _has_seal(snapshot: Snapshot) -> bool:
    try:
        return snapshot.seal_state() == "whole"
    except OSError:  # a bad sector
        return False


def _damage(snapshot: Snapshot, observe: Observer) -> dict[str, bytes]:
    observe(PhaseStarted("verify", f"Comparing every file of snapshot {snapshot.id} with its seal."))
    return damage_of(snapshot, observe)


def _verified(folder: PhoneFolder, snapshot_id: str, observe: Observer) -> Verdict:
    """Verify every byte, which also records the result."""
    observe(PhaseStarted("verify", f"Verifying snapshot {snapshot_id}."))
    snapshot = Snapshot.open(os.path.join(folder.snapshots_path, snapshot_id))
    try:
        return prove(snapshot.backup_path, Level.FULL, snapshot=snapshot, observer=observe).status
    except (DamageFound, NotABackup) as error:
        observe(Caution(error.message, error.hint))
        return "damaged"


class _Patient:
    """One snapshot that is being repaired."""

    def __init__(
        self,
        folder: PhoneFolder,
        done: HealedSnapshot,
        copies: HealingCopies,
        names: list[str],
        observe: Observer,
        healing: Healing,
        lock: PhoneLock,
    ) -> None:
        self._folder = folder
        self._done = done
        self._copies = copies
        self._names = names
        self._observe = observe
        self._healing = healing
        self._lock = lock
        self._shared: dict[str, set[str]] = {}

    def heal(self) -> None:
        """Its record and its seal first: only they say what the rest must be."""
        snapshot = self._readable()
        if snapshot is None:
            return
        damage = _damage(snapshot, self._observe)
        self._done.damaged |= damage.keys()
        for copy, held in self._copies.holding(
            self._names, self._folder.udid, snapshot.id, snapshot.meta.seal
        ):
            left = {path: damage[path] for path in self._done.left if path in damage}
            if not left:
                break
            if self._fetched(copy, held, sorted(left)):
                self._put_back(copy.name, self._healing.places(snapshot, left))

    def _readable(self) -> Snapshot | None:
        """The snapshot with an intact record and seal, from a copy if need be; None if no copy has them."""
        path = os.path.join(self._folder.snapshots_path, self._done.id)
        seal_sum: str | None = None
        try:
            snapshot = Snapshot.open(path)
            seal_sum = snapshot.meta.seal
            if _has_seal(snapshot):
                return snapshot
            self._done.damaged.add(SEAL_NAME)
        except DamageFound:
            self._done.damaged.add(META_NAME)
        for copy, held in self._copies.holding(self._names, self._folder.udid, self._done.id, seal_sum):
            if not self._fetched(copy, held, [META_NAME, SEAL_NAME]):
                continue
            try:
                records = records_of(self._folder, self._done.id, self._healing.fetched, held.seal)
            except DamageFound as error:
                self._observe(Caution(error.message))
                continue
            self._done.damaged |= {each.path for each in records}
            self._put_back(copy.name, records)
            if not self._done.left:
                return Snapshot.open(path)
        return None

    def _fetched(self, copy: OpenedCopy, held: HeldSnapshot, paths: list[str]) -> bool:
        """Whether files could be fetched, or some of them."""
        try:
            copy.engine.fetch(held, self._healing.empty(), self._observe, only=paths)
        except DamageFound as error:
            self._observe(Caution(error.message))  # the others came
        except IbackupError as error:
            self._copies.failed(copy.name, error)
            return False
        return True

    def _put_back(self, name: str, wanted: list[DamagedFile]) -> None:
        self._lock.check()
        for each in self._healing.put_back(wanted):
            self._done.healed[each.path] = name
            for place in each.places[1:]:
                if place[0] == "snapshots":
                    self._shared.setdefault(place[1], set()).add(each.path.partition("/")[2])
        for ident, files in self._shared.items():
            self._folder.note_repaired(ident, files)
        self._done.shared |= self._shared.keys()
