"""One phone's folder in the store: its snapshots, what was proved of them, its lock, and what broken runs left."""

import os
import shutil
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Self

from ibackup.errors import DamageFound, IbackupError, UsageError
from ibackup.store import durable, times
from ibackup.store.lock import Holder, PhoneLock, live_holder
from ibackup.store.proofs import Proof, Proofs
from ibackup.store.run import RUN_NAME, Run, is_run_id
from ibackup.store.seen import Seen
from ibackup.store.snapshot import META_NAME, SEAL_NAME, BrokenSnapshot, Snapshot
from ibackup.store.trouble import telling

_SMALL_GAP = timedelta(seconds=30)
_WORKING = "working-"
_SET_ASIDE = "working-broken-"
_DISCARDED = "discarded-"
_TRIES = 3
_PAUSE_S = 0.1

Kind = Literal["unfinished", "resumable", "unprepared", "complete", "set_aside", "discarded"]
_PLANS: dict[Kind, str] = {
    "unfinished": "The phone had sent everything; the next run checks and closes it without the phone.",
    "resumable": "The next run goes on from there: the phone sends only what is missing.",
    "unprepared": "It holds nothing from the phone; the next run removes it.",
    "complete": "It is complete but for its name; the next run gives it that.",
    "set_aside": "It is removed after the next backup that succeeds.",
    "discarded": "It was being removed; the next run goes on with that.",
}


@dataclass(frozen=True, slots=True)
class LeftOver:
    """What a run that broke has left.

    Attributes:
        kind: ``unfinished`` (all there, to be closed), ``resumable``, ``unprepared`` (nothing from the phone in
            it), ``complete`` (only to be renamed), ``set_aside`` or ``discarded``.
        run: its state, where it has a readable one.
        modified: when its folder was last touched, seconds since 1970.
    """

    path: str
    kind: Kind
    run: Run | None
    modified: float

    @property
    def plan(self) -> str:
        """What will be done about it, one sentence."""
        return _PLANS[self.kind]


