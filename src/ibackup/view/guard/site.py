"""Where the view is reached: the addresses that are right in a browser, and who may connect."""

import ipaddress
from dataclasses import dataclass

_USUAL_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Site:
    """One running view, as browsers see it.

    Attributes:
        scheme: ``http`` or ``https``.
        hosts: the ``Host`` headers that are right, in lower case: ``127.0.0.1:4821``. The first one is told.
        port: where it listens. It stands in the cookie's name, because browsers do not tell ports apart there.
        proxy: the only address that may connect, and whose forwarded headers are believed; None: no proxy.
        this_user_only: it is on loopback with no password of its own, so that no other user of this computer may
            connect.
    """

    scheme: str
    hosts: tuple[str, ...]
    port: int
    proxy: str | None = None
    this_user_only: bool = False

    @classmethod
    def on_loopback(cls, port: int) -> "Site":
        """The usual one: http on this computer, for the user who started it."""
        return cls("http", (f"127.0.0.1:{port}",), port, this_user_only=True)

    @property
    def url(self) -> str:
        """Its address without a path: ``http://127.0.0.1:4821``."""
        return f"{self.scheme}://{self.hosts[0]}"

    @property
    def secure(self) -> bool:
        """Whether browsers reach it by https."""
        return self.scheme == "https"

    @property
    def cookie_name(self) -> str:
        """With https, browsers let no other host and no plain http set a cookie of this name."""
        return f"__Host-ibackup-{self.port}" if self.secure else f"ibackup-{self.port}"

    def is_host(self, host: str) -> bool:
        """Whether a ``Host`` header names this site."""
        return host.lower() in self.hosts

    def is_origin(self, origin: str) -> bool:
        """Whether an ``Origin`` header is one of this site."""
        scheme, _, host = origin.partition("://")
        return scheme == self.scheme and self.is_host(host)


def host_headers(host: str, port: int, scheme: str) -> tuple[str, ...]:
    """What a browser sends as ``Host`` for a name or an address: the usual port is left out, or not."""
    try:
        plain = f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        plain = host.lower()
    with_port = f"{plain}:{port}"
    return (plain, with_port) if port == _USUAL_PORT[scheme] else (with_port,)
