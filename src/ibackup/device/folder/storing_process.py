"""A second process that stores small files, while this one reads the phone.

Two threads of one process share one interpreter: with small files, both together get no more done than one. The
buffers that a phone's data is received into are in memory that both processes have, so only steps and outcomes are
sent. The process keeps the descriptor of the phone's lock: no other run begins before it has ended, even if this
process is killed. If it dies itself, the run ends like any that was interrupted.
"""

import contextlib
import gc
import marshal
import os
import select
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Final, cast

from ibackup.base import descriptors, isolated
from ibackup.base.confined import Confined, PathRefused
from ibackup.base.errors import IbackupError
from ibackup.device.devicelink.receive_blocks import buffers_of
from ibackup.device.folder.file_storing import FileStorer, Move, Outcome, Step

if TYPE_CHECKING:
    from ibackup.base.isolated import Process

_LENGTH: Final = struct.Struct("<I")
_READY: Final = 0
_NO_BUFFER: Final = -1
_MOVES: Final = 32
"""Files that it moves between two answers."""

# root, staging folder, how many folders to keep open, descriptor of the buffers, their number
_Setup = tuple[str, str, int, int, int]
# whether folders may have moved; the number of the buffer, and the steps; or _NO_BUFFER, and files to move
_Task = tuple[bool, int, list[Step] | list[Move]]
# outcomes; or else a refused path and why; or no path and what went wrong
_Answer = tuple[list[Outcome], str, str]
_Said = _Answer | list[bool] | int


class StoringProcess:
    """The process, seen from the one that reads the phone. One thread may send while another one receives.

    Args:
        confined: the folder and its staging folder, by their paths.
        blocks: the descriptor of the buffers, and their number.
        keeps: descriptors that it keeps open for as long as it lives.

    Raises OSError if the system refuses.
    """

    def __init__(self, confined: Confined, blocks: tuple[int, int], keeps: Sequence[int]) -> None:
        fd, count = blocks
        self._process: Process = isolated.start(
            "from ibackup.device.folder.storing_process import serve; serve()", keeps=(fd, *keeps)
        )
        root, staging, most = confined.places
        try:
            _say(self._process.stdin, (root, staging, most, fd, count))
        except OSError:
            self.end()
            raise

    def is_ready(self) -> bool:
        """Whether it has loaded and waits for work. Raises EOFError if it has died."""
        out = self._process.stdout
        if out is None or not select.select([out], [], [], 0)[0]:
            return False
        _hear(out)
        return True

    def send(self, steps: list[Step], buffer: int, *, moved: bool) -> None:
        """Have it do steps. Raises IbackupError if it has died.

        Args:
            steps: what to do.
            buffer: the number of the buffer that they speak of.
            moved: others may have moved folders since the last time.
        """
        self._send((moved, buffer, steps))

    def rename(self, moves: list[Move], *, moved: bool) -> Iterator[bool]:
        """Have it move files, while nothing else is under way; whether it has moved each, as soon as it says so.

        Raises IbackupError if it has died. ``moved``: see ``send``.
        """
        parts = [moves[at : at + _MOVES] for at in range(0, len(moves), _MOVES)]
        for sent in range(len(parts) + 1):
            # One part ahead: it works on the next one while the caller notes this one.
            if sent < len(parts):
                self._send((moved and not sent, _NO_BUFFER, parts[sent]))
            if sent:
                yield from cast("list[bool]", self._receive())

    def _send(self, task: _Task) -> None:
        try:
            _say(self._process.stdin, task)
        except OSError:
            raise _died() from None

    def _receive(self) -> object:
        try:
            return _hear(self._process.stdout)
        except (OSError, EOFError):
            raise _died() from None

    def receive(self) -> list[Outcome]:
        """The outcomes of the earliest steps of which they were not received yet.

        Raises:
            PathRefused: a link is where a folder should be.
            IbackupError: something else made it stop, or it has died.
        """
        outcomes, path, text = cast("_Answer", self._receive())
        if path:
            raise PathRefused(path, text)
        if text:
            raise IbackupError(
                "What the phone sent could not be stored.", why=text, hint="Run the command again."
            )
        return outcomes

    def send_no_more(self) -> None:
        """It ends when it has done what it was sent."""
        with contextlib.suppress(OSError):  # it has died
            if self._process.stdin is not None:
                self._process.stdin.close()

    def end(self, seconds: float = 0.0) -> None:
        """End it, after so many seconds by force; safe to call again."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._process.kill()
        with contextlib.suppress(OSError):  # what was to be sent still
            self._process.__exit__(None, None, None)


def _died() -> IbackupError:
    return IbackupError(
        "The process that stores the files ended too early.",
        why="Another program stopped it, or memory ran out.",
        hint="Run the command again: the backup continues from what has arrived.",
    )


def _say(pipe: IO[bytes] | None, what: _Setup | _Task | _Said) -> None:
    if pipe is not None:
        data = marshal.dumps(what)
        pipe.write(_LENGTH.pack(len(data)))
        pipe.write(data)
        pipe.flush()


def _hear(pipe: IO[bytes] | None) -> object:
    """What our own process at the other end says; raises EOFError if it says nothing more."""
    head = _read(pipe, _LENGTH.size)
    (length,) = _LENGTH.unpack(head)
    return marshal.loads(_read(pipe, length))  # noqa: S302 - our own process is at the other end


def _read(pipe: IO[bytes] | None, size: int) -> bytes:
    data = pipe.read(size) if pipe is not None else b""
    if len(data) < size:
        raise EOFError
    return data


# -- in the other process -----------------------------------------------------------------------------------


def serve() -> None:
    """The process's main loop: do the steps that come until no more come, and say what became of the files."""
    gc.set_threshold(50_000, 20, 50)  # as in the main process
    tasks, answers = sys.stdin.buffer, sys.stdout.buffer
    with contextlib.suppress(EOFError, BrokenPipeError):  # the other process has ended
        root, staging, most, fd, count = cast("_Setup", _hear(tasks))
        buffers = buffers_of(fd, count)
        with Confined(root, staging, max_open=descriptors.share(most)) as confined:
            storer = FileStorer(confined)
            try:
                _say(answers, _READY)
                while True:
                    moved, number, work = cast("_Task", _hear(tasks))
                    if moved:
                        storer.forget_folders()
                    if number == _NO_BUFFER:
                        _say(answers, storer.rename(cast("list[Move]", work)))
                    else:
                        _say(answers, _done(storer, buffers[number], cast("list[Step]", work)))
            finally:
                storer.close()
    # Nothing is left to do: taking the interpreter apart would only take time.
    os._exit(0)


def _done(storer: FileStorer, buffer: memoryview, steps: list[Step]) -> _Answer:
    try:
        return storer.apply(buffer, steps), "", ""
    except Exception as error:  # noqa: BLE001 - said to the user by the process that reads it
        storer.broken = True
        if isinstance(error, PathRefused):
            return [], error.path, error.flaw
        return (
            [],
            "",
            error.message if isinstance(error, IbackupError) else f"{type(error).__name__}: {error}",
        )
