"""What takes more rights on a restic repository than to add to it: removing snapshots, and repairing what is damaged.

restic's exit code says nothing about it: with rights that only add, some versions report success. So what is there is
asked again.
"""

from collections.abc import Collection

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.long_programs import LongEnd
from ibackup.copies.copy_engine import CopyEngine
from ibackup.copies.restic_engine import ResticEngine
from ibackup.copies.restic_program import PATIENT_S

_ONLY_ADDS = (
    "This computer may only add to the copy, which protects it. Run the command on a computer that may remove from "
    "it, or leave `prune` out of the [[copies]] table."
)


def restic_of(engine: CopyEngine) -> ResticEngine:
    """The engine, if it is restic's. Raises UsageError."""
    if not isinstance(engine, ResticEngine):
        raise UsageError(
            f"The copy {engine.name} has plain files of the newest snapshot alone.",
            hint=f"`ibackup copy run {engine.name}` replaces what is old or damaged there.",
        )
    return engine


def forget(engine: ResticEngine, engine_ids: Collection[str]) -> frozenset[str]:
    """Remove snapshots, then the data that no snapshot needs any more.

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
