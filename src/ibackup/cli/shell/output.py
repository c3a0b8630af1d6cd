"""Text for people and objects for programs: widths, units, times, JSON lines, errors."""

import json
import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

import click

from ibackup.base.errors import IbackupError
from ibackup.base.identities import JOINERS

SCHEMA = 1
_WIDEST = 80
_GLUE = "\0"  # marks a space at which no line may end
# Commands in backticks and paths in quotes are for copying: they stay on one line.
_WHOLE = re.compile(r"""`[^`\n]+`|'(?:[/~]|[A-Za-z]:\\)[^'\n]*'|"(?:[/~]|[A-Za-z]:\\)[^"\n]*\"""")


# -- the terminal -------------------------------------------------------------------------------------------


def is_terminal(stream: TextIO | None) -> bool:
    """Whether this stream is a terminal that can redraw a line."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def columns(stream: TextIO | None) -> int:
    """Columns of the terminal behind a stream, 80 if there is none; ``$COLUMNS`` counts."""
    try:
        return os.get_terminal_size(stream.fileno() if stream else -1).columns or _WIDEST
    except (OSError, ValueError):
        return shutil.get_terminal_size((_WIDEST, 24)).columns


def width() -> int:
    """The width for text: the terminal's, at most 80; 80 without one."""
    stream = sys.stdout if is_terminal(sys.stdout) else sys.stderr
    return max(20, min(_WIDEST, columns(stream)))


def styled(text: str, *, bold: bool = False, fg: str | None = None) -> str:
    """Emphasized text, if colors are wanted; color alone never carries meaning.

    ``click.echo`` removes colors if the output is not a terminal.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return click.style(text, bold=bold or None, fg=fg)


def wrap(text: str, indent: str = "", hanging: str | None = None) -> str:
    """Text broken at the terminal's width, quoted paths and commands left whole.

    Args:
        text: one or more lines.
        indent: begins each line.
        hanging: begins each line after the first, if different.
    """
    return "\n".join(
        textwrap.fill(
            _WHOLE.sub(lambda found: whole(found[0]), line),
            width(),
            initial_indent=indent,
            subsequent_indent=indent if hanging is None else hanging,
            break_long_words=False,
            break_on_hyphens=False,
        ).replace(_GLUE, " ")
        for line in text.splitlines()
    )


def whole(text: str) -> str:
    """Text that ``wrap`` does not break, such as a path."""
    return text.replace(" ", _GLUE)


def printable(text: str) -> str:
    """Text from a phone or a folder, with control characters made visible: it must not control the terminal."""
    return "".join(char if char.isprintable() or char in JOINERS else _visible(char) for char in text)


def _visible(char: str) -> str:
    return " " if unicodedata.category(char) == "Zs" else ascii(char)[1:-1]


def printable_lines(text: str) -> str:
    """Like ``printable``, but our own line breaks stay."""
    return "\n".join(printable(line) for line in text.split("\n"))


def phone_text(name: str, model: str, version: str) -> str:
    """``Ann's iPhone, iPhone13,2, iOS 18.1``, as far as known; an import may lack some of it."""
    known = (name, model, f"iOS {version}" if version else "")
    return ", ".join(printable(each) for each in known if each)


# -- figures ------------------------------------------------------------------------------------------------


def duration_text(seconds: float) -> str:
    """A duration for people: ``45 s``, ``3 min``, ``2 h 5 min``."""
    rounded = round(seconds)
    if rounded < 90:
        return f"{rounded} s"
    minutes = round(rounded / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def time_text(moment: datetime) -> str:
    """A moment in the user's own time zone: ``2026-11-22 21:30``."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def rfc3339(moment: datetime) -> str:
    """A moment for machines: ``2026-11-22T20:30:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- printing -----------------------------------------------------------------------------------------------


def print_json(payload: Mapping[str, object]) -> None:
    """One JSON object, one line, in UTF-8 whatever the system's encoding, on standard output, at once."""
    if sys.stdout is None:
        return  # closed by the program that started us
    # Escapes what a terminal would act on, because names come from phones, and incomplete characters in file names.
    text = json.dumps(payload, ensure_ascii=False, default=_plain)
    if not text.isprintable():
        text = "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
    data = text.encode()
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # replaced by a program that uses ibackup
        sys.stdout.write(data.decode() + "\n")
    else:
        buffer.write(data + b"\n")
    sys.stdout.flush()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(type(value).__name__)


def print_error(error: IbackupError) -> None:
    """What happened, why, and what to do next, on standard error."""
    body = wrap("ibackup: " + printable_lines(error.message)).removeprefix("ibackup:")
    click.echo(styled("ibackup:", fg="red", bold=True) + body, err=True)
    if error.hint:
        click.echo(wrap(printable_lines(error.hint), "  "), err=True)
