"""Connections as uvicorn serves them, with limits that it lacks: who may connect, how many, and how slowly they ask."""

import asyncio
import ssl
from typing import Any, cast

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from ibackup.view.guard.answer_headers import guarded_send
from ibackup.view.guard.other_users import is_another_users, users_of_this_person
from ibackup.view.guard.refused_request import OTHER_USER
from ibackup.view.guard.request_checks import HEAD_BYTES
from ibackup.view.guard.site import Site

MOST_CONNECTIONS = 400
HEAD_SECONDS = 20.0
"""How long a request's head may take to arrive."""


def server_options(site: Site, app: ASGIApp, tls: ssl.SSLContext | None = None) -> dict[str, Any]:
    """The arguments of ``uvicorn.Config`` that the guard needs.

    Args:
        site: where it listens.
        app: the guarded application.
        tls: encrypts every connection; None: none is encrypted here.
    """
    encrypted = {} if tls is None else {"ssl_context_factory": lambda _config, _default: tls}
    return encrypted | {
        "app": app,
        "http": guarded_connections(site),
        "h11_max_incomplete_event_size": HEAD_BYTES,
        "ws": "none",
        "proxy_headers": False,  # RequestGuard reads them, from the one address that may send them
        "server_header": False,
        "access_log": False,  # addresses contain what people look for
        "timeout_keep_alive": 30,
    }


def guarded_connections(
    site: Site,
    *,
    most: int = MOST_CONNECTIONS,
    seconds: float = HEAD_SECONDS,
    allowed: frozenset[int] | None = None,
) -> type[asyncio.Protocol]:
    """The class of the connections of one server.

    Args:
        site: if it is for this user only, each connection is checked.
        most: connections at once. One more takes the place of the one that has been silent for longest; while none
            is silent, twice as many are let in.
        seconds: a request's head may take.
        allowed: the user IDs that may connect; None: those of the person who started this.
    """
    users = (users_of_this_person() if allowed is None else allowed) if site.this_user_only else None
    silent: dict[GuardedConnection, None] = {}

    class Connection(GuardedConnection):
        """A connection of this server."""

        limits = _Limits(most, seconds, users, silent)

    return Connection


class _Limits:
    """What the connections of one server share: its limits, and which of them are silent, the oldest first."""

    def __init__(
        self,
        most: int,
        seconds: float,
        users: frozenset[int] | None,
        silent: "dict[GuardedConnection, None]",
    ) -> None:
        self.most = most
        self.seconds = seconds
        self.users = users
        self.silent = silent


class GuardedConnection(H11Protocol):
    """One connection."""

    limits: _Limits

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room for it, and find out whose it is."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.most:
            oldest = next(iter(self.limits.silent), None)
            if oldest is not None:
                oldest.drop()
            elif len(self.connections) > 2 * self.limits.most:
                self.drop()
        users = self.limits.users
        if users is not None and self.client and self.server:
            server = (self.server[0], self.server[1] or 0)
            if is_another_users(self.client, server, users):
                self.app = cast("Any", _refuse_other_user)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Count as silent until the head of a request is complete."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Count as silent again."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        self._at_work()

    def _watch(self) -> None:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if self.transport.is_closing() or (cycle is not None and not cycle.response_complete):
            self._at_work()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.limits.seconds, self.drop)
            self.limits.silent[self] = None

    def _at_work(self) -> None:
        self.limits.silent.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def drop(self) -> None:
        """End it at once."""
        self._at_work()
        self.transport.abort()


async def _refuse_other_user(scope: Any, receive: Any, send: Any) -> None:
    await OTHER_USER.response()(scope, receive, guarded_send(send))
