"""Watches for phones that are plugged in and backs up each that is due, while somebody is there for its passcode."""

from datetime import timedelta

from ibackup.config import same_udid
from ibackup.errors import ExitCode, IbackupError
from ibackup.events import Caution, Note
from ibackup.store import Store
from ibackup.unattended import due
from ibackup.unattended.idle import Idle
from ibackup.unattended.job import Job, worst
from ibackup.unattended.journal import RunRecord, State
from ibackup.unattended.phones import KnownPhone, looked_after
from ibackup.unattended.plugs import Plugs
from ibackup.unattended.rounds import Place, Rounds, aged, put_off
from ibackup.unattended.telling import messages

_TURN_WAIT = timedelta(hours=12)


def watch(job: Job, plugs: Plugs) -> None:
    """Watch until KeyboardInterrupt; whatever goes wrong with a phone is told, and the watch goes on.

    A usbmuxd that ends and comes back, a computer that slept and a store that is away for a while are all waited for.
    """
    _Watch(job, plugs).run()


class _Watch:
    def __init__(self, job: Job, plugs: Plugs) -> None:
        self._job = job
        self._plugs = plugs
        self._idle = Idle(job, plugs)
        self._rounds = Rounds(job, (), again=True)

    def run(self) -> None:
        self._job.observe(Note("Waiting for phones to be plugged in. Ctrl-C ends it."))
        self._meet()
        while True:
            connected = self._plugs.connected()
            place = self._rounds.ready(connected)
            if place is not None:
                self._turn(place)
                continue
            self._look_after(connected)
            came = self._plugs.wait(self._rounds.soonest(connected))
            if came:
                self._meet()
                self._rounds.came(came)
            self._job.teller.flush()

    def _meet(self) -> None:
        """Learn of phones that are new: in the config, in the store, or with neither of these, connected."""
        job = self._job
        store: Store | None = None
        try:
            store = job.open_store()
        except IbackupError as error:
            # A disk that is away for now; each phone's turn tells again, and loudly.
            job.observe(Caution(error.message, error.hint))
        self._rounds.add(looked_after(store, job.config, job.observe, only=job.only))

    def _turn(self, place: Place) -> None:
        job, phone = self._job, place.phone
        started = job.clock.now()
        try:
            if self._rounds.skip_unless_due(job.open_store(), place):
                return
        except IbackupError:
            pass  # the turn itself tells
        job.teller.beat("start")
        outcome = self._rounds.turn(place, until=started + _TURN_WAIT)
        code = worst(outcome.codes)
        job.journal.ran(RunRecord(job.program, started, job.clock.now(), code))
        if outcome.attempt.state in ("done", "failed"):
            job.teller.beat("fail" if code else "success", f"{phone.name}: {outcome.attempt.state}")

    def _look_after(self, connected: tuple[str, ...]) -> None:
        """Once a night for each phone: is it stale, and is it time to prove something?"""
        job, phones = self._job, [place.phone for place in self._rounds.places.values()]
        self._idle.explain(phones, connected)
        tonight = [phone for phone in phones if not job.record(phone).proven]
        if not tonight:
            return
        self._idle.prove(tonight)
        try:
            store = job.open_store()
        except IbackupError:
            return  # told already
        for phone in tonight:
            self._stand(store, phone, here=any(same_udid(phone.udid, each) for each in connected))

    def _stand(self, store: Store, phone: KnownPhone, *, here: bool) -> None:
        """Say how it stands with a phone, where that is not as it should be or something was proven."""
        job = self._job
        is_due = due.is_due(phone.rules, job.newest(store.phone(phone.udid)), job.clock.now())
        state: State = "not_due" if not is_due else "waiting" if here else "absent"
        outcome = aged(job, store, put_off(job, phone, state, ""))
        if outcome.stale:
            job.alarm(phone, messages.stale(phone.name, outcome.newest, job.clock.now()))
        outcome = self._idle.take(outcome)
        if outcome.proofs:
            job.report(outcome)
        if ExitCode.DAMAGE in outcome.codes:
            job.teller.beat("fail", f"{phone.name}: damage found")
