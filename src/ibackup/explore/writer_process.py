"""A writer in a separate process.

Decryption holds the interpreter's lock, and so does everything between the system calls for a small file. Two
threads of one process extract files no faster than one and use more processor time; two processes take half
the time. A helper may be killed at any moment, because no file gets its final name before it is complete.
"""

import contextlib
import gc
import pickle
import sys
from types import TracebackType
from typing import IO, TYPE_CHECKING, NamedTuple, Self, cast

from ibackup.base.errors import IbackupError, NoRoom
from ibackup.explore.file_writer import Setup, Stopped, WriteJob, Writer, Written, no_room

if TYPE_CHECKING:
    from ibackup.explore.head_start import Ready

_STEP = 64 * 1024 * 1024  # bytes between two progress reports on a large file


class _Failed(NamedTuple):
    """The last message of a helper; ``text`` is empty if the target is full."""

    text: str = ""


class Helper:
    """Does what a ``Writer`` does, in another process; use it in one thread.

    Attributes:
        moved: bytes processed so far; other threads may read this.
    """

    def __init__(self, setup: Setup, ready: "Ready | None" = None) -> None:
        """Take or start the process. Raises OSError if the system refuses."""
        from ibackup.explore.head_start import Ready  # the other process needs nothing of it

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
        with contextlib.suppress(OSError):  # nobody reads what was still to be sent
            self._process.__exit__(kind, error, trace)

    def stop(self) -> None:
        """Stop the current file; for other threads."""
        self._stopped = True
        self._process.kill()

    def write_all(self, jobs: list[WriteJob]) -> list[Written]:
        """Extract files.

        Raises:
            NoRoom: the target is full.
            Stopped: the run was stopped.
            IbackupError: the process ended too early.
        """
        try:
            if self._setup is not None:
                _say(self._process.stdin, self._setup)
                self._setup = None
            _say(self._process.stdin, jobs)
            while isinstance(said := _hear(self._process.stdout), int):
                self.moved = said
        except (OSError, EOFError, pickle.UnpicklingError):
            said = _Failed("it disappeared, perhaps because memory ran out")
        if isinstance(said, list):
            return said
        if self._stopped:
            raise Stopped
        if said == _Failed():
            raise no_room()
        raise IbackupError(
            "A helper process ended too early.",
            why=f"It reported: {said.text if isinstance(said, _Failed) else said!r}.",
            hint="Run it again: existing files are not written again.",
        )


def _say(pipe: IO[bytes] | None, what: object) -> None:
    if pipe is not None:
        pickle.dump(what, pipe, pickle.HIGHEST_PROTOCOL)
        pipe.flush()


def _hear(pipe: IO[bytes] | None) -> object:
    return None if pipe is None else pickle.load(pipe)  # noqa: S301 - our own process is at the other end


# -- in the other process -----------------------------------------------------------------------------------


class _Telling(Writer):
    """Reports progress: at the end of a batch, and within a large file."""

    _told = 0

    def write_all(self, jobs: list[WriteJob]) -> list[Written]:
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
    """The process's main loop: take jobs from its input until it ends, and report their results."""
    gc.set_threshold(50_000, 20, 50)  # as in the main process
    try:
        _say(sys.stdout.buffer, 0)  # loaded
        with _Telling(cast("Setup", _hear(sys.stdin.buffer))) as writer:
            while True:
                written = writer.write_all(cast("list[WriteJob]", _hear(sys.stdin.buffer)))
                _say(sys.stdout.buffer, written)
    except NoRoom:
        _say(sys.stdout.buffer, _Failed())
    except IbackupError as error:
        _say(sys.stdout.buffer, _Failed(error.message))
    except EOFError:
        pass  # nobody wants the results any more
    except Exception:  # noqa: BLE001 - told to the user by the process that reads it
        import traceback  # takes a tenth of what a helper loads

        _say(sys.stdout.buffer, _Failed(traceback.format_exc()))
