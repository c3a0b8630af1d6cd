"""A request that is refused, and the plain page that says so."""

from dataclasses import dataclass, field
from html import escape

from starlette.responses import HTMLResponse, Response

_SHEETS = "".join(
    f'<link rel="stylesheet" href="/static/{name}.css">' for name in ("base", "frame", "parts", "scenes")
)


@dataclass(frozen=True)
class RefusedRequest:
    """Why a request is not served.

    Attributes:
        status: the HTTP status.
        what: what happened, one sentence.
        hint: what to do next; empty if there is nothing.
        headers: more headers of the answer.
    """

    status: int
    what: str
    hint: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """The page. It needs no session, and shows nothing of what was asked for."""
        return plain_page(
            self.what, f"<p>{escape(self.hint)}</p>" if self.hint else "", self.status, self.headers
        )


def plain_page(heading: str, body: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A page outside the frame that all others have.

    Args:
        heading: plain text.
        body: HTML.
        status: the HTTP status.
        headers: more headers.
    """
    html = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>ibackup</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="/static/icon.svg">'
        f"{_SHEETS}</head>"
        f'<body><main id="main" class="alone"><section class="card narrow stack">'
        f"<h1>{escape(heading)}</h1>{body}</section></main></body></html>\n"
    )
    return HTMLResponse(html, status, headers)


OPEN_AGAIN = "Open it again with `ibackup open`."

NO_SESSION = RefusedRequest(403, "This browser was not let in, or ibackup was started again.", OPEN_AGAIN)
LOGGED_OUT = RefusedRequest(403, "This browser is not logged in.", "Load the page again, and log in.")
USED_LINK = RefusedRequest(
    403,
    "This link was used already, or it is older than a minute.",
    f"{OPEN_AGAIN} If you did not use the link yourself, first end ibackup with Ctrl-C where it runs.",
)
OTHER_USER = RefusedRequest(
    403,
    "This is the view of another user of this computer.",
    "Run `ibackup open` as the user who uses the browser.",
)
WRONG_HOST = RefusedRequest(
    421, "ibackup is not reached under this name.", "Use the address that ibackup printed."
)
NOT_THE_PROXY = RefusedRequest(403, "ibackup answers only its proxy.", "Use the address of the proxy.")
PROXY_NOT_SECURE = RefusedRequest(
    403,
    "The connection to the proxy is not encrypted, or the proxy does not say so.",
    "Use https. The proxy must set the header X-Forwarded-Proto.",
)
FROM_ELSEWHERE = RefusedRequest(
    403, "Another page led here, so nothing was done.", "Type the address of ibackup, or use a bookmark."
)
NO_FORM_TOKEN = RefusedRequest(
    403,
    "This form is out of date, so nothing was done.",
    "Go back, load the page again, and send it once more.",
)
BAD_ADDRESS = RefusedRequest(400, "This address is not one of ibackup's.")
TOO_LONG = RefusedRequest(431, "This address, or what the browser sent with it, is too long.")
BAD_METHOD = RefusedRequest(
    405, "ibackup does not know this kind of request.", headers={"Allow": "GET, HEAD, POST"}
)
TOO_LARGE = RefusedRequest(
    413, "This form is too large, so nothing was done.", "Choose fewer things at once."
)
NOT_A_FORM = RefusedRequest(415, "ibackup reads only forms here, so nothing was done.")
TOO_SLOW = RefusedRequest(408, "The form did not arrive in time, so nothing was done.", "Send it again.")
BUSY = RefusedRequest(
    503,
    "ibackup is answering too many requests.",
    "Wait a moment, then load the page again.",
    {"Retry-After": "2"},
)
TOO_MANY_STREAMS = RefusedRequest(
    503, "Too many pages of ibackup are open.", "Close some of them.", {"Retry-After": "15"}
)
BROKEN = RefusedRequest(
    500, "This page failed because of an error in ibackup.", "Your backups are unchanged."
)
