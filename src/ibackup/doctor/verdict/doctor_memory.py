"""What the person said about a phone, and what earlier runs found.

Kept in this user's state folder, one file per phone.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from ibackup.doctor.evidence.phone_evidence import PersonAnswers
from ibackup.doctor.evidence.sighting import EvidenceSource, Fact, Seen
from ibackup.store.disk import durable, record_times
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.disk.system_lock import changing
from ibackup.store.records.used_stores import state_dir

_SCHEMA = 1
_Answer = TypeVar("_Answer")
_RUNS = 20
_MOST_BYTES = 10**15


@dataclass(frozen=True, slots=True)
class DoctorRun:
    """One earlier diagnosis."""

    date: datetime
    status: str
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything that is remembered of one phone."""

    answers: PersonAnswers = field(default_factory=PersonAnswers)
    runs: tuple[DoctorRun, ...] = ()


class Memories:
    """The files.

    Args:
        folder: where; by default this user's state folder.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._folder = os.path.join(state_dir() if folder is None else folder, "doctor")

    def of(self, udid: str) -> Memory:
        """What is remembered; nothing if the file is missing or damaged."""
        try:
            record = JsonRecord.read(self._path(udid))
            return Memory(_answers(record), tuple(_run(each) for each in record.records("runs")))
        except (OSError, RecordFlaw, ValueError):
            return Memory()

    def add(self, udid: str, answers: PersonAnswers, run: DoctorRun) -> bool:
        """Remember answers and a run, in place of one of the same second; of two answers, the later one counts.

        Returns:
            False if that fails, which is no reason to stop.
        """
        try:
            durable.make_dir(self._folder, parents=True)
            with changing(self._path(udid)):
                known, now = self.of(udid), record_times.written(run.date)
                earlier = (each for each in known.runs if record_times.written(each.date) != now)
                self._write(udid, _latest(known.answers, answers), (*earlier, run))
        except OSError:
            return False
        return True

    def _write(self, udid: str, answers: PersonAnswers, runs: Sequence[DoctorRun]) -> None:
        members: dict[str, object] = {
            "schema": _SCHEMA,
            "runs": [
                {"date": record_times.written(run.date), "status": run.status, "found": list(run.found)}
                for run in runs[-_RUNS:]
            ],
        }
        for name in ("plan", "used", "sentence", "since", "tried"):
            fact = getattr(answers, name)
            if isinstance(fact, Seen):
                value = list(fact.value) if isinstance(fact.value, tuple) else fact.value
                members[name] = {"value": value, "date": record_times.written(fact.source.date)}
        durable.write_file(self._path(udid), JsonRecord(members).render())

    def _path(self, udid: str) -> str:
        return os.path.join(
            self._folder, "".join(char for char in udid if char.isalnum() or char == "-") + ".json"
        )


def _latest(known: PersonAnswers, new: PersonAnswers) -> PersonAnswers:
    return PersonAnswers(
        plan=_later(known.plan, new.plan),
        used=_later(known.used, new.used),
        sentence=_later(known.sentence, new.sentence),
        since=_later(known.since, new.since),
        tried=_later(known.tried, new.tried),
    )


def _later(known: Fact[_Answer], new: Fact[_Answer]) -> Fact[_Answer]:
    if not isinstance(known, Seen) or (isinstance(new, Seen) and new.source.date >= known.source.date):
        return new
    return known


def _run(record: JsonRecord) -> DoctorRun:
    return DoctorRun(record.time("date"), record.text("status"), record.texts("found"))


def _answers(record: JsonRecord) -> PersonAnswers:
    def source(name: str) -> EvidenceSource:
        return EvidenceSource("person", record.record(name).time("date"), "what you said")

    def text(name: str) -> Fact[str]:
        return (
            Seen(record.record(name).text("value"), source(name))
            if name in record
            else PersonAnswers().sentence
        )

    def count(name: str) -> Fact[int]:
        if name not in record:
            return PersonAnswers().plan
        return Seen(min(record.record(name).number("value"), _MOST_BYTES), source(name))

    tried: Fact[tuple[str, ...]] = PersonAnswers().tried
    if "tried" in record:
        tried = Seen(record.record("tried").texts("value"), source("tried"))
    return PersonAnswers(
        plan=count("plan"), used=count("used"), sentence=text("sentence"), since=text("since"), tried=tried
    )
