"""Copies snapshots to a second copy, oldest first, and proves each one there."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ibackup.base.counts import count_text
from ibackup.base.errors import DamageFound, IbackupError, UsageError
from ibackup.base.events import Caution, Observer, PhaseStarted
from ibackup.copies.copy_engine import CheckFound, ProvenCopy
from ibackup.copies.copy_records import CopiedSnapshot, CopyLevel, CopyProof, CopyRecord, CopyResult
from ibackup.copies.engine_kinds import EngineKind
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.matching import MatchOutcome
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.store.disk import record_times
from ibackup.store.freshness import Known
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot, hash_file

_DAMAGED_HINT = (
    "`ibackup verify {snapshot}` says whether the snapshot here is whole. If it is, the next `ibackup copy run` "
    "copies it again."
)
_DAMAGED_HERE_HINT = (
    "The copy has what the store has. `ibackup verify {snapshot}` names the damaged files, and what to do. Once the "
    "snapshot is whole here, the next `ibackup copy run` copies it again."
)
_LOOKED_AT = 20  # files that are read in the store to find out where the damage is


@dataclass(frozen=True, slots=True)
class CopiedNow:
    """A snapshot that this run copied, and its proof."""

    snapshot: Snapshot
    added_bytes: int
    proof: CopyProof


@dataclass
class CopyAlarms:
    """What someone else may have done to a copy.

    Attributes:
        vanished: snapshots that were there before and are not any more, or were replaced.
        ahead: snapshots there that are dated in the future.
    """

    vanished: list[str] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)


@dataclass
class CopyRun(CopyAlarms):
    """What a run on a copy did.

    Attributes:
        copied: the snapshots that were copied, in that order.
        left_out: the ids of those that are known to be damaged in the store, and were not copied.
        damaged_here: the ids of those that were found damaged in the store when they were copied.
        held: how many snapshots of these phones the copy holds now.
        late: proofs of snapshots that were there already, and whose proof an earlier run did not come to.
        proofs: what was proven of the repository as a whole.
    """

    copied: list[CopiedNow] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    damaged_here: set[str] = field(default_factory=set)
    held: int = 0
    late: list[CopyProof] = field(default_factory=list)
    proofs: list[CopyProof] = field(default_factory=list)

    @property
    def damaged(self) -> tuple[CopyProof, ...]:
        """The proofs that failed."""
        matched = (done.proof for done in self.copied)
        return tuple(each for each in (*matched, *self.late, *self.proofs) if not each.good)


def copy_snapshots(
    copy: OpenedCopy, folders: Sequence[PhoneFolder], observe: Observer, *, only: Snapshot | None = None
) -> CopyRun:
    """Copy every finished snapshot that is not known to be damaged and not there yet; prove what was copied.

    Then restic checks that everything in the repository is stored, and reads the next share of its data.

    Args:
        copy: the copy.
        folders: of the phones whose snapshots go there.
        observe: gets the events.
        only: the one snapshot to copy.

    Raises:
        IbackupError: the copy cannot be used: see ``copy_errors``; or a snapshot here cannot be read.
        UsageError: the one to copy is damaged, so it would be no use there.
    """
    run = CopyRun()
    with copy.alone():
        observe(PhaseStarted("copy", f"Looking at the copy {copy.name}."))
        copy.require()
        copy.engine.tidy()
        held = copy.engine.held()
        now = record_times.now()
        run.ahead = [each.id for each in held if each.is_ahead(now)]
        turns = [_PhonesTurn(copy, folder, held, run, observe) for folder in folders]
        for turn in turns:
            turn.copy(only)
        run.proofs = prove_repository(copy, folders, observe)
        run.held = sum(len(turn.held) for turn in turns)
        for turn in turns:
            turn.finish()
    return run


class _PhonesTurn:
    """Copies what is missing of one phone's snapshots."""

    def __init__(
        self,
        copy: OpenedCopy,
        folder: PhoneFolder,
        held: Sequence[HeldSnapshot],
        run: CopyRun,
        observe: Observer,
    ) -> None:
        self._copy = copy
        self._folder = folder
        self._run = run
        self._observe = observe
        known = CopyRecord.read(folder.proofs_path, copy.name, copy.config.repository_id)
        self._known = {each.engine_id for each in held}
        self.held = by_id(held, folder.udid, known)
        self._record = with_missed(known, self.held, copy.engine.kind).only(self.held)
        run.vanished += self._record.missed
        # Another computer copied them, or the records were lost; or someone put another one in its place.
        for each in self.held.values():
            if not known.knows(each):
                self._record = self._record.with_copied(_copied(each, 0))
        if self._record != known:
            self._record.write(folder.proofs_path, copy.name)

    def copy(self, only: Snapshot | None) -> None:
        """Copy them, oldest first."""
        for known in self._wanted(only):
            snapshot = known.snapshot
            there = self.held.get(snapshot.id)
            proof = self._record.proof("matched", snapshot.id)
            wrong = proof is not None and not proof.good
            if there is None and snapshot.id in self._record.retired and only is None:
                continue
            if there is not None and there.seal == snapshot.meta.seal and not wrong:
                if proof is None:
                    self._prove_late(snapshot, there)
                else:
                    self._retire(there)
                continue
            if known.state == "damaged":
                if only is not None:
                    raise UsageError(known.damage, hint="Copy another snapshot: `ibackup list` shows them.")
                self._run.left_out.append(snapshot.id)
                said = f"Snapshot {snapshot.id} is damaged in the store, so it is not copied."
                self._observe(Caution(said, f"`ibackup verify {snapshot.id}` says what to do."))
                continue
            self._copy_one(snapshot, afresh=wrong)

    def finish(self) -> None:
        """The run is complete, so its alarms are given now; one that stopped before leaves them to the next."""
        record = CopyRecord.read(self._folder.proofs_path, self._copy.name, self._copy.config.repository_id)
        if record.missed:
            replace(record, missed=()).write(self._folder.proofs_path, self._copy.name)

    def _wanted(self, only: Snapshot | None) -> Sequence[Known]:
        """The snapshots that the copy is to have. Raises UsageError if the only one is not among them."""
        kind = self._copy.engine.kind
        wanted = kind.wanted(self._folder.standing().snapshots)
        if kind.keeps_all:
            return [each for each in wanted if only is None or each.snapshot.path == only.path]
        if only is not None and not any(each.snapshot.path == only.path for each in wanted):
            raise UsageError(
                f"The copy {self._copy.name} keeps only the newest snapshot of each phone.",
                hint=f"Run `ibackup copy run {self._copy.name}` without --snapshot.",
            )
        later = max(self.held, default="")
        if wanted and later > wanted[0].snapshot.id:
            self._observe(
                Caution(
                    f"The copy {self._copy.name} keeps snapshot {later}: it is newer than the newest whole one here.",
                    f"`ibackup copy get {later} --from {self._copy.name}` brings it back.",
                )
            )
            return []
        return wanted

    def _prove_late(self, snapshot: Snapshot, there: HeldSnapshot) -> None:
        """Prove a snapshot that a run copied which was killed before the proof, or of which the record was lost."""
        with self._folder.hold(snapshot, f"copy-{self._copy.name}"):
            earlier = max((each for each in self.held.values() if each.id < there.id), key=_id, default=None)
            proof = self._prove(there, Expectation.of(snapshot), earlier)
        self._run.late.append(proof)

    def _copy_one(self, snapshot: Snapshot, *, afresh: bool) -> None:
        """Copy a snapshot and prove it; ``afresh``: read each of its files, since what is there is wrong."""
        with self._folder.hold(snapshot, f"copy-{self._copy.name}"):
            expected = Expectation.of(snapshot)
            earlier = [each for each in self.held.values() if each.id < snapshot.id]
            parent = max(earlier or self.held.values(), key=_id, default=None)
            done = self._copy.engine.put(snapshot, None if afresh else parent, self._known, self._observe)
            self._known.add(done.held.engine_id)
            self.held[snapshot.id] = done.held
            self._record = self._record.with_copied(_copied(done.held, done.added_bytes))
            self._write()
            proof = self._prove(done.held, expected, parent)
        self._run.copied.append(CopiedNow(snapshot, done.added_bytes, proof))

    def _prove(self, held: HeldSnapshot, expected: Expectation, before: HeldSnapshot | None) -> CopyProof:
        """Compare a held snapshot with its seal; a proven one may then take the place of what it replaced."""
        with self._copy.engine.fresh() as engine:
            outcome = engine.match(held, expected, self._proven(before) if before else None, self._observe)
        proof = matched(held.id, outcome)
        if _is_damaged_here(expected, outcome.wrong):
            self._run.damaged_here.add(held.id)
        self._record = self._record.with_proof(proof)
        self._write()
        if proof.good:
            self._retire(held)
        return proof

    def _retire(self, held: HeldSnapshot) -> None:
        gone = self._copy.engine.retire(held)
        for ident in gone:
            self.held.pop(ident, None)
        if gone:
            self._record = self._record.only(self.held)
            self._write()

    def _write(self) -> None:
        self._record.write(self._folder.proofs_path, self._copy.name)

    def _proven(self, before: HeldSnapshot) -> ProvenCopy | None:
        """An earlier snapshot, if it is known to be there completely and is still here to compare with."""
        proof = self._record.proof("matched", before.id)
        copied = self._record.copy_of(before.id)
        if proof is None or not proof.good or copied is None or copied.engine_id != before.engine_id:
            return None
        snapshot = next((each for each in self._folder.snapshots() if each.id == before.id), None)
        if snapshot is None or snapshot.meta.seal != copied.seal:
            return None
        try:
            return ProvenCopy(before, Expectation.of(snapshot))
        except IbackupError:
            return None  # damaged here meanwhile: then everything is compared


