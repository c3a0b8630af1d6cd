"""Streams to a phone's services straight over TCP, at an address that was found or given."""

import errno
import logging
import re
import socket
from dataclasses import dataclass
from typing import Final

from ibackup.base.errors import ConnectionLost, UsageError

_log = logging.getLogger(__name__)

LOCKDOWN_PORT: Final = 62078
"""Announcements name another one, with its bytes swapped, which is closed."""

_DIAL_S: Final = 4.0
_IPV6 = r"[0-9A-Fa-f]*(?::[0-9A-Fa-f.]*){2,7}(?:%\w+)?"
_ADDRESS = re.compile(rf"(?:\[({_IPV6})\]|([^\s:/\[\]]+)|({_IPV6}))(?::([0-9]{{1,5}}))?", re.ASCII)


class Unreached(ConnectionLost):
    """No connection came about; its cause is the system's error."""


@dataclass(frozen=True, slots=True)
class TcpTransport:
    """A phone at an address; gives streams as usbmuxd does (``mux.usbmux.Transport``).

    Attributes:
        host: a name or an IP address.
        port: where its lockdownd answers. Every other service has the port that lockdownd names.
    """

    host: str
    port: int = LOCKDOWN_PORT

    def connect(self, _device_id: int, port: int) -> socket.socket:
        """A blocking stream to a TCP port of the phone.

        Raises:
            Unreached: nothing answers there.
        """
        try:
            sock = socket.create_connection(
                (self.host, self.port if port == LOCKDOWN_PORT else port), timeout=_DIAL_S
            )
        except OSError as error:
            _log.info("wifi: connect failed: errno %s", error.errno)
            raise Unreached(
                "The phone does not answer over Wi-Fi.",
                why=_unanswered(error),
                hint=(
                    "Check --address: the phone shows it in its Wi-Fi settings, under (i)."
                    if isinstance(error, socket.gaierror)
                    else "Wake it and unlock it once. If that does not help, connect it with a cable."
                ),
            ) from error
        sock.settimeout(None)
        return sock


def _unanswered(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "This computer cannot find that address."
    if error.errno == errno.ECONNREFUSED:
        return "Its address refuses the connection: the phone's own switch for Wi-Fi may be off."
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EPERM, errno.EACCES):
        return f"This computer could not reach its address ({error.strerror})."
    return "It may be asleep, or out of reach."


def parse_host(text: str) -> TcpTransport:
    """A phone's address as people type it: ``HOST``, ``HOST:PORT``, ``[IPv6]`` or ``[IPv6]:PORT``.

    Raises:
        UsageError: it is none.
    """
    match = _ADDRESS.fullmatch(text)
    host = match and (match[1] or match[2] or match[3])
    port = int(match[4]) if match and match[4] else LOCKDOWN_PORT
    if not host or not 0 < port < 65536:
        raise UsageError(
            f"This is not an address: {text!a}.",
            hint="Give the phone's IP address, for example 192.168.1.23. On the phone: Settings, Wi-Fi, the (i) "
            "beside the network.",
        )
    return TcpTransport(host, port)
