"""The doctor's few questions on a terminal; Return skips each one."""

import click

from ibackup.cli.shell.output import wrap
from ibackup.config import value_kinds
from ibackup.doctor.evidence.phone_evidence import Evidence
from ibackup.doctor.verdict.person_questions import TRIED, Question, told_for_support


def ask(question: Question) -> str | int | None:
    """One question: a choice by its number, or a size; None when it was skipped."""
    click.echo(wrap(f"{question.text} (Return: skip)"), err=True)
    if not question.choices:
        answer = click.prompt("", default="", show_default=False, prompt_suffix="> ", err=True)
        return value_kinds.size_bytes(str(answer)) or None
    keys = [key for key, _ in question.choices]
    for number, (_, words) in enumerate(question.choices, 1):
        click.echo(wrap(f"{number}. {words}", "  ", "     "), err=True)
    chosen = _number(len(keys))
    return None if chosen is None else keys[chosen - 1]


def ask_for_packet(evidence: Evidence) -> Evidence:
    """Since when, and what was tried: only Apple Support needs it."""
    since = click.prompt("How long has it failed? (Return: skip)", default="", show_default=False, err=True)
    click.echo(wrap("What did you try? Numbers separated by spaces (Return: skip)"), err=True)
    for number, words in enumerate(TRIED.values(), 1):
        click.echo(f"  {number}. {words}", err=True)
    line = click.prompt("", default="", show_default=False, prompt_suffix="> ", err=True)
    keys = list(TRIED)
    picked = [int(word) for word in str(line).replace(",", " ").split() if word.isascii() and word.isdigit()]
    tried = tuple(keys[number - 1] for number in dict.fromkeys(picked) if 1 <= number <= len(keys))
    return told_for_support(evidence, str(since), tried)


def _number(most: int) -> int | None:
    """A number from 1 to ``most``; anything else is asked once more, then skipped."""
    for _ in range(2):
        answer = str(click.prompt("", default="", show_default=False, prompt_suffix="> ", err=True)).strip()
        if not answer:
            return None
        if answer.isascii() and answer.isdigit() and 1 <= int(answer) <= most:
            return int(answer)
        click.echo(f"Enter a number from 1 to {most}, or press Return.", err=True)
    return None
