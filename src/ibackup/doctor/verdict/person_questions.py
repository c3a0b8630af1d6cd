"""Questions that only the user can answer, asked if the answer could change the verdict."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ibackup.doctor.checks.case import SENTENCES
from ibackup.doctor.checks.icloud_size import PLANS
from ibackup.doctor.evidence.phone_evidence import Evidence, PersonAnswers
from ibackup.doctor.evidence.sighting import EvidenceSource, Fact, Seen
from ibackup.doctor.verdict.doctor_memory import DoctorRun, Memories
from ibackup.doctor.verdict.verdict import DoctorVerdict, judge

QuestionKind = Literal["sentence", "plan", "used"]
MOST = 2  # questions in one run
YOU_SAID = "what you said"
TRIED = {
    "restart": "restarted the phone",
    "other-wifi": "another Wi-Fi",
    "back-up-now": "tapped Back Up Now and waited",
    "freed-storage": "freed iCloud storage",
    "signed-out": "signed out and in again",
    "update": "updated iOS",
}
"""What someone may have tried already; only Apple Support needs it."""
_LONGEST = 200  # characters of what someone types


@dataclass(frozen=True, slots=True)
class Question:
    """One question; ``choices`` are (answer, words), none for a free one (bytes)."""

    kind: QuestionKind
    text: str
    choices: tuple[tuple[str, str], ...] = ()


_QUESTIONS = (
    Question(
        "sentence",
        "What does the phone show below Back Up Now, or in its last message about iCloud Backup?",
        tuple((key, text) for key, (text, _, _) in SENTENCES.items()),
    ),
    Question(
        "plan",
        "How much iCloud storage do you have? (5 GB is free)",
        tuple((plan, f"{plan[:-2]} {plan[-2:]}") for plan in PLANS),
    ),
    Question("used", "How much of it is used?"),
)


def recalled(evidence: Evidence) -> Evidence:
    """The evidence with the answers that the person gave for this phone before."""
    identity = evidence.phone.identity
    return evidence if identity is None else replace(evidence, answers=Memories().of(identity.udid).answers)


def remember(verdict: DoctorVerdict) -> None:
    """Remember the answers and the findings for this phone, if it is known which one it is.

    After another answer to the same evidence, this replaces what was remembered of it.
    """
    evidence = verdict.case.evidence
    if evidence.phone.identity is None:
        return
    found = tuple(each.id for each in (*verdict.blockers, *verdict.likely))
    run = DoctorRun(evidence.now, verdict.status, found)
    Memories().add(evidence.phone.identity.udid, evidence.answers, run)


def next_question(verdict: DoctorVerdict, skipped: Collection[str] = ()) -> Question | None:
    """The next question whose answer would change the verdict and that was neither answered nor skipped."""
    if verdict.status == "working" or verdict.blockers:
        return None
    evidence = verdict.case.evidence
    for question in _QUESTIONS:
        if question.kind in skipped:
            continue
        if not isinstance(getattr(evidence.answers, question.kind), Seen) and _matters(verdict, question):
            return question
    return None


def answered(evidence: Evidence, kind: QuestionKind, answer: str | int) -> Evidence:
    """The evidence with one more answer: a sentence's key, a plan's name, or bytes."""
    source = EvidenceSource("person", evidence.now, YOU_SAID)
    answer = PLANS.get(str(answer), answer)
    if kind == "sentence":
        return _with(evidence, replace(evidence.answers, sentence=Seen(str(answer), source)))
    fact: Fact[int] = Seen(int(answer), source)
    answers = evidence.answers
    return _with(evidence, replace(answers, plan=fact) if kind == "plan" else replace(answers, used=fact))


def told_for_support(evidence: Evidence, since: str, tried: Iterable[str]) -> Evidence:
    """The evidence with what only Apple Support needs.

    Args:
        evidence: without it.
        since: how long it has failed, in any words; empty if that was not said.
        tried: keys of ``TRIED``; others are left out.
    """
    source = EvidenceSource("person", evidence.now, YOU_SAID)
    answers, known = evidence.answers, tuple(key for key in dict.fromkeys(tried) if key in TRIED)
    if since:
        answers = replace(answers, since=Seen(since[:_LONGEST], source))
    if known:
        answers = replace(answers, tried=Seen(known, source))
    return _with(evidence, answers)


def _with(evidence: Evidence, answers: PersonAnswers) -> Evidence:
    return replace(evidence, answers=answers)


def _matters(verdict: DoctorVerdict, question: Question) -> bool:
    evidence = verdict.case.evidence
    return any(
        _gist(judge(answered(evidence, question.kind, answer), verdict.case.limits)) != _gist(verdict)
        for answer in _possible(evidence, question)
    )


def _possible(evidence: Evidence, question: Question) -> Iterator[str | int]:
    """Answers to try; the used storage only matters once the plan is known."""
    plan = evidence.answers.plan
    if question.kind == "used":
        if isinstance(plan, Seen):
            yield from (0, plan.value)
    elif question.kind == "plan":
        yield from PLANS.values()
    else:
        yield from SENTENCES


def _gist(verdict: DoctorVerdict) -> tuple[object, ...]:
    return (
        verdict.status,
        tuple(finding.id for finding in verdict.blockers),
        tuple(finding.id for finding in verdict.likely),
    )
