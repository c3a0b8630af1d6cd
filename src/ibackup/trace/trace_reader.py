"""Reads a trace line by line, without trusting it or keeping it in memory."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NoReturn, get_args

from ibackup.base.errors import UsageError
from ibackup.trace.tapping import Way
from ibackup.trace.trace_recorder import FORMAT

MOST_BYTES: Final = 1 << 30
LONGEST_LINE: Final = 4 << 20
MOST_CHANNELS: Final = 100_000
MOST_SIZE: Final = 1 << 44
"""The largest file size that a trace may contain, in bytes."""
_MOST_ROWS: Final = 4096
_BACKUP: Final = "com.apple.mobilebackup2"
_NOTICES: Final = "com.apple.mobile.notification_proxy"
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_VALUE: Final = re.compile(r"[0-9A-Za-z.,]{1,32}", re.ASCII)


class BadTrace(UsageError):
    """The file is not a trace."""


@dataclass(frozen=True, slots=True)
class TraceSaid:
    """A message of DeviceLink: its name, then its parameters, as the trace has them."""

    way: Way
    message: list[object]


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A file that was sent: ``code`` is None if it was interrupted, 0 if it is complete."""

    path: str
    size: int
    device_path: str
    code: int | None
    text: str


@dataclass(frozen=True, slots=True)
class TraceListed:
    """Files of one list."""

    way: Way
    rows: tuple[TraceRow, ...]


@dataclass(frozen=True, slots=True)
class TraceTold:
    """The contents of the Status.plist or Manifest.plist that follows."""

    name: str
    says: dict[str, object]


@dataclass(frozen=True, slots=True)
class TraceNotice:
    """The phone posted a notification."""

    name: str


@dataclass(frozen=True, slots=True)
class TraceClosed:
    """The connection ended: with an error's name, or normally."""

    error: str


Record = TraceSaid | TraceListed | TraceTold | TraceNotice | TraceClosed


