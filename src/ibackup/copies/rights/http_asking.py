"""Single requests to a server that keeps a copy."""

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import IO

from ibackup.base.masked_addresses import masked
from ibackup.copies.copy_errors import CopyMissing

_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The status of an answer, and its headers with their names in small letters."""

    status: int
    headers: Mapping[str, str]

    @property
    def is_done(self) -> bool:
        """Whether the server did what was asked."""
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """Whether it may not be done: forbidden, or a method that the server does not have."""
        return self.status in (401, 403, 405, 409)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        """Credentials go nowhere else."""


@cache  # reading all authorities takes longer than the rest of a request, and the keeper may send thousands
def _context(authority: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)


def ask(
    method: str,
    url: str,
    *,
    data: bytes | None = None,
    headers: Mapping[str, str],
    authority: str | None = None,
) -> HttpAnswer:
    """Send one request and forget the body of the answer.

    Args:
        method: such as PUT.
        url: without credentials.
        data: to send.
        headers: with the credentials.
        authority: file with the certificate of one's own authority.

    Raises:
        CopyMissing: the server does not answer.
    """
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=_context(authority)), _NoRedirects()
    )
    request = urllib.request.Request(url, data=data, headers=dict(headers), method=method)  # noqa: S310 - as the config says
    try:
        with opener.open(request, timeout=_PATIENCE_S) as answer:
            return HttpAnswer(answer.status, {name.lower(): value for name, value in answer.headers.items()})
    except urllib.error.HTTPError as error:
        with error:
            return HttpAnswer(error.code, {name.lower(): value for name, value in error.headers.items()})
    except (OSError, http.client.HTTPException) as error:
        raise CopyMissing(
            f"{masked(url)} does not answer.", "away", why=str(error)[:200], hint="Try again later."
        ) from None
