"""The password of a view that other computers reach: only its hash is kept, and guessing is slow."""

import hashlib
import hmac
import ipaddress
import secrets
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Callable

from ibackup.view.guard.awake_clock import seconds_passed

_COST = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}  # 32 MiB and about a tenth of a second
_FREE_TRIES = 4
_LONGEST_WAIT = 15 * 60.0  # seconds
_FORGIVEN_AFTER = 24 * 3600.0  # seconds
_ALL_TRIES = 20  # of all addresses together; one more every:
_ALL_SECONDS = 6.0
_MOST_ADDRESSES = 4096


class WebPassword:
    """A password that can be compared, and not read."""

    def __init__(self, password: str) -> None:
        self._salt = secrets.token_bytes(16)
        self._hash = self._of(password)
        self._one_at_a_time = threading.Lock()

    def fits(self, given: str) -> bool:
        """Whether it is the password. This takes a tenth of a second, and one at a time because of the memory."""
        with self._one_at_a_time:
            return hmac.compare_digest(self._hash, self._of(given))

    def _of(self, password: str) -> bytes:
        text = unicodedata.normalize("NFC", password)  # keyboards encode accented letters differently
        return hashlib.scrypt(text.encode("utf-8", "surrogatepass"), salt=self._salt, **_COST)


class LoginAttempts:
    """Limits guessing, for each address and for all together.

    An address has a few free tries; then it waits twice as long after each. All together have a slow flow of tries, so
    that many addresses are not many tries. An address that once knew the password does not wait for the others.

    Args:
        clock: seconds; only differences count.
    """

    def __init__(self, clock: Callable[[], float] = seconds_passed) -> None:
        self._clock = clock
        self._tries: OrderedDict[str, tuple[int, float]] = (
            OrderedDict()
        )  # how many failed, and when the last one began
        self._knew: OrderedDict[str, None] = OrderedDict()
        self._all_free = float(_ALL_TRIES)
        self._all_since = clock()
        self._lock = threading.Lock()

    def begin(self, address: str) -> float:
        """Begin a try and return 0, or return the seconds to wait. It counts as failed until ``worked``."""
        who = _group(address)
        with self._lock:
            now = self._clock()
            count, last = self._tries.get(who, (0, now))
            if now - last >= _FORGIVEN_AFTER:
                count = 0
            wait = last + _wait_after(count) - now
            if wait > 0:
                return wait
            if who not in self._knew:
                self._all_free = min(_ALL_TRIES, self._all_free + (now - self._all_since) / _ALL_SECONDS)
                self._all_since = now
                if self._all_free < 1:
                    return (1 - self._all_free) * _ALL_SECONDS
                self._all_free -= 1
            self._tries[who] = (count + 1, now)
            self._tries.move_to_end(who)
            while len(self._tries) > _MOST_ADDRESSES:
                self._tries.popitem(last=False)
            return 0

    def worked(self, address: str) -> None:
        """The try was right: forget the failed ones of this address."""
        who = _group(address)
        with self._lock:
            self._tries.pop(who, None)
            self._knew[who] = None
            self._knew.move_to_end(who)
            while len(self._knew) > _MOST_ADDRESSES:
                self._knew.popitem(last=False)


def _wait_after(failed: int) -> float:
    return min(2.0 ** (failed - _FREE_TRIES), _LONGEST_WAIT) if failed >= _FREE_TRIES else 0.0


def _group(address: str) -> str:
    """Whom an address stands for: with IPv6, everyone has a whole /64."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((known, 64), strict=False)) if known.version == 6 else str(known)
