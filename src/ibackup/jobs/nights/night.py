"""One night: waits for each phone that is due within its window, backs it up, verifies, and reports."""

from dataclasses import replace
from datetime import datetime, timedelta

from ibackup.base.errors import IbackupError, NoPhone, StoreMissing
from ibackup.base.events import Caution, Note
from ibackup.base.exit_codes import ExitCode
from ibackup.base.udids import same_udid
from ibackup.jobs.backup.keep_awake import awake
from ibackup.jobs.nights import due
from ibackup.jobs.nights.idle import Idle
from ibackup.jobs.nights.known_phones import KnownPhone, looked_after
from ibackup.jobs.nights.night_context import NightContext, PhoneOutcome, Report
from ibackup.jobs.nights.night_journal import RunRecord
from ibackup.jobs.nights.one_turn import look_at_the_space
from ibackup.jobs.nights.plugs import Plugs
from ibackup.jobs.nights.rounds import NEVER, RoundPlace, Rounds, aged, put_off
from ibackup.jobs.nights.telling import message_texts
from ibackup.store.store import Store

_A_MOMENT = timedelta(seconds=1)


def run_night(job: NightContext, plugs: Plugs) -> Report:
    """Do the night's work.

    All errors are in the report and were sent as notifications. Raises only errors in the command line, and
    KeyboardInterrupt.
    """
    started = job.clock.now()
    job.journal.ran(RunRecord(job.program, started))
    job.teller.beat("start")
    code = ExitCode.INTERRUPTED
    try:
        # A sleeping computer misses a phone that is plugged in.
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
    def __init__(self, job: NightContext, plugs: Plugs) -> None:
        self._job = job
        self._plugs = plugs
        self._idle = Idle(job, plugs)
        self._told = ""

    def run(self) -> Report:
        new = self._job.store_to_make()
        if new and not looked_after(None, self._job.config, self._job.observe, only=self._job.only):
            return Report(
                error=self._nothing_to_do(new)
            )  # an empty store would only look as if all were well
        try:
            store = self._store()
        except IbackupError as error:
            return Report(error=error)
        look_at_the_space(self._job, store.path)
        job = self._job
        phones = looked_after(store, job.config, job.observe, only=job.only)
        if not phones:
            return Report(error=self._nothing_to_do(store.path))
        rounds = Rounds(job, phones)
        for place in rounds.places.values():
            if not rounds.skip_unless_due(store, place):
                self._skip_out_of_hours(place)
        try:
            while (chosen := self._wait(rounds)) is not None:
                rounds.begin(chosen, until=self._end(chosen))
        except BaseException:
            rounds.stop()
            raise
        return self._report(rounds)

    def _nothing_to_do(self, store: str) -> NoPhone:
        """A schedule without any phone must not look successful: it may have found the wrong config file or store."""
        error = NoPhone(
            "There is no phone to back up.",
            why=f"The config file names none, {store!r} has no backup of one, and none is connected.",
            hint=(
                "Connect one and run `ibackup setup`. If you have done that before, this run found a "
                "different config file or store: name the right ones with --config and --store."
            ),
        )
        self._job.alarm_all(message_texts.nothing_to_do(error), "nothing to do")
        return error

    # -- before ---------------------------------------------------------------------------------------------

    def _store(self) -> Store:
        """Open the store; if its disk is not mounted yet, wait for it within the window."""
        job, failures = self._job, 0
        window = job.config.nightly.window
        while True:
            try:
                return job.open_store()
            except StoreMissing as error:
                failures += 1
                job.alarm_all(message_texts.store_gone(error), "store")
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

    def _wait(self, rounds: Rounds) -> RoundPlace | None:
        """The phone whose turn is next, once one may be tried; None when the night is over."""
        job = self._job
        while True:
            for _ in rounds.settle():
                job.teller.flush()
            if not rounds.free:
                rounds.wait()
                continue
            waiting = [place for place in rounds.places.values() if self._goes_on(place)]
            untried = next((place for place in waiting if self._tries_once(place)), None)
            if untried is not None:
                return untried
            self._plugs.look_for(rounds.wanted())
            connected = self._plugs.connected()
            place = rounds.ready(connected) if waiting else None
            if place is not None:
                return place
            if not self._idle.prove(place.phone for place in rounds.places.values()):
                self._meet(rounds, job.clock.now() + _A_MOMENT)
                continue
            if rounds.busy:
                self._keep_an_eye_on(rounds)
                continue
            if not waiting:
                return None
            self._idle.explain([place.phone for place in waiting], connected)
            self._tell(waiting)
            end = max(self._end(place) for place in waiting)
            self._meet(rounds, min(rounds.soonest(connected), end))
            job.teller.flush()

    def _skip_out_of_hours(self, place: RoundPlace) -> None:
        """Do not wait for a night that is hours away; the scheduled start will find the phone then."""
        job, phone = self._job, place.phone
        now, window = job.clock.now(), phone.rules.window
        if not self._tries_once(place) and now >= self._end(place):
            opens = due.opens(window, now, job.clock.zone).astimezone(job.clock.zone)
            place.outcome = put_off(
                job, phone, "waiting", f"Its hours are {window}, and begin again on {opens:%d %b at %H:%M}."
            )
            place.after = NEVER
            job.report(place.outcome)

    def _tries_once(self, place: RoundPlace) -> bool:
        return self._job.once or place.phone.rules.window is None

    def _goes_on(self, place: RoundPlace) -> bool:
        """Whether a phone may still come to its turn this night."""
        if place.began is not None:
            return False
        if self._tries_once(place):
            return place.outcome is None
        return place.after < self._end(place) and self._job.clock.now() < self._end(place)

    def _end(self, place: RoundPlace) -> datetime:
        """When the night ends for a phone."""
        job, window = self._job, place.phone.rules.window
        now = job.clock.now()
        if self._tries_once(place):
            # Waits for a turn that another run has, but not beyond the time when people are asleep.
            return now if job.once else now + timedelta(hours=8)
        return due.ends(window, now, job.clock.zone) or now

    def _tell(self, waiting: list[RoundPlace]) -> None:
        """Say which phones the run waits for, and until when, if that has changed."""
        zone = self._job.clock.zone
        ends = [f"{place.phone.name} until {self._end(place).astimezone(zone):%H:%M}" for place in waiting]
        text = f"Waiting for {', '.join(ends)}: plug it in, and unlock it once."
        if text != self._told:
            self._told = text
            self._job.observe(Note(text))

    def _keep_an_eye_on(self, rounds: Rounds) -> None:
        """Only silent phones have their turn: one may end, or another phone may be plugged in."""
        rounds.wait()
        if self._plugs.stirs():
            self._meet(rounds, self._job.clock.now() + _A_MOMENT)

    def _meet(self, rounds: Rounds, until: datetime) -> None:
        """Wait for a phone to be plugged in; an absent phone that was to be tried once is then tried again."""
        came = self._plugs.wait(until)
        rounds.came(came)
        for place in rounds.places.values():
            here = any(same_udid(place.phone.udid, each) for each in came)
            if here and place.outcome is not None and place.outcome.attempt.state == "absent":
                place.outcome = None

    # -- after ----------------------------------------------------------------------------------------------

    def _report(self, rounds: Rounds) -> Report:
        """The state of each phone and of the store in the morning."""
        outcomes = [
            self._idle.take(place.outcome or self._unmet(place.phone)) for place in rounds.places.values()
        ]
        try:
            store = self._job.open_store()
            return Report(tuple(self._aged(store, outcome) for outcome in outcomes))
        except IbackupError as error:
            # It disappeared during the night, so a missing backup means nothing.
            return Report(tuple(outcomes), error)

    def _aged(self, store: Store, outcome: PhoneOutcome) -> PhoneOutcome:
        job, phone = self._job, outcome.phone
        outcome = aged(job, store, outcome)
        if outcome.stale:
            job.alarm(phone, message_texts.stale(phone.name, outcome.newest, job.clock.now()))
        return outcome

    def _unmet(self, phone: KnownPhone) -> PhoneOutcome:
        """The outcome of a phone that did not get its turn."""
        job = self._job
        outcome = put_off(job, phone, "absent", f"{phone.name} was not connected tonight.")
        job.remember(phone, lambda record: replace(record, last=outcome.attempt))
        job.report(outcome)
        return outcome
