"""What the person said about a phone, and what earlier runs found; kept in this user's state, one file a phone."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ibackup.doctor.evidence import Answers, Fact, Seen, Source
from ibackup.store import durable, times
from ibackup.store.known import state_dir
from ibackup.store.records import Record, RecordFlaw

_SCHEMA = 1
_RUNS = 20
_MOST_BYTES = 10**15


@dataclass(frozen=True, slots=True)
class Run:
    """One earlier diagnosis."""

    date: datetime
    status: str
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything that is remembered of one phone."""

    answers: Answers = field(default_factory=Answers)
    runs: tuple[Run, ...] = ()


class Memories:
    """The files.

    Args:
        folder: where; by default this user's state.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._folder = os.path.join(state_dir() if folder is None else folder, "doctor")

    def of(self, udid: str) -> Memory:
        """What is remembered; a damaged or missing file counts as nothing."""
        try:
            record = Record.read(self._path(udid))
            return Memory(_answers(record), tuple(_run(each) for each in record.records("runs")))
        except (OSError, RecordFlaw, ValueError):
            return Memory()

    def keep(self, udid: str, answers: Answers, runs: Sequence[Run]) -> bool:
        """Remember; False when that cannot be written down, which is no reason to stop."""
        members: dict[str, object] = {
            "schema": _SCHEMA,
            "runs": [
                {"date": times.written(run.date), "status": run.status, "found": list(run.found)}
                for run in runs[-_RUNS:]
            ],
        }
        for name in ("plan", "used", "sentence", "since", "tried"):
            fact = getattr(answers, name)
            if isinstance(fact, Seen):
                value = list(fact.value) if isinstance(fact.value, tuple) else fact.value
                members[name] = {"value": value, "date": times.written(fact.source.date)}
        try:
            durable.make_dir(self._folder, parents=True)
            durable.write_file(self._path(udid), Record(members).render())
        except OSError:
            return False
        return True

    def _path(self, udid: str) -> str:
        return os.path.join(
            self._folder, "".join(char for char in udid if char.isalnum() or char == "-") + ".json"
        )


def _run(record: Record) -> Run:
    return Run(record.time("date"), record.text("status"), record.texts("found"))


def _answers(record: Record) -> Answers:
    def source(name: str) -> Source:
        return Source("person", record.record(name).time("date"), "what you said")

    def text(name: str) -> Fact[str]:
        return Seen(record.record(name).text("value"), source(name)) if name in record else Answers().sentence

    def count(name: str) -> Fact[int]:
        if name not in record:
            return Answers().plan
        return Seen(min(record.record(name).number("value"), _MOST_BYTES), source(name))

    tried: Fact[tuple[str, ...]] = Answers().tried
    if "tried" in record:
        tried = Seen(record.record("tried").texts("value"), source("tried"))
    return Answers(
        plan=count("plan"), used=count("used"), sentence=text("sentence"), since=text("since"), tried=tried
    )
