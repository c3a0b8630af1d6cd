"""How much data goes over the phone's network, by packet headers only: com.apple.pcapd.

Each message is a plist that consists of data only: a header of at least 95 bytes, then the packet. We drop the
packet's own bytes on arrival.
"""

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from ibackup.apple import plist_values, plists
from ibackup.apple.format_errors import FormatError
from ibackup.base.errors import ProtocolBroken
from ibackup.device.mux.channel import ServiceStream
from ibackup.device.services.inquiries import StartsServices

SERVICE = "com.apple.pcapd"

_LENGTH = struct.Struct(">I")
_HEADER = struct.Struct(">IBIBHBIII16sI17sII17sII")
_OUT = 1
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Packet:
    """What is kept of a packet.

    Attributes:
        interface: `en0`, `pdp_ip0`, `utun1`.
        process: the program's name, cut after 16 bytes.
        size: in bytes.
        outgoing: it left the phone.
    """

    interface: str
    process: str
    size: int
    outgoing: bool


class PacketStream:
    """The phone's packets from now on; a context manager. ``seconds`` is how long starting may take."""

    def __init__(self, phone: StartsServices, seconds: float) -> None:
        self._stream = ServiceStream(phone.start_at_once(SERVICE), SERVICE, seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def packets(self, seconds: float) -> Iterator[Packet | None]:
        """Packets, for ``seconds``; None after each second without one."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            if not self._stream.fill(_LENGTH.size, min(now + 1, end)):
                yield None
                continue
            (length,) = _LENGTH.unpack(self._stream.peek(_LENGTH.size))
            if length > _LARGEST:
                raise ProtocolBroken(f"The phone's service {SERVICE} sent a message of {length} bytes.")
            if not self._stream.fill(_LENGTH.size + length, end):
                return
            self._stream.take(_LENGTH.size, end)
            packet = parse_packet(self._stream.take(length, end) or b"")
            if packet is not None:
                yield packet


def parse_packet(message: bytes) -> Packet | None:
    """Parse the header of one message; None if it is not one."""
    try:
        data = plists.load(message, limit=_LARGEST, max_objects=16)
    except FormatError:
        return None
    if not isinstance(data, bytes) or len(data) < _HEADER.size:
        return None
    _, _, size, _, _, direction, _, _, _, interface, _, process, _, _, on_behalf, _, _ = _HEADER.unpack_from(
        data
    )
    # nsurlsessiond uploads in the background for other programs.
    name = _text(on_behalf) or _text(process)
    return Packet(_text(interface), name, size, direction == _OUT)


def _text(data: bytes) -> str:
    return plist_values.printable(data.split(b"\0", 1)[0].decode("utf-8", "replace"))
