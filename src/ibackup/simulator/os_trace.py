"""com.apple.os_trace_relay: the running programs, and the phone's log as it is written.

The answer to a command is one byte and a framed plist. A log begins with the length of a length, that
length (both little-endian) and a plist. Then each line is the byte 2, a length, and a record of 129 bytes
followed by texts.
"""

import plistlib
import struct
import time
import zlib
from typing import Final

from ibackup.simulator.cloudspec import LogSpec
from ibackup.simulator.framed_plists import Message, read_message
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone

_RECORD: Final = struct.Struct("<9xIQ16s18xIIIBB6xQQ16sHHHIIII")
_ERROR: Final = 0x10
_HISTORICAL: Final = 0x08


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Serve one connection until it ends."""
    while True:
        request = read_message(stream)
        name = request.get("Request")
        phone.journal.add("os_trace", str(name))
        if name == "PidList":
            names = phone.spec.signals.processes
            pids = {str(pid_of(each)): {"ProcessName": each} for each in names}
            body = plistlib.dumps({"Status": "RequestSuccessful", "Payload": pids})
            stream.write(b"\x01" + struct.pack(">I", len(body)) + body)
        elif name == "StartActivity":
            _stream_log(stream, phone, request)
            return
        else:
            body = plistlib.dumps({"Status": "RequestFailed"})
            stream.write(b"\x01" + struct.pack(">I", len(body)) + body)


def pid_of(process: str) -> int:
    """The process identifier of a program; the same in every service."""
    return 60 + zlib.crc32(process.encode()) % 3000


def record(line: LogSpec, when: float) -> bytes:
    """A line of the log as the relay sends it."""
    text = line.text.encode() + b"\0"
    name = f"/usr/libexec/{line.process}".encode() + b"\0"
    image, subsystem, category = b"MobileBackup\0", b"com.apple.mobilebackup\0", b"Default\0"
    seconds = int(when)
    head = _RECORD.pack(
        pid_of(line.process),
        pid_of(line.process),
        bytes(16),
        seconds,
        0,
        int((when - seconds) * 1_000_000),
        0,
        _ERROR,
        int(when * 24_000_000) % 2**64,
        1,
        bytes(16),
        len(image),
        len(text),
        0,
        0,
        len(subsystem),
        len(category),
        0,
    )
    return head + name + image + text + subsystem + category


def _stream_log(stream: Stream, phone: VirtualPhone, request: Message) -> None:
    body = plistlib.dumps({"Status": "RequestSuccessful"})
    stream.write(struct.pack("<II", 4, len(body)) + body)
    flags, pid = request.get("StreamFlags"), request.get("Pid")
    historical = isinstance(flags, int) and bool(flags & _HISTORICAL)
    for line in phone.spec.signals.log:
        if line.hours_old and not historical:
            continue
        if pid not in (-1, pid_of(line.process)):
            continue
        stream.pause(0 if line.hours_old else line.after_s)
        data = record(line, time.time() + phone.spec.signals.clock_offset_s - line.hours_old * 3600)
        stream.write(b"\x02" + struct.pack("<I", len(data)) + data)
    stream.read_some(1)  # silent until the computer disconnects