@dataclass
class Trace:
    """A trace that was scanned once.

    Attributes:
        path: where it is.
        command: what was recorded.
        values: what lockdown reported, as far as the trace has it: ``ProductVersion`` and others.
        jobs: the requests to the backup service, in order.
        sessions: each connection to it: its number, and the byte offsets of its beginning and end.
        unreadable: the number of lines that could not be read.
    """

    path: str
    command: str = ""
    values: dict[str, str] = field(default_factory=dict)
    jobs: list[str] = field(default_factory=list)
    sessions: list[tuple[int, int, int]] = field(default_factory=list)
    unreadable: int = 0
    _notices: set[int] = field(default_factory=set)

    @classmethod
    def open(cls, path: str) -> "Trace":
        """Scan a trace.

        Raises:
            BadTrace: it is not a trace, or has no session with the backup service.
        """
        trace = cls(path)
        opens: list[tuple[int, int]] = []
        channels = 0
        at = 0
        for at, line in trace._lines():
            if line is None:
                trace.unreadable += 1
                continue
            if not at:
                trace._check_head(line)
            number = line.get("c")
            if isinstance(number, int) and "open" in line:
                channels += 1
                if channels > MOST_CHANNELS:
                    trace._refuse(f"It has more than {MOST_CHANNELS:,} connections.")
                if line["open"] == _BACKUP:
                    opens.append((number, at))
                elif line["open"] == _NOTICES:
                    trace._notices.add(number)
            trace._learn(line)
        if not trace.command:
            trace._refuse("It is empty.")
        if not opens:
            trace._refuse("It has no session with the backup service, so there is nothing to play.")
        ends = [start for _, start in opens[1:]] + [MOST_BYTES]
        trace.sessions = [(number, start, end) for (number, start), end in zip(opens, ends, strict=True)]
        return trace

    def records(self, session: int) -> Iterator[tuple[float, Record]]:
        """The messages of a session, each with its time in seconds, and the notifications among them."""
        number, start, end = self.sessions[session]
        for _, line in self._lines(start, end):
            if line is None:
                continue
            record = self._record(line, number)
            if record is not None:
                time = line.get("t")
                yield (float(time) if isinstance(time, int | float) and 0 <= time < 1e9 else 0.0), record

    # -- lines ------------------------------------------------------------------------------------------------

    def _lines(self, start: int = 0, end: int = MOST_BYTES) -> Iterator[tuple[int, dict[str, object] | None]]:
        """Each line with its offset; None for a line that is not a JSON object, such as a truncated one."""
        if not os.path.isfile(self.path):
            self._refuse("There is no such file.")
        try:
            with open(self.path, "rb") as file:
                file.seek(start)
                at = start
                while at < end and (data := file.readline(LONGEST_LINE + 1)):
                    if len(data) > LONGEST_LINE:
                        self._refuse(f"A line is longer than {LONGEST_LINE >> 20} MiB.")
                    yield at, _parse(data)
                    at += len(data)
                    if at >= MOST_BYTES:
                        self._refuse("It is larger than 1 GiB.")
        except OSError as error:
            self._refuse(f"({error.strerror or error})")

    def _refuse(self, why: str) -> NoReturn:
        raise BadTrace(
            f"{self.path} is not a trace that can be played.",
            why=why,
            hint="To make a trace, run `ibackup now --record FILE`.",
        )

    def _check_head(self, line: dict[str, object]) -> None:
        if line.get("trace") != FORMAT:
            self._refuse(
                "It was made by a newer ibackup."
                if isinstance(line.get("trace"), int)
                else "Its first line does not identify a trace."
            )
        command = line.get("command")
        self.command = command[:40] if isinstance(command, str) and command else "now"

    def _learn(self, line: dict[str, object]) -> None:
        """Note what lockdown reported, and what was requested."""
        answer = line.get("<")
        if isinstance(answer, dict) and isinstance(told := answer.get("Value"), dict):
            for key in ("ProductVersion", "BuildVersion", "ProductType", "DeviceClass"):
                value = told.get(key)
                if isinstance(value, str) and _VALUE.fullmatch(value):
                    self.values[key] = value
        asked = line.get(">")
        if (
            isinstance(asked, list)
            and len(asked) > 1
            and isinstance(asked[1], dict)
            and len(self.jobs) < 1000
        ):
            name = asked[1].get("MessageName")
            if isinstance(name, str) and name != "Hello":
                self.jobs.append(name[:40])

    def _record(self, line: dict[str, object], number: int) -> Record | None:
        if line.get("c") != number:
            said = line.get("<")
            if (
                line.get("c") in self._notices
                and isinstance(said, dict)
                and said.get("Command") == "RelayNotification"
            ):
                return TraceNotice(str(said.get("Name"))[:100])
            return None
        for way in get_args(Way):
            message = line.get(way)
            if isinstance(message, list) and message and isinstance(message[0], str):
                return TraceSaid(way, message)
        if "close" in line:
            return TraceClosed(line["close"][:80] if isinstance(line["close"], str) else "")
        if isinstance(says := line.get("says"), dict):
            return TraceTold(str(line.get("plist")), says)
        rows, way = line.get("list"), line.get("files")
        if isinstance(rows, list) and way in ("<", ">"):
            return TraceListed(way, tuple(_rows(rows[:_MOST_ROWS])))
        return None


def _parse(data: bytes) -> dict[str, object] | None:
    if _SURROGATE.search(data):
        return None  # no real trace has any, and such a file cannot be sent
    try:
        line = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _rows(rows: list[object]) -> Iterator[TraceRow]:
    """The files of a line; a file says if it came from the same folder as the one before it."""
    folder = ""
    for each in rows:
        row = _row(each)
        if row is None:
            continue
        if row.device_path.startswith("=/"):
            row = replace(row, device_path=f"{folder}/{row.device_path[2:]}")
        folder = row.device_path.rpartition("/")[0]
        yield row


def _row(row: object) -> TraceRow | None:
    if (
        not isinstance(row, list)
        or len(row) < 2
        or not isinstance(row[0], str)
        or not isinstance(row[1], int)
    ):
        return None
    path, size, device_path, code, text = (
        [*row, *["", 0, ""][len(row) - 2 :]][:5] if len(row) < 5 else row[:5]
    )
    if not 0 < len(path) <= 1024 or not 0 <= size <= MOST_SIZE or (code is not None and not _is_byte(code)):
        return None
    return TraceRow(path, size, str(device_path)[:1024], code, str(text)[:1024])


def _is_byte(code: object) -> bool:
    return isinstance(code, int) and 0 <= code < 256 and code != 0x0C
