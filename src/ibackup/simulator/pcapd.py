"""com.apple.pcapd: the packets on the phone's network, each a framed plist that contains only data.

A packet has a header of 95 bytes (interface, direction, program, time), then its own bytes.
"""

import plistlib
import struct
import time
from typing import Final

from ibackup.simulator.cloudspec import PacketSpec
from ibackup.simulator.os_trace import pid_of
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone

_HEADER: Final = struct.Struct(">IBIBHBIII16s4s17sI4s17sII")
_OUT, _IN = 0x01, 0x10
_TYPES = {"en0": 6, "pdp_ip0": 255}
_INET: Final = 2


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Send every packet, then stay silent until the computer disconnects."""
    phone.journal.add("pcapd", "watch")
    for packet in phone.spec.signals.packets:
        for _ in range(packet.count):
            stream.pause(packet.after_s)
            data = plistlib.dumps(packed(packet, time.time()))
            stream.write(struct.pack(">I", len(data)) + data)
    stream.read_some(1)


def packed(packet: PacketSpec, when: float) -> bytes:
    """A packet as the service sends it."""
    pid = struct.pack("<I", pid_of(packet.process))
    name = packet.process.encode()[:16]
    link = 14 if packet.interface == "en0" else 0
    head = _HEADER.pack(
        _HEADER.size,
        2,
        packet.size,
        _TYPES.get(packet.interface, 1),
        0,
        _IN if packet.incoming else _OUT,
        _INET,
        link,
        0,
        packet.interface.encode(),
        pid,
        name,
        0,
        pid,
        name,
        int(when),
        int(when % 1 * 1_000_000),
    )
    return head + bytes(packet.size)
