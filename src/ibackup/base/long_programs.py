"""Runs programs that work for minutes or hours: their output is taken as it comes, and they are stopped politely.

Both outputs are read to their end, whatever happens: a program whose pipe closes ends by SIGPIPE and may leave a lock.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from ibackup.base import slices
from ibackup.base.errors import IbackupError
from ibackup.base.programs import NO_WINDOW

Take = Callable[[bytes], None]
"""Gets a program's output piece by piece, cut anywhere; called in the thread that called ``follow``."""
Listen = Callable[[str], bool]
"""Gets a line of a program's standard error; True if it only reports progress and need not be kept."""

_PIECE = 64 * 1024
_PIECES_AHEAD = 64  # then a program waits until its output is taken
_MOST_SAID = 200  # lines of standard error that are kept
_LONGEST_SAID = 2000  # characters of one
_LONGEST_LINE = 64 * 1024  # bytes of one, for those who listen
_END_S = 60.0  # that a program gets to end after it was asked to
_DONE = b""


class ProgramMissing(IbackupError):
    """A program is not on this computer."""


@dataclass(frozen=True, slots=True)
class LongEnd:
    """How a long program ended.

    Attributes:
        code: its exit code; negative for a signal.
        said: the last lines of its standard error.
        silent: it printed nothing for so long that it was stopped.
    """

    code: int
    said: tuple[str, ...]
    silent: bool = False


def ignore_output(_piece: bytes) -> None:
    """Take output and forget it."""


def keep_what_is_said(_line: str) -> bool:
    """Take each line of standard error for something that matters at the end."""
    return False


def follow(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    silence_s: float,
    take: Take = ignore_output,
    listen: Listen = keep_what_is_said,
    folder: str | None = None,
    alive: Callable[[], bool] = lambda: False,
    hopeless: Callable[[str], bool] = lambda _: False,
) -> LongEnd:
    """Run a program to its end.

    It has no standard input and no terminal, so it cannot ask. Ctrl-C and any error of ``take`` stop it with SIGINT, as
    Ctrl-C would on a terminal; it may then clean up, and only if it does not end within a minute is it killed.

    Args:
        command: the program and its arguments. Other users can see them, so no secret belongs there.
        environment: the whole of it.
        silence_s: how long it may print nothing.
        take: gets its standard output.
        listen: hears its standard error.
        folder: where it runs; None: here.
        alive: asked once a program has been silent for too long: whether it shows another sign of life.
        hopeless: whether a line of its standard error says that it will not succeed, however often it tries again;
            then it is stopped.

    Raises:
        ProgramMissing: the program is not there.
        IbackupError: it cannot be started.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=dict(environment),
            # In a session of its own, Ctrl-C reaches it once, from us, and ssh has no terminal to ask on.
            start_new_session=True,
            creationflags=_FLAGS,
            umask=0o077,  # what it writes is for nobody else; Windows has none
        )
    except FileNotFoundError as error:
        if error.filename == folder and folder is not None:
            raise IbackupError(f"The folder {folder!r} is not there.") from None
        raise ProgramMissing(f"The program {command[0]} is not on this computer.") from None
    except OSError as error:
        raise IbackupError(f"The program {command[0]} could not be started: {error.strerror}.") from None
    with process:
        return _Follower(process, silence_s, take, listen, alive, hopeless).follow()


class _Follower:
    """Reads a running program's two outputs until both have ended."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        silence_s: float,
        take: Take,
        listen: Listen,
        alive: Callable[[], bool],
        hopeless: Callable[[str], bool],
    ) -> None:
        self._process = process
        self._silence_s = silence_s
        self._take = take
        self._listen = listen
        self._alive = alive
        self._hopeless = hopeless
        self._given_up = False
        self._pieces: queue.Queue[tuple[bool, bytes]] = queue.Queue(_PIECES_AHEAD)
        self._said: deque[str] = deque(maxlen=_MOST_SAID)
        self._line = b""
        self._open = 2

    def follow(self) -> LongEnd:
        """Read to the end."""
        for stream, is_answer in ((self._process.stdout, True), (self._process.stderr, False)):
            if stream is not None:
                threading.Thread(
                    target=self._read, args=(stream, is_answer), name="ibackup program", daemon=True
                ).start()
        silent = False
        try:
            while self._open and not self._given_up:
                try:
                    is_answer, piece = slices.take(self._pieces, self._silence_s)
                except queue.Empty:
                    if self._alive():
                        continue
                    silent = True
                    break
                self._handle(piece, is_answer=is_answer, take=self._take)
        except BaseException:
            self._stop()
            raise
        if silent or self._given_up:
            self._stop()
        self._process.wait()
        if self._line:
            self._say(self._line)
        return LongEnd(self._process.returncode, tuple(self._said), silent)

    def _read(self, stream: IO[bytes], is_answer: bool) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed meanwhile
            while piece := os.read(stream.fileno(), _PIECE):
                self._pieces.put((is_answer, piece))
        self._pieces.put((is_answer, _DONE))

    def _handle(self, piece: bytes, *, is_answer: bool, take: Take) -> None:
        if piece == _DONE:
            self._open -= 1
        elif is_answer:
            take(piece)
        else:
            *lines, self._line = (self._line + piece).split(b"\n")
            self._line = self._line[-_LONGEST_LINE:]
            for line in lines:
                self._say(line)

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        if text.strip() and not self._listen(text):
            self._said.append(text[:_LONGEST_SAID])
            self._given_up = self._given_up or self._hopeless(text)

    def _stop(self) -> None:
        """Ask it to end and read what it still prints; if that takes too long, kill it and what it started."""
        self._listen = keep_what_is_said
        with contextlib.suppress(OSError):
            self._process.send_signal(_INTERRUPT)
        if not self._drained(_END_S):
            _kill(self._process)
            self._drained(_END_S)  # its pipes end with it, unless someone else holds them
        self._process.wait()

    def _drained(self, seconds: float) -> bool:
        """Read without taking anything until both outputs have ended; False if they do not in time."""
        for each in slices.of(seconds):
            if not self._open:
                return True
            with contextlib.suppress(queue.Empty):
                is_answer, piece = self._pieces.get(timeout=each)
                self._handle(piece, is_answer=is_answer, take=ignore_output)
        return not self._open


if sys.platform == "win32":
    _FLAGS = NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    _INTERRUPT = signal.CTRL_BREAK_EVENT

    def _kill(process: subprocess.Popen[bytes]) -> None:
        process.kill()

else:
    _FLAGS = NO_WINDOW
    _INTERRUPT = signal.SIGINT

    def _kill(process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def secret_file(text: str) -> Iterator[str]:
    """The path of a file with a secret, for a program that reads it from a file; it ends with the context.

    On Linux the file is only in memory, elsewhere in a new folder that is closed to others. ``follow`` and its program
    can open it by this path as often as they like.
    """
    data = text.encode("utf-8", "surrogateescape")
    if sys.platform == "linux":
        fd = os.memfd_create("ibackup", os.MFD_CLOEXEC)
        try:
            os.write(fd, data)
            # Opened by way of this process, it is read from its beginning each time, and needs no inherited descriptor.
            yield f"/proc/{os.getpid()}/fd/{fd}"
        finally:
            os.close(fd)
        return
    with tempfile.TemporaryDirectory(prefix="ibackup-") as folder:
        path = os.path.join(folder, "secret")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        yield path
