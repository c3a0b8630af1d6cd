"""What unattended runs did on this computer: the last attempt of each phone, its prompts tonight, alarms already sent.

One small file in the user's state, read by ``status`` and ``schedule show``, written by every run that does something.
It is worthless without the store, so a damaged file is started again.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal, Self, get_args

from ibackup.base.exit_codes import ExitCode
from ibackup.base.udids import may_be_udid
from ibackup.store.disk import durable, record_times
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.disk.system_lock import changing
from ibackup.store.records.used_stores import state_dir

SCHEMA = 1
_NAME = "unattended.json"

JournalState = Literal[
    "done",  # backed up
    "not_due",  # its newest good backup is young enough
    "absent",  # not connected
    "unanswered",  # locked, not trusted, or its passcode was not entered
    "no_power",  # without external power
    "waiting",  # another unattended run on this computer has its turn, or its window is closed
    "failed",  # see the exit code
]
STATES: tuple[JournalState, ...] = get_args(JournalState)
STATE_WORDS: Final[Mapping[JournalState, str]] = {
    "done": "backed up",
    "not_due": "was not due",
    "absent": "was not connected",
    "unanswered": "was locked, or nobody entered the passcode",
    "no_power": "was not connected to power",
    "waiting": "did not get its turn",
    "failed": "failed",
}
"""The rest of a sentence that begins with the phone's name."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of a phone's last turn.

    Attributes:
        ended: UTC.
        code: the exit code; OK for a state that is not a failure.
        message: what went wrong, for people.
        snapshot: the new snapshot.
        program: ``nightly`` or ``watch``.
    """

    ended: datetime
    state: JournalState
    code: ExitCode = ExitCode.OK
    message: str = ""
    snapshot: str = ""
    program: str = ""

    def to_members(self) -> dict[str, object]:
        """The record for the file."""
        return {
            "ended": record_times.written(self.ended),
            "state": self.state,
            "code": int(self.code),
            "message": self.message,
            "snapshot": self.snapshot,
            "program": self.program,
        }

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from the file. Raises RecordFlaw."""
        state = next((known for known in STATES if known == record.text("state")), None)
        if state is None:
            raise RecordFlaw("has an unknown state")
        return cls(
            record.time("ended"),
            state,
            _code(record.number("code")),
            record.text("message"),
            record.text("snapshot"),
            record.text("program"),
        )


@dataclass(frozen=True, slots=True)
class PhoneRecord:
    """The record of one phone.

    Attributes:
        last: its last turn, None before the first.
        failures: the number of turns in a row without a backup.
        night: which night (``due.night_of``) ``prompts`` and ``proven`` are about.
        prompts: how many times it has asked for its passcode that night.
        proven: whether that night's share of its snapshots has been verified.
        alarms: for each kind of alarm, the night in which it was last sent.
    """

    last: Attempt | None = None
    failures: int = 0
    night: str = ""
    prompts: int = 0
    proven: bool = False
    alarms: Mapping[str, str] = field(default_factory=dict)

    def in_night(self, night: str) -> "PhoneRecord":
        """The record, with counters reset if a new night has begun."""
        return (
            self if night == self.night else replace(self, night=night, prompts=0, proven=False, failures=0)
        )

    def to_members(self) -> dict[str, object]:
        """The record for the file."""
        members: dict[str, object] = {
            "failures": self.failures,
            "night": self.night,
            "prompts": self.prompts,
            "proven": self.proven,
            "alarms": dict(self.alarms),
        }
        if self.last is not None:
            members["last"] = self.last.to_members()
        return members

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from the file. Raises RecordFlaw."""
        alarms = record.record("alarms")
        return cls(
            last=Attempt.from_record(record.record("last")) if "last" in record else None,
            failures=record.number("failures"),
            night=record.text("night"),
            prompts=record.number("prompts"),
            proven=record.flag("proven"),
            alarms={name: alarms.text(name) for name in alarms.names()},
        )


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of ``nightly``, or a turn of ``watch``: when, and its exit code. ``ended`` is None while it runs."""

    program: str
    started: datetime
    ended: datetime | None = None
    code: ExitCode = ExitCode.OK

    def to_members(self) -> dict[str, object]:
        """The record for the file."""
        members: dict[str, object] = {
            "program": self.program,
            "started": record_times.written(self.started),
            "code": int(self.code),
        }
        return members if self.ended is None else members | {"ended": record_times.written(self.ended)}

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from the file. Raises RecordFlaw."""
        return cls(
            record.text("program"),
            record.time("started"),
            record.time("ended") if "ended" in record else None,
            _code(record.number("code")),
        )


@dataclass(frozen=True, slots=True)
class NightJournal:
    """The whole journal; an unknown phone has an empty record."""

    phones: Mapping[str, PhoneRecord] = field(default_factory=dict)
    last_run: RunRecord | None = None
    alarms: Mapping[str, str] = field(default_factory=dict)

    def phone(self, udid: str) -> PhoneRecord:
        """The record of a phone."""
        return self.phones.get(udid, PhoneRecord())


class JournalFile:
    """The file; ``path`` is where. By default in the user's own state (``$IBACKUP_STATE_DIR``)."""

    def __init__(self, folder: str | None = None) -> None:
        self.folder = state_dir() if folder is None else folder
        self.path = os.path.join(self.folder, _NAME)
        self._unwritten: NightJournal | None = None
        self._threads = threading.Lock()

    def read(self) -> NightJournal:
        """Its contents; empty if the file is missing or damaged."""
        if self._unwritten is not None:
            return self._unwritten
        try:
            record = JsonRecord.read(self.path)
            phones, alarms = record.record("phones"), record.record("alarms")
            return NightJournal(
                {
                    udid: PhoneRecord.from_record(phones.record(udid))
                    for udid in phones.names()
                    if may_be_udid(udid)
                },
                RunRecord.from_record(record.record("last_run")) if "last_run" in record else None,
                {name: alarms.text(name) for name in alarms.names()},
            )
        except (OSError, RecordFlaw):
            return NightJournal()

    def write(self, journal: NightJournal) -> bool:
        """Replace the contents; False if they cannot be written.

        That must not stop a backup: they are then remembered while this program runs.
        """
        members: dict[str, object] = {
            "schema": SCHEMA,
            "phones": {udid: each.to_members() for udid, each in journal.phones.items()},
            "alarms": dict(journal.alarms),
        }
        if journal.last_run is not None:
            members["last_run"] = journal.last_run.to_members()
        try:
            durable.make_dir(self.folder, parents=True)
            durable.write_file(self.path, JsonRecord(members).render())
        except OSError:
            self._unwritten = journal
            return False
        self._unwritten = None
        return True

    def change(self, change: Callable[[NightJournal], NightJournal]) -> NightJournal:
        """Change the contents under a lock, because several turns may be running, here and in other runs."""
        with contextlib.suppress(OSError):
            durable.make_dir(self.folder, parents=True)
        with self._threads, changing(self.path):
            before = self.read()
            after = change(before)
            if after != before:
                self.write(after)
            return after

    def update(self, udid: str, change: Callable[[PhoneRecord], PhoneRecord]) -> PhoneRecord:
        """Change what is remembered of one phone."""

        def changed(journal: NightJournal) -> NightJournal:
            return replace(journal, phones={**journal.phones, udid: change(journal.phone(udid))})

        return self.change(changed).phone(udid)

    def ran(self, run: RunRecord) -> None:
        """Remember a run."""
        self.change(lambda journal: replace(journal, last_run=run))


def _code(number: int) -> ExitCode:
    try:
        return ExitCode(number)
    except ValueError:
        return ExitCode.FAILED
