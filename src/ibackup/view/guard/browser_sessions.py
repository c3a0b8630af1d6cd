"""What the server remembers of one browser: what that browser has unlocked, until it is locked or idle."""

import hashlib
import secrets
import threading
import weakref
from collections.abc import Callable

from ibackup.apple.backup import Backup
from ibackup.vault.unlocker import Unlocker
from ibackup.view.guard.awake_clock import seconds_passed

IDLE_SECONDS = 15 * 60.0
"""Without a request for this long, a session forgets every password and key."""
LOGIN_SECONDS = 12 * 3600.0
"""Without a request for this long, a browser that logged in with the web password must do so again."""
_MOST_SESSIONS = 32


class BrowserSession:
    """One browser that was let in. Safe to use from several threads.

    An unlocked phone belongs to this session alone. No password source of the config file opens anything here.

    Attributes:
        csrf: stands in each form; a request that changes something must bring it.
        logged_in: it came in with the web password, so it can log out.
    """

    def __init__(self, clock: Callable[[], float] = seconds_passed, *, logged_in: bool = False) -> None:
        self.csrf = secrets.token_urlsafe(32)
        self.logged_in = logged_in
        self._clock = clock
        self._used = clock()
        self._unlockers: dict[str, Unlocker] = {}
        self._listeners: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._trying = threading.Lock()

    # -- what is unlocked -----------------------------------------------------------------------------------

    def unlock(self, udid: str, password: str, backup: Backup) -> None:
        """Open a backup of a phone with a password, and remember the password if it is right.

        Only one password is tried at a time, because each takes a second of computing.

        Raises:
            PasswordWrong: it does not open this backup; nothing is remembered.
        """
        unlocker = Unlocker(password=lambda _udid: password)
        with self._trying:
            unlocker.find_password(backup, udid)
        with self._lock:
            self._unlockers[udid] = unlocker
            self._used = self._clock()

    def unlocker_for(self, udid: str) -> Unlocker:
        """What opens the backups of a phone; while the phone is locked, this opens nothing."""
        self.lock_if_idle()
        with self._lock:
            return self._unlockers.get(udid) or Unlocker()

    @property
    def unlocked(self) -> frozenset[str]:
        """The UDIDs of the phones whose backups are unlocked."""
        self.lock_if_idle()
        with self._lock:
            return frozenset(self._unlockers)

    def lock(self) -> None:
        """Forget every password and key, and tell the listeners if there was any."""
        with self._lock:
            was_open = bool(self._unlockers)
            self._unlockers.clear()
            listeners = list(self._listeners) if was_open else []
        for listener in listeners:
            listener()

    def when_locked(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have a listener called at each locking, from any thread; returns what ends that.

        A listener must be quick and must not raise.
        """
        with self._lock:
            self._listeners.append(listener)

        def no_longer() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return no_longer

    # -- time -----------------------------------------------------------------------------------------------

    @property
    def seconds_left(self) -> float:
        """Until it locks itself, if no request comes."""
        return max(0.0, IDLE_SECONDS - self.idle_seconds)

    @property
    def idle_seconds(self) -> float:
        """Since its last request."""
        return self._clock() - self._used

    def used(self) -> None:
        """Count a request as use. What was idle for too long is locked first."""
        self.lock_if_idle()
        with self._lock:
            self._used = self._clock()

    def lock_if_idle(self) -> None:
        """Lock it if its time is up."""
        if self.idle_seconds >= IDLE_SECONDS:
            self.lock()


class BrowserSessions:
    """All browsers that were let in, found by their cookie. Only the cookie's hash is kept.

    A thread locks idle sessions; ``close`` ends it.

    Args:
        clock: seconds; only differences count.
        look_every: how often the thread looks at the clock, in seconds. It looks often because a thread that waits does
            not notice that the computer slept.
    """

    def __init__(self, clock: Callable[[], float] = seconds_passed, look_every: float = 5.0) -> None:
        self._clock = clock
        self._sessions: dict[bytes, BrowserSession] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(
            target=_lock_idle_ones,
            args=(weakref.ref(self), self._closed, look_every),
            name="idle sessions",
            daemon=True,
        ).start()

    def create(self, *, logged_in: bool = False) -> tuple[BrowserSession, str]:
        """A new session, and the value of its cookie. If there are too many, the one idle for longest ends."""
        session = BrowserSession(self._clock, logged_in=logged_in)
        cookie = secrets.token_urlsafe(32)
        ended = []
        with self._lock:
            while len(self._sessions) >= _MOST_SESSIONS:
                longest = max(self._sessions, key=lambda key: self._sessions[key].idle_seconds)
                ended.append(self._sessions.pop(longest))
            self._sessions[_hash(cookie)] = session
        for each in ended:
            each.lock()
        return session, cookie

    def find(self, cookie: str) -> BrowserSession | None:
        """The session of a cookie, or None."""
        # Looked up by hash, so that the time this takes tells a guesser nothing.
        with self._lock:
            session = self._sessions.get(_hash(cookie))
        if session is not None and session.logged_in and session.idle_seconds >= LOGIN_SECONDS:
            self.end(session)
            return None
        return session

    def end(self, session: BrowserSession) -> None:
        """Lock a session, and no longer know its cookie."""
        with self._lock:
            self._sessions = {key: each for key, each in self._sessions.items() if each is not session}
        session.lock()

    def lock_idle(self) -> None:
        """Lock each session whose time is up."""
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.lock_if_idle()

    def close(self) -> None:
        """Lock all, and end the thread."""
        self._closed.set()
        with self._lock:
            sessions = list(self._sessions.values())
            self._sessions.clear()
        for session in sessions:
            session.lock()


def _lock_idle_ones(
    sessions: "weakref.ref[BrowserSessions]", closed: threading.Event, look_every: float
) -> None:
    while not closed.wait(look_every):
        there = sessions()
        if there is None:
            return
        there.lock_idle()
        del there


def _hash(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()
