"""One phone's folder in the store: its snapshots, their proofs, its lock, and what interrupted runs left."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Self

from ibackup.base import held
from ibackup.base.errors import DamageFound, IbackupError, UsageError
from ibackup.base.identities import name_of
from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.free_space import free_bytes
from ibackup.store.disk.lock import Holder, PhoneLock, live_holder
from ibackup.store.disk.system_lock import changing
from ibackup.store.freshness import Known, Standing
from ibackup.store.records import failed_endings, pruned_snapshots, shared_damage, snapshot_holds
from ibackup.store.records.last_seen import LastSeen
from ibackup.store.records.proof_records import Proof, Proofs
from ibackup.store.records.run_record import RUN_NAME, RunState, is_run_id
from ibackup.store.records.snapshot import META_NAME, SEAL_NAME, BrokenSnapshot, Snapshot

_SMALL_GAP = timedelta(seconds=30)
_WORKING = "working-"
_SET_ASIDE = "working-broken-"
_DISCARDED = "discarded-"
_HEALING = "healing"
_TRIES = 3
_PAUSE_S = 0.1

LeftOverKind = Literal["unfinished", "resumable", "unprepared", "complete", "set_aside", "discarded"]
_PLANS: dict[LeftOverKind, str] = {
    "unfinished": "The phone had sent everything; the next run checks and closes it without the phone.",
    "resumable": "The next run continues it: the phone sends only what is missing.",
    "unprepared": "It contains nothing from the phone; the next run removes it.",
    "complete": "Only its final name is missing; the next run renames it.",
    "set_aside": "It will be removed after the next successful backup.",
    "discarded": "It was being removed; the next run finishes that.",
}


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What an interrupted run left.

    Attributes:
        kind: ``unfinished`` (all there, to be closed), ``resumable``, ``unprepared`` (nothing from the phone
            in it), ``complete`` (only to be renamed), ``set_aside`` or ``discarded``.
        run: its state, if readable.
        modified: when its folder was last changed, seconds since 1970.
    """

    path: str
    kind: LeftOverKind
    run: RunState | None
    modified: float

    @property
    def plan(self) -> str:
        """What will be done about it, in one sentence."""
        return _PLANS[self.kind]


