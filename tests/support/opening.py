"""Backups as pages choose them, and a server on loopback that sends what a test gives it."""

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ibackup.view.shown_phones import FOLDER_ID, ShownBackup
from support.minted import UDID, Minted

HUGE_S = 500.0


def chosen(made: Minted) -> ShownBackup:
    """The made backup as a page chooses it."""
    return ShownBackup(FOLDER_ID, str(made.folder), UDID, None)


@dataclass
class Served:
    """A running server."""

    port: int

    def ask(
        self, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case and body of one request. Raises http.client.IncompleteRead."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HUGE_S)
        with contextlib.closing(connection):
            connection.request(method, "/", headers=headers or {})
            answer = connection.getresponse()
            return (
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                answer.read(),
            )


@contextlib.contextmanager
def serving(answer: Callable[[dict[str, str]], Response]) -> Iterator[Served]:
    """A server that gives each request's headers to a function and sends what that returns."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        await answer(headers)(scope, receive, send)

    with serving_application(application) as served:
        yield served


@contextlib.contextmanager
def serving_application(application: ASGIApp) -> Iterator[Served]:
    """A server for a whole application."""
    config = uvicorn.Config(application, port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    try:
        end = time.monotonic() + HUGE_S
        while not server.started and time.monotonic() < end:
            time.sleep(0.01)
        yield Served(socket.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(HUGE_S)
        socket.close()
