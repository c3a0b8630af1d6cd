"""The guard around the application: no request reaches a page past it, and no answer leaves without its headers."""

import hmac
import logging

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ibackup.view.guard.answer_headers import KEPT_BY_VERSION, guarded_send
from ibackup.view.guard.browser_sessions import BrowserSession, BrowserSessions
from ibackup.view.guard.entrance import LOGIN, LOGOUT, OPEN, Entrance
from ibackup.view.guard.entry_tokens import EntryTokens
from ibackup.view.guard.refused_request import (
    BROKEN,
    BUSY,
    LOGGED_OUT,
    NO_FORM_TOKEN,
    NO_SESSION,
    TOO_MANY_STREAMS,
    RefusedRequest,
)
from ibackup.view.guard.request_checks import READING, check_request
from ibackup.view.guard.sent_form import NO_FORM, Form, first, read_form
from ibackup.view.guard.site import Site
from ibackup.view.guard.web_password import WebPassword

STATIC = "/static/"
STREAMS = "/events"
"""An address that ends so is a stream of live events, which does not count as use."""
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
_REQUESTS_AT_ONCE = 64
_STREAMS_AT_ONCE = 100
_STREAMS_OF_ONE = 20
SESSION = "ibackup.session"
"""In the scope that a page gets: the ``BrowserSession`` that asks."""
FORM = "ibackup.form"
"""In the scope that a page gets: a ``Form``, empty if nothing was sent. Its token was right."""

_log = logging.getLogger("ibackup")


class RequestGuard:
    """The ASGI application to serve: the guard, and behind it the pages.

    Args:
        app: the pages. Each request that reaches them has a session. For static files, which need none, this may be one
            that nobody else knows.
        site: where the view is reached.
        sessions: the browsers that were let in.
        tokens: let in, by ``/open?t=…``.
        password: lets in too, by ``/login``; None: there is none.
    """

    def __init__(
        self,
        app: ASGIApp,
        site: Site,
        sessions: BrowserSessions,
        tokens: EntryTokens,
        password: WebPassword | None = None,
    ) -> None:
        self._app = app
        self._site = site
        self._entrance = Entrance(site, sessions, tokens, password)
        self._requests = 0
        self._streams: dict[BrowserSession, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":  # no page has one
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            versioned = scope["path"].startswith(STATIC) and b"v=" in scope["query_string"]
            watched = _WatchedSend(guarded_send(send, KEPT_BY_VERSION if versioned else "no-store"))
            try:
                await self._serve(scope, receive, watched)
            except Exception:
                _log.debug("a page of the view failed", exc_info=True)
                if watched.started:
                    raise
                await BROKEN.response()(scope, receive, watched)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        refused = check_request(scope, self._site, entry=path == OPEN)
        if refused is not None:
            await refused.response()(scope, receive, send)
        elif path.startswith(STATIC):
            scope[SESSION], scope[FORM] = self._entrance.session(scope) or BrowserSession(), NO_FORM
            await self._app(scope, receive, send)
        elif path == OPEN:
            await self._entrance.open(scope)(scope, receive, send)
        elif path == LOGIN:
            response = await self._entrance.login(scope, receive)
            await response(scope, receive, send)
        else:
            await self._with_session(scope, receive, send)

    async def _with_session(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = self._entrance.session(scope)
        if session is None:
            await self._no_session(scope)(scope, receive, send)
        elif scope["path"].endswith(STREAMS) and scope["method"] in READING:
            await self._stream(session, scope, receive, send)
        elif self._requests >= _REQUESTS_AT_ONCE:
            await BUSY.response()(scope, receive, send)
        else:
            self._requests += 1
            try:
                await self._page(session, scope, receive, send)
            finally:
                self._requests -= 1

    def _no_session(self, scope: Scope) -> Response:
        page = Headers(scope=scope).get("sec-fetch-dest", "document") == "document"
        if self._entrance.has_password and scope["method"] in READING and page:
            return RedirectResponse(LOGIN, 303)
        return (LOGGED_OUT if self._entrance.has_password else NO_SESSION).response()

    async def _page(self, session: BrowserSession, scope: Scope, receive: Receive, send: Send) -> None:
        form = NO_FORM if scope["method"] in READING else await _sent_form(session, scope, receive)
        if isinstance(form, RefusedRequest):
            await form.response()(scope, receive, send)
            return
        if scope["method"] not in READING and scope["path"] == LOGOUT and session.logged_in:
            await self._entrance.logout(session)(scope, receive, send)
            return
        session.used()
        scope[SESSION], scope[FORM] = session, form
        await self._app(scope, receive, send)

    async def _stream(self, session: BrowserSession, scope: Scope, receive: Receive, send: Send) -> None:
        of_this = self._streams.get(session, 0)
        if of_this >= _STREAMS_OF_ONE or sum(self._streams.values()) >= _STREAMS_AT_ONCE:
            await TOO_MANY_STREAMS.response()(scope, receive, send)
            return
        self._streams[session] = of_this + 1
        scope[SESSION], scope[FORM] = session, NO_FORM
        try:
            await self._app(scope, receive, send)
        finally:
            self._streams[session] -= 1
            if not self._streams[session]:
                del self._streams[session]


class _WatchedSend:
    """A ``send`` that knows whether the answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)


async def _sent_form(session: BrowserSession, scope: Scope, receive: Receive) -> Form | RefusedRequest:
    form = await read_form(scope, receive)
    return form if isinstance(form, RefusedRequest) or _has_token(session, scope, form) else NO_FORM_TOKEN


def _has_token(session: BrowserSession, scope: Scope, form: Form) -> bool:
    given = Headers(scope=scope).get(CSRF_HEADER) or first(form, CSRF_FIELD)
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), session.csrf.encode())
