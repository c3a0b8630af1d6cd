"""A phone with one service, mobilebackup2, over a socket whose other end plays a script."""

import socket

from ibackup.config.stall_limits import Limits
from ibackup.device.devicelink.link import SERVICE
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.refusals.lockdown_refusals import NoSuchService
from support.scripted import UDID


class ScriptedPhone:
    """What a session must know of a phone; this one tells no notices and has nothing to lock."""

    def __init__(
        self, sock: socket.socket, facts: PhoneFacts | None = None, limits: Limits | None = None
    ) -> None:
        self._sock = sock
        self.udid = UDID
        self.facts = facts or PhoneFacts(udid=UDID, device_class="iPad")
        self.limits = limits or Limits()

    def start_service(self, name: str, *, escrow: bool = False) -> socket.socket:
        if name != SERVICE:
            raise NoSuchService("This phone has one service only.")
        assert escrow
        return self._sock
