"""Where one browser's searches happen: a thread that keeps the indexes open from one letter to the next.

The first search reads all backups, which can take minutes: a page asks again and again, and shows how far that is.
When the session is locked, or nobody has searched for a while, everything is closed and forgotten.
"""

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from ibackup.base import slices
from ibackup.base.errors import IbackupError, Interrupted
from ibackup.base.events import Event, PhaseStarted, Progress
from ibackup.search.index_container import IndexUnusable
from ibackup.search.open_indexes import IndexOpener, OpenIndexes
from ibackup.search.search_gaps import SearchGap
from ibackup.search.search_hits import HitTimes, Searched, SearchHit, SearchRequest
from ibackup.store.phone_folder import PhoneFolder
from ibackup.vault.unlocker import Unlocker

IDLE_S: Final = 120.0
"""Without a question for this long, the indexes are closed: they take memory."""
PARTS: Final = 42
"""Bars of the picture that shows when hits are from."""


@dataclass(frozen=True)
class PhoneToSearch:
    """A phone as it is now.

    Attributes:
        backups: the ids of its backups: other ones mean that the indexes must be brought up to date.
        unlocked: whether the session has its password; with it, more can be searched.
        folder: of the store; None for a backup folder that was opened.
        path: of that folder.
    """

    udid: str
    backups: tuple[str, ...]
    unlocked: bool
    store: str
    path: str
    folder: PhoneFolder | None = field(compare=False)
    unlocker: Unlocker = field(compare=False, repr=False)


@dataclass(frozen=True)
class SearchQuestion:
    """What is searched for, and in which phones."""

    request: SearchRequest
    phones: tuple[PhoneToSearch, ...]


@dataclass(frozen=True)
class PhoneFound:
    """What one phone has: hits by kind, the first ones of each, and how many there are.

    Attributes:
        snapshots: the ids of those that were searched, oldest first.
        gone: how many hits the newest of these does not have.
    """

    udid: str
    counts: dict[str, int]
    hits: dict[str, tuple[SearchHit, ...]]
    snapshots: tuple[str, ...]
    gaps: tuple[SearchGap, ...]
    gone: int
    times: HitTimes | None


@dataclass(frozen=True)
class SearchProgress:
    """How far the reading is.

    Attributes:
        text: what is done.
        done: a share of one; None if that is not known.
    """

    text: str = ""
    done: float | None = None


class SearchRoom:
    """The searches of one browser session. Safe to use from several threads."""

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        self._changed = threading.Condition()
        self._work: _Work | None = None

    def ask(self, question: SearchQuestion, patience_s: float) -> "tuple[PhoneFound, ...] | SearchProgress":
        """What is found; or, if that is not known within the time, how far it is. Ask the same again then.

        Raises:
            IbackupError: the search failed.
        """
        with self._changed:
            work = self._work
            if work is None or work.is_over:
                work = self._work = _Work(self._changed, self._idle_s)
            work.ask(question)
            self._changed.wait_for(lambda: work.answer_to(question) is not None or work.is_over, patience_s)
            answer = work.answer_to(question)
        if isinstance(answer, Exception):
            raise answer
        return work.progress if answer is None else answer

    def close(self) -> None:
        """Forget everything soon; a later question begins again."""
        with self._changed:
            work, self._work = self._work, None
            if work is not None:
                work.close()

    def join(self) -> None:
        """Close it, and wait until nothing is open any more."""
        with self._changed:
            work = self._work
        self.close()
        if work is not None:
            slices.join(work.thread)


