"""Meets the person at the phone: counts its prompts, has people told of them, and gives up in time."""

from dataclasses import replace
from datetime import datetime, timedelta

from ibackup.errors import PersonNeeded
from ibackup.events import Event, Prompt, PromptDone
from ibackup.unattended.job import Job
from ibackup.unattended.phones import KnownPhone
from ibackup.unattended.telling import messages


class Unanswered(PersonNeeded):
    """Nobody came to the phone in time, or it has asked often enough for tonight."""


class Prompts:
    """The observer of one attempt; what it hears it hands on.

    Args:
        job: the run.
        phone: whose turn it is.
        noun: iPhone or iPad.
    """

    def __init__(self, job: Job, phone: KnownPhone, noun: str) -> None:
        self._job = job
        self._phone = phone
        self._noun = noun
        self._asked: datetime | None = None
        self.count = 0

    def __call__(self, event: Event) -> None:
        """Take an event. Raises Unanswered, which ends the attempt."""
        self._job.observe(event)
        if isinstance(event, Prompt):
            self._ask(event)
        elif isinstance(event, PromptDone):
            self._asked = None
        elif self._asked is not None:
            # The session tells of its progress a few times a second, also while the phone is silent.
            self._look_at_the_clock(self._asked)

    def _ask(self, prompt: Prompt) -> None:
        job, phone = self._job, self._phone
        message = messages.needs_person(prompt.kind, self._noun, phone.name)
        if prompt.kind == "unlock":
            job.alarm(phone, message, prompt.kind)  # it shows nothing, and may stay locked all night
            return
        if prompt.kind == "passcode":
            self._asked = job.clock.now()
        if prompt.kind in ("passcode", "trust"):
            self.count += 1
            asked = job.remember(phone, lambda record: replace(record, prompts=record.prompts + 1)).prompts
            if asked > job.config.nightly.max_prompts:
                raise too_often(phone, asked - 1)
        job.teller.tell(message)

    def _look_at_the_clock(self, asked: datetime) -> None:
        limit = self._job.config.nightly.answer_within_s
        if self._job.clock.now() - asked > timedelta(seconds=limit):
            raise Unanswered(
                f"Nobody entered the passcode on {self._phone.name} within {limit / 60:.0f} minutes.",
                hint="It is asked again later this night; or enter it when the phone is plugged in.",
            )


def too_often(phone: KnownPhone, times: int) -> Unanswered:
    """The error for a phone that has asked often enough tonight."""
    often = "once" if times == 1 else f"{times} times"
    return Unanswered(
        f"{phone.name} has asked for its passcode {often} tonight, and is left alone until tomorrow.",
        hint="Run `ibackup now` when somebody is at the phone.",
    )
