"""What all turns of an unattended run share, and the results of a turn and of the whole run."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from ibackup.base.errors import IbackupError
from ibackup.base.events import Observer
from ibackup.base.exit_codes import ExitCode, worst
from ibackup.config.config_schema import Config
from ibackup.jobs.home_assistant.home_news import HomeNews
from ibackup.jobs.nights import due
from ibackup.jobs.nights.clock import Clock
from ibackup.jobs.nights.known_phones import KnownPhone
from ibackup.jobs.nights.night_journal import Attempt, JournalFile, NightJournal, PhoneRecord
from ibackup.jobs.nights.signs_of_life import SignsOfLife
from ibackup.jobs.nights.telling.message_texts import Message
from ibackup.jobs.nights.telling.teller import Teller
from ibackup.jobs.runs.snapshot_proof import SnapshotProof
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker

Program = Literal["nightly", "watch"]


@dataclass(frozen=True, slots=True)
class PhoneOutcome:
    """What the run did for one phone.

    Attributes:
        attempt: how its last turn ended.
        hint: what to do about it.
        codes: every exit code that this phone adds to the run's.
        newest: the date of its newest good backup.
        stale: whether that is too old.
        prompts: how many times it has asked for its passcode tonight.
        pruned: ids of the snapshots that were removed.
        lasting: trying again tonight changes nothing.
        icloud_hint: a sentence on the failed iCloud backups that the phone noted in the new backup, or None.
    """

    phone: KnownPhone
    attempt: Attempt
    hint: str = ""
    codes: frozenset[ExitCode] = frozenset()
    newest: datetime | None = None
    stale: bool = False
    prompts: int = 0
    proofs: tuple[SnapshotProof, ...] = ()
    pruned: tuple[str, ...] = ()
    lasting: bool = False
    icloud_hint: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run; ``error``: why it could not even start with a phone."""

    phones: tuple[PhoneOutcome, ...] = ()
    error: IbackupError | None = None

    @property
    def code(self) -> ExitCode:
        """The worst of all exit codes: the first of 4, 1, 16, 14, 11, 12, 13, 15, 20, 3, 30 that occurred."""
        if self.error is not None and not self.phones:
            return self.error.exit_code
        codes = {code for phone in self.phones for code in phone.codes}
        return worst(codes | ({self.error.exit_code} if self.error else set()))


def _ignore(_outcome: PhoneOutcome) -> None:
    """For callers that wait for the report."""


def _no_copies(_job: "NightContext") -> None:
    """For runs that have none, or run them themselves."""


@dataclass(frozen=True, slots=True)
class NightContext:
    """What all turns share.

    Attributes:
        open_store: opens the store for each turn, because its disk may disappear in between; raises as Store.open.
        unlocker: of all phones' backups, as for a backup.
        observe: gets all events of the backups.
        report: gets each phone's outcome as soon as there is one.
        once: no waiting: each phone is tried once, ignoring windows.
        only: the UDID of the only phone to handle; None for all.
        patience: seconds to wait for the phone's own dialogs (unlock, Trust) within a turn.
        copies: for ``watch``: runs the second copies that are due.
        home: for ``watch``: Home Assistant, which hears how the backups are, and has a button.
        asked: someone asked for the backup just now, so it is due.
        signs: when someone was last seen at a phone over Wi-Fi.
        store_to_make: the path of the store that ``open_store`` would create; empty if there is one.
    """

    config: Config
    open_store: Callable[[], Store]
    unlocker: Unlocker
    clock: Clock
    teller: Teller
    observe: Observer
    report: Callable[[PhoneOutcome], None] = _ignore
    journal: JournalFile = field(default_factory=JournalFile)
    program: Program = "nightly"
    once: bool = False
    only: str | None = None
    patience: float = 60.0
    store_to_make: Callable[[], str] = str
    copies: "Callable[[NightContext], object]" = _no_copies
    signs: SignsOfLife = field(default_factory=SignsOfLife)
    home: HomeNews | None = None
    asked: bool = False

    def night(self, phone: KnownPhone) -> str:
        """Which night it is for a phone."""
        return due.night_of(phone.rules.window, self.clock.now(), self.clock.zone)

    def record(self, phone: KnownPhone) -> PhoneRecord:
        """The journal's record of a phone, as of this night."""
        return self.journal.read().phone(phone.udid).in_night(self.night(phone))

    def remember(self, phone: KnownPhone, change: Callable[[PhoneRecord], PhoneRecord]) -> PhoneRecord:
        """Change what is remembered of a phone."""
        night = self.night(phone)
        return self.journal.update(phone.udid, lambda record: change(record.in_night(night)))

    def alarm(self, phone: KnownPhone, message: Message, key: str = "") -> bool:
        """Send a notification at most once a night for each phone and key; whether it was sent now."""
        key, night = key or message.alarm, self.night(phone)
        is_news = False

        def note(record: PhoneRecord) -> PhoneRecord:
            nonlocal is_news
            is_news = record.alarms.get(key) != night
            tonight = {known: since for known, since in record.alarms.items() if since == night}
            return replace(record, alarms={**tonight, key: night})

        self.remember(phone, note)
        if is_news:
            self.teller.tell(message)
        return is_news

    def alarm_all(self, message: Message, key: str) -> None:
        """The same for alarms that do not concern a single phone."""
        night = due.night_of(self.config.nightly.window, self.clock.now(), self.clock.zone)
        is_news = False

        def note(journal: NightJournal) -> NightJournal:
            nonlocal is_news
            is_news = journal.alarms.get(key) != night
            return replace(journal, alarms={**journal.alarms, key: night})

        self.journal.change(note)
        if is_news:
            self.teller.tell(message)

    def is_due(self, phone: KnownPhone, folder: PhoneFolder) -> bool:
        """Whether a phone is due for a backup."""
        return self.asked or folder.standing().is_due(phone.rules.every_s, self.clock.now())
