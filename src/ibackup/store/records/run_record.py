"""``run.json``: how far the run in a working copy got, so that the next command can continue it."""

import os
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self, get_args

from ibackup.base.errors import DamageFound
from ibackup.store.disk import durable, record_times, this_computer
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.records.snapshot import Draft

SCHEMA = 1
RUN_NAME = "run.json"
_RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")

Phase = Literal["prepared", "receiving", "device_done", "verified", "sealed", "synced", "committed"]
PHASES: tuple[Phase, ...] = get_args(Phase)


def new_run_id(moment: datetime) -> str:
    """A name for a run that begins at this moment."""
    return f"{record_times.as_id(moment)}-{secrets.token_hex(3)}"


def is_run_id(text: str) -> bool:
    """Whether this is a run's name."""
    return _RUN_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed: SHA-256 of SHA256SUMS, and the totals that it covers."""

    sha256: str
    files: int
    bytes: int
    carried_files: int


@dataclass(frozen=True, slots=True)
class RunState:
    """The state of a run.

    Attributes:
        phase: what is done, durably.
        boot_id: the boot of the computer during which that was recorded.
        started: when the run that now owns the working copy began, UTC.
        base: the id of the cloned snapshot, or an empty string.
        barrier: the last SnapshotState in this run for which everything was made durable, or an empty string.
        resumed: how many interrupted runs this one continues.
        draft: what is known about the future snapshot; set once device_done is reached.
        sealed: set once sealed is reached.
    """

    run_id: str
    phase: Phase
    boot_id: str
    started: datetime
    base: str = ""
    barrier: str = ""
    resumed: int = 0
    draft: Draft | None = None
    sealed: Sealed | None = None

    def reached(self, phase: Phase) -> bool:
        """Whether this phase is done."""
        return PHASES.index(self.phase) >= PHASES.index(phase)

    @property
    def same_boot(self) -> bool:
        """Whether the computer has been running ever since, so that no written data can be lost."""
        return this_computer.same_boot(self.boot_id, this_computer.boot_id())

    def to_record(self) -> JsonRecord:
        """The form in which the file stores it."""
        members: dict[str, object] = {
            "schema": SCHEMA,
            "run_id": self.run_id,
            "phase": self.phase,
            "boot_id": self.boot_id,
            "started": record_times.written(self.started),
            "base": self.base,
            "barrier": self.barrier,
            "resumed": self.resumed,
        }
        if self.draft is not None:
            members["draft"] = self.draft.to_members()
        if self.sealed is not None:
            members["sealed"] = {
                "sha256": self.sealed.sha256,
                "files": self.sealed.files,
                "bytes": self.sealed.bytes,
                "carried_files": self.sealed.carried_files,
            }
        return JsonRecord(members)

    @classmethod
    def from_record(cls, record: JsonRecord) -> Self:
        """Read it from a record. Raises RecordFlaw."""
        if record.number("schema") > SCHEMA:
            raise RecordFlaw("was made by a newer ibackup")
        phases = [known for known in PHASES if known == record.text("phase")]
        base = record.text("base")
        if not phases or (base and not record_times.is_id(base)):
            raise RecordFlaw("has an unknown phase or base")
        sealed = record.record("sealed") if "sealed" in record else None
        run = cls(
            run_id=record.text("run_id"),
            phase=phases[0],
            boot_id=record.text("boot_id"),
            started=record.time("started"),
            base=base,
            barrier=record.text("barrier"),
            resumed=record.number("resumed"),
            draft=Draft.from_record(record.record("draft")) if "draft" in record else None,
            sealed=None
            if sealed is None
            else Sealed(
                sealed.text("sha256"),
                sealed.number("files"),
                sealed.number("bytes"),
                sealed.number("carried_files"),
            ),
        )
        if (run.reached("device_done") and run.draft is None) or (
            run.reached("sealed") and run.sealed is None
        ):
            raise RecordFlaw("lacks what its phase needs")
        return run

    @classmethod
    def read(cls, working: str) -> Self:
        """Read it from a working copy.

        Raises:
            FileNotFoundError: it does not exist.
            DamageFound: it is not readable.
        """
        path = os.path.join(working, RUN_NAME)
        try:
            return cls.from_record(JsonRecord.read(path))
        except RecordFlaw as flaw:
            raise DamageFound(
                f"{path!r} is damaged: it {flaw}.", hint="The run that it describes starts over."
            ) from None

    def write(self, working: str) -> Self:
        """Write it into a working copy, durably, with the present boot id."""
        run = replace(self, boot_id=this_computer.boot_id())
        durable.write_file(os.path.join(working, RUN_NAME), run.to_record().render())
        return run
