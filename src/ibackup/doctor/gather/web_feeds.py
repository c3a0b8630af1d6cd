"""Pages fetched over HTTPS, bounded in time and size, and kept for an hour in this user's cache.

Verification is never switched off. Redirections are followed over HTTPS alone.
"""

import base64
import contextlib
import http.client
import json
import os
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import IO

from ibackup import __version__
from ibackup.base.certificates import web_context

KEPT_SECONDS = 3600.0
_CLOCK_SECONDS = 120.0
_SCHEMA = 1
_CHUNK = 64 << 10
_OUT_OF_DATE = (9, 10)  # OpenSSL: not valid yet, expired


class NotFetched(Exception):
    """A page could not be fetched; the argument is part of a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        body: what it says.
        fetched: when, by this computer's clock.
        ahead: seconds by which that clock was ahead of the server's; None if unknown, as for a page from the cache.
    """

    body: bytes
    fetched: datetime
    ahead: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a page is.

    Attributes:
        name: of its file in the cache.
        url: https.
        limit: the largest size in bytes.
        roots: PEM of the only trusted root certificates; empty: those of the system.
    """

    name: str
    url: str
    limit: int
    roots: str = ""


def get(feed: Feed, folder: str, *, seconds: float) -> Page:
    """Return the page from the cache, or fetch and cache it.

    Args:
        feed: which.
        folder: of the cache; created if missing. If it cannot be written, nothing is cached.
        seconds: for the whole fetch except name resolution, which the system limits.

    Raises:
        NotFetched: it cannot be fetched.
    """
    path = os.path.join(folder, f"{feed.name}.json")
    kept = _kept(path, feed)
    if kept is not None:
        return kept
    page = _fetch(feed, seconds)
    if (
        page.ahead is None or abs(page.ahead) < _CLOCK_SECONDS
    ):  # with a wrong clock, its age would be unknown later
        with contextlib.suppress(OSError):
            _keep(path, feed, page)
    return page


class _HttpsAlone(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise NotFetched("it redirects to an address without encryption")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _fetch(feed: Feed, seconds: float) -> Page:
    end = time.monotonic() + seconds
    context = web_context(feed.roots)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _HttpsAlone())
    request = urllib.request.Request(feed.url, headers={"User-Agent": f"ibackup/{__version__}"})  # noqa: S310
    try:
        with opener.open(request, timeout=seconds) as answer:
            now = datetime.now(UTC)
            return Page(_body(answer, feed.limit, end), now, _ahead(answer.headers, now))
    except urllib.error.HTTPError as error:
        with error:
            raise NotFetched(f"the server answered {error.code}") from None
    except urllib.error.URLError as error:
        raise NotFetched(_reason(error.reason)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotFetched(_reason(error)) from None


def _ahead(headers: Message, now: datetime) -> float | None:
    """From the response's Date, plus the Age that a cache on the way reports for the time it kept it."""
    try:
        date = parsedate_to_datetime(headers.get("Date", ""))
        age = int(headers.get("Age", "0"))
        return (now - date).total_seconds() - age
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a zone
        return None


def _body(answer: http.client.HTTPResponse, limit: int, end: float) -> bytes:
    body = bytearray()
    while chunk := answer.read1(_CHUNK):
        body += chunk
        if len(body) > limit:
            raise NotFetched("it is larger than it should be")
        if time.monotonic() > end:
            raise NotFetched("it did not arrive in time")
    return bytes(body)


def _reason(error: object) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OUT_OF_DATE:
            return "its certificate is not valid on the date of this computer's clock"
        return "its certificate could not be verified"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return "it could not be reached"


def _kept(path: str, feed: Feed) -> Page | None:
    try:
        with open(path, "rb") as source:
            record = json.loads(source.read(feed.limit * 2 + 4096))
        if record["schema"] != _SCHEMA or record["url"] != feed.url:
            return None
        fetched = datetime.fromisoformat(record["fetched"])
        if not 0 <= (datetime.now(UTC) - fetched).total_seconds() < KEPT_SECONDS:
            return None
        return Page(base64.b64decode(record["body"], validate=True), fetched)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None  # missing or damaged: fetched again


def _keep(path: str, feed: Feed, page: Page) -> None:
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    record = {
        "schema": _SCHEMA,
        "url": feed.url,
        "fetched": page.fetched.isoformat(),
        "body": base64.b64encode(page.body).decode("ascii"),
    }
    fd, new = tempfile.mkstemp(dir=folder, prefix=f".{feed.name}-")  # mode 0600
    try:
        with open(fd, "w", encoding="ascii") as target:
            json.dump(record, target)
        os.replace(new, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
