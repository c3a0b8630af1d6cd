"""The phone's log, live: com.apple.os_trace_relay.

Its frames differ from those of all other services. The answer to StartActivity is the length of a length, that length
(both little-endian) and a plist. Then each line is the byte 2, a length and a record: 129 bytes of numbers, and texts
that end with a zero byte.
"""

import plistlib
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from ibackup.apple import plist_values
from ibackup.apple.plist_values import Values
from ibackup.base.errors import PhoneRefused, ProtocolBroken
from ibackup.device.mux.channel import ServiceStream
from ibackup.device.services.inquiries import StartsServices

SERVICE = "com.apple.os_trace_relay"
REQUESTS = ("StartActivity",)

_RECORD = struct.Struct("<9xIQ16s18xIIIBB6xQQ16sHHHIIII")
_LARGEST_LINE = 1 << 20
_LONGEST_TEXT = 4096
_EVERY_MESSAGE = 0xFFFF
# Payload, call stack and debug lines, as Console requests them; without the flag for earlier lines.
_STREAM_FLAGS = 0x04 | 0x10 | 0x20


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line; ``date`` is by the phone's clock, UTC. Texts are shortened and safe to print."""

    date: datetime
    process: str
    text: str


class LogStream:
    """The log from now on; a context manager.

    Args:
        phone: the phone.
        seconds: how long starting may take.

    Raises:
        PhoneRefused: the phone refuses.
    """

    def __init__(self, phone: StartsServices, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        self._stream = ServiceStream(phone.start_at_once(SERVICE), SERVICE, seconds)
        try:
            request = {"Request": "StartActivity", "MessageFilter": _EVERY_MESSAGE, "Pid": -1}
            _send(self._stream, {**request, "StreamFlags": _STREAM_FLAGS})
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
        """Lines, for ``seconds``; None after each second without one, so that the caller can do something else."""
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
    """Parse a record; None if it is too short, or its time makes no sense."""
    if len(data) < _RECORD.size:
        return None
    _, _, _, seconds, _, micro, _, _, _, _, _, image_size, text_size, *_ = _RECORD.unpack_from(data)
    name_end = data.find(b"\0", _RECORD.size)
    if name_end < 0:
        return None
    text_at = name_end + 1 + image_size
    try:
        date = datetime.fromtimestamp(seconds + min(micro, 999_999) / 1_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return LogLine(
        date=date,
        process=_text(data[_RECORD.size : name_end]).rpartition("/")[2],
        text=_text(data[text_at : text_at + text_size]),
    )


def _text(data: bytes) -> str:
    text = data[:_LONGEST_TEXT].rstrip(b"\0").decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in text)


def _send(stream: ServiceStream, request: Values) -> None:
    body = plistlib.dumps(dict(request))
    stream.write(struct.pack(">I", len(body)) + body)


def _plist(stream: ServiceStream, length: int, deadline: float) -> Values:
    if length > plist_values.LARGEST_PLIST:
        raise _nonsense()
    return plist_values.load_dict(_take(stream, length, deadline), f"The phone's service {SERVICE}")


def _take(stream: ServiceStream, size: int, deadline: float) -> bytes:
    taken = stream.take(size, deadline)
    if taken is None:
        raise stream.silent()
    return taken


def _check(answer: Values) -> None:
    if plist_values.text(answer, "Status") != "RequestSuccessful":
        raise PhoneRefused("The phone does not show its log.")


def _nonsense() -> ProtocolBroken:
    return ProtocolBroken("The phone's log service gave an answer that makes no sense.")