def _is_damaged_here(expected: Expectation, wrong: Sequence[str]) -> bool:
    """Whether one of the first files that are wrong in a copy does not match its seal in the store either."""
    for path in wrong[:_LOOKED_AT]:
        try:
            if path in expected.sums and hash_file(expected.local(path)) != expected.sums[path]:
                return True
        except OSError:
            return True
    return False


def by_id(held: Iterable[HeldSnapshot], udid: str, known: CopyRecord) -> dict[str, HeldSnapshot]:
    """The held snapshots of a phone by their ids: of several with one id, the one that the record knows."""
    found: dict[str, HeldSnapshot] = {}
    for each in held:
        copied = known.copy_of(each.id)
        if each.udid == udid and (each.id not in found or (copied and copied.engine_id == each.engine_id)):
            found[each.id] = each
    return found


def with_missed(known: CopyRecord, held: Mapping[str, HeldSnapshot], kind: EngineKind) -> CopyRecord:
    """The record with the ids of those that vanished from a copy since, or that were replaced there."""
    # What a newer one replaced is gone for a good reason.
    oldest = "" if kind.keeps_all else max(held, default="")
    gone = [each for each in known.vanished(held) if each > oldest]
    gone += [each.id for each in held.values() if known.copy_of(each.id) and not known.knows(each)]
    return replace(known, missed=tuple(dict.fromkeys([*known.missed, *gone])))


