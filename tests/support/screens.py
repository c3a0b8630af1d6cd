"""A program on a pseudo-terminal, and someone who answers its questions."""

import os
import sys
import threading

from support.program import NEVER, Program

if sys.platform != "win32":
    import pty


class Terminal:
    """A program whose input and messages are a terminal; what it showed is kept."""

    def __init__(
        self, program: Program, *arguments: str, environment: dict[str, str | None] | None = None
    ) -> None:
        self._master, slave = pty.openpty()
        self.shown = ""
        self._answered = 0
        self._changed = threading.Condition()
        try:
            self._process = program.start(*arguments, environment=environment, stdin=slave, stderr=slave)
        finally:
            os.close(slave)
        self._program = program
        self._reader = threading.Thread(target=self._read, name="terminal")
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 4096)
            except OSError:  # Linux says so when the other end is closed
                data = b""
            with self._changed:
                self.shown += data.decode(errors="replace")
                self._changed.notify_all()
            if not data:
                return

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, after the last one that was answered, and answer it."""
        with self._changed:
            assert self._changed.wait_for(lambda: question in self.shown[self._answered :], 500), self.shown
            self._answered = self.shown.index(question, self._answered) + len(question)
        os.write(self._master, text.encode() + b"\n")

    def end(self, code: int) -> str:
        """Wait for its end; what it printed as its answer."""
        out, _ = self._process.communicate(timeout=500)
        self._reader.join()
        os.close(self._master)
        self._program.forget(self._process)
        assert self._process.returncode == code, self.shown
        for word in NEVER:
            assert word not in self.shown
        return out
