"""The ways in: the address that ``ibackup open`` opens, and the web password; and the way out."""

import asyncio
import math
from collections import Counter
from html import escape
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope

from ibackup.base.durations import duration_words
from ibackup.view.guard.browser_sessions import BrowserSession, BrowserSessions
from ibackup.view.guard.entry_tokens import EntryTokens
from ibackup.view.guard.refused_request import BAD_METHOD, BUSY, USED_LINK, RefusedRequest, plain_page
from ibackup.view.guard.request_checks import asker
from ibackup.view.guard.sent_form import first, read_form
from ibackup.view.guard.site import Site
from ibackup.view.guard.web_password import LoginAttempts, WebPassword

OPEN = "/open"
LOGIN = "/login"
LOGOUT = "/logout"
_HOME = "/"
_LOGINS_AT_ONCE = 32
_OF_ONE_ADDRESS = 4
_LONGEST_PASSWORD = 4096  # characters
_LOGIN_FORM = (
    '{note}<form method="post" action="/login" class="stack-close"><div class="field">'
    '<label for="password">Web password</label>'
    '<input id="password" name="password" type="password" autocomplete="current-password" required autofocus></div>'
    '<p class="acts"><button class="button main"><span>Log in</span></button></p></form>'
    '<p class="quiet">The one that was chosen for this server. It is not the password of a backup.</p>'
)


class Entrance:
    """Answers the addresses that need no session.

    Args:
        site: where the view is reached.
        sessions: where new ones are made.
        tokens: those that open it by ``/open?t=…``.
        password: the web password; None: the view cannot be entered with one.
        attempts: limits guessing it.
    """

    def __init__(
        self,
        site: Site,
        sessions: BrowserSessions,
        tokens: EntryTokens,
        password: WebPassword | None = None,
        attempts: LoginAttempts | None = None,
    ) -> None:
        self._site = site
        self._sessions = sessions
        self._tokens = tokens
        self._password = password
        self._attempts = attempts or LoginAttempts()
        self._logging_in: Counter[str] = Counter()

    def session(self, scope: Scope) -> BrowserSession | None:
        """The session that a request's cookie belongs to."""
        for line in Headers(scope=scope).getlist("cookie"):
            for pair in line.split(";"):
                name, _, value = pair.partition("=")
                if name.strip() == self._site.cookie_name:
                    session = self._sessions.find(value.strip())
                    if session is not None:
                        return session
        return None

    @property
    def has_password(self) -> bool:
        """Whether the web password lets in."""
        return self._password is not None

    # -- by token -------------------------------------------------------------------------------------------

    def open(self, scope: Scope) -> Response:
        """``/open?t=…``: exchange a token for a cookie."""
        headers = Headers(scope=scope)
        if scope["method"] != "GET":
            return BAD_METHOD.response()
        if "prefetch" in headers.get("sec-purpose", "") or headers.get("purpose") == "prefetch":
            return BUSY.response()  # a browser that looks ahead would use up the token
        token = parse_qs(scope["query_string"].decode("latin-1")).get("t", [""])[0]
        if not self._tokens.use(token):
            return USED_LINK.response() if self.session(scope) is None else RedirectResponse(_HOME, 303)
        if headers.get("sec-fetch-site", "none") == "none":
            response: Response = RedirectResponse(_HOME, 303)
        else:
            # Browsers send a Strict cookie along no redirect that began on another page; a page of ours is a new start.
            response = HTMLResponse(
                '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>ibackup</title>'
                '<meta http-equiv="refresh" content="0; url=/"></head>'
                '<body><p><a href="/">Open ibackup</a></p></body></html>\n'
            )
        if self.session(scope) is None:
            self._let_in(response)
        return response

    # -- by password ----------------------------------------------------------------------------------------

    async def login(self, scope: Scope, receive: Receive) -> Response:
        """``/login``: the form, and its answer."""
        if self._password is None:
            return RefusedRequest(404, "This address is not one of ibackup's.").response()
        if scope["method"] != "POST":
            return _login_page() if self.session(scope) is None else RedirectResponse(_HOME, 303)
        address = asker(scope, self._site)
        # Counted before the form has arrived: one address that sends slowly must not keep the others waiting.
        if self._logging_in[address] >= _OF_ONE_ADDRESS or self._logging_in.total() >= _LOGINS_AT_ONCE:
            return BUSY.response()
        self._logging_in[address] += 1
        try:
            return await self._answer_login(address, self._password, scope, receive)
        finally:
            self._logging_in[address] -= 1
            if not self._logging_in[address]:
                del self._logging_in[address]

    async def _answer_login(
        self, address: str, password: WebPassword, scope: Scope, receive: Receive
    ) -> Response:
        form = await read_form(scope, receive)
        if isinstance(form, RefusedRequest):
            return form.response()
        wait = self._attempts.begin(address)
        if wait:
            seconds = math.ceil(wait)
            note = f"Too many wrong passwords. Try again in {duration_words(seconds)}."
            return _login_page(note, 429, {"Retry-After": str(seconds)})
        given = first(form, "password")
        if len(given) > _LONGEST_PASSWORD or not await asyncio.to_thread(password.fits, given):
            return _login_page("This is not the web password.", 403)
        self._attempts.worked(address)
        response = RedirectResponse(_HOME, 303)
        self._let_in(response, logged_in=True)
        return response

    def logout(self, session: BrowserSession) -> Response:
        """End a session, on its own request."""
        self._sessions.end(session)
        response = RedirectResponse(LOGIN if self.has_password else _HOME, 303)
        response.headers["Clear-Site-Data"] = '"cache"'
        response.delete_cookie(
            self._site.cookie_name, secure=self._site.secure, httponly=True, samesite="strict"
        )
        return response

    def _let_in(self, response: Response, *, logged_in: bool = False) -> None:
        _, cookie = self._sessions.create(logged_in=logged_in)
        response.set_cookie(
            self._site.cookie_name,
            cookie,
            path="/",
            secure=self._site.secure,
            httponly=True,
            samesite="strict",
        )


def _login_page(note: str = "", status: int = 200, headers: dict[str, str] | None = None) -> Response:
    form = _LOGIN_FORM.format(note=f'<p role="alert" class="notice wait">{escape(note)}</p>' if note else "")
    return plain_page("Log in to ibackup", form, status, headers)
