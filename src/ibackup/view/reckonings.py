"""What takes too long for one request: read in the background, kept for the browser session that asked for it."""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from ibackup.base.errors import IbackupError
from ibackup.view.guard.browser_sessions import BrowserSession

_AT_ONCE_S = 1.0
_MOST_KEPT = 24
"""Results for each session; each is small, a few hundred texts and numbers."""


@dataclass
class Reckoning:
    """Something that is being read, or was.

    Attributes:
        done, total: how far it is, in parts; ``total`` is 0 until it is known.
        value: the result, None while it is being read.
        error: why there will be none.
        told: whether a page was given the error.
    """

    done: int = 0
    total: int = 0
    value: Any = None
    error: IbackupError | None = None
    told: bool = False
    over: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether there is a result, or will be none."""
        return self.over.is_set()


Make = Callable[[Reckoning], Any]
"""Reads; it sets ``done`` and ``total`` on its way and may raise IbackupError."""


class Reckonings:
    """The results of all sessions. What a session read of its unlocked backups goes when it is locked.

    Args:
        at_once_s: how long the first to ask waits: small backups need no more.
    """

    def __init__(self, at_once_s: float = _AT_ONCE_S) -> None:
        self._at_once_s = at_once_s
        self._lock = threading.Lock()
        self._of: weakref.WeakKeyDictionary[BrowserSession, OrderedDict[Hashable, Reckoning]] = (
            weakref.WeakKeyDictionary()
        )
        self._turn = threading.Semaphore(1)

    def get(self, session: BrowserSession, key: Hashable, make: Make, *, again: bool = False) -> Reckoning:
        """The result, or how far it is; the first time, reading begins. Waits a moment: small backups need no more.

        An error is given once; who asks again has it read again.

        Args:
            session: who asks.
            key: what for.
            make: reads it.
            again: whether to read it again if there is a result: it is not kept any more where ``make`` put it.
        """
        with self._lock:
            kept = self._of.get(session)
            if kept is None:
                kept = self._of[session] = OrderedDict()
                session.when_locked(_forgetter(weakref.ref(self), weakref.ref(session)))
            found = kept.get(key)
            begins = found is None or found.told or (again and found.value is not None)
            if found is None or begins:
                found = kept[key] = Reckoning()
            kept.move_to_end(key)
            while len(kept) > _MOST_KEPT:
                kept.popitem(last=False)
        if begins:
            threading.Thread(
                target=self._run, args=(found, make), name="ibackup reading", daemon=True
            ).start()
        found.over.wait(self._at_once_s)
        found.told = found.error is not None
        return found

    def peek(self, session: BrowserSession, key: Hashable) -> Reckoning | None:
        """What is there already; begins nothing."""
        with self._lock:
            kept = self._of.get(session)
            return kept.get(key) if kept is not None else None

    def forget(self, session: BrowserSession) -> None:
        """Forget what a session read."""
        with self._lock:
            kept = self._of.get(session)
            if kept is not None:
                kept.clear()

    def _run(self, reckoning: Reckoning, make: Make) -> None:
        # One after the other: each takes a core, and the pages need one, too.
        with self._turn:
            try:
                reckoning.value = make(reckoning)
            except IbackupError as error:
                reckoning.error = error
            except Exception:  # a thread must not end without a word; the page shows it
                reckoning.error = IbackupError("This could not be read.", hint="Load the page again.")
                raise
            finally:
                reckoning.over.set()


def _forgetter(
    all_of_them: "weakref.ref[Reckonings]", session: "weakref.ref[BrowserSession]"
) -> Callable[[], None]:
    def forget() -> None:
        kept, whose = all_of_them(), session()
        if kept is not None and whose is not None:
            kept.forget(whose)

    return forget


RECKONINGS = Reckonings()
"""Those of this process."""