class _Work:
    """One run of the thread. What it shares with others is used under their condition."""

    def __init__(self, changed: threading.Condition, idle_s: float) -> None:
        self._changed = changed
        self._idle_s = idle_s
        self._closing = False
        self._question: SearchQuestion | None = None
        self._answered: SearchQuestion | None = None
        self._answer: tuple[PhoneFound, ...] | Exception | None = None
        self._open: dict[str, tuple[PhoneToSearch, OpenIndexes]] = {}
        self.progress = SearchProgress()
        self.is_over = False
        # A daemon: no search may keep the program from ending.
        self.thread = threading.Thread(target=self._run, name="ibackup search", daemon=True)
        self.thread.start()

    def ask(self, question: SearchQuestion) -> None:
        if question != self._question:
            self._question = question
            self._changed.notify_all()

    def answer_to(self, question: SearchQuestion) -> "tuple[PhoneFound, ...] | Exception | None":
        return self._answer if self._answered == question else None

    def close(self) -> None:
        self._closing = True
        self._answer = self._answered = self._question = None
        self._changed.notify_all()

    # -- in the thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (question := self._next()) is not None:
                answer: tuple[PhoneFound, ...] | Exception
                try:
                    answer = tuple(self._found(phone, question.request) for phone in question.phones)
                except IbackupError as error:
                    answer = error
                except Exception:  # noqa: BLE001 - a page must not wait for ever
                    answer = IbackupError("The search failed.", hint="Try again.")
                with self._changed:
                    if not self._closing:
                        self._answered, self._answer = question, answer
                    self._changed.notify_all()
        finally:
            for _, indexes in self._open.values():
                indexes.close()
            self._open.clear()
            with self._changed:
                self.is_over = True
                self._changed.notify_all()

    def _next(self) -> SearchQuestion | None:
        """The next question; None at the end."""
        with self._changed:
            new = self._changed.wait_for(
                lambda: self._closing or self._question != self._answered, self._idle_s
            )
            self.progress = SearchProgress()
            if self._closing or not new:
                self.is_over = True
                return None
            return self._question

    def _found(self, phone: PhoneToSearch, request: SearchRequest) -> PhoneFound:
        try:
            return _facts(phone, Searched(request, self._indexes(phone)))
        except IndexUnusable:  # a text of it
            return _facts(phone, Searched(request, self._indexes(phone, fresh=True)))

    def _indexes(self, phone: PhoneToSearch, *, fresh: bool = False) -> OpenIndexes:
        known = self._open.get(phone.udid)
        if known is not None and known[0] == phone and not fresh:
            return known[1]
        if known is not None:
            del self._open[phone.udid]
            known[1].close()
        opener = IndexOpener(phone.unlocker, self._observe)
        if phone.folder is None:
            found = opener.folder(phone.path, phone.udid)
        else:
            found = opener.phone(phone.folder, phone.store, fresh=fresh)
        self._open[phone.udid] = phone, found
        return found

    def _observe(self, event: Event) -> None:
        if self._closing:
            raise Interrupted("The search was stopped.")
        if isinstance(event, PhaseStarted):
            self.progress = SearchProgress(event.text)
        elif isinstance(event, Progress) and event.percent is not None:
            self.progress = SearchProgress(self.progress.text, event.percent / 100)


def _facts(phone: PhoneToSearch, searched: Searched) -> PhoneFound:
    return PhoneFound(
        phone.udid,
        searched.counts,
        {kind: tuple(searched.hits(kind)) for kind in searched.counts},
        tuple(searched.snapshots),
        searched.gaps,
        searched.gone(),
        searched.times(PARTS),
    )


class LockingSession(Protocol):
    """Whose searches they are: a ``BrowserSession``."""

    def when_locked(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have a listener called at each locking; returns what ends that."""


class SearchRooms:
    """The rooms of all sessions, each closed when its session is locked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rooms: weakref.WeakKeyDictionary[LockingSession, SearchRoom] = weakref.WeakKeyDictionary()

    def of(self, session: LockingSession) -> SearchRoom:
        """The room of a session."""
        with self._lock:
            room = self._rooms.get(session)
            if room is not None:
                return room
            room = self._rooms[session] = SearchRoom()
        session.when_locked(room.close)
        return room

    def close(self) -> None:
        """Close all."""
        with self._lock:
            rooms = list(self._rooms.values())
            self._rooms.clear()
        for room in rooms:
            room.close()
