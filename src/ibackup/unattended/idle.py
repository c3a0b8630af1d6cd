"""What is done while nobody is at a phone: snapshots are proven, and phones that only charge are pointed out."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ibackup.config import same_udid
from ibackup.errors import ExitCode, IbackupError, StoreMissing
from ibackup.events import Caution, Event
from ibackup.unattended.job import Job, PhoneOutcome, ProofDone
from ibackup.unattended.phones import KnownPhone
from ibackup.unattended.plugs import Plugs, charge_only
from ibackup.unattended.proofs import prove_tonight
from ibackup.unattended.telling import messages
from ibackup.unattended.turn import my_turn


class _SomebodyCame(Exception):
    """A phone was plugged in: it comes first."""


@dataclass(slots=True)
class _Found:
    proofs: tuple[ProofDone, ...] = ()
    codes: frozenset[ExitCode] = frozenset()


@dataclass
class Idle:
    """The time between two turns.

    Args:
        job: the run.
        plugs: tells that somebody has come.
    """

    job: Job
    plugs: Plugs
    _found: dict[str, _Found] = field(default_factory=dict)

    def prove(self, phones: Iterable[KnownPhone]) -> bool:
        """Prove tonight's share of each phone; False as soon as a phone is plugged in: it does not wait for a disk."""
        job = replace(self.job, observe=self._unless_somebody_comes)
        self.plugs.listen()
        for phone in phones:
            if self.job.record(phone).proven:
                continue
            try:
                with my_turn(job.journal.folder, job.clock) as mine:
                    if mine:
                        proofs, codes = prove_tonight(job, phone, job.open_store().phone(phone.udid))
                        self._keep(phone, proofs, codes)
            except _SomebodyCame:
                return False
            except StoreMissing:
                return True  # each turn tells, and loudly
            except IbackupError as error:
                self.job.observe(Caution(f"Nothing was proven of {phone.name}. {error.message}", error.hint))
                self._keep(phone, (), frozenset([error.exit_code]))
                # Not again in a minute; the phone's own turn tells, too.
                self.job.remember(phone, lambda record: replace(record, proven=True))
        return True

    def take(self, outcome: PhoneOutcome) -> PhoneOutcome:
        """The outcome with what was proven of that phone since this was asked last."""
        found = self._found.pop(outcome.phone.udid, _Found())
        return replace(outcome, proofs=outcome.proofs + found.proofs, codes=outcome.codes | found.codes)

    def explain(self, phones: Iterable[KnownPhone], connected: tuple[str, ...]) -> None:
        """A phone that charges and does not appear was locked for too long; people are told once a night."""
        charging = tuple(charge_only(connected))
        for phone in phones:
            if any(same_udid(phone.udid, each) for each in charging):
                message = messages.charges_only(phone.name)
                if self.job.alarm(phone, message, "charges only"):
                    self.job.observe(Caution(message.text))

    def _keep(self, phone: KnownPhone, proofs: tuple[ProofDone, ...], codes: frozenset[ExitCode]) -> None:
        before = self._found.get(phone.udid, _Found())
        self._found[phone.udid] = _Found(before.proofs + proofs, before.codes | codes)

    def _unless_somebody_comes(self, event: Event) -> None:
        self.job.observe(event)
        if self.plugs.stirs():
            raise _SomebodyCame
