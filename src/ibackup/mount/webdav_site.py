"""Where a tree is served by WebDAV, and who is let in: every user of this computer reaches loopback."""

import hashlib
import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Final
from urllib.request import parse_http_list, parse_keqv_list

_REALM: Final = "ibackup"
_DIGEST: Final = "Digest "


@dataclass(frozen=True, slots=True)
class WebDavSite:
    """The address of a server.

    Attributes:
        user, password: made for this run alone.
    """

    url: str
    user: str = field(default_factory=lambda: f"ibackup-{secrets.token_hex(3)}")
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    _nonce: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def with_user(self) -> str:
        """The address with the user."""
        return self.url.replace("//", f"//{self.user}@")

    @property
    def hosts(self) -> tuple[str, str]:
        """The ``Host`` headers that are right."""
        port = port_of(self.url)
        return f"127.0.0.1:{port}", f"localhost:{port}"

    @property
    def challenges(self) -> tuple[str, str]:
        """What a client may answer; Windows gives no password in the clear to a server without TLS."""
        return (
            f'Digest realm="{_REALM}", qop="auth", algorithm=MD5, nonce="{self._nonce}"',
            f'Basic realm="{_REALM}", charset="UTF-8"',
        )

    def lets_in(self, method: str, authorization: str) -> bool:
        """Whether an ``Authorization`` header has the user and the password, or proves that the client knows them."""
        if authorization[: len(_DIGEST)].lower() == _DIGEST.lower():
            return self._proves(method, authorization[len(_DIGEST) :])
        right = b"Basic " + b64encode(f"{self.user}:{self.password}".encode())
        return secrets.compare_digest(authorization.encode("latin-1", "replace"), right)

    def _proves(self, method: str, text: str) -> bool:
        """RFC 7616 with MD5, as Windows has it. An answer may come twice: only root can listen on loopback."""
        try:
            given = parse_keqv_list(parse_http_list(text))
            parts = [given[name] for name in ("nonce", "nc", "cnonce", "qop")]
            expected = _md5(_md5(self.user, _REALM, self.password), *parts, _md5(method, given["uri"]))
            said = given["response"]
        except (KeyError, ValueError, IndexError):
            return False
        return (
            given.get("username") == self.user
            and parts[0] == self._nonce
            and secrets.compare_digest(said.encode("latin-1", "replace"), expected.encode())
        )


def port_of(address: str) -> int:
    """The port of such an address, with or without a user. Raises ValueError."""
    return int(address.rstrip("/").rpartition(":")[2])


def _md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
