"""A terminal's last line: a progress bar, or the elapsed time while a phone is silent."""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TextIO

from ibackup.base import slices
from ibackup.base.counts import count_text
from ibackup.base.durations import clock_text
from ibackup.base.events import Event, PhaseStarted, Progress, Prompt, PromptDone, Silent
from ibackup.base.pace import Pace
from ibackup.base.sizes import size_text
from ibackup.cli.shell.event_reporters import EventLog, LineReporter
from ibackup.cli.shell.output import columns, duration_text

_REDRAW_S = 0.5
_SHORTEST_DRAW_S = 0.1
# Text before and after the clock in phases in which a phone does not report progress.
_SILENT = {
    "scan": ("Preparing: ", "; normal, can take 20 minutes"),
    "passcode": ("Waiting for the passcode: ", ""),
    "finish": ("Assembling the backup:  ", "; normal, can take some minutes"),
}
_COUNTED = {"search": "document"}
"""What phases count that move no files."""
_SHORTEST_BAR = 16  # columns, including the percentage; in a narrower terminal the figures matter more

Content = Callable[[int], str]
"""Draws a line of at most this many columns."""


class TerminalReporter(LineReporter):
    """A LineReporter's output, above a last line that moves.

    The last line is a progress bar if progress is known, or else the elapsed time, to show that the program is alive.
    """

    def __init__(self, log: EventLog) -> None:
        super().__init__(log)
        self._line = LiveLine(sys.stderr)
        self._clock: Content | None = None
        self._bar: Bar | None = None
        self._content: Content | None = None
        self._before: Progress | None = None
        self._silent = False

    def __call__(self, event: Event) -> None:
        """Print above the last line, and move it."""
        if isinstance(event, PhaseStarted):
            self._line.hide()
            self._bar = None
        super().__call__(event)
        match event:
            case PhaseStarted(phase, _):
                self._clock = clock(*_SILENT.get(phase, ("", "")))
                self._show(self._clock)
            case Prompt(kind, _, seconds):
                words = _SILENT["passcode"][0] if kind == "passcode" else "Waiting for you: "
                self._show(clock(words, f" of {clock_text(seconds)}" if seconds else ""))
            case PromptDone() if self._clock is not None:
                self._show(self._clock)
            case Progress():
                self._move(event)
            case _:
                pass

    def _move(self, event: Progress) -> None:
        """Show progress; the remark on a phone's silence stays until something moves."""
        moved, self._before = event != self._before, event
        if self._silent and not moved:
            return
        if event.phase not in _SILENT:
            if self._bar is None:
                self._bar = Bar(sys.stderr)
            self._bar.move(event)
            self._show(self._bar.draw)
        elif self._silent and self._content is not None:
            self._show(self._content)

    def _show(self, content: Content) -> None:
        self._content, self._silent = content, False
        self._line.show(content)

    def _tell_silence(self, event: Silent) -> None:
        self._silent = True
        behind = "; it may wait for its passcode" if event.phase == "passcode" else "; that is normal"
        self._line.show(clock("Silent for ", behind, since=event.seconds))

    def say(self, text: str) -> None:
        """Print a line above the last one."""
        with self._line.aside():
            super().say(text)

    def answer(self, text: str) -> None:
        """Print the answer above the last line, which is usually removed by then."""
        with self._line.aside():
            super().answer(text)

    def close(self) -> None:
        """Remove the last line."""
        self._bar = None
        self._line.close()


def clock(before: str = "", behind: str = "", *, since: float = 0.0) -> Content:
    """The elapsed time from now on, once it matters; ``since``: seconds that have passed already."""
    begun = monotonic() - since

    def draw(_columns: int) -> str:
        passed = monotonic() - begun
        return f"  {before}{clock_text(passed)}{behind}" if passed >= 1 else ""

    return draw


class Bar:
    """A phase's progress, speed and remaining time."""

    def __init__(self, stream: TextIO) -> None:
        encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
        self._ascii = not encoding.startswith("utf")
        self._begun = monotonic()
        self._event: Progress | None = None
        self._pace = Pace()

    def move(self, event: Progress) -> None:
        """Take the latest figures."""
        self._event = event
        self._pace.move(event)

    def draw(self, width: int) -> str:
        """The line: percentage, bar, bytes, files, rate, time left."""
        event = self._event
        if event is None:
            return ""
        now = monotonic()
        if event.phase in _COUNTED:
            words = [count_text(event.files, _COUNTED[event.phase])]
        else:
            words = [size_text(event.bytes), count_text(event.files, "file"), self._rate()]
        words = [word for word in (*words, self._left()) if word]
        text = ", ".join(words)
        percent = self._pace.percent
        if percent is None:
            return f"  {text}"
        if width < len(text) + _SHORTEST_BAR:
            return f"{percent:3.0f}%  {text}"
        from tqdm import tqdm

        return tqdm.format_meter(
            percent,
            100,
            now - self._begun,
            ncols=width,
            ascii=self._ascii,
            bar_format="{percentage:3.0f}% |{bar}| " + text,
        )

    def _rate(self) -> str:
        rate = self._pace.rate()
        return "" if rate is None else f"{size_text(int(rate))}/s"

    def _left(self) -> str:
        left = self._pace.left()
        return "" if left is None else f"{duration_text(left)} left"


class LiveLine:
    """One line that is redrawn repeatedly, by a thread while nothing else happens.

    It is erased by overwriting, which every terminal can.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._content: Content | None = None
        self._shown = ""
        self._drawn_at = 0.0
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def show(self, content: Content) -> None:
        """Draw this line from now on."""
        with self._lock:
            self._content = content
            if monotonic() - self._drawn_at >= _SHORTEST_DRAW_S:
                self._draw()
        if self._thread is None:
            self._end.clear()
            self._thread = threading.Thread(target=self._run, name="last-line", daemon=True)
            self._thread.start()

    def hide(self) -> None:
        """Erase it."""
        with self._lock:
            self._content = None
            self._write("")

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Erase it while something else is printed."""
        with self._lock:
            self._write("")
            yield
            self._draw()

    def close(self) -> None:
        """Erase it and any typed characters, and end the thread."""
        self.hide()
        if self._thread is not None:
            self._end.set()
            slices.join(self._thread)
            self._thread = None
            self._put(" " * (columns(self._stream) - 1) + "\r")  # the terminal shows ^C there

    def _run(self) -> None:
        while not self._end.wait(_REDRAW_S):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        if self._content is not None:
            room = columns(self._stream) - 1
            self._write(self._content(room)[:room])

    def _write(self, text: str) -> None:
        if text == self._shown:
            return
        # Blank the rest of a longer earlier line, and leave the cursor after the text.
        blank = " " * max(len(self._shown) - len(text), 0)
        self._put(text + blank + ("\b" * len(blank) if text else "\r"))
        self._shown = text
        self._drawn_at = monotonic()

    def _put(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # if the terminal is gone, nothing is lost
            self._stream.write("\r" + text)
            self._stream.flush()