class PhoneFolder:
    """The folder of one phone in a store; its name is the ``udid``."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.udid = os.path.basename(path)
        self.snapshots_path = os.path.join(path, "snapshots")
        self.proofs_path = os.path.join(path, "proofs")
        self.lock_path = os.path.join(path, "lock")
        self.healing_path = os.path.join(path, _HEALING)
        self._lock: PhoneLock | None = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """The folder that a snapshot is in."""
        return cls(os.path.dirname(os.path.dirname(os.path.abspath(snapshot.path))))

    @classmethod
    def holding(cls, snapshot: Snapshot) -> Self | None:
        """The same; None for a snapshot that was copied out of a store."""
        folder = cls.of(snapshot)
        return folder if os.path.dirname(os.path.abspath(snapshot.path)) == folder.snapshots_path else None

    @classmethod
    def around(cls, path: str, snapshot_id: str) -> Self | None:
        """The folder of the phone whose snapshot a path leads to, or into; None for one outside of a store."""
        while os.path.basename(path) not in ("", snapshot_id):
            path = os.path.dirname(path)
        folder = cls(os.path.dirname(os.path.dirname(path)))
        return folder if os.path.dirname(path) == folder.snapshots_path else None

    def make(self) -> None:
        """Make the folder if it does not exist yet."""
        with telling(f"The folder {self.path!r} could not be created."):
            for folder in (self.path, self.snapshots_path, self.proofs_path):
                if durable.make_dir(folder):
                    durable.sync_dir(os.path.dirname(folder))

    def lock(self) -> PhoneLock:
        """The lock that a run holds from its first look at leftovers until it ends."""
        self.make()
        self._lock = PhoneLock(self.lock_path)
        return self._lock

    @property
    def lock_descriptors(self) -> tuple[int, ...]:
        """What a process keeps open so that the lock is held for as long as it lives; empty if that cannot be had."""
        return self._lock.descriptors if self._lock is not None else ()

    def holder(self) -> Holder | None:
        """Who holds the lock according to its record; for display only."""
        return live_holder(self.lock_path)

    # -- snapshots ------------------------------------------------------------------------------------------

    def entries(self) -> list[Snapshot | BrokenSnapshot]:
        """Every folder with a snapshot's name, by id, which only grows; unreadable ones come last."""
        good: list[Snapshot] = []
        broken: list[BrokenSnapshot] = []
        for name in self._ids():
            path = os.path.join(self.snapshots_path, name)
            try:
                snapshot = Snapshot.open(path)
                if snapshot.udid != self.udid:
                    raise DamageFound(
                        f"Snapshot {name} is from another phone.", hint="Move it to that phone's folder."
                    )
            except IbackupError as error:
                broken.append(BrokenSnapshot(name, path, error))
            else:
                good.append(snapshot)
        # Not by sequence: a snapshot that came back from another store has the number that it had there.
        good.sort(key=lambda snapshot: snapshot.id)
        return [*good, *broken]

    def _ids(self) -> list[str]:
        with telling(f"The snapshots in {self.snapshots_path!r} could not be listed."):
            try:
                with os.scandir(self.snapshots_path) as found:
                    return sorted(
                        each.name
                        for each in found
                        if each.is_dir(follow_symlinks=False) and record_times.is_id(each.name)
                    )
            except FileNotFoundError:
                return []

    def snapshots(self) -> list[Snapshot]:
        """The snapshots that can be read, oldest first (by id, not by the clock)."""
        return [each for each in self.entries() if isinstance(each, Snapshot)]

    def broken(self) -> list[BrokenSnapshot]:
        """The snapshots whose record is damaged or missing."""
        return [each for each in self.entries() if isinstance(each, BrokenSnapshot)]

    def newest(self) -> Snapshot | None:
        """The newest snapshot, whatever is known about it."""
        found = self.snapshots()
        return found[-1] if found else None

    def newest_to_prove(self) -> list[Snapshot | BrokenSnapshot]:
        """The newest snapshot, and any whose record cannot be read and that may be newer; empty without one.

        An unreadable one has no known date, but ids only grow: the newest one must not be skipped silently.
        """
        newest = self.newest()
        later = [each for each in self.broken() if newest is None or each.id > newest.id]
        return [*([newest] if newest is not None else []), *later]

    def standing(self) -> Standing:
        """The current state of this phone's backups: the newest good one, what proves it, and how old it is."""
        return Standing(self.entries(), self._proofs_file)

    def known(self, snapshot: Snapshot) -> Known:
        """What is known about one snapshot."""
        return Known(snapshot, self._proofs_file(snapshot.id))

    def find(self, ref: str) -> Snapshot:
        """A snapshot by its id, a unique beginning of one, or ``latest``.

        Raises:
            UsageError: the reference matches none or several.
            DamageFound: the matching one cannot be read.
        """
        entries = self.entries()
        if ref == "latest":
            newest = self.newest()
            if newest is None:
                raise UsageError(
                    f"There is no snapshot of {name_of(self.udid)} yet.", hint="Make one with `ibackup now`."
                )
            return newest
        meant = [each for each in entries if ref and each.id.startswith(ref)]
        if len(meant) != 1:
            known = ", ".join(each.id for each in (meant or entries)) or "none"
            said = "Several snapshots begin" if meant else "No snapshot begins"
            raise UsageError(f"{said} with {ref!r}.", hint=f"Choose one of: {known}.")
        found = meant[0]
        if isinstance(found, BrokenSnapshot):
            raise found.error
        return found

    def next_name(self, started: datetime) -> tuple[str, int, bool]:
        """Id and sequence of the next snapshot, and whether the clock is behind the newest one."""
        newest_id = max(self._ids(), default="")
        sequence = max((each.meta.sequence for each in self.snapshots()), default=0) + 1
        wanted = record_times.as_id(started)
        if wanted > newest_id:
            return wanted, sequence, False
        newest = record_times.from_id(newest_id)
        # Ids have whole seconds, so runs in close succession may get ahead of the clock.
        return record_times.as_id(newest + timedelta(seconds=1)), sequence, newest - started > _SMALL_GAP

    # -- proofs ---------------------------------------------------------------------------------------------

    def _proofs_file(self, snapshot_id: str) -> str:
        return os.path.join(self.proofs_path, f"{snapshot_id}.json")

    def proofs(self, snapshot_id: str) -> Proofs:
        """What was proved about a snapshot since it was closed."""
        return Proofs.read(self._proofs_file(snapshot_id))

    def add_proof(self, snapshot_id: str, proof: Proof) -> list[str]:
        """Record a new proof, also for the snapshots that share the files that it found damaged; returns their ids."""
        self.change_proofs(snapshot_id, lambda proofs: proofs.with_proof(proof))
        # Runs share files with the one before, so neighbours come first.
        ids = self._ids()
        place = {each: number for number, each in enumerate(ids)}
        ids.sort(key=lambda each: abs(place[each] - place.get(snapshot_id, 0)))
        shared = shared_damage.sharing(
            self._backup(snapshot_id),
            proof.damaged,
            {each: self._backup(each) for each in ids if each != snapshot_id},
        )
        for each, files in shared.items():
            self._add_damage(each, files)
        return sorted(shared)

    def inherit_damage(self, snapshot_id: str) -> frozenset[str]:
        """Record the known damage in files that a new snapshot took over; returns them, by their path in the backup.

        A run leaves out what is known to be damaged when it begins. This is for damage found while it lasts.
        """
        found: set[str] = set()
        for each in self._ids():
            if each != snapshot_id:
                known = self.proofs(each).damaged - found
                new = {snapshot_id: self._backup(snapshot_id)}
                found.update(*shared_damage.sharing(self._backup(each), known, new).values())
        if found:
            self._add_damage(snapshot_id, found)
        return frozenset(found)

    def note_repaired(self, snapshot_id: str, files: Iterable[str]) -> None:
        """Forget known damage of files that match the seal again, by their path in the backup. Raises IbackupError."""
        self.change_proofs(snapshot_id, lambda proofs: proofs.without_damage(files))

    def _add_damage(self, snapshot_id: str, files: Iterable[str]) -> None:
        self.change_proofs(snapshot_id, lambda proofs: proofs.with_damage(files))

    def _backup(self, snapshot_id: str) -> str:
        return os.path.join(self.snapshots_path, snapshot_id, self.udid)

    def change_proofs(
        self,
        snapshot_id: str,
        change: Callable[[Proofs], Proofs],
        failed: str = "The result of the check could not be recorded.",
    ) -> Proofs:
        """Change what is known about a snapshot; needs no lock, and loses nothing that others write at the same time.

        Args:
            snapshot_id: the snapshot.
            change: makes the new proofs of those that are there.
            failed: the sentence for a failure.

        Raises:
            IbackupError: it cannot be written.
        """
        with telling(failed):
            durable.make_dir(self.proofs_path)
        with changing(os.path.join(self.proofs_path, "records")):
            before = self.proofs(snapshot_id)
            after = change(before)
            if after != before:
                after.write(self._proofs_file(snapshot_id), failed)
        return after

    def sums_file(self, snapshot_id: str) -> str:
        """The file with the SHA-1s of a snapshot's files, see ``sha1_sums``; it may not exist."""
        return os.path.join(self.proofs_path, f"{snapshot_id}.sha1")

    def forget(self, snapshot_id: str) -> None:
        """Remove everything kept about a snapshot that is being removed. Raises OSError."""
        for path in (self._proofs_file(snapshot_id), self.sums_file(snapshot_id)):
            with contextlib.suppress(FileNotFoundError):
                held.unlink(path)
        snapshot_holds.clear(self.proofs_path, snapshot_id)

    def pruned(self) -> frozenset[str]:
        """The ids of the snapshots that the rules have removed."""
        return pruned_snapshots.read(self.proofs_path)

    def note_pruned(self, snapshot_id: str) -> None:
        """Remember that the rules have removed a snapshot. Raises IbackupError."""
        pruned_snapshots.add(self.proofs_path, snapshot_id)

    def note_returned(self, snapshot_id: str) -> None:
        """Forget that, for a snapshot that is in the store again. Raises IbackupError."""
        pruned_snapshots.discard(self.proofs_path, snapshot_id)

    def hold(self, snapshot: Snapshot, by: str) -> contextlib.AbstractContextManager[None]:
        """Keep a snapshot from being pruned; see ``snapshot_holds.hold``."""
        return snapshot_holds.hold(self.proofs_path, snapshot.id, snapshot.path, by)

    def is_held(self, snapshot_id: str) -> bool:
        """Whether something reads a snapshot that must not be pruned meanwhile."""
        with telling("The records of the checks could not be listed.", reading=True):
            return snapshot_holds.holds(self.proofs_path, snapshot_id)

    # -- what the phone reported -----------------------------------------------------------------------------

    def seen(self) -> LastSeen | None:
        """What the phone reported when it was last connected, as far as that was kept."""
        return LastSeen.read(self.path)

    def remember(self, told: LastSeen) -> bool:
        """Keep what the phone reports now; the lock must be held. False if it cannot be written."""
        return told.after(self.seen()).write(self.path)

    def device_name(self) -> str:
        """The name that its owner gave the phone, as last reported; empty if unknown."""
        told = self.seen()
        newest = None if told and told.name else self.newest()
        return told.name if told and told.name else newest.meta.device_name if newest else ""

    def endings(self) -> tuple[failed_endings.Ending, ...]:
        """The errors that the phone reported since the last finished backup."""
        return failed_endings.read(self.path)

    # -- what interrupted runs left --------------------------------------------------------------------------

    def working_path(self, run_id: str) -> str:
        """The folder in which a run works."""
        return os.path.join(self.path, _WORKING + run_id)

    def left_overs(self) -> list[LeftOver]:
        """What interrupted runs left, newest first. It includes a current run, so hold the lock when you call this."""
        found: list[LeftOver] = []
        with telling(f"The folder {self.path!r} could not be listed."):
            try:
                with os.scandir(self.path) as entries:
                    folders = [each for each in entries if each.is_dir(follow_symlinks=False)]
            except FileNotFoundError:
                return []
            for each in folders:
                kind, run = _kind(each.name, each.path)
                if kind is not None:
                    found.append(LeftOver(each.path, kind, run, each.stat(follow_symlinks=False).st_mtime))
        found.sort(
            key=lambda left: (left.run.started.timestamp() if left.run else 0.0, left.modified), reverse=True
        )
        return found

    def set_aside(self, path: str) -> str:
        """Rename a working copy that no run can use any more, but someone may. Returns the new path."""
        moment = record_times.now()
        with telling("An interrupted working copy could not be set aside."):
            while True:
                target = os.path.join(self.path, _SET_ASIDE + record_times.as_id(moment))
                try:
                    durable.rename_new(path, target)
                except FileExistsError:
                    moment += timedelta(seconds=1)
                    continue
                durable.sync_dir(self.path)
                return target

    def thin_out(self, wanted: int = 0) -> int:
        """Remove what was set aside except the newest, and also that one if there is not enough space.

        Args:
            wanted: bytes that should be free afterwards.

        Returns:
            How many were removed.
        """
        aside = [left for left in self.left_overs() if os.path.basename(left.path).startswith(_SET_ASIDE)]
        aside.sort(key=lambda left: left.path)
        with telling("The free space could not be determined."):
            keep = 1 if free_bytes(self.path) >= wanted else 0
        going = aside[: max(len(aside) - keep, 0)]
        for left in going:
            self.discard(left.path)
        return len(going)

    def retire(self, path: str) -> str:
        """Rename a working copy or a snapshot that is about to be removed, durably. Returns its new path."""
        target = os.path.join(self.path, _DISCARDED + os.path.basename(path))
        with telling(f"{path!r} could not be renamed."):
            durable.rename_new(path, target)
            # Its content is removed next: after a power cut, a half-removed folder must not have its old
            # name.
            durable.sync_dir(os.path.dirname(path))
            durable.sync_dir(self.path)
        return target

    def reinstate(self, retired: str, path: str) -> None:
        """Give a retired folder its name back; nothing in it was removed yet."""
        with telling(f"{path!r} could not get its name back."):
            durable.rename_new(retired, path)
            durable.sync_dir(os.path.dirname(path))
            durable.sync_dir(self.path)

    def discard(self, path: str) -> None:
        """Remove a working copy or a snapshot. It is retired first, so that a half-removed one never looks complete."""
        if not os.path.basename(path).startswith(_DISCARDED):
            path = self.retire(path)
        with telling(f"{path!r} could not be removed."):
            held.remove_tree(path)

    def clear_up(self, *, after_success: bool = False) -> None:
        """Remove what is useless: unprepared and discarded folders; after a success also those set aside."""
        kinds: set[LeftOverKind] = {"unprepared", "discarded"}
        if after_success:
            kinds.add("set_aside")
        for left in self.left_overs():
            if left.kind in kinds:
                self.discard(left.path)
        if after_success:
            failed_endings.forget(self.path)


