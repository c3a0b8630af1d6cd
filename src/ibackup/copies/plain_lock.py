"""Keeps two computers from copying one phone to one place at once, as far as a place without locks allows that."""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from ibackup.base import slices
from ibackup.base.errors import IbackupError
from ibackup.copies.copy_errors import CopyLocked
from ibackup.copies.rclone_program import RcloneProgram
from ibackup.store.disk import record_times, this_computer
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.records.used_stores import state_dir

NAME = "busy.json"
_STALE = timedelta(minutes=30)
_AGAIN_S = 300.0
_LOOK_S = 30.0
_DOING = "find out who is working on the copy"


@dataclass
class PlainLock:
    """A file in a folder that names the computer at work there, and is written again every five minutes.

    Args:
        program: the copy.
        folder: a phone's, for example.
        at_work: what the computer does, after "Another computer is …"; empty: it copies.
    """

    program: RcloneProgram
    folder: str
    at_work: str = ""
    _written: float = field(default=0.0, init=False)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold it. Raises CopyLocked if another computer holds it."""
        self._refuse_others()
        self._write()
        self._refuse_others()  # that wrote at the same time
        try:
            yield
        finally:
            with contextlib.suppress(IbackupError):  # the copy is away, and the file will be too old
                self.program.run("deletefile", self._path(), doing=_DOING)

    @contextlib.contextmanager
    def held_throughout(self) -> Iterator[None]:
        """Hold it, and say that the work goes on while it does, however long a step takes. Raises as ``held``."""
        done = threading.Event()

        def go_on() -> None:
            while not done.wait(_LOOK_S):
                self.beat()

        with self.held():
            beating = threading.Thread(target=go_on, daemon=True)
            beating.start()
            try:
                yield
            finally:
                done.set()
                slices.join(beating)

    def beat(self) -> None:
        """Say that the work goes on; may be called as often as one likes."""
        if time.monotonic() - self._written > _AGAIN_S:
            with contextlib.suppress(IbackupError):
                self._write()

    def _path(self) -> str:
        return self.program.at(f"{self.folder}/{NAME}")

    def _write(self) -> None:
        self._written = time.monotonic()
        record = JsonRecord(
            {
                "computer": this_computer.name(),
                "machine": _runner(),
                "when": record_times.written(record_times.now()),
            }
        )
        self.program.write(f"{self.folder}/{NAME}", record.render(), doing=_DOING)

    def _refuse_others(self) -> None:
        data = self.program.content(f"{self.folder}/{NAME}", doing=_DOING)
        try:
            record = JsonRecord.load(data or b"")
            other, when = record.text("computer"), record.time("when")
            if record.text("machine") == _runner():
                return  # a run that was killed: two of this user exclude each other in another way
        except RecordFlaw:
            return
        if abs(record_times.now() - when) < _STALE:
            at_work = self.at_work or f"copying this phone to {self.program.name}"
            raise CopyLocked(
                f"Another computer is {at_work}: {other}.",
                hint="Run the command again later. If that computer was stopped, its mark ends by itself after 30 "
                "minutes.",
            )


def _runner() -> str:
    """Says which user of which computer runs this, to nobody else: what excludes others here is in the user's state."""
    return hashlib.sha256(f"{this_computer.machine()}\0{os.path.realpath(state_dir())}".encode()).hexdigest()[
        :32
    ]
