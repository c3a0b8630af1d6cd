"""A terminal's last line: a progress bar, or the time that has passed while a phone is silent."""

import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TextIO

from ibackup.cli.output import clock_text, columns, count_text, duration_text, size_text
from ibackup.cli.reporters import EventLog, LineReporter
from ibackup.events import Event, PhaseStarted, Progress, Prompt, PromptDone

_REDRAW_S = 0.5
_SHORTEST_DRAW_S = 0.1
# What stands before and behind the clock in phases in which a phone does not say how far it is.
_SILENT = {
    "scan": ("Looking through its files: ", "; normal, can take 20 minutes"),
    "passcode": ("Waiting for the passcode: ", ""),
    "finish": ("Putting it together: ", "; normal, can take some minutes"),
}
_RATE_OVER_S = 10.0
_SHORTEST_BAR = 16  # columns, its percentage included; in a narrower terminal the figures matter more
_LEFT_AFTER_S = 3.0  # before that, nobody can say how long it will take
_LEFT_AFTER_PERCENT = 0.5

Content = Callable[[int], str]
"""Draws a line that is at most so many columns wide."""


class TerminalReporter(LineReporter):
    """What a LineReporter says, above a last line that moves.

    The last line is a bar where it is known how far a phase is, and else the time that has passed, so that nobody
    thinks it hangs.
    """

    def __init__(self, log: EventLog) -> None:
        super().__init__(log)
        self._line = LiveLine(sys.stderr)
        self._clock: Content | None = None
        self._bar: Bar | None = None

    def __call__(self, event: Event) -> None:
        """Print above the last line, and move it."""
        if isinstance(event, PhaseStarted):
            self._line.hide()
            self._bar = None
        super().__call__(event)
        match event:
            case PhaseStarted(phase, _):
                self._clock = clock(*_SILENT.get(phase, ("", "")))
                self._line.show(self._clock)
            case Prompt(kind, _, seconds):
                words = _SILENT["passcode"][0] if kind == "passcode" else "Waiting for you: "
                self._line.show(clock(words, f" of {clock_text(seconds)}" if seconds else ""))
            case PromptDone() if self._clock is not None:
                self._line.show(self._clock)
            case Progress() if event.phase not in _SILENT:
                if self._bar is None:
                    self._bar = Bar(sys.stderr)
                self._bar.move(event)
                self._line.show(self._bar.draw)
            case _:
                pass

    def say(self, text: str) -> None:
        """Print a line above the last one."""
        with self._line.aside():
            super().say(text)

    def answer(self, text: str) -> None:
        """Print the answer above the last line, which is usually gone by then."""
        with self._line.aside():
            super().answer(text)

    def close(self) -> None:
        """Take the last line away."""
        self._bar = None
        self._line.close()


def clock(before: str = "", behind: str = "") -> Content:
    """The time that passes from now on, once it is worth a look."""
    begun = monotonic()

    def draw(_columns: int) -> str:
        passed = monotonic() - begun
        return f"  {before}{clock_text(passed)}{behind}" if passed >= 1 else ""

    return draw


class Bar:
    """How far a phase is, how fast it goes and how long it will take."""

    def __init__(self, stream: TextIO) -> None:
        encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
        self._ascii = not encoding.startswith("utf")
        self._begun = monotonic()
        self._first: float | None = None
        self._event: Progress | None = None
        self._samples: deque[tuple[float, int]] = deque()

    def move(self, event: Progress) -> None:
        """Take the latest figures."""
        self._event = event
        if self._first is None:
            self._first = _percent(event)
        self._samples.append((monotonic(), event.bytes))

    def draw(self, width: int) -> str:
        """The line: percentage, bar, bytes, files, rate, time left."""
        event = self._event
        if event is None:
            return ""
        now = monotonic()
        words = [size_text(event.bytes), count_text(event.files, "file")]
        words += [word for word in (self._rate(now), self._left(now, event)) if word]
        text = ", ".join(words)
        percent = _percent(event)
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

    def _rate(self, now: float) -> str:
        while len(self._samples) > 1 and now - self._samples[0][0] > _RATE_OVER_S:
            self._samples.popleft()
        begun, count = self._samples[0]
        passed = now - begun
        if passed < 1:
            return ""
        return f"{size_text(int((self._samples[-1][1] - count) / passed))}/s"

    def _left(self, now: float, event: Progress) -> str:
        """By the share that was done since this bar began: a phone that goes on begins far from zero."""
        percent, passed = _percent(event), now - self._begun
        if percent is None or self._first is None:
            return ""
        done = percent - self._first
        if passed < _LEFT_AFTER_S or done < _LEFT_AFTER_PERCENT or percent >= 100:
            return ""
        return f"{duration_text(passed * (100 - percent) / done)} left"


def _percent(event: Progress) -> float | None:
    """The phone's own figure where there is one, else by the bytes."""
    percent = event.percent
    if percent is None and event.total_bytes:
        percent = 100 * event.bytes / event.total_bytes
    return None if percent is None else min(max(percent, 0.0), 100.0)


class LiveLine:
    """One line that is drawn again and again; a thread does so while nothing else happens.

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
        """Draw this from now on."""
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
        """Erase it, and what keys have left there, and end the thread."""
        self.hide()
        if self._thread is not None:
            self._end.set()
            self._thread.join()
            self._thread = None
            self._put(" " * (columns(self._stream) - 1) + "\r")  # ^C stands there

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
        # The rest of a longer line before is blanked, and the cursor left behind the text.
        blank = " " * max(len(self._shown) - len(text), 0)
        self._put(text + blank + ("\b" * len(blank) if text else "\r"))
        self._shown = text
        self._drawn_at = monotonic()

    def _put(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that has gone is nobody's loss
            self._stream.write("\r" + text)
            self._stream.flush()
