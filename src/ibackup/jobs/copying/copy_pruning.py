"""Removes old snapshots from a second copy, by the rules of the store, counted from what the copy itself has.

Only a snapshot goes that is proven there, that the store's own prune has removed, and that no rule keeps. What the
store still has stays, and so does what it has lost: with an emptied or a new store nothing is removed. Anyone who can
write to the copy can add snapshots; they are not proven, so no rule counts them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Note, Observer, PhaseStarted
from ibackup.copies.copy_errors import CopyLocked
from ibackup.copies.copy_records import CopyRecord
from ibackup.copies.engine_kinds import kind_of
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.copies.restic_upkeep import clear_out, forget, restic_of
from ibackup.jobs.copying.copy_night import CopyTurn
from ibackup.jobs.copying.copy_run import by_id
from ibackup.jobs.keeping.retention import Facts, KeepReason, RetentionRules, decide
from ibackup.store.disk import record_times
from ibackup.store.phone_folder import PhoneFolder

CopyKeepReason = (
    KeepReason
    | Literal[
        "in-store",  # the store has it, so the next run would copy it again
        "only-there",  # the store did not remove it by a rule: this may be the only one
        "unproven",  # nothing here proves what it is
        "ahead",  # it is dated in the future
    ]
)


@dataclass
class CopyPrunePlan:
    """What is to be removed of one phone's snapshots in a copy.

    Attributes:
        kept: why each snapshot stays, by its id, the oldest first.
        going: those that no rule keeps, the oldest first.
        repeated: other copies of snapshots that are proven there, which repairs leave.
    """

    folder: PhoneFolder
    kept: dict[str, tuple[CopyKeepReason, ...]] = field(default_factory=dict)
    going: list[HeldSnapshot] = field(default_factory=list)
    repeated: list[HeldSnapshot] = field(default_factory=list)

    @property
    def all_going(self) -> list[HeldSnapshot]:
        """Everything to remove."""
        return [*self.going, *self.repeated]


def plan_for(
    folder: PhoneFolder,
    held: Sequence[HeldSnapshot],
    record: CopyRecord,
    rules: RetentionRules,
    now: datetime,
    *,
    as_keeper: bool = False,
) -> CopyPrunePlan:
    """Decide what to remove of one phone's snapshots; changes nothing.

    Args:
        folder: of the phone.
        held: what the copy holds.
        record: what is known about that.
        rules: without any rule everything stays.
        now: the time.
        as_keeper: the copy itself is what counts: no store here has these snapshots.
    """
    done = CopyPrunePlan(folder)
    there = dict(sorted(by_id(held, folder.udid, record).items()))  # ids only grow
    proven = {each.id: each for each in there.values() if _is_proven(each, record)}
    counted = [each for each in proven.values() if not each.is_ahead(now)]
    reasons = decide([_facts(each, place, record) for place, each in enumerate(counted)], rules)
    here = {each.id for each in folder.entries()}
    removed_here = folder.pruned()
    for each in there.values():
        why: list[CopyKeepReason] = [*reasons.get(each.id, ())]
        if each.is_ahead(now):
            why.append("ahead")
        elif each.id not in proven:
            why.append("unproven")
        if each.id in here:
            why.append("in-store")
        elif each.id not in removed_here and not as_keeper:
            why.append("only-there")
        if why or not rules.any:
            done.kept[each.id] = tuple(why)
        else:
            done.going.append(each)
    done.repeated = [
        each
        for each in held
        if each.udid == folder.udid
        and each.id in proven
        and (each.seal, each.engine_id != proven[each.id].engine_id) == (proven[each.id].seal, True)
    ]
    return done


def _is_proven(held: HeldSnapshot, record: CopyRecord) -> bool:
    copied, proof = record.copy_of(held.id), record.proof("matched", held.id)
    return (
        copied is not None
        and (copied.engine_id, copied.seal) == (held.engine_id, held.seal)
        and proof is not None
        and proof.good
    )


def _facts(held: HeldSnapshot, place: int, record: CopyRecord) -> Facts:
    rehearsed = record.proof("rehearsed", held.id)
    return Facts(
        held.id, place, held.time, proven="read" if rehearsed is not None and rehearsed.good else "quick"
    )


def prune_copy(
    copy: OpenedCopy,
    folders: Sequence[PhoneFolder],
    rules_of: Callable[[str], RetentionRules],
    observe: Observer,
    *,
    agreed: Callable[[Sequence[CopyPrunePlan]], bool] = lambda _plans: True,
    as_keeper: bool = False,
) -> list[CopyPrunePlan]:
    """Remove what no rule keeps; returns the plans as they were carried out.

    Args:
        copy: the copy.
        folders: of the phones whose snapshots go there.
        rules_of: the rules of a phone, by its UDID.
        observe: gets the events.
        agreed: asked before anything is removed; if it says no, nothing is.
        as_keeper: as in ``plan_for``.

    Raises:
        UsageError: this copy has no old snapshots to remove.
        IbackupError: the copy cannot be used, or nothing could be removed.
    """
    engine = restic_of(copy.engine)
    with copy.alone():
        observe(PhaseStarted("copy", f"Looking at the copy {copy.name}."))
        engine.require(copy.config.repository_id)
        held = engine.held()
        records = {each.udid: _record(copy, each) for each in folders}
        plans = [
            plan_for(
                each, held, records[each.udid], rules_of(each.udid), record_times.now(), as_keeper=as_keeper
            )
            for each in folders
        ]
        ahead = [ident for plan in plans for ident, why in plan.kept.items() if "ahead" in why]
        if ahead:
            observe(
                Caution(
                    f"The copy {copy.name} has snapshots that are dated in the future: {', '.join(ahead)}.",
                    "No rule counts them, and they stay. Find out who made them.",
                )
            )
        going = {each.engine_id for plan in plans for each in plan.all_going}
        if not going or not agreed(plans):
            return plans
        engine.tidy()
        observe(PhaseStarted("copy", f"Removing {len(going)} old snapshots from {copy.name}."))
        changed = [plan for plan in plans if plan.going]
        for plan in changed:  # before anything is gone, so that the next run does not miss it
            leaving = records[plan.folder.udid].leaving_with(each.id for each in plan.going)
            leaving.write(plan.folder.proofs_path, copy.name)
        try:
            gone = forget(engine, going)
        except IbackupError:
            for plan in changed:
                records[plan.folder.udid].write(plan.folder.proofs_path, copy.name)
            raise
        for plan in plans:
            _carried_out(copy, plan, gone)
        observe(PhaseStarted("copy", f"Freeing space in {copy.name}."))
        clear_out(engine)
    return plans


def pruned_at_night(
    turn: CopyTurn,
    folders: Sequence[PhoneFolder],
    opened: Callable[[], OpenedCopy],
    rules_of: Callable[[str], RetentionRules],
    observe: Observer,
) -> CopyTurn:
    """The turn after old snapshots were removed, if the config says so and the copy is good.

    Raises nothing but KeyboardInterrupt: what goes wrong is in the result.
    """
    if turn.state != "copied" or not turn.config.prune or not kind_of(turn.config).keeps_all:
        return turn
    try:
        copy = opened()
        if not copy.engine.kind.keeps_all:
            return turn  # it has no old snapshots
        plans = prune_copy(copy, folders, rules_of, observe)
    except CopyLocked as error:
        observe(Note(f"No old snapshot was removed from {turn.config.name}. {error.message}"))
        return turn
    except IbackupError as error:
        observe(Caution(error.message, error.hint))
        return replace(turn, state="failed", error=error)
    return replace(turn, pruned=tuple(each.id for plan in plans for each in plan.going))


def _record(copy: OpenedCopy, folder: PhoneFolder) -> CopyRecord:
    return CopyRecord.read(folder.proofs_path, copy.name, copy.config.repository_id)


def _carried_out(copy: OpenedCopy, plan: CopyPrunePlan, gone: frozenset[str]) -> None:
    """Take what is gone out of the record; what is still there is in the plan no more."""
    plan.going = [each for each in plan.going if each.engine_id in gone]
    plan.repeated = [each for each in plan.repeated if each.engine_id in gone]
    if plan.going:
        record = _record(copy, plan.folder)
        going = {each.id for each in plan.going}
        record.only({each.id for each in record.copied} - going).write(plan.folder.proofs_path, copy.name)
