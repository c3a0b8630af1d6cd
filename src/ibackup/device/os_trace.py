"""The phone's log as it is written, and the programs that run: com.apple.os_trace_relay.

Its frames differ from those of all other services. An answer to PidList is a byte and a framed plist. One to
StartActivity is a length's length, that length (both little-endian) and a plist; then, for each line, the byte 2,
a length and a record: 129 bytes of numbers, and texts that end in a zero byte.
"""

import plistlib
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from ibackup.device import values
from ibackup.device.channel import Stream
from ibackup.device.inquiries import StartsServices
from ibackup.device.values import NOTHING, Values
from ibackup.errors import PhoneRefused, ProtocolBroken

SERVICE = "com.apple.os_trace_relay"
REQUESTS = ("PidList", "StartActivity")

_RECORD = struct.Struct("<9xIQ16s18xIIIBB6xQQ16sHHHIIII")
_LARGEST_LINE = 1 << 20
_LONGEST_TEXT = 4096
_EVERY_MESSAGE = 0xFFFF
# Payload, call stack and debug lines as Console asks for them, without the flag for what was logged before.
_STREAM_FLAGS = 0x04 | 0x10 | 0x20
_HISTORICAL = 0x08


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line; ``date`` is the phone's clock, UTC; texts are cut, and safe to print."""

    date: datetime
    process: str
    pid: int
    subsystem: str
    text: str


def running(phone: StartsServices, seconds: float) -> frozenset[str]:
    """The names of the programs that run."""
    deadline = time.monotonic() + seconds
    with Stream(phone.start_at_once(SERVICE), SERVICE) as stream:
        _send(stream, {"Request": "PidList"})
        _take(stream, 1, deadline)
        (length,) = struct.unpack(">I", _take(stream, 4, deadline))
        answer = _plist(stream, length, deadline)
    processes = values.mapping(answer.get("Payload"))
    if processes is None:
        raise PhoneRefused("The phone does not tell which programs run.")
    found = (values.shown(values.mapping(each) or NOTHING, "ProcessName") for each in processes.values())
    return frozenset(name for name in found if name)


class LogStream:
    """The log from now on; a context manager.

    Args:
        phone: whose.
        seconds: for the start.
        historical: have the phone begin with lines from before.

    Raises:
        PhoneRefused: the phone does not want to.
    """

    def __init__(self, phone: StartsServices, seconds: float, *, historical: bool = False) -> None:
        deadline = time.monotonic() + seconds
        self._stream = Stream(phone.start_at_once(SERVICE), SERVICE)
        try:
            flags = _STREAM_FLAGS | (_HISTORICAL if historical else 0)
            request = {"Request": "StartActivity", "MessageFilter": _EVERY_MESSAGE, "Pid": -1}
            _send(self._stream, {**request, "StreamFlags": flags})
            (size,) = struct.unpack("<I", _take(self._stream, 4, deadline))
            length = int.from_bytes(_take(self._stream, min(size, 8), deadline), "little")
            _check(_plist(self._stream, length, deadline))
        except BaseException:
            self._stream.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def lines(self, seconds: float) -> Iterator[LogLine | None]:
        """Lines for so long; None whenever a second has passed without one, so that the caller can look around."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            if not self._stream.fill(5, min(now + 1, end)):
                yield None
                continue
            kind, length = struct.unpack("<BI", self._stream.peek(5))
            if kind != 2 or length > _LARGEST_LINE:
                raise _nonsense()
            if not self._stream.fill(5 + length, end):
                return
            self._stream.take(5, end)
            line = parse_line(_take(self._stream, length, end))
            if line is not None:
                yield line


def parse_line(data: bytes) -> LogLine | None:
    """A record; None when it is too short, or its time makes no sense."""
    if len(data) < _RECORD.size:
        return None
    pid, _, _, seconds, _, micro, _, _, _, _, _, image_size, text_size, _, _, subsystem_size, _, _ = (
        _RECORD.unpack_from(data)
    )
    name_end = data.find(b"\0", _RECORD.size)
    if name_end < 0:
        return None
    text_at = name_end + 1 + image_size
    subsystem_at = text_at + text_size
    try:
        date = datetime.fromtimestamp(seconds + min(micro, 999_999) / 1_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return LogLine(
        date=date,
        process=_text(data[_RECORD.size : name_end]).rpartition("/")[2],
        pid=pid,
        subsystem=_text(data[subsystem_at : subsystem_at + subsystem_size]),
        text=_text(data[text_at:subsystem_at]),
    )


def _text(data: bytes) -> str:
    text = data[:_LONGEST_TEXT].rstrip(b"\0").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in text)


def _send(stream: Stream, request: Values) -> None:
    body = plistlib.dumps(dict(request))
    stream.write(struct.pack(">I", len(body)) + body)


def _plist(stream: Stream, length: int, deadline: float) -> Values:
    if length > values.LARGEST_PLIST:
        raise _nonsense()
    return values.load_dict(_take(stream, length, deadline), f"The phone's service {SERVICE}")


def _take(stream: Stream, size: int, deadline: float) -> bytes:
    taken = stream.take(size, deadline)
    if taken is None:
        raise stream.silent()
    return taken


def _check(answer: Values) -> None:
    if values.text(answer, "Status") != "RequestSuccessful":
        raise PhoneRefused("The phone does not show its log.")


def _nonsense() -> ProtocolBroken:
    return ProtocolBroken("The phone's log service gave an answer that makes no sense.")
