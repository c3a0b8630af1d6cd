"""Removes the snapshots that no rule keeps.

A snapshot first loses its name and then its content, so that a half-removed one never counts as a snapshot.
What an interrupted removal leaves is removed by the next command that holds the phone's lock.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.events import Observer, PhaseStarted, Progress, ignore
from ibackup.config.config_schema import Config
from ibackup.jobs.keeping import room_given_back
from ibackup.jobs.keeping.retention import Facts, KeepReason, RetentionRules, decide
from ibackup.store.disk.disk_errors import telling
from ibackup.store.freshness import Known
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proofs
from ibackup.store.records.snapshot import BrokenSnapshot, Snapshot
from ibackup.store.store import Store


@dataclass(frozen=True, slots=True)
class KeptSnapshot:
    """A snapshot that stays, and every rule that keeps it; ``data_from`` is None if its record cannot be read."""

    id: str
    path: str
    data_from: datetime | None
    reasons: tuple[KeepReason, ...]


@dataclass(frozen=True, slots=True)
class Going:
    """A snapshot to remove.

    Attributes:
        bytes: size of all its files.
        gives_back: the space that it frees, if the snapshots are removed in the order of the plan.
    """

    id: str
    path: str
    data_from: datetime
    bytes: int
    gives_back: int


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """The plan for one phone's snapshots, both lists oldest first.

    Attributes:
        exact: False if ``gives_back`` is an upper bound, because the file system shares blocks invisibly.
    """

    udid: str
    device_name: str
    kept: tuple[KeptSnapshot, ...]
    going: tuple[Going, ...]
    exact: bool

    @property
    def gives_back(self) -> int:
        """The space that all of them free, in bytes."""
        return sum(each.gives_back for each in self.going)


@dataclass(frozen=True, slots=True)
class PhonePlan:
    """The plan for one phone of a store, and the rules that it follows."""

    folder: PhoneFolder
    rules: RetentionRules
    plan: PrunePlan


def plan_store(
    store: Store,
    rules: RetentionRules,
    config: Config,
    *,
    udid: str | None = None,
    observe: Observer = ignore,
) -> list[PhonePlan]:
    """Plan for one phone or for all that have snapshots; changes nothing.

    Args:
        store: the store.
        rules: for every phone; without any rule, the config's own rule for each phone.
        config: the config file.
        udid: the only phone, or None.
        observe: gets the events.

    Raises:
        IbackupError: the store cannot be read.
    """
    folders = [store.phone(udid)] if udid else store.phones()
    ruled = [
        (each, rules if rules.any else RetentionRules.configured(config.rules(each.udid).prune))
        for each in folders
        if each.entries()
    ]
    return [PhonePlan(each, rule, plan(each, rule, observe=observe)) for each, rule in ruled if rule.any]


def carry_out_all(plans: Sequence[PhonePlan], observe: Observer = ignore) -> list[PrunePlan]:
    """Remove what was planned, and what interrupted removals left. Raises as ``carry_out``."""
    return [
        carry_out(each.folder, each.rules, each.plan, observe=observe)
        if each.plan.going or each.folder.left_overs()
        else each.plan
        for each in plans
    ]


def plan(
    folder: PhoneFolder, rules: RetentionRules, *, zone: tzinfo | None = None, observe: Observer = ignore
) -> PrunePlan:
    """Decide which snapshots to remove, and measure the space that this frees; changes nothing.

    Raises:
        UsageError: there is no rule, and without one nothing is removed.
        IbackupError: the store cannot be read.
    """
    reasons = decided(folder, rules, zone)
    entries = folder.entries()
    newest = folder.newest()
    kept = [
        KeptSnapshot(each.id, each.path, each.meta.data_from if isinstance(each, Snapshot) else None, why)
        for each in entries
        if (why := _why(each.id, reasons))
    ]
    leaving = [each for each in entries if isinstance(each, Snapshot) and reasons.get(each.id) == ()]
    measured = _measure(folder, leaving, _beside(entries, leaving), observe)
    going = [
        Going(each.id, each.path, each.meta.data_from, each.meta.bytes, free)
        for each, free in zip(leaving, measured.bytes, strict=True)
    ]
    name = newest.meta.device_name if newest else ""
    return PrunePlan(folder.udid, name, tuple(kept), tuple(going), measured.exact)


def decided(
    folder: PhoneFolder, rules: RetentionRules, zone: tzinfo | None = None
) -> dict[str, tuple[KeepReason, ...]]:
    """Why each readable snapshot stays, the newest first; an empty tuple for one to remove. Measures nothing.

    Raises:
        UsageError: there is no rule, and without one nothing is removed.
        IbackupError: the store cannot be read.
    """
    require_rule(rules)
    bases = {
        left.run.base for left in folder.left_overs() if left.run is not None and left.kind != "set_aside"
    }
    facts = [
        _facts(each, place, in_use=each.id in bases or folder.is_held(each.id))
        for place, each in enumerate(folder.standing().snapshots)
    ]
    return decide(facts, rules, zone)


def carry_out(
    folder: PhoneFolder,
    rules: RetentionRules,
    planned: PrunePlan,
    *,
    zone: tzinfo | None = None,
    observe: Observer = ignore,
) -> PrunePlan:
    """Remove the planned snapshots, unless something now speaks against it. Returns the plan as carried out.

    Raises:
        PhoneBusy: a run has this phone.
        IbackupError: something could not be removed; the next command continues.
    """
    with folder.lock() as lock:
        folder.clear_up()
        reasons = decided(folder, rules, zone)
        gone: list[Going] = []
        stayed: list[KeptSnapshot] = []
        total = len(planned.going)
        observe(PhaseStarted("prepare", f"Removing {total} snapshot{'s' if total != 1 else ''}."))
        for each in planned.going:
            lock.check()
            why = reasons.get(each.id)
            if why == () and _remove(folder, each):
                gone.append(each)
            elif os.path.isdir(each.path):
                stayed.append(
                    KeptSnapshot(each.id, each.path, each.data_from, why or _last_minute(folder, each.id))
                )
            observe(Progress("prepare", percent=100 * (len(gone) + len(stayed)) / total))
    return PrunePlan(planned.udid, planned.device_name, (*planned.kept, *stayed), tuple(gone), planned.exact)


def pin(folder: PhoneFolder, snapshot: Snapshot, note: str = "") -> Proofs:
    """Make prune keep a snapshot, whatever the rules are. Needs no lock, so a backup may be running.

    Raises:
        UsageError: it has just been removed.
        IbackupError: the store cannot be written.
    """
    return _write_pin(folder, snapshot, pinned=True, note=note)


def unpin(folder: PhoneFolder, snapshot: Snapshot) -> Proofs:
    """Let the rules decide again."""
    return _write_pin(folder, snapshot, pinned=False, note="")


def _write_pin(folder: PhoneFolder, snapshot: Snapshot, *, pinned: bool, note: str) -> Proofs:
    proofs = folder.change_proofs(
        snapshot.id,
        lambda known: replace(known, pinned=pinned, pin_note=note),
        "The pin could not be recorded.",
    )
    # A prune renames first and then checks for a pin; this does the reverse, so one of the two notices the
    # other.
    if not os.path.isdir(snapshot.path):
        raise UsageError(
            f"Snapshot {snapshot.id} has just been removed.",
            hint="`ibackup list` shows the remaining ones.",
        )
    return proofs


def after_success(folder: PhoneFolder, rules: RetentionRules, observe: Observer = ignore) -> PrunePlan | None:
    """Prune one phone's snapshots after a backup; None if nothing is removed or there are no rules."""
    planned = plan(folder, rules, observe=observe) if rules.any else None
    return carry_out(folder, rules, planned, observe=observe) if planned and planned.going else None


