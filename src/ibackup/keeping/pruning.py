"""Remove the snapshots that no rule keeps.

A snapshot that goes loses its name first and its content then, so that nothing half removed is ever taken for a
snapshot; what an interrupted removal leaves, the next command that holds the phone's lock removes.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from ibackup.errors import UsageError
from ibackup.events import Observer, PhaseStarted, Progress, ignore
from ibackup.keeping import room
from ibackup.keeping.retention import PROVING, Facts, Reason, Rules, decide
from ibackup.store import BrokenSnapshot, PhoneFolder, Proofs, Snapshot
from ibackup.store.trouble import telling


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that stays, and every rule that keeps it; ``data_from`` is None where its record cannot be read."""

    id: str
    path: str
    data_from: datetime | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Going:
    """A snapshot that goes.

    Attributes:
        bytes: of all its files.
        gives_back: what comes free, for the snapshots removed in the order of the plan.
    """

    id: str
    path: str
    data_from: datetime
    bytes: int
    gives_back: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to become of one phone's snapshots, both lists oldest first.

    Attributes:
        exact: False where ``gives_back`` is an upper bound, since the file system shares blocks unseen.
    """

    udid: str
    device_name: str
    kept: tuple[Kept, ...]
    going: tuple[Going, ...]
    exact: bool

    @property
    def gives_back(self) -> int:
        """Bytes, of all that go."""
        return sum(each.gives_back for each in self.going)


def plan(
    folder: PhoneFolder, rules: Rules, *, zone: tzinfo | None = None, observe: Observer = ignore
) -> Plan:
    """Decide what stays and what goes, and measure what that gives back; changes nothing.

    Raises:
        UsageError: there is no rule; nothing is removed without one.
        IbackupError: the store cannot be read.
    """
    reasons = _decide(folder, rules, zone)
    entries = folder.entries()
    newest = folder.newest()
    kept = [
        Kept(each.id, each.path, each.meta.data_from if isinstance(each, Snapshot) else None, why)
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
    return Plan(folder.udid, name, tuple(kept), tuple(going), measured.exact)


def carry_out(
    folder: PhoneFolder,
    rules: Rules,
    planned: Plan,
    *,
    zone: tzinfo | None = None,
    observe: Observer = ignore,
) -> Plan:
    """Remove what was planned, as far as nothing speaks against it by now. Gives the plan as it was carried out.

    Raises:
        PhoneBusy: a run has this phone.
        IbackupError: something could not be removed; the next command goes on with it.
    """
    with folder.lock() as lock:
        folder.clear_up()
        reasons = _decide(folder, rules, zone)
        gone: list[Going] = []
        stayed: list[Kept] = []
        total = len(planned.going)
        observe(PhaseStarted("prepare", f"Removing {total} snapshot{'s' if total != 1 else ''}."))
        for each in planned.going:
            lock.check()
            why = reasons.get(each.id)
            if why == () and _remove(folder, each):
                gone.append(each)
            elif os.path.isdir(each.path):
                stayed.append(Kept(each.id, each.path, each.data_from, why or ("pinned",)))
            observe(Progress("prepare", percent=100 * (len(gone) + len(stayed)) / total))
    return Plan(planned.udid, planned.device_name, (*planned.kept, *stayed), tuple(gone), planned.exact)


def pin(folder: PhoneFolder, snapshot: Snapshot, note: str = "") -> Proofs:
    """Have prune leave a snapshot alone, whatever the rules are. Needs no lock: a run may be under way.

    Raises:
        UsageError: it has just been removed.
        IbackupError: the store cannot be written.
    """
    return _write_pin(folder, snapshot, pinned=True, note=note)


def unpin(folder: PhoneFolder, snapshot: Snapshot) -> Proofs:
    """Let the rules decide again."""
    return _write_pin(folder, snapshot, pinned=False, note="")


def _write_pin(folder: PhoneFolder, snapshot: Snapshot, *, pinned: bool, note: str) -> Proofs:
    known = folder.proofs(snapshot.id)
    proofs = Proofs(known.last, known.damaged, pinned, note)
    folder.write_proofs(snapshot.id, proofs)
    # A prune renames first and looks at the pin then; here it is the other way round, so one of the two sees it.
    if not os.path.isdir(snapshot.path):
        raise UsageError(
            f"Snapshot {snapshot.id} has just been removed.",
            hint="`ibackup list` shows those that are there.",
        )
    return proofs


def after_success(folder: PhoneFolder, rules: Rules, observe: Observer = ignore) -> Plan | None:
    """Prune one phone's snapshots after a backup; None when none had to go, or nothing says what to keep."""
    planned = plan(folder, rules, observe=observe) if rules.any else None
    return carry_out(folder, rules, planned, observe=observe) if planned and planned.going else None


