"""Handles prompts at the phone: counts them, sends notifications, and gives up in time."""

from dataclasses import replace
from datetime import datetime, timedelta

from ibackup.base.errors import PersonNeeded
from ibackup.base.events import Event, Prompt, PromptDone
from ibackup.jobs.nights.known_phones import KnownPhone
from ibackup.jobs.nights.night_context import NightContext
from ibackup.jobs.nights.telling import message_texts


class Unanswered(PersonNeeded):
    """Nobody responded at the phone in time, or it has asked often enough for tonight."""


class Prompts:
    """The observer of one attempt; passes every event on.

    Args:
        job: the run.
        phone: whose turn it is.
        noun: iPhone or iPad.
        announced: a message about the first passcode prompt was sent already.
    """

    def __init__(self, job: NightContext, phone: KnownPhone, noun: str, *, announced: bool = False) -> None:
        self._job = job
        self._phone = phone
        self._noun = noun
        self._announced = announced
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
            # The session reports progress a few times a second, even while the phone is silent.
            self._look_at_the_clock(self._asked)

    def _ask(self, prompt: Prompt) -> None:
        job, phone = self._job, self._phone
        message = message_texts.needs_person(prompt.kind, self._noun, phone.name)
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
        if self._announced and prompt.kind == "passcode":
            self._announced = False
            return
        job.teller.tell(message)

    def _look_at_the_clock(self, asked: datetime) -> None:
        limit = self._job.config.nightly.answer_within_s
        if self._job.clock.now() - asked > timedelta(seconds=limit):
            raise Unanswered(
                f"Nobody entered the passcode on {self._phone.name} within {limit / 60:.0f} minutes.",
                hint="The phone will ask again later tonight. You can also enter it when you plug in the phone.",
            )


def too_often(phone: KnownPhone, times: int) -> Unanswered:
    """The error for a phone that has asked often enough tonight."""
    often = "once" if times == 1 else f"{times} times"
    return Unanswered(
        f"{phone.name} has asked for its passcode {often} tonight, so ibackup does not try it again until tomorrow.",
        hint="Run `ibackup now` when someone is at the phone.",
    )
