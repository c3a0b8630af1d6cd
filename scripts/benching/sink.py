"""A client that throws everything away: how fast the virtual iPhone can send when nothing slows it down.

Run as a program; it ends when the phone wants the files moved into place, by when all of them were sent.
"""

import sys

from ibackup.device.devicelink.frames_and_chunks import LinkStatus
from ibackup.device.devicelink.link import SERVICE, DeviceLink
from ibackup.device.devicelink.receive_blocks import ReceiveBlock
from ibackup.device.phones.phone import open_phone

ROOM = 1 << 40


class Drain:
    """Takes files and keeps nothing."""

    last_file = ""

    def begin(self, device_path: str, path: str) -> None:
        """A file starts."""

    def data(self, buffer: memoryview, start: int, stop: int) -> None:
        """The next bytes of it."""

    def end(self, code: int, text: str) -> None:
        """The file is complete, or it failed."""

    def offer(self) -> None:
        """All that came was handed in."""

    def swap(self, full: ReceiveBlock) -> ReceiveBlock:
        """The same buffer again: nobody looks at it."""
        return full

    def finish(self) -> None:
        """The list is over."""


def drain(link: DeviceLink, udid: str) -> int:
    """Have the phone make a full backup of itself into nothing; the bytes that came."""
    link.handshake()
    link.send(["DLMessageProcessMessage", {"MessageName": "Hello", "SupportedProtocolVersions": [2.0, 2.1]}])
    link.receive()
    request = {"MessageName": "Backup", "TargetIdentifier": udid, "Options": {"ForceFullBackup": True}}
    link.send(["DLMessageProcessMessage", request])
    link.waiting = link.limits.scan_s
    received = 0
    while (name := link.receive()[0]) not in {"DLMessageMoveItems", "DLMessageProcessMessage"}:
        if name == "DLMessageUploadFiles":
            received += link.receive_files(Drain())
            link.send_status(LinkStatus.OK, "", {})
        elif name == "DLMessageDownloadFiles":
            link.write(memoryview(bytes(4)))
            link.send_status(LinkStatus.NOT_FOUND)
        elif name == "DLContentsOfDirectory":
            link.send_status(LinkStatus.OK, "", {})
        else:
            link.send_status(LinkStatus.OK, "", ROOM)
    link.disconnect()
    return received


def main() -> int:
    """Drain the phone that is there."""
    with open_phone() as phone, DeviceLink(phone.start_service(SERVICE, escrow=True)) as link:
        received = drain(link, phone.udid)
    print(f"{received:,} bytes")
    return int(not received)


if __name__ == "__main__":
    sys.exit(main())