def require_rule(rules: Rules) -> None:
    """Raise UsageError when no rule keeps anything."""
    if not rules.any:
        raise UsageError(
            "Nothing says which snapshots to keep, and nothing is removed by default.",
            hint="Give at least one of --keep-last, --keep-daily, --keep-weekly, --keep-monthly and --keep-within, or "
            "write a [prune] table into the config file.",
        )


# -- deciding -----------------------------------------------------------------------------------------------


def _decide(folder: PhoneFolder, rules: Rules, zone: tzinfo | None) -> dict[str, tuple[Reason, ...]]:
    """Why each snapshot that can be read stays; the empty tuple for one that goes."""
    require_rule(rules)
    bases = {
        left.run.base for left in folder.left_overs() if left.run is not None and left.kind != "set_aside"
    }
    facts = [_facts(folder, each, bases) for each in folder.snapshots()]
    return decide(facts, rules, zone)


def _facts(folder: PhoneFolder, snapshot: Snapshot, bases: set[str]) -> Facts:
    proofs = folder.proofs(snapshot.id)
    good = [level for level in PROVING if any(p.level == level and p.result == "good" for p in proofs.last)]
    return Facts(
        snapshot.id,
        snapshot.meta.sequence,
        snapshot.meta.data_from,
        damaged=proofs.known_damaged,
        proven=good[-1] if good else "",
        pinned=proofs.pinned,
        in_use=snapshot.id in bases,
    )


def _why(snapshot_id: str, reasons: dict[str, tuple[Reason, ...]]) -> tuple[Reason, ...]:
    return reasons.get(snapshot_id, ("unreadable",))


def _beside(entries: Sequence[Snapshot | BrokenSnapshot], leaving: Sequence[Snapshot]) -> list[str]:
    """Those that stay right before or after one that goes: whatever it shares with any that stays, these share."""
    goes = [each in leaving for each in entries]
    beside = zip(goes, [False, *goes], [*goes[1:], False], strict=False)
    return [
        each.path for each, (gone, *sides) in zip(entries, beside, strict=True) if not gone and any(sides)
    ]


def _measure(
    folder: PhoneFolder, leaving: list[Snapshot], staying: list[str], observe: Observer
) -> room.Room:
    if leaving:
        observe(PhaseStarted("prepare", "Counting what their removal gives back."))
    total = sum(each.meta.files for each in leaving)
    with telling("The snapshots could not be looked through."):
        return room.measure(
            [each.path for each in leaving],
            staying,
            clones=room.may_share_blocks(folder.path),
            tell=lambda seen: observe(Progress("prepare", files=seen, total_files=max(seen, total))),
        )


# -- removing -----------------------------------------------------------------------------------------------


def _remove(folder: PhoneFolder, going: Going) -> bool:
    """Remove one; False when it was pinned at the last moment, or is gone already."""
    if not os.path.isdir(going.path):
        return False
    nameless = folder.retire(going.path)
    if folder.proofs(going.id).pinned:
        folder.reinstate(nameless, going.path)
        return False
    with telling("What was proved of it could not be removed."), contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(folder.proofs_path, f"{going.id}.json"))
    folder.discard(nameless)
    return True
