"""What every turn of an unattended run has in common, and what comes of a phone's turn and of the whole run."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from ibackup.backup.types import PasswordSource
from ibackup.config import Config
from ibackup.errors import ExitCode, IbackupError
from ibackup.events import Observer
from ibackup.store import PhoneFolder, Store
from ibackup.unattended import due
from ibackup.unattended.clock import Clock
from ibackup.unattended.journal import Attempt, JournalFile, PhoneRecord
from ibackup.unattended.phones import KnownPhone, made
from ibackup.unattended.telling import Message, Teller

Program = Literal["nightly", "watch"]

_WORST_FIRST = (4, 1, 16, 14, 12, 13, 15, 20, 3, 30)


@dataclass(frozen=True, slots=True)
class ProofDone:
    """A snapshot that was proven tonight, or could not be: then ``error`` says why."""

    snapshot: str
    level: str
    good: bool
    error: str = ""


@dataclass(frozen=True, slots=True)
class PhoneOutcome:
    """What the run did for one phone.

    Attributes:
        attempt: how its last turn ended.
        hint: what to do about it.
        codes: every exit code that this phone adds to the run's.
        newest: of when its newest good backup is.
        stale: whether that is too old.
        prompts: how often it has asked for its passcode this night.
        pruned: ids of the snapshots that were removed.
    """

    phone: KnownPhone
    attempt: Attempt
    hint: str = ""
    codes: frozenset[ExitCode] = frozenset()
    newest: datetime | None = None
    stale: bool = False
    prompts: int = 0
    proofs: tuple[ProofDone, ...] = ()
    pruned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run; ``error`` is what kept it from even looking at a phone."""

    phones: tuple[PhoneOutcome, ...] = ()
    error: IbackupError | None = None

    @property
    def code(self) -> ExitCode:
        """The worst of all exit codes: the first of 4, 1, 16, 14, 12, 13, 15, 20, 3, 30 that occurred."""
        codes = {code for phone in self.phones for code in phone.codes}
        return worst(codes | ({self.error.exit_code} if self.error else set()))


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The first of 4, 1, 16, 14, 12, 13, 15, 20, 3, 30 that occurred; one that is none of these counts as 1."""
    found = {int(code) if int(code) in _WORST_FIRST else 1 for code in codes if code}
    return next((ExitCode(code) for code in _WORST_FIRST if code in found), ExitCode.OK)


def _ignore(_outcome: PhoneOutcome) -> None:
    """For those who wait for the report."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every turn has in common.

    Attributes:
        open_store: opens the store anew for each turn, since its disk may go away meanwhile; raises as Store.open.
        password: gives the password of a phone's backups, as for a backup.
        observe: is told of all events of the backups.
        report: is told of each phone's outcome, as soon as it has one.
        once: no waiting: each phone is tried once, and windows do not count.
        only: the UDID of the only phone that is meant; None for all.
        patience: seconds that the phone's own dialogs (unlock, Trust) are waited for within a turn.
    """

    config: Config
    open_store: Callable[[], Store]
    password: PasswordSource
    clock: Clock
    teller: Teller
    observe: Observer
    report: Callable[[PhoneOutcome], None] = _ignore
    journal: JournalFile = field(default_factory=JournalFile)
    program: Program = "nightly"
    once: bool = False
    only: str | None = None
    patience: float = 60.0

    def night(self, phone: KnownPhone) -> str:
        """Which night it is for a phone."""
        return due.night_of(phone.rules.window, self.clock.now(), self.clock.zone)

    def record(self, phone: KnownPhone) -> PhoneRecord:
        """What is remembered of a phone, as of this night."""
        return self.journal.read().phone(phone.udid).in_night(self.night(phone))

    def remember(self, phone: KnownPhone, change: Callable[[PhoneRecord], PhoneRecord]) -> PhoneRecord:
        """Change what is remembered of a phone."""
        night = self.night(phone)
        return self.journal.update(phone.udid, lambda record: change(record.in_night(night)))

    def alarm(self, phone: KnownPhone, message: Message, key: str = "") -> bool:
        """Tell people, at most once a night for each phone and key; whether they were told now."""
        key, night = key or message.alarm, self.night(phone)
        if self.record(phone).alarms.get(key) == night:
            return False

        def note(record: PhoneRecord) -> PhoneRecord:
            tonight = {known: since for known, since in record.alarms.items() if since == night}
            return replace(record, alarms={**tonight, key: night})

        self.remember(phone, note)
        self.teller.tell(message)
        return True

    def alarm_all(self, message: Message, key: str) -> None:
        """The same for what concerns no phone alone."""
        journal = self.journal.read()
        night = due.night_of(self.config.nightly.window, self.clock.now(), self.clock.zone)
        if journal.alarms.get(key) != night:
            self.journal.write(replace(journal, alarms={**journal.alarms, key: night}))
            self.teller.tell(message)

    def newest(self, folder: PhoneFolder) -> datetime | None:
        """Of when a phone's newest good backup is."""
        return made(folder.newest_good())