def require_rule(rules: RetentionRules) -> None:
    """Raise UsageError if no rule keeps anything."""
    if not rules.any:
        raise UsageError(
            "No rule says which snapshots to keep, so nothing is removed.",
            hint="Give at least one of --keep-last, --keep-daily, --keep-weekly, --keep-monthly and --keep-within, or "
            "write a [prune] table into the config file.",
        )


# -- deciding -----------------------------------------------------------------------------------------------


def _facts(known: Known, place: int, *, in_use: bool) -> Facts:
    return Facts(
        known.id,
        place,
        known.snapshot.meta.data_from,
        state=known.state,
        proven=known.proven,
        sealed=known.seal == "whole",
        pinned=known.proofs.pinned,
        in_use=in_use,
    )


def _why(snapshot_id: str, reasons: dict[str, tuple[KeepReason, ...]]) -> tuple[KeepReason, ...]:
    return reasons.get(snapshot_id, ("unreadable",))


def _beside(entries: Sequence[Snapshot | BrokenSnapshot], leaving: Sequence[Snapshot]) -> list[str]:
    """The remaining snapshots next to a removed one: they share all files that any remaining one shares."""
    goes = [each in leaving for each in entries]
    beside = zip(goes, [False, *goes], [*goes[1:], False], strict=False)
    return [
        each.path for each, (gone, *sides) in zip(entries, beside, strict=True) if not gone and any(sides)
    ]


def _measure(
    folder: PhoneFolder, leaving: list[Snapshot], staying: list[str], observe: Observer
) -> room_given_back.ReclaimableRoom:
    if leaving:
        observe(PhaseStarted("prepare", "Calculating the space that this frees."))
    total = sum(each.meta.files for each in leaving)
    with telling("The snapshots could not be read completely."):
        return room_given_back.measure(
            [each.path for each in leaving],
            staying,
            clones=room_given_back.may_share_blocks(folder.path),
            tell=lambda seen: observe(Progress("prepare", files=seen, total_files=max(seen, total))),
        )


def _last_minute(folder: PhoneFolder, snapshot_id: str) -> tuple[KeepReason, ...]:
    """Why a snapshot stays that was to be removed a moment ago."""
    return ("pinned",) if folder.proofs(snapshot_id).pinned else ("in-use",)


# -- removing -----------------------------------------------------------------------------------------------


def _remove(folder: PhoneFolder, going: Going) -> bool:
    """Remove one; False if it was pinned or taken into use at the last moment, or is already gone."""
    if not os.path.isdir(going.path):
        return False
    nameless = folder.retire(going.path)
    if folder.proofs(going.id).pinned or folder.is_held(going.id):
        folder.reinstate(nameless, going.path)
        return False
    with telling("The records of its checks could not be removed."):
        folder.forget(going.id)
    folder.discard(nameless)
    with contextlib.suppress(IbackupError):  # a full disk; second copies then keep it
        folder.note_pruned(going.id)
    return True
