"""Builds what a check found."""

from collections.abc import Sequence

from ibackup.doctor.checks.case import Case
from ibackup.doctor.evidence.sighting import Fact, Seen, T_co, Unseen
from ibackup.doctor.tables.catalog import CHECKS
from ibackup.doctor.tables.finding import RANK, CheckFinding, FindingLevel, FindingText, Step


def found(
    check: str,
    level: FindingLevel,
    title: str,
    said: Sequence[FindingText],
    *,
    steps: Sequence[Step] | None = None,
    guess: bool = False,
    stands: bool = False,
) -> CheckFinding:
    """A cause, more or less certain; it advises all steps of the check unless some are given."""
    return CheckFinding(
        id=check,
        level=level,
        title=title,
        evidence=tuple(said),
        steps=CHECKS[check].steps if steps is None else tuple(steps),
        guess=guess,
        stands=stands,
    )


def fine(check: str, *said: FindingText) -> CheckFinding:
    """No cause for concern."""
    return CheckFinding(id=check, level=FindingLevel.FINE, title=CHECKS[check].fine, evidence=said)


def unseen(check: str, why: str, fix: str = "") -> CheckFinding:
    """Ibackup cannot see it; the only step says where to look, or how to make it visible."""
    info = CHECKS[check]
    look, place = (fix, None) if fix else (info.look, info.place)
    steps = (Step(text=look, place=place, removes=False),) if look else ()
    return CheckFinding(
        id=check, level=FindingLevel.UNSEEN, title=info.question, evidence=(FindingText(why),), steps=steps
    )


def set_clock(case: Case) -> str:
    """What to do if this computer's clock is wrong, because then no date can be judged."""
    return f"set this computer's clock ({case.clock_doubt}), then run `ibackup doctor` again"


def unless_known(check: str, *facts: Fact[object]) -> CheckFinding:
    """Fine when one of the facts was seen, else unseen, with the reason of the first."""
    if any(isinstance(fact, Seen) for fact in facts):
        return fine(check)
    return unseen(check, why(facts[0]))


def why(fact: Fact[object]) -> str:
    """Why a fact was not seen."""
    return fact.why if isinstance(fact, Unseen) else ""


def said(fact: Seen[T_co], text: str) -> FindingText:
    """A seen fact as evidence."""
    return FindingText(text, fact.source.label, fact.source.date)


def surer(one: FindingLevel | None, other: FindingLevel | None) -> FindingLevel | None:
    """The more certain of two."""
    known = [level for level in (one, other) if level is not None]
    return min(known, key=RANK.__getitem__) if known else None