def matched(snapshot_id: str, outcome: MatchOutcome) -> CopyProof:
    """The record of a comparison."""
    return CopyProof(
        "matched",
        record_times.now(),
        "good" if outcome.good else "damaged",
        snapshot_id,
        induced=outcome.induced,
        problems=outcome.wrong,
    )


def prove_repository(
    copy: OpenedCopy,
    folders: Sequence[PhoneFolder],
    observe: Observer,
    *,
    read_all: bool = False,
    repaired: bool = False,
) -> list[CopyProof]:
    """Check that everything is stored, read the next share of the data (or all), and record it for each phone.

    Damage that was found in the data counts until that part is read again, which a copy with ``read_parts = 0`` does
    only after a repair.

    Raises:
        IbackupError: the copy cannot be used.
    """
    records = {
        folder.udid: CopyRecord.read(folder.proofs_path, copy.name, copy.config.repository_id)
        for folder in folders
    }
    last = max(
        (found for record in records.values() if (found := record.newest("read")) is not None),
        key=lambda proof: proof.when,
        default=None,
    )
    found_bad = last is not None and not last.good
    share = None if read_all else next_share(last, copy.config.read_parts)
    if repaired and share is None and last is not None and found_bad:
        share = last.share or (1, 1)
    what = "all of its data" if read_all else f"part {share[0]} of {share[1]} of its data" if share else ""
    observe(
        PhaseStarted("verify", f"Checking the copy {copy.name}" + (f", and reading {what}." if what else "."))
    )
    with copy.engine.fresh() as engine:
        # A check that reads looks at everything else too, so one is enough unless it finds something.
        read = engine.check(share or (1, 1)) if read_all or share is not None else None
        stored = engine.check() if read is None or read.problems else CheckFound()
    proofs = [_checked("stored", stored), *([_checked("read", read, share)] if read else [])]
    if read is None and last is not None and found_bad:
        proofs.append(last)  # nothing has read that part since
    refuted = stored.snapshots | (read.snapshots if read else frozenset())
    for folder in folders:
        record = records[folder.udid]
        for proof in [*proofs, *(_refuted(each, proofs) for each in refuted if record.copy_of(each))]:
            record = record.with_proof(proof)
        if record.copied:
            record.write(folder.proofs_path, copy.name)
    return proofs


