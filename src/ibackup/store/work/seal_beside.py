"""Prepares the seal in a process of its own, beside the check of the phone's list, which keeps another core busy.

The process loads while the phone still moves files. After the phone's last word it compares the disk with the ledger
and writes the seal under another name. It changes nothing else until it is told that the check has passed, and then
only removes write permissions. If it dies or finds anything wrong, it says nothing, and the run does its work again.
"""

import contextlib
import json
import os
import queue
import sys
import threading
from dataclasses import asdict
from typing import Final

from ibackup.base import isolated, slices
from ibackup.base.closeable import Closeable
from ibackup.store.records.run_record import Sealed
from ibackup.store.work import sealing
from ibackup.store.work.file_ledger import FileLedger

LEAST_FILES: Final = 20_000  # below, a run takes as long without it
_PROGRAM: Final = "from ibackup.store.work.seal_beside import serve; serve()"
_BETWEEN: Final = "\0"  # no file name contains it


class SealBeside(Closeable):
    """The process. Close it before the working copy is moved or continued. Raises OSError if it cannot be started."""

    def __init__(self) -> None:
        self._begun = False
        self._said: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._process = isolated.start(_PROGRAM)
        self._thread = threading.Thread(target=self._hear, name="ibackup-seal", daemon=True)
        self._thread.start()

    def _hear(self) -> None:
        for line in self._process.stdout or ():
            self._said.put(line)
        self._said.put(b"")

    def begin(self, working: str, udid: str, ledger: str) -> None:
        """Begin to prepare the seal of a working copy. Its ledger's file must not change any more."""
        self._begun = True
        self._tell([working, udid, ledger])

    def sealed(self) -> Sealed | None:
        """What was prepared; None if that did not succeed. Waits for it."""
        said = self._answer() if self._begun else None
        with contextlib.suppress(TypeError):
            return Sealed(**said) if isinstance(said, dict) else None
        return None

    def freeze(self) -> bool | None:
        """Have the files write-protected, see ``sealing.freeze_files``; None if that did not succeed."""
        self._tell("freeze")
        said = self._answer()
        return said if isinstance(said, bool) else None

    def _tell(self, what: object) -> None:
        with contextlib.suppress(OSError):  # if it is gone, there will be no answer
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps(what).encode("ascii") + b"\n")
                self._process.stdin.flush()

    def _answer(self) -> object:
        line = slices.take(self._said)
        if not line:
            self._said.put(line)  # there will be no other
        with contextlib.suppress(ValueError):
            answer: object = json.loads(line)
            return answer
        return None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        slices.join(self._thread)
        with contextlib.suppress(OSError):  # nobody reads what was still to be sent
            self._process.__exit__(None, None, None)


def start_beside(ledger: FileLedger) -> SealBeside | None:
    """Start it for the working copy of a ledger; None if that would not help, or is not possible."""
    if not isolated.can_help() or ledger.totals().files < LEAST_FILES:
        return None
    with contextlib.suppress(OSError):
        return SealBeside()
    return None


# -- in the other process -----------------------------------------------------------------------------------


def serve() -> None:
    """What the process does. Whatever fails ends it."""
    working, udid, path = json.loads(sys.stdin.readline())
    root = os.path.join(working, udid)
    with FileLedger(path, reading=True) as ledger:
        loose = [(folder, _BETWEEN.join(names)) for folder, names in sealing.compared(root, ledger)]
        _say(asdict(sealing.prepare_seal(working, udid, ledger)))
    if sys.stdin.readline():
        _say(sealing.freeze_files(root, ((folder, names.split(_BETWEEN)) for folder, names in loose)))


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
