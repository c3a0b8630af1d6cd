"""Whose turn it is: every phone that is connected, due and not in a pause, one after the other."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ibackup.config import same_udid
from ibackup.errors import ExitCode, IbackupError
from ibackup.store import Store
from ibackup.unattended import due
from ibackup.unattended.attempt import take_turn
from ibackup.unattended.job import Job, PhoneOutcome
from ibackup.unattended.journal import Attempt, State
from ibackup.unattended.phones import KnownPhone
from ibackup.unattended.telling import messages
from ibackup.unattended.turn import my_turn

NEVER = datetime.max.replace(tzinfo=UTC)
_FINAL: frozenset[ExitCode] = frozenset([ExitCode.NO_ROOM])  # trying again tonight changes nothing


@dataclass(slots=True)
class Place:
    """Where a phone stands in the queue.

    Attributes:
        after: not to be tried before this moment; NEVER when this run is through with it.
        outcome: of its last turn.
    """

    phone: KnownPhone
    after: datetime
    outcome: PhoneOutcome | None = None


class Rounds:
    """The queue of one run.

    Args:
        job: the run.
        phones: those to look after.
        again: whether a phone that was backed up comes to its turn again when it is due the next time.
    """

    def __init__(self, job: Job, phones: Iterable[KnownPhone], *, again: bool = False) -> None:
        self._job = job
        self._again = again
        self.places: dict[str, Place] = {}
        self.add(phones)

    def add(self, phones: Iterable[KnownPhone]) -> None:
        """Put phones into the queue that are not in it yet."""
        for phone in phones:
            if phone.udid not in self.places:
                self.places[phone.udid] = Place(phone, self._job.clock.now())

    def skip_unless_due(self, store: Store, place: Place) -> bool:
        """Settle a phone that is not due, without looking at it; whether it was not."""
        job, phone = self._job, place.phone
        newest = job.newest(store.phone(phone.udid))
        if due.is_due(phone.rules, newest, job.clock.now()):
            return False
        place.outcome = aged(job, store, put_off(job, phone, "not_due", ""))
        place.after = self._next(phone, place.outcome)
        job.report(place.outcome)
        return True

    def ready(self, connected: Iterable[str]) -> Place | None:
        """A connected phone that may be tried now."""
        now, here = self._job.clock.now(), list(connected)
        for place in self.places.values():
            opened = due.is_open(place.phone.rules.window, now, self._job.clock.zone)
            if place.after <= now and opened and any(same_udid(place.phone.udid, each) for each in here):
                return place
        return None

    def soonest(self, connected: Iterable[str]) -> datetime:
        """When a phone that is connected may be tried next; NEVER when none."""
        now, zone, here = self._job.clock.now(), self._job.clock.zone, list(connected)
        moments = [
            due.opens(place.phone.rules.window, max(place.after, now), zone)
            for place in self.places.values()
            if place.after < NEVER and any(same_udid(place.phone.udid, each) for each in here)
        ]
        return min(moments, default=NEVER)

    def came(self, udids: Iterable[str]) -> None:
        """Phones were plugged in: somebody is there, so that a pause is over."""
        for udid in udids:
            for place in self.places.values():
                if same_udid(place.phone.udid, udid) and place.after < NEVER and _may_hurry(place):
                    place.after = self._job.clock.now()

    def turn(self, place: Place, *, until: datetime | None = None) -> PhoneOutcome:
        """One phone's turn, once no other unattended run of this computer has it.

        Args:
            place: whose.
            until: how long to wait for the turn; None not at all.
        """
        job = self._job
        with my_turn(job.journal.folder, job.clock, until=until) as mine:
            if mine:
                outcome = self._take(place.phone)
            else:
                text = "Another unattended run of this computer has its turn."
                outcome = put_off(job, place.phone, "waiting", text)
        place.outcome = outcome
        place.after = self._next(place.phone, outcome)
        job.report(outcome)
        return outcome

    def _take(self, phone: KnownPhone) -> PhoneOutcome:
        job = self._job
        try:
            return take_turn(job, job.open_store(), phone)
        except IbackupError as error:
            # The store: gone in the middle of the night, or full, or forbidden.
            job.alarm_all(messages.store_gone(error), "store")
            outcome = put_off(job, phone, "failed", error.message, error)
            job.remember(
                phone, lambda record: replace(record, last=outcome.attempt, failures=record.failures + 1)
            )
            return outcome

    def _next(self, phone: KnownPhone, outcome: PhoneOutcome) -> datetime:
        """When a phone may be tried again after a turn that ended so."""
        job, attempt = self._job, outcome.attempt
        now = job.clock.now()
        if attempt.state in ("done", "not_due"):
            following = due.next_due(phone.rules, outcome.newest, now, job.clock.zone)
            # Right after a backup it is due again only when the phone's own clock is behind.
            following = max(following, now + timedelta(seconds=due.pause_s(1)))
            return following if self._again or attempt.state == "not_due" else NEVER
        if attempt.code in _FINAL and not self._again:
            return NEVER
        failures = job.record(phone).failures
        return now + timedelta(seconds=due.pause_s(failures))


def _may_hurry(place: Place) -> bool:
    """Whether a pause is one that somebody at the phone can end."""
    return place.outcome is None or place.outcome.attempt.state not in ("done", "not_due")


def put_off(
    job: Job, phone: KnownPhone, state: State, message: str, error: IbackupError | None = None
) -> PhoneOutcome:
    """The outcome of a phone that was not even looked at."""
    code = error.exit_code if error else ExitCode.OK
    attempt = Attempt(job.clock.now(), state, code, message, program=job.program)
    return PhoneOutcome(phone, attempt, error.hint if error else "", frozenset([code] if code else []))


def aged(job: Job, store: Store, outcome: PhoneOutcome) -> PhoneOutcome:
    """The same outcome with how old the phone's newest good backup is by now."""
    newest = job.newest(store.phone(outcome.phone.udid))
    stale = due.is_stale(outcome.phone.rules.max_age_s, newest, job.clock.now())
    codes = outcome.codes - {ExitCode.STALE} | ({ExitCode.STALE} if stale else set())
    return replace(
        outcome, newest=newest, stale=stale, codes=frozenset(codes), prompts=job.record(outcome.phone).prompts
    )
