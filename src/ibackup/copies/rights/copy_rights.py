"""What a trial of this computer's rights found, and where it is kept: with this user's state, as it is about them."""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self, get_args

from ibackup.store.disk import durable, record_times
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.records.used_stores import state_dir

SCHEMA = 1
RightsAct = Literal["overwrite", "remove", "remove_versions"]
RightsAnswer = Literal["done", "kept", "refused", "untried"]
"""``kept``: it was done, and the place still has what was there before."""


@dataclass(frozen=True, slots=True)
class TriedAct:
    """One thing that was tried; ``why`` says why it was not, or what was answered."""

    act: RightsAct
    answer: RightsAnswer
    why: str = ""


@dataclass(frozen=True, slots=True)
class RightsTrial:
    """What was tried; ``left`` names the object that stays there because it could not be removed, else it is empty."""

    acts: tuple[TriedAct, ...]
    left: str = ""


@dataclass(frozen=True, slots=True)
class CopyRights:
    """What this computer may do to a copy.

    Attributes:
        repository: the id of the repository that this is about.
        when: it was tried, UTC.
    """

    repository: str
    when: datetime
    trial: RightsTrial

    @property
    def destroys(self) -> bool:
        """Whether this computer could destroy what is there."""
        return any(each.answer == "done" for each in self.trial.acts)

    @classmethod
    def read(cls, copy: str, repository: str) -> Self | None:
        """The last trial of a copy; None if there is none of this repository."""
        try:
            record = JsonRecord.read(_path(copy))
            acts = tuple(_act(each) for each in record.records("acts"))
            found = cls(
                record.text("repository"), record.time("when"), RightsTrial(acts, record.text("left"))
            )
        except (OSError, RecordFlaw):
            return None
        return found if found.repository == repository else None

    def write(self, copy: str) -> None:
        """Keep it in place of the one before. Raises IbackupError."""
        members: dict[str, object] = {
            "schema": SCHEMA,
            "repository": self.repository,
            "when": record_times.written(self.when),
            "acts": [{"act": each.act, "answer": each.answer, "why": each.why} for each in self.trial.acts],
            "left": self.trial.left,
        }
        with telling("What this computer may do to the copy could not be recorded."):
            durable.make_dir(state_dir(), parents=True)
            durable.write_file(_path(copy), JsonRecord(members).render())


def _act(record: JsonRecord) -> TriedAct:
    act = next((each for each in get_args(RightsAct) if each == record.text("act")), None)
    answer = next((each for each in get_args(RightsAnswer) if each == record.text("answer")), None)
    if act is None or answer is None:
        raise RecordFlaw("has an unknown act or answer")
    return TriedAct(act, answer, record.text("why"))


def _path(copy: str) -> str:
    return os.path.join(state_dir(), f"copy-{copy}.rights.json")
