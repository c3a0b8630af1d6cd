"""Whose turn it is: every phone that is connected, due and not in a pause, one after the other.

A turn whose phone is silent continues beside the next ones.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ibackup.base.errors import IbackupError
from ibackup.base.events import Event, Observer
from ibackup.base.exit_codes import ExitCode
from ibackup.base.udids import same_udid
from ibackup.jobs.nights import due
from ibackup.jobs.nights.abreast import Abreast, is_silence
from ibackup.jobs.nights.known_phones import KnownPhone
from ibackup.jobs.nights.night_context import NightContext, PhoneOutcome
from ibackup.jobs.nights.night_journal import Attempt, JournalState
from ibackup.jobs.nights.one_turn import take_turn
from ibackup.jobs.nights.telling import message_texts
from ibackup.jobs.nights.turn_queue import my_turn
from ibackup.store.store import Store

NEVER = datetime.max.replace(tzinfo=UTC)
_LASTING = timedelta(hours=12)


@dataclass(slots=True)
class RoundPlace:
    """A phone's place in the queue.

    Attributes:
        after: do not try before this moment; NEVER if this run is done with it.
        outcome: of its last turn.
        began: when the current turn began; None without one.
    """

    phone: KnownPhone
    after: datetime
    outcome: PhoneOutcome | None = None
    began: datetime | None = None


class Rounds:
    """The queue of one run.

    Args:
        job: the run.
        phones: the phones to back up.
        again: whether a backed-up phone gets another turn when it is next due.
    """

    def __init__(self, job: NightContext, phones: Iterable[KnownPhone], *, again: bool = False) -> None:
        self._job = job
        self._again = again
        self.places: dict[str, RoundPlace] = {}
        self._turns = Abreast[tuple[RoundPlace, PhoneOutcome]](job.observe)
        self.add(phones)

    def add(self, phones: Iterable[KnownPhone]) -> None:
        """Add phones that are not in the queue yet."""
        for phone in phones:
            if phone.udid not in self.places:
                self.places[phone.udid] = RoundPlace(phone, self._job.clock.now())

    def skip_unless_due(self, store: Store, place: RoundPlace) -> bool:
        """Settle a phone that is not due, without connecting to it; returns whether it was not due."""
        job, phone = self._job, place.phone
        if job.is_due(phone, store.phone(phone.udid)):
            return False
        place.outcome = aged(job, store, put_off(job, phone, "not_due", ""))
        place.after = self._next(phone, place.outcome)
        job.report(place.outcome)
        return True

    def ready(self, connected: Iterable[str]) -> RoundPlace | None:
        """A connected phone that may be tried now."""
        now, here = self._job.clock.now(), list(connected)
        for place in self.places.values():
            opened = due.is_open(place.phone.rules.window, now, self._job.clock.zone)
            if (
                place.began is None
                and place.after <= now
                and opened
                and any(same_udid(place.phone.udid, each) for each in here)
            ):
                return place
        return None

    def soonest(self, connected: Iterable[str]) -> datetime:
        """When a phone that is connected may be tried next; NEVER if none."""
        now, zone, here = self._job.clock.now(), self._job.clock.zone, list(connected)
        moments = [
            due.opens(place.phone.rules.window, max(place.after, now), zone)
            for place in self.places.values()
            if place.began is None
            and place.after < NEVER
            and any(same_udid(place.phone.udid, each) for each in here)
        ]
        return min(moments, default=NEVER)

    def wanted(self) -> Iterator[str]:
        """The UDIDs of phones that may have their turn now, if they are there."""
        now, zone = self._job.clock.now(), self._job.clock.zone
        for place in self.places.values():
            if (
                place.began is None
                and place.after <= now
                and due.is_open(place.phone.rules.window, now, zone)
            ):
                yield place.phone.udid

    def came(self, udids: Iterable[str]) -> None:
        """Phones were plugged in: someone is there, so pauses end."""
        for udid in udids:
            for place in self.places.values():
                if same_udid(place.phone.udid, udid) and place.after < NEVER and _may_hurry(place):
                    place.after = self._job.clock.now()

    @property
    def busy(self) -> bool:
        """Whether a turn is running, or has ended but is not settled."""
        return self._turns.busy

    @property
    def free(self) -> bool:
        """Whether the next turn may begin: no phone has a turn, or only silent ones."""
        return self._turns.free

    def begin(self, place: RoundPlace, *, until: datetime | None = None, asked: bool = False) -> None:
        """Begin a phone's turn, once no other unattended run on this computer has it.

        Args:
            place: whose.
            until: how long to wait for the turn; None to not wait.
            asked: whether someone asked for it, so that it is due.
        """
        place.began = self._job.clock.now()
        self._turns.start(
            place.phone.name, lambda observe: (place, self._turn(observe, place.phone, until, asked))
        )

    def wait(self) -> None:
        """Wait a moment, or less if a turn ends or its phone falls silent."""
        self._turns.wait()

    def settle(self) -> Iterator[tuple[RoundPlace, datetime]]:
        """Each phone whose turn has ended, and when it began; raises errors that are not part of an outcome."""
        for place, outcome in self._turns.ended():
            began, place.began = place.began or self._job.clock.now(), None
            place.outcome = outcome
            place.after = self._next(place.phone, outcome)
            self._job.report(outcome)
            yield place, began

    def stop(self) -> None:
        """End every running turn, as Ctrl-C does."""
        self._turns.stop()

    def _turn(
        self, observe: Observer, phone: KnownPhone, until: datetime | None, asked: bool
    ) -> PhoneOutcome:
        job = self._job
        with my_turn(job.journal.folder, phone.udid, job.clock, until=until) as mine:
            if mine is None:
                text = "Another unattended run on this computer is handling it."
                return put_off(job, phone, "waiting", text)

            def hear(event: Event) -> None:
                if is_silence(event):
                    mine.pass_on()
                observe(event)

            return _take(replace(job, observe=hear, asked=asked), phone)

    def _next(self, phone: KnownPhone, outcome: PhoneOutcome) -> datetime:
        """When a phone may be tried again after a turn with this result."""
        job, attempt = self._job, outcome.attempt
        now = job.clock.now()
        if attempt.state in ("done", "not_due"):
            following = due.next_due(phone.rules, outcome.newest, now, job.clock.zone)
            # Right after a backup it is only due again if the phone's clock is behind.
            following = max(following, now + timedelta(seconds=due.pause_s(1)))
            return following if self._again or attempt.state == "not_due" else NEVER
        if outcome.lasting and not self._again:
            return NEVER
        if outcome.lasting and attempt.code != ExitCode.NO_ROOM:
            return now + _LASTING  # unless it is plugged in again, perhaps after a restart
        failures = job.record(phone).failures
        return now + timedelta(seconds=due.pause_s(failures))


def _take(job: NightContext, phone: KnownPhone) -> PhoneOutcome:
    try:
        return take_turn(job, job.open_store(), phone)
    except IbackupError as error:
        # The store disappeared during the night, or is full, or cannot be accessed.
        job.alarm_all(message_texts.store_gone(error), "store")
        outcome = put_off(job, phone, "failed", error.message, error)
        job.remember(
            phone, lambda record: replace(record, last=outcome.attempt, failures=record.failures + 1)
        )
        return outcome


def _may_hurry(place: RoundPlace) -> bool:
    """Whether someone at the phone can end this pause."""
    return place.outcome is None or place.outcome.attempt.state not in ("done", "not_due")


def put_off(
    job: NightContext, phone: KnownPhone, state: JournalState, message: str, error: IbackupError | None = None
) -> PhoneOutcome:
    """The outcome of a phone that was not even checked."""
    code = error.exit_code if error else ExitCode.OK
    attempt = Attempt(job.clock.now(), state, code, message, program=job.program)
    return PhoneOutcome(phone, attempt, error.hint if error else "", frozenset([code] if code else []))


def aged(job: NightContext, store: Store, outcome: PhoneOutcome) -> PhoneOutcome:
    """The same outcome, with the current age of the phone's newest good backup."""
    standing = store.phone(outcome.phone.udid).standing()
    stale = standing.is_stale(outcome.phone.rules.max_age_s, job.clock.now())
    codes = outcome.codes - {ExitCode.STALE} | ({ExitCode.STALE} if stale else set())
    return replace(
        outcome,
        newest=standing.made,
        stale=stale,
        codes=frozenset(codes),
        prompts=job.record(outcome.phone).prompts,
    )
