"""``run.json``: how far the run in a working copy has come, so that the next command can go on from there."""

import os
import re
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self, get_args

from ibackup.errors import DamageFound
from ibackup.store import durable, host, times
from ibackup.store.records import Record, RecordFlaw
from ibackup.store.snapshot import Draft

SCHEMA = 1
RUN_NAME = "run.json"
_RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}")

Phase = Literal["prepared", "receiving", "device_done", "verified", "sealed", "synced", "committed"]
PHASES: tuple[Phase, ...] = get_args(Phase)


def new_run_id(moment: datetime) -> str:
    """A name for a run that began at this moment."""
    return f"{times.as_id(moment)}-{secrets.token_hex(3)}"


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
class Run:
    """The state of a run.

    Attributes:
        phase: what is done for good.
        boot_id: the start of the computer in which that was written down.
        started: when the run that owns the working copy now began, UTC.
        base: the id of the snapshot that was cloned, or an empty string.
        barrier: the last SnapshotState that everything was made durable for, in this run; or an empty string.
        resumed: how many broken runs this one continues.
        draft: what is known of the snapshot to be, from device_done on.
        sealed: from sealed on.
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
        """Whether the computer has been running ever since, so that nothing written can have been lost."""
        return host.same_boot(self.boot_id, host.boot_id())

    def to_record(self) -> Record:
        """As it stands in the file."""
        members: dict[str, object] = {
            "schema": SCHEMA,
            "run_id": self.run_id,
            "phase": self.phase,
            "boot_id": self.boot_id,
            "started": times.written(self.started),
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
        return Record(members)

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """The same from a record. Raises RecordFlaw."""
        if record.number("schema") > SCHEMA:
            raise RecordFlaw("was made by a newer ibackup")
        phases = [known for known in PHASES if known == record.text("phase")]
        base = record.text("base")
        if not phases or (base and not times.is_id(base)):
            raise RecordFlaw("has a phase or a base that is not known")
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
            raise RecordFlaw("lacks what its phase asks for")
        return run

    @classmethod
    def read(cls, working: str) -> Self:
        """Read it from a working copy.

        Raises:
            FileNotFoundError: there is none.
            DamageFound: it is not readable.
        """
        path = os.path.join(working, RUN_NAME)
        try:
            return cls.from_record(Record.read(path))
        except RecordFlaw as flaw:
            raise DamageFound(
                f"{path!r} is damaged: it {flaw}.", hint="The run that it is about starts anew."
            ) from None

    def write(self, working: str) -> Self:
        """Put it into a working copy, for good, with the present boot id."""
        run = replace(self, boot_id=host.boot_id())
        durable.write_file(os.path.join(working, RUN_NAME), run.to_record().render())
        return run
