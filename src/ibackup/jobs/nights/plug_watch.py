"""Watches for plugged-in phones and backs up each one that is due, while someone is there to enter the passcode."""

from datetime import datetime, timedelta

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Note
from ibackup.base.exit_codes import ExitCode, worst
from ibackup.base.udids import same_udid
from ibackup.jobs.nights import due
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
_TELL_EVERY = timedelta(minutes=5)
_SHORT_REST = timedelta(seconds=30)
"""How long a phone's button rests at least; after an attempt, as long as an attempt of its own would wait."""


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
        self._tell_at = job.clock.now()
        self._pressed: set[str] = set()
        self._rest: dict[str, datetime] = {}

    def run(self) -> None:
        self._job.observe(Note("Waiting for phones. Ctrl-C ends it."))
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
        self._hear()
        self._tell_home()
        if not rounds.free:
            rounds.wait()
            return
        self._plugs.look_for(rounds.wanted())
        connected, before = self._plugs.connected(), self._connected
        self._connected = connected
        if not set(connected) <= set(before):
            self._meet()
        asked = self._answer()
        if asked is not None:
            self._job.teller.beat("start")
            rounds.begin(asked, asked=True)
            return
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

    def _hear(self) -> None:
        """Take what buttons were pressed; a press while that phone has its turn means nothing."""
        if self._job.home is not None:
            for udid in self._job.home.pressed():
                self._pressed |= {
                    known
                    for known, place in self._rounds.places.items()
                    if same_udid(known, udid) and place.began is None
                }

    def _answer(self) -> RoundPlace | None:
        """A phone whose button was pressed; a press right after a turn is ignored, so a stuck button does no harm."""
        job = self._job
        while self._pressed:
            udid = self._pressed.pop()
            place = self._rounds.places[udid]
            if place.began is not None:
                continue  # its turn began meanwhile
            if udid not in self._rest or job.clock.now() >= self._rest[udid]:
                job.observe(Note(f"The button of {place.phone.name} was pressed."))
                self._rest[udid] = job.clock.now() + _SHORT_REST
                return place
            job.observe(Note(f"The button of {place.phone.name} was pressed again; that is too soon."))
        return None

    def _tell_home(self) -> None:
        """Tell Home Assistant now and then how the backups are."""
        job = self._job
        if job.home is None or (job.clock.now() < self._tell_at and not job.home.is_news):
            return
        self._tell_at = job.clock.now() + _TELL_EVERY
        try:
            if not job.store_to_make():
                job.home.tell(job.open_store())
        except IbackupError:
            pass  # the next turn reports it

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
        self._tell_at = now = job.clock.now()
        if outcome.attempt.state in ("done", "failed", "unanswered"):
            self._rest[phone.udid] = now + timedelta(seconds=due.pause_s(job.record(phone).failures))
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
