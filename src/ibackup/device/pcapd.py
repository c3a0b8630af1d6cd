"""How much goes over the phone's network: com.apple.pcapd, headers only.

Each message is a plist that is nothing but data: a header of 95 bytes or more, then the packet. The packet's own
bytes are dropped where they are received.
"""

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from ibackup.device import values
from ibackup.device.channel import Stream
from ibackup.device.inquiries import StartsServices
from ibackup.errors import ProtocolBroken
from ibackup.manifest import plists
from ibackup.manifest.flaws import FormatError

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
        process: the program, cut after 16 bytes.
        size: bytes.
        outgoing: it left the phone.
    """

    interface: str
    process: str
    size: int
    outgoing: bool


class PacketStream:
    """The phone's packets from now on; a context manager."""

    def __init__(self, phone: StartsServices) -> None:
        self._stream = Stream(phone.start_at_once(SERVICE), SERVICE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def packets(self, seconds: float) -> Iterator[Packet | None]:
        """Packets for so long; None whenever a second has passed without one."""
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
    """The header of one message; None when it is none."""
    try:
        data = plists.load(message, limit=_LARGEST, max_objects=16)
    except FormatError:
        return None
    if not isinstance(data, bytes) or len(data) < _HEADER.size:
        return None
    _, _, size, _, _, direction, _, _, _, interface, _, process, _, _, on_behalf, _, _ = _HEADER.unpack_from(
        data
    )
    # Uploads in the background are nsurlsessiond's, on behalf of another program.
    name = _text(on_behalf) or _text(process)
    return Packet(_text(interface), name, size, direction == _OUT)


def _text(data: bytes) -> str:
    return values.printable(data.split(b"\0", 1)[0].decode("utf-8", "replace"))
