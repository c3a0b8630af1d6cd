"""What must be true of each request before a page sees it. Each check returns why not, or None."""

import re
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers
from starlette.types import Scope

from ibackup.view.guard.refused_request import (
    BAD_ADDRESS,
    BAD_METHOD,
    FROM_ELSEWHERE,
    NOT_THE_PROXY,
    PROXY_NOT_SECURE,
    TOO_LONG,
    WRONG_HOST,
    RefusedRequest,
)
from ibackup.view.guard.site import Site

HEAD_BYTES = 16 * 1024
"""Of a request: address, names and values of its headers."""
READING = ("GET", "HEAD")
METHODS = (*READING, "POST")
_OUTSIDE_TEXT = re.compile(rb"[\x00-\x1f\x7f]")
_EMBEDDED = frozenset(
    ["embed", "fencedframe", "frame", "iframe", "object", "serviceworker", "sharedworker", "worker"]
)
"""No page of ours loads another as one of these (Sec-Fetch-Dest)."""


def check_request(scope: Scope, site: Site, *, entry: bool) -> RefusedRequest | None:
    """Everything that can be told from the head of a request.

    Args:
        scope: of the request.
        site: which addresses are right.
        entry: pages of other programs may lead here, since what stands in the address lets in.
    """
    headers = Headers(scope=scope)
    return (
        _check_size(scope)
        or _check_method(scope)
        or _check_peer(scope, site, headers)
        or _check_host(site, headers)
        or _check_address(scope)
        or _check_origin(scope["method"], site, headers, entry=entry)
    )


def _check_size(scope: Scope) -> RefusedRequest | None:
    size = len(scope["path"]) + len(scope["query_string"])
    size += sum(len(name) + len(value) for name, value in scope["headers"])
    return TOO_LONG if size > HEAD_BYTES else None


def _check_method(scope: Scope) -> RefusedRequest | None:
    return None if scope["method"] in METHODS else BAD_METHOD


def _check_peer(scope: Scope, site: Site, headers: Headers) -> RefusedRequest | None:
    if site.proxy is None:
        return None
    if peer(scope) != site.proxy:
        return NOT_THE_PROXY
    return None if headers.getlist("x-forwarded-proto")[-1:] == ["https"] else PROXY_NOT_SECURE


def peer(scope: Scope) -> str:
    """The address that connected; empty if it is unknown."""
    client = scope.get("client")
    return str(client[0]).removeprefix("::ffff:") if client else ""


def asker(scope: Scope, site: Site) -> str:
    """The address of the browser: what the proxy says, and the peer if there is no proxy.

    A proxy appends the address that it sees, so that only the last one is its word.
    """
    if site.proxy is None:
        return peer(scope)
    said = Headers(scope=scope).getlist("x-forwarded-for")
    return said[-1].rpartition(",")[2].strip() if said else peer(scope)


def _check_host(site: Site, headers: Headers) -> RefusedRequest | None:
    hosts = headers.getlist("host")
    return None if len(hosts) == 1 and site.is_host(hosts[0]) else WRONG_HOST


def _check_address(scope: Scope) -> RefusedRequest | None:
    """Refuse an address that two readers could understand differently."""
    raw = scope.get("raw_path") or scope["path"].encode()
    plain = unquote_to_bytes(raw)
    steps = plain.replace(b"\\", b"/").split(b"/")
    if (
        not raw.startswith(b"/")
        or raw.startswith(b"//")
        or b"%2f" in raw.lower()
        or b".." in steps
        or b"." in steps
        or _OUTSIDE_TEXT.search(plain)
    ):
        return BAD_ADDRESS
    try:
        plain.decode()
    except UnicodeDecodeError:
        return BAD_ADDRESS
    return None


def _check_origin(method: str, site: Site, headers: Headers, *, entry: bool) -> RefusedRequest | None:
    """Refuse what another page caused, also a page on another port of this computer.

    Browsers say where a request comes from, in Sec-Fetch-Site; older ones only in Origin, where ours is ``null`` after
    a form, because our pages send no referrer. An ``Origin: null`` alone may also be anyone's.
    """
    where = headers.getlist("sec-fetch-site")
    origins = headers.getlist("origin")
    ours = all(site.is_origin(each) for each in origins)
    if not where:
        return None if ours and (method in READING or origins) else FROM_ELSEWHERE
    if where == ["same-origin"]:
        fine = ours or origins == ["null"]
    elif method in READING and where == ["none"]:  # typed, a bookmark, or started by another program
        fine = ours
    else:
        fine = entry and method in READING and not origins and headers.get("sec-fetch-mode") == "navigate"
    return None if fine and headers.get("sec-fetch-dest") not in _EMBEDDED else FROM_ELSEWHERE
