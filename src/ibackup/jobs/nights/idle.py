"""Work while nobody is at a phone: verify and copy snapshots, and notify about phones that only charge."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ibackup.base.errors import IbackupError, StoreMissing
from ibackup.base.events import Caution, Event
from ibackup.base.exit_codes import ExitCode
from ibackup.base.udids import same_udid
from ibackup.jobs.nights.known_phones import KnownPhone
from ibackup.jobs.nights.night_context import NightContext, PhoneOutcome
from ibackup.jobs.nights.nightly_proofs import prove_tonight
from ibackup.jobs.nights.plugs import Plugs, charge_only
from ibackup.jobs.nights.telling import message_texts
from ibackup.jobs.nights.turn_queue import my_turn
from ibackup.jobs.runs.snapshot_proof import SnapshotProof


class _SomebodyCame(Exception):
    """A phone was plugged in: it comes first."""


@dataclass(slots=True)
class _Found:
    proofs: tuple[SnapshotProof, ...] = ()
    codes: frozenset[ExitCode] = frozenset()


@dataclass
class Idle:
    """The time between two turns.

    Args:
        job: the run.
        plugs: reports that a phone was plugged in.
    """

    job: NightContext
    plugs: Plugs
    _found: dict[str, _Found] = field(default_factory=dict)

    def prove(self, phones: Iterable[KnownPhone]) -> bool:
        """Verify tonight's share of each phone; False once a phone is plugged in: it must not wait for a disk."""
        job = replace(self.job, observe=self._unless_somebody_comes)
        self.plugs.listen()
        for phone in phones:
            if self.job.record(phone).proven:
                continue
            try:
                with my_turn(job.journal.folder, phone.udid, job.clock) as mine:
                    if mine:
                        proofs, codes = prove_tonight(job, phone, job.open_store().phone(phone.udid))
                        self._keep(phone, proofs, codes)
            except _SomebodyCame:
                return False
            except StoreMissing:
                return True  # each turn reports it prominently
            except IbackupError as error:
                self.job.observe(
                    Caution(f"No snapshot of {phone.name} was verified. {error.message}", error.hint)
                )
                self._keep(phone, (), frozenset([error.exit_code]))
                # Not again in a minute; the phone's own turn also reports it.
                self.job.remember(phone, lambda record: replace(record, proven=True))
        return True

    def copy(self) -> bool:
        """Run the second copies that are due; False once a phone is plugged in: then copying continues later."""
        # No ``listen``: a phone that came with its usbmuxd meanwhile would not be news any more.
        try:
            self.job.copies(replace(self.job, observe=self._unless_somebody_comes))
        except _SomebodyCame:
            return False
        return True

    def take(self, outcome: PhoneOutcome) -> PhoneOutcome:
        """The outcome, with what was verified for that phone since the last call."""
        found = self._found.pop(outcome.phone.udid, _Found())
        return replace(outcome, proofs=outcome.proofs + found.proofs, codes=outcome.codes | found.codes)

    def explain(self, phones: Iterable[KnownPhone], connected: tuple[str, ...]) -> None:
        """A phone that charges but does not appear has been locked for too long; notify once a night."""
        charging = tuple(charge_only(connected))
        for phone in phones:
            if any(same_udid(phone.udid, each) for each in charging):
                message = message_texts.charges_only(phone.name)
                if self.job.alarm(phone, message, "charges only"):
                    self.job.observe(Caution(message.text))

    def _keep(self, phone: KnownPhone, proofs: tuple[SnapshotProof, ...], codes: frozenset[ExitCode]) -> None:
        before = self._found.get(phone.udid, _Found())
        self._found[phone.udid] = _Found(before.proofs + proofs, before.codes | codes)

    def _unless_somebody_comes(self, event: Event) -> None:
        self.job.observe(event)
        if self.plugs.stirs():
            raise _SomebodyCame
