"""A real browser without a window: what a page says there, how it looks, and whom it calls."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 300


@dataclass
class Proxy:
    """Takes every connection that leaves the browser and answers none."""

    address: str
    requests: list[str] = field(default_factory=list)

    def to(self, host: str) -> list[str]:
        """The requests for a host: a browser also calls its maker, whatever the page is."""
        return [request for request in self.requests if host in request]


@contextmanager
def proxy() -> Iterator[Proxy]:
    """A proxy on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = Proxy(f"127.0.0.1:{server.getsockname()[1]}")

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(5)
                    try:
                        head = connection.recv(65536).decode("latin-1")
                    except OSError:
                        head = "nothing"
                    found.requests.append(head.partition("\r\n")[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield found


class Browser:
    """Chromium, with a profile of its own and every request going to the proxy."""

    def __init__(self, program: str, profile: Path, through: Proxy) -> None:
        self._line = [
            program,
            *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--disable-domain-reliability", "--disable-features=OptimizationHints,MediaRouter"),
            f"--user-data-dir={profile}",
            f"--proxy-server={through.address}",
            "--proxy-bypass-list=<-loopback>",
            "--virtual-time-budget=2000",
        ]

    def dom(self, page: Path) -> str:
        """The page after it was loaded, as the browser sees it."""
        return self._run("--dump-dom", page.as_uri())

    def picture(self, page: Path, to: Path, width: int, height: int) -> bytes:
        """A picture of the page."""
        self._run(f"--window-size={width},{height}", f"--screenshot={to}", page.as_uri())
        return to.read_bytes()

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._line, *arguments], capture_output=True, check=True, timeout=SECONDS, text=True
        )
        return done.stdout
