"""Heartbeats, as Healthchecks takes them: it expects a ping every day and raises the alarm when none comes."""

import http.client
import urllib.error
import urllib.request
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

_SECONDS = 10.0
_TRIES = 2
_ENDINGS = {"start": "/start", "success": "", "fail": "/fail"}
_LONGEST = 10_000


def ping(url: str, beat: Literal["start", "success", "fail"], text: str = "") -> str:
    """Ping it; a sentence about what went wrong, which never holds the address, or nothing.

    Args:
        url: its address, http or https; the ending for the beat is added to its path.
        beat: what happened.
        text: goes along in the body.
    """
    parts = urlsplit(url)
    address = urlunsplit(parts._replace(path=parts.path.rstrip("/") + _ENDINGS[beat], fragment=""))
    why = ""
    for _ in range(_TRIES):
        try:
            request = urllib.request.Request(  # noqa: S310 - the config takes http and https alone
                address, data=text.encode()[:_LONGEST], headers={"User-Agent": "ibackup"}, method="POST"
            )
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - likewise
                answer.read(1024)
                return ""
        except urllib.error.HTTPError as error:
            why = f"it answered {error.code}"
            error.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            # The error's own words may repeat the address.
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            why = (isinstance(reason, OSError) and reason.strerror) or type(reason).__name__
    return f"The heartbeat ({beat}) could not be sent to {parts.hostname}: {why}."
