"""What a user sees: a progress bar on a terminal, one line a phase elsewhere, JSON when asked."""

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn, Protocol

import click

from ibackup.errors import IbackupError
from ibackup.events import Caution, Event, Note, PhaseStarted, Progress, Prompt, PromptDone

if TYPE_CHECKING:
    from tqdm import tqdm

SCHEMA = 1
_SILENT_PHASES = {"scan", "finish", "passcode"}
_MIN_GAP = 0.5  # seconds between two progress events: at most twice a second


def width() -> int:
    """Columns to write in: the terminal's, at most 80; 80 when there is none."""
    return min(80, shutil.get_terminal_size((80, 24)).columns)


def wrap(text: str, indent: str = "") -> str:
    """Text broken at the terminal's width, paths and commands left whole."""
    return "\n".join(
        textwrap.fill(
            line,
            width(),
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.splitlines()
    )


def size_text(count: int) -> str:
    """Bytes for people, in the decimal units that phones and disks are sold by: ``61 GB``."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{count} bytes" if unit == "bytes" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} TB"


def duration_text(seconds: float) -> str:
    """A duration for people: ``45 s``, ``3 min``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def time_text(moment: datetime) -> str:
    """A moment in the user's own time zone: ``2026-11-22 21:30``."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def rfc3339(moment: datetime) -> str:
    """A moment for machines: ``2026-11-22T20:30:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def printable(text: str) -> str:
    """Text from a phone or a folder, with control characters made visible: it must not steer the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def print_json(payload: Mapping[str, object]) -> None:
    """One JSON object, one line, on standard output, at once."""
    sys.stdout.write(json.dumps(payload, ensure_ascii=False, default=_plain) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(type(value).__name__)


def print_error(error: IbackupError) -> None:
    """What happened, why, and what to do next, on standard error."""
    mark = click.style("ibackup:", fg="red", bold=True)
    body = wrap("ibackup: " + printable_lines(error.message)).removeprefix("ibackup:")
    click.echo(mark + body, err=True)
    if error.hint:
        click.echo(wrap(printable_lines(error.hint), "  "), err=True)


def printable_lines(text: str) -> str:
    """Like ``printable``, but our own line breaks stay."""
    return "\n".join(printable(line) for line in text.splitlines())


class Reporter(Protocol):
    """Takes a job's events as they come, and its answer at the end."""

    def __call__(self, event: Event) -> None:
        """Take one event."""

    def answer(self, text: str) -> None:
        """Print the command's answer for people, on standard output; nothing with --json."""

    def emit(self, payload: Mapping[str, object]) -> None:
        """Print one JSON object; nothing without --json."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class JsonReporter:
    """One JSON object a line on standard output, nothing else there."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        """Translate an event; progress at most twice a second."""
        match event:
            case PhaseStarted(phase, text):
                self._last = 0.0
                print_json({"event": "phase", "phase": phase, "message": text})
            case Progress():
                now = time.monotonic()
                if now - self._last >= _MIN_GAP:
                    self._last = now
                    print_json(
                        {
                            "event": "progress",
                            "phase": event.phase,
                            "percent": event.percent,
                            "bytes": event.bytes,
                            "total_bytes": event.total_bytes,
                            "files": event.files,
                            "total_files": event.total_files,
                        }
                    )
            case Prompt(kind, text, seconds):
                print_json(
                    {"event": "prompt", "kind": kind, "message": text, "seconds": seconds, "done": False}
                )
            case PromptDone(kind):
                print_json({"event": "prompt", "kind": kind, "done": True})
            case Caution(text, hint):
                print_json({"event": "warning", "message": text, "hint": hint})
            case Note(text):
                print_json({"event": "note", "message": text})

    def answer(self, text: str) -> None:
        """The answer for people is not for here."""

    def emit(self, payload: Mapping[str, object]) -> None:
        """Print one object."""
        print_json(payload)

    def close(self) -> None:
        """Nothing to leave."""


class LineReporter:
    """One line a phase on standard error: for a log file, a pipe, cron."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._phase = ""

    def __call__(self, event: Event) -> None:
        """Print what matters; with ``quiet`` only what somebody must do or know."""
        match event:
            case PhaseStarted(_, text) if text and not self._quiet:
                # A phase that a prompt interrupted is not told again.
                if text != self._phase:
                    self._say(text)
                self._phase = text
            case Prompt(_, text, _):
                self._say(text)
            case Caution(text, hint):
                self._say(f"Warning: {text} {hint}".rstrip())
            case Note(text) if not self._quiet:
                self._say(text)
            case _:
                pass

    def _say(self, text: str) -> None:
        click.echo(wrap(printable_lines(text)), err=True)

    def answer(self, text: str) -> None:
        """Print the answer."""
        click.echo(text)

    def emit(self, payload: Mapping[str, object]) -> None:
        """JSON was not asked for."""

    def close(self) -> None:
        """Nothing to leave."""


class TerminalReporter(LineReporter):
    """A progress bar on standard error, with notes and warnings above it.

    While the phone is silent (it looks through its files, or waits for its passcode) the time that has passed is
    shown instead, so that nobody thinks it hangs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._bar: tqdm[NoReturn] | None = None
        self._ticker: _Ticker | None = None

    def __call__(self, event: Event) -> None:
        """Move the bar or print above it."""
        match event:
            case PhaseStarted(phase, text):
                self.close()
                if phase in _SILENT_PHASES:
                    self._ticker = _Ticker(text)
                elif text:
                    self._say(text)
            case Progress():
                self._advance(event)
            case _:
                self._above(event)

    def _above(self, event: Event) -> None:
        if self._ticker is not None:
            self._ticker.clear()
        if self._bar is not None:
            self._bar.clear()
        super().__call__(event)
        if self._bar is not None:
            self._bar.refresh()

    def _advance(self, event: Progress) -> None:
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None
        if self._bar is None:
            self._bar = _new_bar(event)
        bar = self._bar
        if event.percent is not None:
            bar.total, bar.n = 100, min(100.0, event.percent)
        else:
            bar.total, bar.n = event.total_bytes, event.bytes
        bar.set_postfix_str(f"{size_text(event.bytes)}, {event.files:,} files", refresh=False)
        bar.update(0)

    def close(self) -> None:
        """Take the bar or the clock away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None


def _new_bar(event: Progress) -> "tqdm[NoReturn]":
    from tqdm import tqdm

    by_percent = event.percent is not None
    layout = (
        "{percentage:3.0f}% |{bar}| {postfix}, {elapsed}, left {remaining}"
        if by_percent or event.total_bytes
        else "{postfix}, {elapsed}"
    )
    return tqdm(
        total=100 if by_percent else event.total_bytes,
        file=sys.stderr,
        bar_format=layout.replace(", {elapsed}", " {elapsed}"),
        ncols=width() - 1,
        leave=False,
        mininterval=0.2,
        smoothing=0.05,
    )


class _Ticker:
    """A line that shows how long a silent phase has lasted."""

    def __init__(self, text: str) -> None:
        import threading

        self._text = text
        self._begun = time.monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            passed = int(time.monotonic() - self._begun)
            line = f"{self._text} {passed // 60}:{passed % 60:02d}"
            sys.stderr.write("\r\x1b[K" + line[: width() - 1])
            sys.stderr.flush()
            if self._end.wait(1.0):
                return

    def clear(self) -> None:
        """Take the line away until its next second."""
        sys.stderr.write("\r\x1b[K")

    def stop(self) -> None:
        """End it and leave the line with what it said."""
        self._end.set()
        self._thread.join()
        sys.stderr.write("\n")
        sys.stderr.flush()
