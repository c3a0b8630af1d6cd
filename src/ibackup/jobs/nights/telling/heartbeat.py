"""Heartbeats in the Healthchecks style: it expects a ping every day and raises an alarm without one."""

import http.client
import urllib.error
import urllib.request
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from ibackup.base.certificates import web_context

_SECONDS = 10.0
_TRIES = 2
_ENDINGS = {"start": "/start", "success": "", "fail": "/fail", "log": "/log"}
_LONGEST = 10_000


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the address is a secret, and a redirect leads to a place its owner did not choose."""

    def redirect_request(self, *_: object) -> None:
        """Return no new request; the answer then counts as an error like any other."""


def ping(url: str, beat: Literal["start", "success", "fail", "log"], text: str = "") -> str:
    """Ping it; returns a sentence about what went wrong, without the address, or nothing.

    Args:
        url: its address, http or https; the ending for the beat is added to its path.
        beat: what happened; ``log`` is a test, which changes nothing there.
        text: goes along in the body.
    """
    parts = urlsplit(url)
    address = urlunsplit(parts._replace(path=parts.path.rstrip("/") + _ENDINGS[beat], fragment=""))
    opener = urllib.request.build_opener(_StayHere, urllib.request.HTTPSHandler(context=web_context()))
    why = ""
    for _ in range(_TRIES):
        try:
            request = urllib.request.Request(  # noqa: S310 - the config takes http and https alone
                address, data=text.encode()[:_LONGEST], headers={"User-Agent": "ibackup"}, method="POST"
            )
            with opener.open(request, timeout=_SECONDS) as answer:
                answer.read(1024)
                return ""
        except urllib.error.HTTPError as error:
            why = f"it answered {error.code}"
            error.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            # The error's own text may repeat the address.
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            why = (isinstance(reason, OSError) and reason.strerror) or type(reason).__name__
    return f"The heartbeat ({beat}) could not be sent to {parts.hostname}: {why}."