def _kind(name: str, path: str) -> tuple[LeftOverKind | None, RunState | None]:
    """The kind of a folder in a phone's folder, if it is a leftover."""
    if name.startswith(_DISCARDED) or name == _HEALING:
        return "discarded", None
    if name.startswith(_SET_ASIDE):
        return "set_aside", _run_or_none(path)
    if not name.startswith(_WORKING) or not is_run_id(name[len(_WORKING) :]):
        return None, None
    for _ in range(_TRIES):
        try:
            return _kind_of_working(path)
        except (OSError, IbackupError):
            # A cable or a share that fails once must not cost what took hours to arrive.
            time.sleep(_PAUSE_S)
    # Its content is unknown. It may be the only copy of the phone's data, so keep it for a while.
    return "set_aside", None


def _kind_of_working(path: str) -> tuple[LeftOverKind, RunState | None]:
    """The same for a working copy that still has its name. Raises OSError, IbackupError: it cannot be read now."""
    try:
        run = RunState.read(path)
    except FileNotFoundError:
        return ("complete" if is_complete(path) else "unprepared"), None
    except DamageFound:
        return "set_aside", None
    return ("unfinished" if run.reached("device_done") else "resumable"), run


def _run_or_none(path: str) -> RunState | None:
    try:
        return RunState.read(path)
    except (IbackupError, OSError):
        return None


def is_complete(path: str) -> bool:
    """Whether a working copy without run.json is a snapshot except for its name.

    Raises:
        OSError, IbackupError: that cannot be determined now.
    """
    try:
        snapshot = Snapshot.open(path)
        names = set(os.listdir(path))
        snapshot.verify_seal_file()
    except DamageFound:
        return False
    return RUN_NAME not in names and names == {snapshot.udid, SEAL_NAME, META_NAME}
