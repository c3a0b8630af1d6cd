"""What every job over mobilebackup2 has in common: the greeting, the phone's last word, and what it says beside."""

import queue
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from ibackup.device import requests
from ibackup.device.facts import PhoneFacts
from ibackup.device.frames import broken
from ibackup.device.link import DeviceLink
from ibackup.device.refusals import RefusalContext, refusal
from ibackup.device.services import Notice
from ibackup.events import Observer

SERVICE: Final = "com.apple.mobilebackup2"
PROTOCOL_VERSIONS: Final = (2.0, 2.1)
MOST_REQUESTS: Final = 20_000_000
"""The most that a phone may ask for in one job: several for each of millions of files. Else one could go on for ever
with small requests that are all allowed."""
LATE_NOTICE_S: Final = 1.0
"""A prompt's notices come over another connection than the answer, and may come after it."""
_PULSE_S: Final = 0.25


class BackupPhone(Protocol):
    """A trusted phone, as far as a session needs it."""

    @property
    def udid(self) -> str:
        """As lockdown spells it."""

    @property
    def facts(self) -> PhoneFacts:
        """What was read once."""

    def start_service(self, name: str, *, escrow: bool = False) -> socket.socket:
        """A blocking stream to a service."""


class Dialogue:
    """What is said over one DeviceLink.

    Args:
        link: fresh.
        phone: at its other end.
        observer: is told of phases and progress.
        notices: what the phone's notification service says, from another thread.
        unplugged: asked a few times a second whether the phone is gone, which ends it all.
    """

    def __init__(
        self,
        link: DeviceLink,
        phone: BackupPhone,
        observer: Observer,
        *,
        notices: queue.SimpleQueue[Notice] | None = None,
        unplugged: Callable[[], bool] | None = None,
    ) -> None:
        self._link = link
        self._phone = phone
        self._noun = phone.facts.noun
        self._observer = observer
        self._notices = notices
        self._unplugged = unplugged
        self._told_at = 0.0
        link.pulse = self._pulse

    def hello(self) -> None:
        """Agree on versions."""
        self._link.handshake()
        self._send({"MessageName": "Hello", "SupportedProtocolVersions": list(PROTOCOL_VERSIONS)})
        request = requests.parse(self._link.receive())
        if not isinstance(request, requests.Process):
            raise broken(f"The {self._noun} answered the greeting with a {type(request).__name__} request.")
        self._finish(request.message)
        if request.message.get("ProtocolVersion") not in PROTOCOL_VERSIONS:
            raise broken(
                f"The {self._noun} speaks a version of the backup protocol that is not known here.",
                "Known are 2.0 and 2.1.",
            )

    def _send(self, message: Mapping[str, object]) -> None:
        self._link.send(["DLMessageProcessMessage", dict(message)])

    def _finish(self, message: Mapping[object, object]) -> None:
        """Take the phone's last word on a request; returns when it is a good one."""
        name, code = message.get("MessageName"), message.get("ErrorCode")
        if name not in ("Response", None) or not isinstance(code, int):
            raise broken(f"The {self._noun} sent a {str(name)[:80]!a} message where a Response belongs.")
        if code:
            self._refused()
            said = message.get("ErrorDescription")
            raise refusal(code, said if isinstance(said, str) else "", context=self._context())

    def _pulse(self) -> None:
        """A few times a second, and often while files pass."""
        now = time.monotonic()
        if now - self._told_at < _PULSE_S:
            return
        self._told_at = now
        if self._unplugged is not None and self._unplugged():
            raise self._link.unplugged()
        self._hear()
        self._beat()

    def _hear(self) -> None:
        """Act on what the phone said beside the channel."""
        while self._notices is not None and self._notices.qsize():
            self._heed(self._notices.get())

    # -- each job's own ---------------------------------------------------------------------------------------

    def _context(self) -> RefusalContext:
        """What is known when the phone refuses."""
        raise NotImplementedError

    def _refused(self) -> None:
        """The phone ends with an error: a chance to raise a better one."""

    def _beat(self) -> None:
        """Part of the pulse: tell how far it is."""

    def _heed(self, notice: Notice) -> None:
        """The phone said something beside the channel."""
