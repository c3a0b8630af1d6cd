"""The few questions of the doctor on a terminal; Enter skips each."""

from dataclasses import replace

import click

from ibackup.cli.output import wrap
from ibackup.doctor.evidence import Evidence, Seen, Source
from ibackup.doctor.questions import YOU_SAID, Question

_TRIED = {
    "restart": "restarted the phone",
    "other-wifi": "another Wi-Fi",
    "back-up-now": "tapped Back Up Now and waited",
    "freed-storage": "freed iCloud storage",
    "signed-out": "signed out and in again",
    "update": "updated iOS",
}
_LONGEST = 200


def ask(question: Question) -> str | int | None:
    """One question: a choice by its number, or a size; None when it was skipped."""
    click.echo(wrap(f"{question.text} (Return: skip)"), err=True)
    if not question.choices:
        from ibackup.cli.doctor_command import SIZE

        answer = click.prompt("", default="", show_default=False, prompt_suffix="> ", err=True)
        return SIZE.convert(answer, None, None) if SIZE.is_size(answer) else None
    keys = [key for key, _ in question.choices]
    for number, (_, words) in enumerate(question.choices, 1):
        click.echo(wrap(f"{number}. {words}", "  ", "     "), err=True)
    chosen = _number(len(keys))
    return None if chosen is None else keys[chosen - 1]


def ask_for_packet(evidence: Evidence) -> Evidence:
    """Since when, and what was tried: only Support wants to know."""
    source = Source("person", evidence.now, YOU_SAID)
    since = click.prompt("Since when does it fail? (Return: skip)", default="", show_default=False, err=True)
    click.echo(wrap("What did you try? Numbers with spaces between (Return: skip)"), err=True)
    for number, words in enumerate(_TRIED.values(), 1):
        click.echo(f"  {number}. {words}", err=True)
    line = click.prompt("", default="", show_default=False, prompt_suffix="> ", err=True)
    keys = list(_TRIED)
    picked = [int(word) for word in str(line).replace(",", " ").split() if word.isascii() and word.isdigit()]
    tried = tuple(keys[number - 1] for number in dict.fromkeys(picked) if 1 <= number <= len(keys))
    answers = evidence.answers
    if since:
        answers = replace(answers, since=Seen(str(since)[:_LONGEST], source))
    if tried:
        answers = replace(answers, tried=Seen(tried, source))
    return replace(evidence, answers=answers)


def _number(most: int) -> int | None:
    """A number from 1 to ``most``; anything else is asked again once, then skipped."""
    for _ in range(2):
        answer = str(click.prompt("", default="", show_default=False, prompt_suffix="> ", err=True)).strip()
        if not answer:
            return None
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= most:
            return int(answer)
        click.echo(f"A number from 1 to {most}, or Return.", err=True)
    return None
