"""How a check says what it found."""

from collections.abc import Sequence

from ibackup.doctor.case import Case
from ibackup.doctor.catalog import CHECKS
from ibackup.doctor.evidence import Fact, Seen, T_co, Unseen
from ibackup.doctor.finding import RANK, Finding, Level, Said, Step


def found(
    check: str,
    level: Level,
    title: str,
    said: Sequence[Said],
    *,
    steps: Sequence[Step] | None = None,
    guess: bool = False,
    stands: bool = False,
) -> Finding:
    """A cause, more or less sure; its steps are all of the check's unless some are given."""
    return Finding(
        id=check,
        level=level,
        title=title,
        evidence=tuple(said),
        steps=CHECKS[check].steps if steps is None else tuple(steps),
        guess=guess,
        stands=stands,
    )


def fine(check: str, *said: Said) -> Finding:
    """No cause for concern."""
    return Finding(id=check, level=Level.FINE, title=CHECKS[check].fine, evidence=said)


def unseen(check: str, why: str, mend: str = "") -> Finding:
    """It cannot be seen from here; where it can be looked at, or what mends that, is its only step."""
    info = CHECKS[check]
    look, place = (mend, None) if mend else (info.look, info.place)
    steps = (Step(text=look, place=place, removes=False),) if look else ()
    return Finding(id=check, level=Level.UNSEEN, title=info.question, evidence=(Said(why),), steps=steps)


def set_clock(case: Case) -> str:
    """What to do when this computer's clock is wrong, by which then nothing can be judged."""
    return f"set this computer's clock ({case.clock_doubt}), then run `ibackup doctor` again"


def unless_known(check: str, *facts: Fact[object]) -> Finding:
    """Fine when one of the facts was seen, else unseen, with the reason of the first."""
    if any(isinstance(fact, Seen) for fact in facts):
        return fine(check)
    return unseen(check, why(facts[0]))


def why(fact: Fact[object]) -> str:
    """Why a fact was not seen."""
    return fact.why if isinstance(fact, Unseen) else ""


def said(fact: Seen[T_co], text: str) -> Said:
    """A seen fact as evidence."""
    return Said(text, fact.source.label, fact.source.date)


def surer(one: Level | None, other: Level | None) -> Level | None:
    """The surer one of two."""
    known = [level for level in (one, other) if level is not None]
    return min(known, key=RANK.__getitem__) if known else None
