"""One night: every known phone that is due is met within its window, backed up, proven, and told of."""

from dataclasses import replace
from datetime import datetime, timedelta

from ibackup.backup.awake import awake
from ibackup.config import same_udid
from ibackup.errors import ExitCode, IbackupError, StoreMissing
from ibackup.events import Caution, Note
from ibackup.store import Store
from ibackup.unattended import due
from ibackup.unattended.attempt import look_at_the_room
from ibackup.unattended.idle import Idle
from ibackup.unattended.job import Job, PhoneOutcome, Report
from ibackup.unattended.journal import RunRecord
from ibackup.unattended.phones import KnownPhone, looked_after
from ibackup.unattended.plugs import Plugs
from ibackup.unattended.rounds import NEVER, Place, Rounds, aged, put_off
from ibackup.unattended.telling import messages


def run_night(job: Job, plugs: Plugs) -> Report:
    """Do the night's work.

    Everything that goes wrong is in the report, and people were told; nothing is raised but what is wrong with the
    command line, and KeyboardInterrupt.
    """
    started = job.clock.now()
    job.journal.ran(RunRecord(job.program, started))
    job.teller.beat("start")
    code = ExitCode.INTERRUPTED
    try:
        # A computer that falls asleep misses the phone that is plugged in.
        with awake():
            report = _Night(job, plugs).run()
        code = report.code
    finally:
        job.journal.ran(RunRecord(job.program, started, job.clock.now(), code))
    job.teller.beat("fail" if report.code else "success", summary(report))
    return report


def summary(report: Report) -> str:
    """The report in a few lines, for a heartbeat's body."""
    lines = [
        f"{each.phone.name}: {each.attempt.state}. {each.attempt.message}".strip() for each in report.phones
    ]
    return "\n".join([*([report.error.message] if report.error else []), *lines])


class _Night:
    def __init__(self, job: Job, plugs: Plugs) -> None:
        self._job = job
        self._plugs = plugs
        self._idle = Idle(job, plugs)
        self._told = ""

    def run(self) -> Report:
        try:
            store = self._store()
        except IbackupError as error:
            return Report(error=error)
        look_at_the_room(self._job, store.path)
        job = self._job
        rounds = Rounds(job, looked_after(store, job.config, job.observe, only=job.only))
        for place in rounds.places.values():
            if not rounds.skip_unless_due(store, place):
                self._skip_out_of_hours(place)
        while (chosen := self._wait(rounds)) is not None:
            rounds.turn(chosen, until=self._end(chosen))
        return self._report(rounds)

    # -- before ---------------------------------------------------------------------------------------------

    def _store(self) -> Store:
        """Open the store; a disk that is not mounted yet is waited for within the window."""
        job, failures = self._job, 0
        window = job.config.nightly.window
        while True:
            try:
                return job.open_store()
            except StoreMissing as error:
                failures += 1
                job.alarm_all(messages.store_gone(error), "store")
                pause = timedelta(seconds=due.pause_s(failures))
                ends = due.ends(window, job.clock.now(), job.clock.zone)
                if (
                    job.once
                    or window is None
                    or window.always
                    or ends is None
                    or job.clock.now() + pause >= ends
                ):
                    raise
                job.observe(Caution(error.message, error.hint))
                job.clock.pause(pause.total_seconds())

    # -- waiting --------------------------------------------------------------------------------------------

    def _wait(self, rounds: Rounds) -> Place | None:
        """The phone whose turn is next, as soon as one may be tried; None when the night is over."""
        job = self._job
        while True:
            waiting = [place for place in rounds.places.values() if self._goes_on(place)]
            untried = next((place for place in waiting if self._tries_once(place)), None)
            if untried is not None:
                return untried
            connected = self._plugs.connected()
            place = rounds.ready(connected) if waiting else None
            if place is not None:
                return place
            if not self._idle.prove(place.phone for place in rounds.places.values()):
                self._meet(rounds, job.clock.now() + timedelta(seconds=1))
                continue
            if not waiting:
                return None
            self._idle.explain([place.phone for place in waiting], connected)
            self._tell(waiting)
            end = max(self._end(place) for place in waiting)
            self._meet(rounds, min(rounds.soonest(connected), end))
            job.teller.flush()

    def _skip_out_of_hours(self, place: Place) -> None:
        """A night that is hours away is not waited for; whoever starts us then will find the phone."""
        job, phone = self._job, place.phone
        now, window = job.clock.now(), phone.rules.window
        if not self._tries_once(place) and now >= self._end(place):
            opens = due.opens(window, now, job.clock.zone).astimezone(job.clock.zone)
            place.outcome = put_off(
                job, phone, "waiting", f"Its hours are {window}; they begin again on {opens:%d %b at %H:%M}."
            )
            place.after = NEVER
            job.report(place.outcome)

    def _tries_once(self, place: Place) -> bool:
        return self._job.once or place.phone.rules.window is None

    def _goes_on(self, place: Place) -> bool:
        """Whether a phone may still come to its turn this night."""
        if self._tries_once(place):
            return place.outcome is None
        return place.after < self._end(place) and self._job.clock.now() < self._end(place)

    def _end(self, place: Place) -> datetime:
        """When the night is over for a phone."""
        job, window = self._job, place.phone.rules.window
        now = job.clock.now()
        if self._tries_once(place):
            # A turn that another run has is waited for, but by the time that people sleep it is over.
            return now if job.once else now + timedelta(hours=8)
        return due.ends(window, now, job.clock.zone) or now

    def _tell(self, waiting: list[Place]) -> None:
        """Say who is waited for, and until when, when that has changed."""
        zone = self._job.clock.zone
        ends = [f"{place.phone.name} until {self._end(place).astimezone(zone):%H:%M}" for place in waiting]
        text = f"Waiting for {', '.join(ends)}: plug it in, and unlock it once."
        if text != self._told:
            self._told = text
            self._job.observe(Note(text))

    def _meet(self, rounds: Rounds, until: datetime) -> None:
        """Wait for somebody to come; a phone that was to be tried once and was absent is tried once more then."""
        came = self._plugs.wait(until)
        rounds.came(came)
        for place in rounds.places.values():
            here = any(same_udid(place.phone.udid, each) for each in came)
            if here and place.outcome is not None and place.outcome.attempt.state == "absent":
                place.outcome = None

    # -- after ----------------------------------------------------------------------------------------------

    def _report(self, rounds: Rounds) -> Report:
        """How it stands with each phone in the morning, and with the store."""
        outcomes = [
            self._idle.take(place.outcome or self._unmet(place.phone)) for place in rounds.places.values()
        ]
        try:
            store = self._job.open_store()
            return Report(tuple(self._aged(store, outcome) for outcome in outcomes))
        except IbackupError as error:
            # It has gone in the night: that there seems to be no backup says nothing.
            return Report(tuple(outcomes), error)

    def _aged(self, store: Store, outcome: PhoneOutcome) -> PhoneOutcome:
        job, phone = self._job, outcome.phone
        outcome = aged(job, store, outcome)
        if outcome.stale:
            job.alarm(phone, messages.stale(phone.name, outcome.newest, job.clock.now()))
        return outcome

    def _unmet(self, phone: KnownPhone) -> PhoneOutcome:
        """The outcome of a phone that did not come to its turn."""
        job = self._job
        outcome = put_off(job, phone, "absent", f"{phone.name} was not connected tonight.")
        job.remember(phone, lambda record: replace(record, last=outcome.attempt))
        job.report(outcome)
        return outcome