class PhoneFolder:
    """The folder of one phone in a store; ``udid`` is its name."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.udid = os.path.basename(path)
        self.snapshots_path = os.path.join(path, "snapshots")
        self.proofs_path = os.path.join(path, "proofs")
        self.lock_path = os.path.join(path, "lock")

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """The folder that a snapshot is in."""
        return cls(os.path.dirname(os.path.dirname(os.path.abspath(snapshot.path))))

    @classmethod
    def holding(cls, snapshot: Snapshot) -> Self | None:
        """The same; None for a snapshot that was copied to some other place than a store."""
        folder = cls.of(snapshot)
        return folder if os.path.dirname(os.path.abspath(snapshot.path)) == folder.snapshots_path else None

    def make(self) -> None:
        """Make the folder where it is not there yet."""
        with telling(f"The folder {self.path!r} could not be made."):
            for folder in (self.path, self.snapshots_path, self.proofs_path):
                if durable.make_dir(folder):
                    durable.sync_dir(os.path.dirname(folder))

    def lock(self) -> PhoneLock:
        """The lock that a run holds from before it looks at left-overs until it is over."""
        self.make()
        return PhoneLock(self.lock_path)

    def holder(self) -> Holder | None:
        """Who has the lock, as far as its record tells; for telling only."""
        return live_holder(self.lock_path)

    # -- snapshots ------------------------------------------------------------------------------------------

    def entries(self) -> list[Snapshot | BrokenSnapshot]:
        """Every folder with a snapshot's name, in order of sequence; those that cannot be read come last."""
        good: list[Snapshot] = []
        broken: list[BrokenSnapshot] = []
        for name in self._ids():
            path = os.path.join(self.snapshots_path, name)
            try:
                snapshot = Snapshot.open(path)
                if snapshot.udid != self.udid:
                    raise DamageFound(
                        f"Snapshot {name} is of another phone.", hint="Move it where it belongs."
                    )
            except IbackupError as error:
                broken.append(BrokenSnapshot(name, path, error))
            else:
                good.append(snapshot)
        good.sort(key=lambda snapshot: (snapshot.meta.sequence, snapshot.id))
        return [*good, *broken]

    def _ids(self) -> list[str]:
        with telling(f"The snapshots in {self.snapshots_path!r} could not be listed."):
            try:
                with os.scandir(self.snapshots_path) as found:
                    return sorted(
                        each.name
                        for each in found
                        if each.is_dir(follow_symlinks=False) and times.is_id(each.name)
                    )
            except FileNotFoundError:
                return []

    def snapshots(self) -> list[Snapshot]:
        """The snapshots that can be read, oldest first (by sequence, not by the clock)."""
        return [each for each in self.entries() if isinstance(each, Snapshot)]

    def broken(self) -> list[BrokenSnapshot]:
        """The snapshots whose record is damaged or missing."""
        return [each for each in self.entries() if isinstance(each, BrokenSnapshot)]

    def newest(self) -> Snapshot | None:
        """The newest snapshot, whatever is known of it."""
        found = self.snapshots()
        return found[-1] if found else None

    def newest_good(self) -> Snapshot | None:
        """The newest snapshot that is not known to be damaged."""
        for snapshot in reversed(self.snapshots()):
            if not self.proofs(snapshot.id).known_damaged:
                return snapshot
        return None

    def base(self) -> Snapshot | None:
        """What the next run clones: the newest that is not known to be damaged, else the newest whose seal is whole.

        Of a damaged one the damaged files are left out, so that the phone sends them again.
        """
        candidates = self.snapshots()[::-1]
        candidates.sort(key=lambda snapshot: self.proofs(snapshot.id).known_damaged)
        return next((snapshot for snapshot in candidates if _seal_is_whole(snapshot)), None)

    def find(self, ref: str) -> Snapshot:
        """A snapshot by its id, a unique beginning of one, or ``latest``.

        Raises:
            UsageError: none or several are meant.
            DamageFound: the one that is meant cannot be read.
        """
        entries = self.entries()
        if ref == "latest":
            newest = self.newest()
            if newest is None:
                raise UsageError(
                    f"There is no snapshot of {self.udid} yet.", hint="Make one with `ibackup now`."
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
        """Id and sequence of a snapshot to be, and whether the clock is behind the newest one."""
        newest_id = max(self._ids(), default="")
        sequence = max((each.meta.sequence for each in self.snapshots()), default=0) + 1
        wanted = times.as_id(started)
        if wanted > newest_id:
            return wanted, sequence, False
        newest = times.from_id(newest_id)
        # Ids have whole seconds, so that runs which follow each other closely may get ahead of the clock.
        return times.as_id(newest + timedelta(seconds=1)), sequence, newest - started > _SMALL_GAP

    # -- proofs ---------------------------------------------------------------------------------------------

    def _proofs_file(self, snapshot_id: str) -> str:
        return os.path.join(self.proofs_path, f"{snapshot_id}.json")

    def proofs(self, snapshot_id: str) -> Proofs:
        """What was proved of a snapshot since it was closed."""
        return Proofs.read(self._proofs_file(snapshot_id))

    def add_proof(self, snapshot_id: str, proof: Proof) -> Proofs:
        """Write down what was proved just now."""
        proofs = self.proofs(snapshot_id).with_proof(proof)
        proofs.write(self._proofs_file(snapshot_id))
        return proofs

    def write_proofs(self, snapshot_id: str, proofs: Proofs) -> None:
        """Put these in place of what was known: for pins."""
        proofs.write(self._proofs_file(snapshot_id))

    # -- what the phone told --------------------------------------------------------------------------------

    def seen(self) -> Seen | None:
        """What the phone told when it was last connected, as far as that was kept."""
        return Seen.read(self.path)

    def remember(self, told: Seen) -> bool:
        """Keep what the phone tells now; with the lock held. False when that cannot be written down."""
        return told.after(self.seen()).write(self.path)

    # -- what broken runs left ------------------------------------------------------------------------------

    def working_path(self, run_id: str) -> str:
        """Where a run works."""
        return os.path.join(self.path, _WORKING + run_id)

    def left_overs(self) -> list[LeftOver]:
        """What broken runs left, the latest first. A run under way is among them: ask only with the lock held."""
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
        """Rename a working copy that is of no use to a run any more, but may be to a person. Gives the new path."""
        moment = times.now()
        with telling("A broken working copy could not be set aside."):
            while True:
                target = os.path.join(self.path, _SET_ASIDE + times.as_id(moment))
                try:
                    durable.rename_new(path, target)
                except FileExistsError:
                    moment += timedelta(seconds=1)
                    continue
                durable.sync_dir(self.path)
                return target

    def retire(self, path: str) -> str:
        """Take the name from a working copy or a snapshot that is to be removed, for good. Gives its new path."""
        target = os.path.join(self.path, _DISCARDED + os.path.basename(path))
        with telling(f"{path!r} could not be renamed."):
            durable.rename_new(path, target)
            # Its content goes next: after a power cut it must not be found half there under its old name.
            durable.sync_dir(os.path.dirname(path))
            durable.sync_dir(self.path)
        return target

    def reinstate(self, retired: str, path: str) -> None:
        """Give a retired one, of which nothing was removed yet, its name again."""
        with telling(f"{path!r} could not be given its name again."):
            durable.rename_new(retired, path)
            durable.sync_dir(os.path.dirname(path))
            durable.sync_dir(self.path)

    def discard(self, path: str) -> None:
        """Remove a working copy or a snapshot. It is retired first, so that no half is ever taken for a whole."""
        if not os.path.basename(path).startswith(_DISCARDED):
            path = self.retire(path)
        with telling(f"{path!r} could not be removed."):
            shutil.rmtree(path)

    def clear_up(self, *, after_success: bool = False) -> None:
        """Remove what is of no use: unprepared and discarded ones; after a success those set aside, too."""
        kinds: set[Kind] = {"unprepared", "discarded"}
        if after_success:
            kinds.add("set_aside")
        for left in self.left_overs():
            if left.kind in kinds:
                self.discard(left.path)


def _seal_is_whole(snapshot: Snapshot) -> bool:
    try:
        snapshot.verify_seal_file()
    except (IbackupError, OSError):
        return False
    return True


def _kind(name: str, path: str) -> tuple[Kind | None, Run | None]:
    """What a folder in a phone's folder is, if it is a left-over."""
    if name.startswith(_DISCARDED):
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
    # What is in it can no longer be told; the phone's data in it may be all there is, so keep it a while.
    return "set_aside", None


def _kind_of_working(path: str) -> tuple[Kind, Run | None]:
    """The same for a working copy that has its name still. Raises OSError, IbackupError: it could not be read now."""
    try:
        run = Run.read(path)
    except FileNotFoundError:
        return ("complete" if is_complete(path) else "unprepared"), None
    except DamageFound:
        return "set_aside", None
    return ("unfinished" if run.reached("device_done") else "resumable"), run


def _run_or_none(path: str) -> Run | None:
    try:
        return Run.read(path)
    except (IbackupError, OSError):
        return None


def is_complete(path: str) -> bool:
    """Whether a working copy without run.json is a snapshot in all but its name.

    Raises:
        OSError, IbackupError: it cannot be told now.
    """
    try:
        snapshot = Snapshot.open(path)
        names = set(os.listdir(path))
        snapshot.verify_seal_file()
    except DamageFound:
        return False
    return RUN_NAME not in names and names == {snapshot.udid, SEAL_NAME, META_NAME}
