"""What unattended runs did on this computer: the last attempt of each phone, its prompts tonight, alarms already sent.

One small file in the user's state, read by ``status`` and ``schedule show``, written by whoever holds the turn. It is
worth nothing without the store, so a damaged one is begun anew.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, Self, get_args

from ibackup.errors import ExitCode
from ibackup.store import durable, times
from ibackup.store.known import state_dir
from ibackup.store.records import Record, RecordFlaw
from ibackup.store.udids import is_udid

SCHEMA = 1
_NAME = "unattended.json"

State = Literal[
    "done",  # backed up
    "not_due",  # its newest good backup is young enough
    "absent",  # not connected
    "unanswered",  # locked, not trusted, or its passcode was not entered
    "no_power",  # without external power
    "waiting",  # another unattended run of this computer has its turn, or its window is not open
    "failed",  # see the exit code
]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of a phone's last turn.

    Attributes:
        ended: UTC.
        code: the exit code; OK for a state that is no failure.
        message: what went wrong, for people.
        snapshot: the one that was made.
        program: ``nightly`` or ``watch``.
    """

    ended: datetime
    state: State
    code: ExitCode = ExitCode.OK
    message: str = ""
    snapshot: str = ""
    program: str = ""

    def to_members(self) -> dict[str, object]:
        """As it stands in the file."""
        return {
            "ended": times.written(self.ended),
            "state": self.state,
            "code": int(self.code),
            "message": self.message,
            "snapshot": self.snapshot,
            "program": self.program,
        }

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """The same from the file. Raises RecordFlaw."""
        state = next((known for known in STATES if known == record.text("state")), None)
        if state is None:
            raise RecordFlaw("has a state that is not known")
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
    """What is remembered of one phone.

    Attributes:
        last: its last turn, None before the first.
        failures: turns one after the other that did not end in a backup.
        night: which night (``due.night_of``) ``prompts`` and ``proven`` are about.
        prompts: how often it has asked for its passcode that night.
        proven: whether its snapshots have had their share of proofs that night.
        alarms: for each kind of alarm the night in which it was sent last.
    """

    last: Attempt | None = None
    failures: int = 0
    night: str = ""
    prompts: int = 0
    proven: bool = False
    alarms: Mapping[str, str] = field(default_factory=dict)

    def in_night(self, night: str) -> "PhoneRecord":
        """The same, with nothing counted yet where another night has begun."""
        return (
            self if night == self.night else replace(self, night=night, prompts=0, proven=False, failures=0)
        )

    def to_members(self) -> dict[str, object]:
        """As it stands in the file."""
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
    def from_record(cls, record: Record) -> Self:
        """The same from the file. Raises RecordFlaw."""
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
        """As it stands in the file."""
        members: dict[str, object] = {
            "program": self.program,
            "started": times.written(self.started),
            "code": int(self.code),
        }
        return members if self.ended is None else members | {"ended": times.written(self.ended)}

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """The same from the file. Raises RecordFlaw."""
        return cls(
            record.text("program"),
            record.time("started"),
            record.time("ended") if "ended" in record else None,
            _code(record.number("code")),
        )


@dataclass(frozen=True, slots=True)
class Journal:
    """Everything that is remembered; a phone that is not there has an empty record."""

    phones: Mapping[str, PhoneRecord] = field(default_factory=dict)
    last_run: RunRecord | None = None
    alarms: Mapping[str, str] = field(default_factory=dict)

    def phone(self, udid: str) -> PhoneRecord:
        """What is remembered of a phone."""
        return self.phones.get(udid, PhoneRecord())


class JournalFile:
    """The file; ``path`` is where. By default in the user's own state (``$IBACKUP_STATE_DIR``)."""

    def __init__(self, folder: str | None = None) -> None:
        self.folder = state_dir() if folder is None else folder
        self.path = os.path.join(self.folder, _NAME)
        self._unwritten: Journal | None = None

    def read(self) -> Journal:
        """What it says; a missing or damaged one says nothing."""
        if self._unwritten is not None:
            return self._unwritten
        try:
            record = Record.read(self.path)
            phones, alarms = record.record("phones"), record.record("alarms")
            return Journal(
                {
                    udid: PhoneRecord.from_record(phones.record(udid))
                    for udid in phones.names()
                    if is_udid(udid)
                },
                RunRecord.from_record(record.record("last_run")) if "last_run" in record else None,
                {name: alarms.text(name) for name in alarms.names()},
            )
        except (OSError, RecordFlaw):
            return Journal()

    def write(self, journal: Journal) -> bool:
        """Put this in its place; False when it cannot be written.

        That is no reason not to back up: then it is remembered for as long as this program runs.
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
            durable.write_file(self.path, Record(members).render())
        except OSError:
            self._unwritten = journal
            return False
        self._unwritten = None
        return True

    def update(self, udid: str, change: Callable[[PhoneRecord], PhoneRecord]) -> PhoneRecord:
        """Change what is remembered of one phone."""
        journal = self.read()
        after = change(journal.phone(udid))
        self.write(replace(journal, phones={**journal.phones, udid: after}))
        return after

    def ran(self, run: RunRecord) -> None:
        """Remember a run."""
        self.write(replace(self.read(), last_run=run))


def _code(number: int) -> ExitCode:
    try:
        return ExitCode(number)
    except ValueError:
        return ExitCode.FAILED
