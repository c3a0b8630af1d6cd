"""The form that a POST brings: small, urlencoded, read whole before anything else happens."""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.types import Receive, Scope

from ibackup.view.guard.refused_request import NOT_A_FORM, TOO_LARGE, TOO_SLOW, RefusedRequest

FORM_BYTES = 64 * 1024
_MOST_FIELDS = 4096
_SECONDS = 30.0

Form = Mapping[str, Sequence[str]]
"""The values of each field; a name may come more than once."""
NO_FORM: Form = MappingProxyType({})


async def read_form(scope: Scope, receive: Receive, seconds: float = _SECONDS) -> Form | RefusedRequest:
    """The form that a request brings, if it is of a size that our pages send.

    Args:
        scope: of the request.
        receive: gives the body.
        seconds: it may take in all.
    """
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 9 or int(length) > FORM_BYTES:
        return TOO_LARGE
    if "content-encoding" in headers:
        return NOT_A_FORM
    try:
        async with asyncio.timeout(seconds):
            body = await _all_of(receive)
    except TimeoutError:
        return TOO_SLOW
    if isinstance(body, bytes) and body and not _is_form(headers.get("content-type", "")):
        return NOT_A_FORM
    return _fields(body) if isinstance(body, bytes) else body


async def _all_of(receive: Receive) -> bytes | RefusedRequest:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return TOO_SLOW  # it left; nobody reads this
        body += message.get("body", b"")
        if len(body) > FORM_BYTES:
            return TOO_LARGE
        if not message.get("more_body", False):
            return bytes(body)


def _is_form(content_type: str) -> bool:
    kind, _, rest = content_type.lower().partition(";")
    return kind.strip() == "application/x-www-form-urlencoded" and rest.strip() in ("", "charset=utf-8")


def _fields(body: bytes) -> Form | RefusedRequest:
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:  # of which UnicodeDecodeError is one
        return NOT_A_FORM
    form: dict[str, list[str]] = {}
    for name, value in fields:
        form.setdefault(name, []).append(value)
    return form


def first(form: Form, name: str) -> str:
    """The first value of a field; empty if there is none."""
    return next(iter(form.get(name, ())), "")
