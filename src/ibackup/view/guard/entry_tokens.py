"""The tokens in the address that ``ibackup open`` opens: each is good once, for a minute."""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable

from ibackup.view.guard.awake_clock import seconds_passed

TOKEN_SECONDS = 60.0
_BYTES = 32
_MOST = 16  # waiting at once; one is made for each `ibackup open`


class EntryTokens:
    """The tokens that are still good. Only their hashes are kept.

    Args:
        clock: seconds; only differences count.
    """

    def __init__(self, clock: Callable[[], float] = seconds_passed) -> None:
        self._clock = clock
        self._good_until: dict[bytes, float] = {}
        self._lock = threading.Lock()

    def make(self) -> str:
        """A new token, safe in an address."""
        token = secrets.token_urlsafe(_BYTES)
        with self._lock:
            self._forget_old()
            while len(self._good_until) >= _MOST:
                del self._good_until[next(iter(self._good_until))]
            self._good_until[_hash(token)] = self._clock() + TOKEN_SECONDS
        return token

    def use(self, token: str) -> bool:
        """Whether a token is good; from now on it no longer is."""
        given = _hash(token)
        with self._lock:
            self._forget_old()
            # All are compared, so that the time this takes says nothing.
            found = [known for known in self._good_until if hmac.compare_digest(known, given)]
            for known in found:
                del self._good_until[known]
        return bool(found)

    def _forget_old(self) -> None:
        now = self._clock()
        self._good_until = {known: until for known, until in self._good_until.items() if now < until}


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
