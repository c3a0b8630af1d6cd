"""What takes more rights on a restic repository than to add to it: removing snapshots, and repairing what is damaged.

restic's exit code says nothing about it: with rights that only add, some versions report success. So what is there is
asked again.
"""

import os
import re
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ibackup.base import held
from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.long_programs import LongEnd
from ibackup.copies.copy_engine import CopyEngine
from ibackup.copies.restic_engine import ResticEngine
from ibackup.copies.restic_program import PATIENT_S
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling

_ONLY_ADDS = (
    "This computer may only add to the copy, which protects it. Run the command on a computer that may remove from "
    "it, or leave `prune` out of the [[copies]] table."
)
_REPAIRS = (0, 16, 1)  # since when restic itself takes damaged files out
_PACK = re.compile(r"\b(?:pack|want) ([0-9a-f]{64})\b", re.IGNORECASE)
_SOUND = ("not referenced in any index", "contained in several indexes")
_ASIDE = "damaged"


@dataclass(frozen=True, slots=True)
class PackDamage:
    """What is wrong with a repository.

    Attributes:
        damaged: the ids of files of data that have changed.
        missing: the ids of files of data that are gone.
        other: restic found something else, for example snapshots that lack what was in such files.
    """

    damaged: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    other: bool = False

    @property
    def packs(self) -> list[str]:
        """Both."""
        return sorted(self.damaged | self.missing)


def restic_of(engine: CopyEngine) -> ResticEngine:
    """The engine, if it is restic's. Raises UsageError."""
    if not isinstance(engine, ResticEngine):
        raise UsageError(
            f"The copy {engine.name} has plain files of the newest snapshot alone.",
            hint=f"`ibackup copy run {engine.name}` replaces what is old or damaged there.",
        )
    return engine


def forget(engine: ResticEngine, engine_ids: Collection[str]) -> frozenset[str]:
    """Remove snapshots; ``clear_out`` then frees their space.

    Args:
        engine: the repository.
        engine_ids: of the snapshots.

    Returns:
        The engine ids of those that are gone.

    Raises:
        CopyLocked: another program works on the repository.
        IbackupError: none is gone, or the repository cannot be read.
    """
    doing = "remove old snapshots"
    end = engine.program.attempt("forget", *sorted(engine_ids), doing=doing, silence_s=PATIENT_S)
    there = {each.engine_id for each in engine.held()}
    gone = frozenset(engine_ids) - there
    if not gone:
        raise _not_removed(engine, end, doing)
    return gone


def clear_out(engine: ResticEngine) -> None:
    """Free the space of what no snapshot needs. Raises IbackupError."""
    engine.program.run("prune", doing="free the space of what was removed", silence_s=PATIENT_S)


def _not_removed(engine: ResticEngine, end: LongEnd, doing: str) -> IbackupError:
    if not end.code:
        return IbackupError(
            f"restic removed nothing from the copy {engine.name}, although it reported success.",
            hint=_ONLY_ADDS,
        )
    error = engine.program.error(end, doing)
    if type(error) is IbackupError:
        error.hint = _ONLY_ADDS
    return error


def damaged_packs(engine: ResticEngine) -> PackDamage:
    """Find the files of data that are missing, or else read all of them and find those that are damaged.

    Some versions of restic try for a minute to read each missing one, so nothing is read before they are taken out.

    Raises:
        IbackupError: the repository cannot be read.
    """
    missing = engine.missing_packs()
    if missing:
        return PackDamage(missing=missing)
    doing = "read all of its data"
    end = engine.program.attempt("check", "--no-lock", "--read-data", doing=doing, silence_s=PATIENT_S)
    if not end.code and not end.silent:
        return PackDamage()
    damaged: set[str] = set()
    for line in end.said:
        if not any(mark in line for mark in _SOUND):
            damaged.update(_PACK.findall(line))
    if not damaged and not engine.check().problems:
        raise engine.program.error(end, doing)
    return PackDamage(frozenset(damaged), other=not damaged)


def take_out(engine: ResticEngine, damage: PackDamage) -> None:
    """Take damaged files out of a repository and its index, so that what they held can be copied again.

    Raises:
        IbackupError: this computer may not do that, or not with this restic; the hint says what the keeper can do.
    """
    doing = "take damaged files out of the repository"
    program = engine.program
    if damage.damaged and program.version >= _REPAIRS:
        with tempfile.TemporaryDirectory(prefix="ibackup-", ignore_cleanup_errors=True) as folder:
            # It leaves copies of them in the current folder.
            end = program.attempt(
                "repair", "packs", *sorted(damage.damaged), doing=doing, silence_s=PATIENT_S, folder=folder
            )
    elif damage.damaged and program.address.kind == "folder":
        _move_away(program.address.path, damage.damaged)
    elif damage.damaged:
        raise _for_the_keeper(engine, damage, why="The restic here is too old for that.")
    if damage.missing or program.version < _REPAIRS:
        words = ("repair", "index") if program.version >= _REPAIRS else ("rebuild-index",)
        end = program.attempt(*words, doing=doing, silence_s=PATIENT_S)
        if end.code or end.silent or engine.missing_packs():
            raise _for_the_keeper(engine, damage, why=program.error(end, doing).message)
    left = damage.damaged.intersection(
        program.lines("list", "packs", "--no-lock", doing=doing, hear=lambda _: None, silence_s=PATIENT_S)
    )
    if left:
        raise _for_the_keeper(engine, damage, why=program.error(end, doing).message)


def _move_away(repository: str, packs: Iterable[str]) -> None:
    """Move files of data into a folder beside them, which restic does not look at."""
    aside = os.path.join(repository, _ASIDE)
    with telling("A damaged file of the copy could not be moved away."):
        durable.make_dir(aside)
        for pack in packs:
            held.replace(os.path.join(repository, "data", pack[:2], pack), os.path.join(aside, pack))


def _for_the_keeper(engine: ResticEngine, damage: PackDamage, *, why: str) -> IbackupError:
    words = ["restic repair packs", *sorted(damage.damaged)] if damage.damaged else ["restic repair index"]
    return IbackupError(
        f"This computer cannot repair the copy {engine.name}.",
        why=why,
        hint=f"On a computer that may change it, with restic 0.16.1 or newer: `{' '.join(words)}`. Then here: "
        f"`ibackup copy repair {engine.name}`.",
    )
