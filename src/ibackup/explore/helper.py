"""A writer in a process of its own.

Decryption holds the interpreter's lock, and so does everything between the system calls that a small file takes: two
threads of one process take files out no faster than one and use more of the processors; two processes take half
the time. A helper may be killed at any moment, since no file gets its name before it is whole.
"""

import contextlib
import gc
import pickle
import sys
import traceback
from types import TracebackType
from typing import IO, NamedTuple, Self, cast

from ibackup.errors import IbackupError, NoRoom
from ibackup.explore.ready import Ready
from ibackup.explore.writing import Job, Setup, Stopped, Writer, Written, no_room

_STEP = 64 * 1024 * 1024  # bytes between two words about a large file


class _Failed(NamedTuple):
    """The last word of a helper; ``text`` is empty when the target is full."""

    text: str = ""


class Helper:
    """Does what a ``Writer`` does, in another process; for one thread.

    Attributes:
        moved: bytes dealt with so far; other threads may look at it.
    """

    def __init__(self, setup: Setup, ready: Ready | None = None) -> None:
        """Take or start the process. Raises OSError when the system does not let us."""
        self.moved = 0
        self._stopped = False
        self._process = (ready or Ready()).take()
        self._setup: Setup | None = setup

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        with contextlib.suppress(OSError):  # what was still to be sent, nobody reads
            self._process.__exit__(kind, error, trace)

    def stop(self) -> None:
        """Have the file under way given up; for other threads."""
        self._stopped = True
        self._process.kill()

    def write_all(self, jobs: list[Job]) -> list[Written]:
        """Take out files.

        Raises:
            NoRoom: the target is full.
            Stopped: the run is given up.
            IbackupError: the process ended before its time.
        """
        try:
            if self._setup is not None:
                _say(self._process.stdin, self._setup)
                self._setup = None
            _say(self._process.stdin, jobs)
            while isinstance(said := _hear(self._process.stdout), int):
                self.moved = said
        except (OSError, EOFError, pickle.UnpicklingError):
            said = _Failed("it is gone, perhaps for lack of memory")
        if isinstance(said, list):
            return said
        if self._stopped:
            raise Stopped
        if said == _Failed():
            raise no_room()
        raise IbackupError(
            "A process that takes out files ended before its time.",
            why=f"What is known of it: {said.text if isinstance(said, _Failed) else said!r}.",
            hint="Run it again: files that are there already are not written again.",
        )


def _say(pipe: IO[bytes] | None, what: object) -> None:
    if pipe is not None:
        pickle.dump(what, pipe, pickle.HIGHEST_PROTOCOL)
        pipe.flush()


def _hear(pipe: IO[bytes] | None) -> object:
    return None if pipe is None else pickle.load(pipe)  # noqa: S301 - our own process is at the other end


# -- in the other process -----------------------------------------------------------------------------------


class _Telling(Writer):
    """Tells how far it is: at the end of a batch, and within a large file."""

    _told = 0

    def write_all(self, jobs: list[Job]) -> list[Written]:
        written = super().write_all(jobs)
        self._tell()
        return written

    def _put(self, target: int, data: bytes | memoryview) -> None:
        super()._put(target, data)
        if self.moved - self._told >= _STEP:
            self._tell()

    def _tell(self) -> None:
        self._told = self.moved
        _say(sys.stdout.buffer, self.moved)


def serve() -> None:
    """What the process does: take jobs from its input until that ends, and say what became of them."""
    gc.set_threshold(50_000, 20, 50)  # as in the main process
    try:
        _say(sys.stdout.buffer, 0)  # loaded
        with _Telling(cast("Setup", _hear(sys.stdin.buffer))) as writer:
            while True:
                written = writer.write_all(cast("list[Job]", _hear(sys.stdin.buffer)))
                _say(sys.stdout.buffer, written)
    except NoRoom:
        _say(sys.stdout.buffer, _Failed())
    except EOFError:
        pass  # nobody wants any more
    except Exception:  # noqa: BLE001 - told to the user by the process that reads it
        _say(sys.stdout.buffer, _Failed(traceback.format_exc()))
