"""When someone was last seen to be at a phone that is reached over Wi-Fi."""

import threading
from datetime import datetime, timedelta

from ibackup.base.udids import plain_udid

_FRESH = timedelta(minutes=2)


class SignsOfLife:
    """Shared by the thread that looks for phones and by their turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, datetime] = {}

    def note(self, udid: str, moment: datetime) -> None:
        """The phone was seen unlocked, or answered after it had slept."""
        with self._lock:
            self._seen[plain_udid(udid)] = moment

    def fresh(self, udid: str, now: datetime) -> bool:
        """Whether that was so recently that someone may still be there."""
        with self._lock:
            seen = self._seen.get(plain_udid(udid))
        return seen is not None and now - seen <= _FRESH
