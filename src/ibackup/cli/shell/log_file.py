"""The log: ``--log-file FILE`` and ``-v``, without anything that identifies a phone or its owner.

Secrets never reach a logger at all; this protects identities and is the second line of defence.
"""

import contextlib
import io
import logging
import logging.handlers
import os
import platform
import re
import time
from collections.abc import Callable

from ibackup import __version__
from ibackup.base import identities, udids
from ibackup.base.errors import UsageError
from ibackup.base.events import Caution, Event, Note, PhaseStarted, Progress, Prompt, PromptDone, Silent
from ibackup.cli.shell.output import printable_lines

_log = logging.getLogger("ibackup")
_events = logging.getLogger("ibackup.events")  # what the screen shows anyway
_PROGRESS_EVERY_S = 30.0
_ROTATE_BYTES, _ROTATED = 1_000_000, 5
_PATTERNS = [
    # UDIDs: 8-16 since 2018, 40 hex before; also below a folder name.
    (re.compile(rf"(?<![0-9A-Fa-f]){udids.NEWER}(?![0-9A-Fa-f])"), "<udid>"),
    (re.compile(rf"(?<![0-9A-Fa-f]){udids.OLDER}(?![0-9A-Fa-f])"), "<id>"),
    # Phone numbers, IMEI, ICCID.
    (re.compile(r"\+\d[\d ()-]{6,}\d"), "<number>"),
    (re.compile(r"(?<!\d)\d{14,20}(?!\d)"), "<number>"),
]


def redacted(text: str) -> str:
    """The text without what identifies a phone or its owner."""
    for value in identities.noted():
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "<redacted>", text)
    for pattern, name in _PATTERNS:
        text = pattern.sub(name, text)
    return text


class _Formatter(logging.Formatter):
    """One line a record, but for tracebacks; times in UTC."""

    def __init__(self, *, redact: bool, times: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s" if times else "%(message)s")
        self._redact = redact

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))

    def format(self, record: logging.LogRecord) -> str:
        text = printable_lines(super().format(record))
        return redacted(text) if self._redact else text


class _Screen(logging.Handler):
    """For ``-v``: what the screen does not show anyway."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.DEBUG)
        self._say = say

    def filter(self, record: logging.LogRecord) -> bool:
        return record.name != _events.name and record.levelno == logging.DEBUG

    def emit(self, record: logging.LogRecord) -> None:
        self._say(self.format(record))


class _Rotating(logging.handlers.RotatingFileHandler):
    """A log with a size limit; only its owner can read its files."""

    def __init__(self, path: str) -> None:
        super().__init__(
            path, maxBytes=_ROTATE_BYTES, backupCount=_ROTATED, encoding="utf-8", errors="backslashreplace"
        )

    def _open(self) -> io.TextIOWrapper:
        _touch(self.baseFilename)
        return super()._open()

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        # On Windows, another run writing the same file prevents renaming it: then it grows for now.
        with contextlib.suppress(PermissionError):
            super().doRollover()


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))


def start_log(
    file: str | None, *, say: Callable[[str], None] | None, redact: bool, rotate: bool = False
) -> list[logging.Handler]:
    """Begin to log; the caller passes the handlers to ``end_log``.

    Args:
        file: appended to; created so that only its owner can read it.
        rotate: begin a new file when it is large, and keep a few old ones.
        say: prints a line on the screen, for ``-v``.
        redact: take out what identifies a phone or its owner.

    Raises:
        UsageError: the file cannot be written.
    """
    handlers: list[logging.Handler] = []
    if file:
        try:
            path = os.path.expanduser(file)
            _touch(path)
            handlers.append(
                _Rotating(path)
                if rotate
                else logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
            )
        except OSError as error:
            raise UsageError(
                f"The log file {file!r} cannot be written: {error.strerror}.",
                hint="Choose another file with --log-file.",
            ) from None
        handlers[0].setLevel(logging.DEBUG if say else logging.INFO)
        handlers[0].setFormatter(_Formatter(redact=redact, times=True))
    if say:
        screen = _Screen(say)
        screen.setFormatter(_Formatter(redact=redact, times=False))
        handlers.append(screen)
    _log.setLevel(logging.DEBUG)
    _log.propagate = False
    for handler in handlers:
        _log.addHandler(handler)
    _log.debug("ibackup %s, Python %s, %s", __version__, platform.python_version(), platform.platform())
    return handlers


def end_log(handlers: list[logging.Handler]) -> None:
    """Write what is left and close the file."""
    for handler in handlers:
        _log.removeHandler(handler)
        handler.close()
    _log.setLevel(logging.NOTSET)


class EventLog:
    """Puts a job's events into the log, with occasional progress."""

    def __init__(self) -> None:
        self._told = float("-inf")

    def __call__(self, event: Event) -> None:
        """Log one event."""
        match event:
            case PhaseStarted(phase, text):
                _events.info("%s", f"{phase}: {text}" if text else phase)
            case Progress() if _events.isEnabledFor(logging.DEBUG):
                now = time.monotonic()
                if now - self._told >= _PROGRESS_EVERY_S:
                    self._told = now
                    _events.debug(
                        "%s: %s %%, %d bytes, %d files", event.phase, event.percent, event.bytes, event.files
                    )
            case Prompt(kind, text, _):
                _events.info("asked at the phone (%s): %s", kind, text)
            case PromptDone(kind):
                _events.info("done at the phone (%s)", kind)
            case Caution(text, hint):
                _events.warning("%s %s", text, hint)
            case Note(text) | Silent(text=text):
                _events.info("%s", text)
            case _:
                pass
