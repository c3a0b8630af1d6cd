"""Repairs a second copy from the store: takes damaged files of data out, and copies again what they held."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ibackup.base.counts import count_text
from ibackup.base.errors import DamageFound, IbackupError
from ibackup.base.events import Caution, Note, Observer, PhaseStarted
from ibackup.copies.copy_records import CopiedSnapshot, CopyProof, CopyRecord
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.copies.restic_engine import ResticEngine
from ibackup.copies.restic_upkeep import PackDamage, damaged_packs, forget, restic_of, take_out
from ibackup.jobs.copying.copy_run import by_id, matched, prove_repository
from ibackup.store.disk import record_times
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot


@dataclass
class CopyRepair:
    """What came of repairing a copy.

    Attributes:
        found: what was damaged.
        copied: the ids of the snapshots that were copied again.
        matched: the proof of each snapshot that is in the store and in the copy.
        only_there: the ids of snapshots that only the copy has: nothing here can repair them.
        repository: the proofs of the repository as a whole, at the end.
    """

    found: PackDamage
    copied: list[str] = field(default_factory=list)
    matched: list[CopyProof] = field(default_factory=list)
    only_there: list[str] = field(default_factory=list)
    repository: list[CopyProof] = field(default_factory=list)

    @property
    def damaged(self) -> list[CopyProof]:
        """The proofs that failed."""
        return [each for each in (*self.matched, *self.repository) if not each.good]


def repair_copy(
    copy: OpenedCopy,
    folders: Sequence[PhoneFolder],
    observe: Observer,
    *,
    agreed: Callable[[PackDamage], bool] = lambda _found: True,
) -> CopyRepair:
    """Read all of a copy, take out what is damaged, and copy again what the store has of it.

    Args:
        copy: the copy.
        folders: of the phones whose snapshots go there.
        observe: gets the events.
        agreed: asked before anything is taken out; if it says no, nothing is changed.

    Raises:
        UsageError: this copy repairs itself when it is run.
        IbackupError: the copy cannot be used, or this computer cannot repair it.
    """
    engine = restic_of(copy.engine)
    with copy.alone():
        observe(PhaseStarted("copy", f"Looking at the copy {copy.name}."))
        engine.require(copy.config.repository_id)
        observe(PhaseStarted("verify", f"Reading all data of the copy {copy.name}."))
        done = CopyRepair(damaged_packs(engine))
        records = [
            CopyRecord.read(each.proofs_path, copy.name, copy.config.repository_id) for each in folders
        ]
        known = any(not proof.good for record in records for proof in record.proofs)
        if not (done.found.packs or done.found.other or known):
            return done
        if done.found.packs:
            if not agreed(done.found):
                return done
            engine.tidy()
            _take_out(engine, done, observe)
        held = engine.held()
        extra: list[str] = []
        for folder in folders:
            extra += _Repair(copy, engine, folder, held, done, observe).carry_out()
        if extra:
            try:
                forget(engine, extra)
            except IbackupError as error:
                observe(Note(f"Repeated snapshots stay in the copy {copy.name}. {error.message}"))
        done.repository = prove_repository(copy, folders, observe, repaired=True)
    return done


def _take_out(engine: ResticEngine, done: CopyRepair, observe: Observer) -> None:
    found = done.found
    while found.packs:
        count = count_text(len(found.packs), "file", "files")
        observe(PhaseStarted("copy", f"Taking {count} of data out of {engine.name}."))
        take_out(engine, found)
        if found.damaged:
            return
        # Only what is missing was looked for until now.
        observe(PhaseStarted("verify", f"Reading all data of the copy {engine.name}."))
        found = damaged_packs(engine)
        done.found = replace(done.found, damaged=found.damaged)


class _Repair:
    """Copies again what is wrong of one phone's snapshots."""

    def __init__(
        self,
        copy: OpenedCopy,
        engine: ResticEngine,
        folder: PhoneFolder,
        held: Sequence[HeldSnapshot],
        done: CopyRepair,
        observe: Observer,
    ) -> None:
        self._copy = copy
        self._engine = engine
        self._folder = folder
        self._done = done
        self._observe = observe
        self._all = [each for each in held if each.udid == folder.udid]
        self._known = {each.engine_id for each in held}
        self._record = CopyRecord.read(folder.proofs_path, copy.name, copy.config.repository_id)
        self._held = by_id(held, folder.udid, self._record)

    def carry_out(self) -> list[str]:
        """Returns what is there twice afterwards, by its engine ids: the newest snapshot brings most of it back."""
        here = {each.id: each for each in self._folder.snapshots()}
        extra: list[str] = []
        for ident, each in sorted(self._held.items(), reverse=True):
            snapshot = here.get(ident)
            if snapshot is None or snapshot.meta.seal != each.seal:
                self._done.only_there.append(ident)
                continue
            try:
                with self._folder.hold(snapshot, f"copy-{self._copy.name}"):
                    extra += self._repair(snapshot, each)
            except DamageFound as error:
                self._observe(Caution(f"Snapshot {ident} is damaged here too. {error.message}", error.hint))
        return extra

    def _repair(self, snapshot: Snapshot, there: HeldSnapshot) -> list[str]:
        expected = Expectation.of(snapshot)
        proof = self._compared(there, expected)
        # A wrong one that an earlier run has replaced may need data that nobody has: the check finds that each time.
        extra = [
            each.engine_id
            for each in self._all
            if (each.id, each.seal) == (there.id, there.seal) and each.engine_id != there.engine_id
        ]
        if proof.good:
            self._write(there, proof, 0)
            return extra
        new = self._engine.put(snapshot, None, self._known, self._observe)
        self._known.add(new.held.engine_id)
        self._done.copied.append(snapshot.id)
        # With its data back, the one that was there may be whole again.
        again = self._compared(there, expected)
        if again.good:
            self._write(there, again, 0)
            return [*extra, new.held.engine_id]
        proof = self._compared(new.held, expected)
        self._write(new.held, proof, new.added_bytes)
        return [*extra, there.engine_id] if proof.good else []

    def _compared(self, held: HeldSnapshot, expected: Expectation) -> CopyProof:
        try:
            with self._engine.fresh() as engine:
                outcome = engine.match(held, expected, None, self._observe)
        except IbackupError as error:
            if type(error) not in (IbackupError, DamageFound):
                raise
            # Its own list of files is lost, so nothing of it can be asked.
            return CopyProof("matched", record_times.now(), "damaged", held.id, problems=(error.message,))
        return matched(held.id, outcome)

    def _write(self, held: HeldSnapshot, proof: CopyProof, added_bytes: int) -> None:
        known = self._record.copy_of(held.id)
        if known is None or known.engine_id != held.engine_id:
            self._record = self._record.with_copied(
                CopiedSnapshot(held.id, held.engine_id, held.seal, record_times.now(), added_bytes)
            )
        self._record = self._record.with_proof(proof)
        self._record.write(self._folder.proofs_path, self._copy.name)
        self._done.matched.append(proof)