def next_share(last: CopyProof | None, parts: int) -> tuple[int, int] | None:
    """The share of the data to read next; a share in which damage was found is read again. None: read nothing."""
    if not parts:
        return None
    if last is not None and not last.good:
        return last.share or (1, 1)  # if all was read, part 1 alone would hide what was found
    if last is None or last.share is None or last.share[1] != parts:
        return (1, parts)
    return (last.share[0] % parts + 1, parts)


def _checked(level: CopyLevel, found: CheckFound, share: tuple[int, int] | None = None) -> CopyProof:
    result: CopyResult = "damaged" if found.problems else "good"
    return CopyProof(level, record_times.now(), result, share=share, problems=found.problems)


def _refuted(snapshot_id: str, proofs: Sequence[CopyProof]) -> CopyProof:
    """A match that no longer counts, so that the next run copies the snapshot again."""
    problems = tuple(each for proof in proofs for each in proof.problems)
    return CopyProof("matched", record_times.now(), "damaged", snapshot_id, problems=problems)


def _copied(held: HeldSnapshot, added_bytes: int) -> CopiedSnapshot:
    return CopiedSnapshot(held.id, held.engine_id, held.seal, record_times.now(), added_bytes)


def _id(held: HeldSnapshot) -> str:
    return held.id


def alarms_of(name: str, run: CopyAlarms) -> Iterator[DamageFound]:
    """The errors about what someone else may have done there: snapshots that vanished, and those from the future."""
    if run.vanished:
        yield DamageFound(
            f"Snapshots are gone from the copy {name}, or replaced: {', '.join(run.vanished)}.",
            hint="If you did not remove them, someone else did: change the passwords and keys of that place. The page "
            "howto-second-copy.md has the way back, under “Against ransomware”.",
        )
    if run.ahead:
        yield DamageFound(
            f"The copy {name} has snapshots that are dated in the future: {', '.join(run.ahead)}.",
            hint="ibackup on this computer did not make them if its clock was right. Find out who did, then "
            "remove them there with restic.",
        )


def trouble_in(name: str, run: CopyRun) -> DamageFound | None:
    """The error that a run ends with: a proof that failed, or else an alarm; None if all is well."""
    return damage_in(name, run.damaged, run.damaged_here) or next(alarms_of(name, run), None)


def damage_in(
    name: str, damaged: Sequence[CopyProof], damaged_here: Collection[str] = frozenset()
) -> DamageFound | None:
    """The error about the first proof that failed; None if none did. ``damaged_here``: see ``CopyRun``."""
    if not damaged:
        return None
    first = damaged[0]
    if first.level == "matched":
        count = count_text(len(first.problems), "file")
        if first.snapshot in damaged_here:
            return DamageFound(
                f"Snapshot {first.snapshot} is damaged in the store, so it is damaged in {name} too: {count}.",
                why=f"The first is {first.problems[0]}.",
                hint=_DAMAGED_HERE_HINT.format(snapshot=first.snapshot),
            )
        return DamageFound(
            f"The copy of snapshot {first.snapshot} in {name} does not match its seal: {count}.",
            why=f"The first is {first.problems[0]}.",
            hint=_DAMAGED_HINT.format(snapshot=first.snapshot),
        )
    return DamageFound(
        f"The copy {name} is damaged.",
        why=" ".join(first.problems[:1]),
        hint=f"`ibackup copy repair {name}` repairs it from the store, which is unchanged.",
    )
