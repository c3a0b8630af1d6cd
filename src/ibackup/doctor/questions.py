"""What only the person can tell, and whether knowing it would change the verdict."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ibackup.doctor.case import SENTENCES
from ibackup.doctor.evidence import Answers, Evidence, Fact, Seen, Source
from ibackup.doctor.sizes import PLANS
from ibackup.doctor.verdict import Verdict, judge

QuestionKind = Literal["sentence", "plan", "used"]
MOST = 2  # questions in one run
YOU_SAID = "what you said"


@dataclass(frozen=True, slots=True)
class Question:
    """One question; ``choices`` are (answer, words), none for a free one (bytes)."""

    kind: QuestionKind
    text: str
    choices: tuple[tuple[str, str], ...] = ()


_QUESTIONS = (
    Question(
        "sentence",
        "What does the phone say below Back Up Now, or in its last message about iCloud Backup?",
        tuple((key, text) for key, (text, _, _) in SENTENCES.items()),
    ),
    Question(
        "plan",
        "How much iCloud storage do you have? (5 GB is what is free)",
        tuple((plan, f"{plan[:-2]} {plan[-2:]}") for plan in PLANS),
    ),
    Question("used", "How much of it is used?"),
)


def next_question(verdict: Verdict, skipped: Collection[str] = ()) -> Question | None:
    """A question whose answer would change the verdict, and that was neither answered nor skipped."""
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
    source = Source("person", evidence.now, YOU_SAID)
    answer = PLANS.get(str(answer), answer)
    if kind == "sentence":
        return _with(evidence, replace(evidence.answers, sentence=Seen(str(answer), source)))
    fact: Fact[int] = Seen(int(answer), source)
    answers = evidence.answers
    return _with(evidence, replace(answers, plan=fact) if kind == "plan" else replace(answers, used=fact))


def _with(evidence: Evidence, answers: Answers) -> Evidence:
    return replace(evidence, answers=answers)


def _matters(verdict: Verdict, question: Question) -> bool:
    evidence = verdict.case.evidence
    return any(
        _gist(judge(answered(evidence, question.kind, answer), verdict.case.limits)) != _gist(verdict)
        for answer in _possible(evidence, question)
    )


def _possible(evidence: Evidence, question: Question) -> Iterator[str | int]:
    """Answers to try; how much is used only matters once the plan is known."""
    plan = evidence.answers.plan
    if question.kind == "used":
        if isinstance(plan, Seen):
            yield from (0, plan.value)
    elif question.kind == "plan":
        yield from PLANS.values()
    else:
        yield from SENTENCES


def _gist(verdict: Verdict) -> tuple[object, ...]:
    return (
        verdict.status,
        tuple(finding.id for finding in verdict.blockers),
        tuple(finding.id for finding in verdict.likely),
    )
