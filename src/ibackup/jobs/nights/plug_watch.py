"""Watches for plugged-in phones and backs up each one that is due, while someone is there to enter the passcode."""

from datetime import datetime, timedelta

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Note
from ibackup.base.exit_codes import ExitCode, worst
from ibackup.base.udids import same_udid
from ibackup.jobs.nights.idle import Idle
from ibackup.jobs.nights.known_phones import KnownPhone, looked_after
from ibackup.jobs.nights.night_context import NightContext
from ibackup.jobs.nights.night_journal import JournalState, RunRecord
from ibackup.jobs.nights.plugs import Plugs
from ibackup.jobs.nights.rounds import RoundPlace, Rounds, aged, put_off
from ibackup.jobs.nights.telling import message_texts
from ibackup.store.store import Store

_TURN_WAIT = timedelta(hours=12)
_A_MOMENT = timedelta(seconds=1)
_COPIES_EVERY = timedelta(hours=1)
"""How often to look whether a second copy is due, and whether one that was away is back."""


def watch(job: NightContext, plugs: Plugs) -> None:
    """Watch until KeyboardInterrupt; problems with a phone are reported, and the watch continues.

    It waits if usbmuxd restarts, the computer sleeps, or the store is missing for a while.
    """
    _Watch(job, plugs).run()


class _Watch:
    def __init__(self, job: NightContext, plugs: Plugs) -> None:
        self._job = job
        self._plugs = plugs
        self._idle = Idle(job, plugs)
        self._rounds = Rounds(job, (), again=True)
        self._copies_at = job.clock.now()
        self._connected: tuple[str, ...] = ()

    def run(self) -> None:
        self._job.observe(Note("Waiting for phones to be plugged in. Ctrl-C ends it."))
        self._meet()
        try:
            while True:
                self._step()
        except BaseException:
            self._rounds.stop()
            raise

    def _step(self) -> None:
        rounds = self._rounds
        for ended, began in rounds.settle():
            self._account(ended, began)
        if not rounds.free:
            rounds.wait()
            return
        connected, before = self._plugs.connected(), self._connected
        self._connected = connected
        if not set(connected) <= set(before):
            self._meet()
        place = rounds.ready(connected)
        if place is not None:
            self._begin(place)
            return
        self._look_after(connected)
        self._copy()
        until = rounds.soonest(connected)
        if rounds.busy:  # with phones that are silent
            rounds.wait()
            until = self._job.clock.now() + _A_MOMENT * self._plugs.stirs()
        came = self._plugs.wait(until)
        if came:
            self._meet()
            rounds.came(came)
        self._job.teller.flush()

    def _meet(self) -> None:
        """Find new phones: in the config, in the store or, with neither of these, connected."""
        job = self._job
        store: Store | None = None
        try:
            if not job.store_to_make():  # a turn creates it, once there is a phone
                store = job.open_store()
        except IbackupError as error:
            # The disk is missing for now; each phone's turn reports it prominently.
            job.observe(Caution(error.message, error.hint))
        self._rounds.add(looked_after(store, job.config, job.observe, only=job.only))

    def _begin(self, place: RoundPlace) -> None:
        job = self._job
        try:
            if self._rounds.skip_unless_due(job.open_store(), place):
                return
        except IbackupError:
            pass  # the turn itself reports it
        job.teller.beat("start")
        self._rounds.begin(place, until=job.clock.now() + _TURN_WAIT)

    def _account(self, place: RoundPlace, started: datetime) -> None:
        """Note a turn that has ended."""
        job, phone, outcome = self._job, place.phone, place.outcome
        if outcome is None:
            return
        code = worst(outcome.codes)
        job.journal.ran(RunRecord(job.program, started, job.clock.now(), code))
        if outcome.attempt.state in ("done", "failed"):
            job.teller.beat("fail" if code else "success", f"{phone.name}: {outcome.attempt.state}")

    def _look_after(self, connected: tuple[str, ...]) -> None:
        """Once a night for each phone: is it stale, and is it time to verify something?"""
        job = self._job
        phones = [place.phone for place in self._rounds.places.values() if place.began is None]
        self._idle.explain(phones, connected)
        tonight = [phone for phone in phones if not job.record(phone).proven]
        if not tonight:
            return
        self._idle.prove(tonight)
        try:
            store = job.open_store()
        except IbackupError:
            return  # already sent
        for phone in tonight:
            self._stand(store, phone, here=any(same_udid(phone.udid, each) for each in connected))

    def _copy(self) -> None:
        """Run the second copies now and then, while no phone has its turn."""
        now = self._job.clock.now()
        if now >= self._copies_at and not self._rounds.busy and self._idle.copy():
            self._copies_at = now + _COPIES_EVERY

    def _stand(self, store: Store, phone: KnownPhone, *, here: bool) -> None:
        """Report a phone's state if something is wrong or something was verified."""
        job = self._job
        is_due = job.is_due(phone, store.phone(phone.udid))
        state: JournalState = "not_due" if not is_due else "waiting" if here else "absent"
        outcome = aged(job, store, put_off(job, phone, state, ""))
        if outcome.stale:
            job.alarm(phone, message_texts.stale(phone.name, outcome.newest, job.clock.now()))
        outcome = self._idle.take(outcome)
        if outcome.proofs:
            job.report(outcome)
        if ExitCode.DAMAGE in outcome.codes:
            job.teller.beat("fail", f"{phone.name}: damage found")
