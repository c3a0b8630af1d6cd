"""Shows a job's events: JSON lines for programs, one line per phase for log files."""

from collections.abc import Callable, Mapping
from typing import Protocol

import click

from ibackup.base.event_lines import Sparing, members
from ibackup.base.events import Caution, Event, Note, PhaseStarted, Prompt, Silent
from ibackup.cli.shell.output import print_json, printable_lines, styled, wrap


class Reporter(Protocol):
    """Receives a job's events as they happen, and its answer at the end."""

    def __call__(self, event: Event) -> None:
        """Take one event."""

    def answer(self, text: str) -> None:
        """Print the command's answer for people, on standard output; nothing with --json."""

    def emit(self, payload: Mapping[str, object]) -> None:
        """Print one JSON object; nothing without --json."""

    def say(self, text: str) -> None:
        """Print a line on standard error, whatever else is shown there."""

    def close(self) -> None:
        """Restore the terminal; the reporter can be used again."""


EventLog = Callable[[Event], None]


class JsonReporter:
    """One JSON object per line on standard output, and nothing else."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._print = Sparing(lambda event: print_json(members(event)))

    def __call__(self, event: Event) -> None:
        """Translate an event; progress at most twice a second."""
        self._log(event)
        self._print(event)

    def answer(self, text: str) -> None:
        """Ignored: the answer is for people."""

    def emit(self, payload: Mapping[str, object]) -> None:
        """Print one object."""
        print_json(payload)

    def say(self, text: str) -> None:
        """Print a line for people, beside the JSON."""
        click.echo(text, err=True)

    def close(self) -> None:
        """Nothing to restore."""


class LineReporter:
    """One line per phase on standard error: for a log file, a pipe, cron."""

    def __init__(self, log: EventLog, *, quiet: bool = False) -> None:
        self._log = log
        self._quiet = quiet
        self._phase = ""

    def __call__(self, event: Event) -> None:
        """Print what matters; with ``quiet``, only what someone must do or know."""
        self._log(event)
        match event:
            case PhaseStarted(_, text):
                # A phase that a prompt interrupted is not announced again.
                if text and text != self._phase and not self._quiet:
                    self._tell(text)
                self._phase = text or self._phase
            case Silent():
                if not self._quiet:
                    self._tell_silence(event)
            case Prompt(_, text, _):
                self._tell(text, bold=True)
            case Caution(text, hint):
                self._tell(f"Warning: {text} {hint}".rstrip())
            case Note(text):
                if not self._quiet:
                    self._tell(text)
            case _:
                pass

    def _tell_silence(self, event: Silent) -> None:
        self._tell(event.text)

    def _tell(self, text: str, *, bold: bool = False) -> None:
        lines = wrap(printable_lines(text))
        self.say(styled(lines, bold=True) if bold else lines)

    def answer(self, text: str) -> None:
        """Print the answer."""
        click.echo(text)

    def emit(self, payload: Mapping[str, object]) -> None:
        """Ignored: no JSON was requested."""

    def say(self, text: str) -> None:
        """Print a line."""
        click.echo(text, err=True)

    def close(self) -> None:
        """Nothing to restore."""
