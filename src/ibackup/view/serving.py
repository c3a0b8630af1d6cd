"""Serves the view on this computer until Ctrl-C."""

import socket
from collections.abc import Callable
from time import monotonic

import uvicorn

from ibackup.base.errors import UsageError
from ibackup.base.events import Observer, ignore
from ibackup.base.listening import listen
from ibackup.view.guard.browser_sessions import BrowserSessions
from ibackup.view.guard.connections import server_options
from ibackup.view.guard.entry_tokens import EntryTokens
from ibackup.view.guard.listen_rules import ListenPlan, plan_listening
from ibackup.view.guard.request_guard import RequestGuard
from ibackup.view.house import House
from ibackup.view.pages_app import application
from ibackup.view.view_request import Listening, ViewRequest

_BACKLOG = 128
_LAST_WORDS_S = 2
_UNUSED_S = 5 * 60.0


def serve(request: ViewRequest, tell: Callable[[Listening], None], observe: Observer = ignore) -> None:
    """Serve until Ctrl-C; running jobs are stopped then as Ctrl-C stops them in a terminal.

    Args:
        request: what to show, and where.
        tell: told once, when the view answers.
        observe: gets warnings about who else can read the web password.

    Raises:
        UsageError: the port is taken, or something is missing that keeps strangers out.
        IbackupError: what was asked for cannot be shown.
    """
    plan = plan_listening(request.listen, observe)
    house = House(request)
    try:
        house.phones()  # a folder that is no backup is refused here, and not on a page
        with _listen(plan) as listening:
            _serve(house, plan, listening, tell, observe)
    finally:
        house.close()


def _serve(
    house: House,
    plan: ListenPlan,
    listening: socket.socket,
    tell: Callable[[Listening], None],
    observe: Observer,
) -> None:
    site = plan.site(listening.getsockname()[1])
    tokens, sessions = EntryTokens(), BrowserSessions()
    guarded = RequestGuard(application(house), site, sessions, tokens, plan.password)
    server = _Server(
        uvicorn.Config(
            **server_options(site, guarded, plan.tls),
            log_config=None,
            lifespan="off",
            timeout_graceful_shutdown=_LAST_WORDS_S,
        )
    )
    server.is_needed = lambda: (
        not house.request.ends_itself or any(not job.is_over for job in house.board.all())
    )
    address = f"{site.url}/"
    server.when_ready = lambda: tell(
        Listening(address if plan.password else f"{address}open?t={tokens.make()}", address)
    )
    server.when_ending = lambda: house.close(lambda: server.force_exit, observe)
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


def _listen(plan: ListenPlan) -> socket.socket:
    try:
        return listen(plan.address, plan.port, _BACKLOG)
    except OSError as error:
        if plan.password is None:
            raise UsageError(
                f"Port {plan.port} of this computer is taken or may not be used.",
                why=f"({error.strerror})",
                hint="Give another one with --port, or none: a free one is found.",
            ) from None
        raise UsageError(
            f"ibackup cannot listen on port {plan.port} of {plan.address}.",
            why=f"({error.strerror})",
            hint="--listen needs an address of this computer, and --port one that nothing else uses.",
        ) from None
