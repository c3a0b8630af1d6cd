"""Serves the view on this computer until Ctrl-C."""

import socket
from collections.abc import Callable
from time import monotonic

import uvicorn

from ibackup.base.errors import UsageError
from ibackup.view.guard.browser_sessions import BrowserSessions
from ibackup.view.guard.connections import server_options
from ibackup.view.guard.entry_tokens import EntryTokens
from ibackup.view.guard.request_guard import RequestGuard
from ibackup.view.guard.site import Site
from ibackup.view.house import House
from ibackup.view.pages_app import application
from ibackup.view.view_request import Listening, ViewRequest

_HOST = "127.0.0.1"
_BACKLOG = 128
_LAST_WORDS_S = 2
_UNUSED_S = 5 * 60.0


def serve(request: ViewRequest, tell: Callable[[Listening], None]) -> None:
    """Serve until Ctrl-C; running jobs are stopped then as Ctrl-C stops them in a terminal.

    Args:
        request: what to show, and where.
        tell: told once, when the view answers.

    Raises:
        UsageError: the port is taken.
        IbackupError: what was asked for cannot be shown.
    """
    house = House(request)
    try:
        house.phones()  # a folder that is no backup is refused here, and not on a page
        with _listen(request.port) as listening:
            _serve(house, listening, tell)
    finally:
        house.close()


def _serve(house: House, listening: socket.socket, tell: Callable[[Listening], None]) -> None:
    site = Site.on_loopback(listening.getsockname()[1])
    tokens, sessions = EntryTokens(), BrowserSessions()
    guarded = RequestGuard(application(house), site, sessions, tokens)
    server = _Server(
        uvicorn.Config(
            **server_options(site, guarded),
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=_LAST_WORDS_S,
        )
    )
    server.is_needed = lambda: (
        not house.request.ends_itself or any(not job.is_over for job in house.board.all())
    )
    server.when_ready = lambda: tell(Listening(f"{site.url}/open?t={tokens.make()}", f"{site.url}/"))
    server.when_ending = house.close
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn ended in order, and then passes Ctrl-C on
    finally:
        sessions.close()


class _Server(uvicorn.Server):
    """Tells when it is ready, ends what streams before it waits for streams to end, and ends itself if it may."""

    when_ready: Callable[[], None]
    when_ending: Callable[[], None]
    is_needed: Callable[[], bool]
    _last_needed = 0.0

    async def on_tick(self, counter: int) -> bool:
        """Whether to end. An open page holds a connection, for live events."""
        if self.server_state.connections or not self._last_needed or self.is_needed():
            self._last_needed = monotonic()
        return await super().on_tick(counter) or monotonic() - self._last_needed > _UNUSED_S

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self.when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.when_ending()
        await super().shutdown(sockets)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port), backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(
            f"Port {port} of this computer is taken or may not be used.",
            why=f"({error.strerror})",
            hint="Give another one with --port, or none: a free one is found.",
        ) from None
