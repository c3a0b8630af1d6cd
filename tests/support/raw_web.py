"""A small HTTP client that sends exactly what a test says, also what no browser would; and a guarded server to ask."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.types import ASGIApp

from ibackup.view.guard.browser_sessions import BrowserSessions
from ibackup.view.guard.connections import guarded_connections, server_options
from ibackup.view.guard.entry_tokens import EntryTokens
from ibackup.view.guard.request_guard import RequestGuard
from ibackup.view.guard.site import Site
from ibackup.view.guard.web_password import WebPassword

WAIT = 500.0  # seconds; only what hangs reaches it


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: str

    @property
    def cookie(self) -> str:
        """What the browser sends back: ``name=value``; empty if none was set."""
        return str(self.headers.get("Set-Cookie", "")).partition(";")[0]


@dataclass
class RawClient:
    """Asks a server at a port of loopback.

    Attributes:
        port: of the server.
        headers: sent with each request.
    """

    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request. ``Sec_Fetch_Site="none"`` sends that header; an empty value leaves out a usual one."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        given = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in ({"Host": f"127.0.0.1:{self.port}"} | given).items():
                if value:
                    connection.putheader(name, value)
            if body is not None and "Content-Length" not in given:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode("utf-8", "replace"))
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """Read a page."""
        return self.ask("GET", path, None, **headers)

    def post(self, path: str, body: str = "", **headers: str) -> Answer:
        """Send a form, as a page of the site does."""
        usual = {"Content_Type": "application/x-www-form-urlencoded", "Sec_Fetch_Site": "same-origin"}
        return self.ask("POST", path, body.encode(), **(usual | headers))

    def raw(self, data: bytes) -> bytes:
        """Send bytes, and return all that comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT) as there:
            there.sendall(data)
            found = b""
            while part := there.recv(65536):
                found += part
            return found


@dataclass
class Guarded:
    """A running server whose pages a guard watches."""

    port: int
    site: Site
    sessions: BrowserSessions
    tokens: EntryTokens
    client: RawClient

    def enter(self) -> RawClient:
        """A browser that was let in."""
        answer = self.client.get(f"/open?t={self.tokens.make()}", Sec_Fetch_Site="none")
        assert answer.status == 303, answer
        return RawClient(self.port, {"Cookie": answer.cookie})


@contextmanager
def guarded(
    app: ASGIApp,
    *,
    site: Callable[[int], Site] = Site.on_loopback,
    password: WebPassword | None = None,
    **limits: object,
) -> Iterator[Guarded]:
    """Serve an application behind a guard, from this process.

    Args:
        app: the pages.
        site: of the port.
        password: the web password.
        limits: of ``guarded_connections``.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        here, sessions, tokens = site(port), BrowserSessions(), EntryTokens()
        options = server_options(here, RequestGuard(app, here, sessions, tokens, password))
        if limits:
            options["http"] = guarded_connections(here, **limits)  # type: ignore[arg-type]
        server = uvicorn.Server(
            uvicorn.Config(**options, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield Guarded(port, here, sessions, tokens, RawClient(port))
        finally:
            server.should_exit = True
            thread.join()
            sessions.close()
