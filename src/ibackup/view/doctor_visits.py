"""What the doctor found for the browsers that asked; looking takes seconds, so it is done in a thread of its own."""

import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from ibackup.base.errors import IbackupError
from ibackup.base.events import Event, PhaseStarted
from ibackup.doctor.evidence.phone_evidence import Live
from ibackup.doctor.gather.gathering import DoctorRequest, gather
from ibackup.doctor.verdict import person_questions
from ibackup.doctor.verdict.verdict import DoctorVerdict, judge
from ibackup.view.guard.browser_sessions import BrowserSession

_log = logging.getLogger("ibackup")
_MOST_PHONES = 16  # of one browser


@dataclass
class DoctorVisit:
    """One look at one phone, for one browser. Its attributes change while it is under way.

    Attributes:
        doing: what is being done, one sentence.
        verdict: what was found; None while it is under way, or if it failed.
        error: why it failed.
        skipped: the questions that the person left out.
        until: when the watching of an attempt ends, in seconds since 1970; 0 while none is watched.
        live: what was seen of it so far.
    """

    doing: str = "Looking for the phone."
    verdict: DoctorVerdict | None = None
    error: IbackupError | None = None
    skipped: frozenset[str] = frozenset()
    until: float = 0.0
    live: Live | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, well or not."""
        return self._over.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; returns whether it has ended."""
        return self._over.wait(seconds)

    def look(self, request: DoctorRequest) -> None:
        """Gather everything and judge it. Raises nothing: an error becomes ``error``."""
        try:
            watched = partial(self._hear, request.watch_seconds or 0.0)
            self.verdict = judge(person_questions.recalled(gather(request, self._observe, watched)))
            person_questions.remember(self.verdict)
        except IbackupError as error:
            self.error = error
        except Exception:  # noqa: BLE001 - whatever it is, the page must end its waiting
            _log.debug("the doctor failed", exc_info=True)
            self.error = IbackupError(
                "Something in the doctor failed.",
                why="Nothing was changed, on the phone or in your backups.",
                hint="Look again. If the problem persists, run `ibackup doctor` in a terminal.",
            )
        finally:
            self._over.set()

    def stop(self) -> None:
        """Watch no longer; what was seen counts. Nothing else of a look is stopped."""
        self._stopping.set()

    def _hear(self, seconds: float, live: Live) -> None:
        if self._stopping.is_set():
            raise IbackupError("Watching was stopped.")  # becomes the reason why no more was seen
        self.until = self.until or time.time() + seconds
        self.live = live

    def _observe(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self.doing = event.text


class DoctorVisits:
    """The visits of all browsers. When a browser's backups are locked, what was read from them is forgotten too."""

    def __init__(self) -> None:
        self._visits: weakref.WeakKeyDictionary[BrowserSession, dict[str, DoctorVisit]] = (
            weakref.WeakKeyDictionary()
        )
        self._lock = threading.Lock()

    def of(self, session: BrowserSession, udid: str) -> DoctorVisit | None:
        """The newest visit of a phone, if there is one."""
        with self._lock:
            return self._visits.get(session, {}).get(udid)

    def begin(self, session: BrowserSession, udid: str, request: DoctorRequest) -> DoctorVisit:
        """Look at a phone, in a thread; returns at once. If a look is under way, it is that one."""
        with self._lock:
            visits = self._visits.get(session)
            if visits is None:
                visits = self._visits[session] = {}
                session.when_locked(self._forgetting(weakref.ref(session)))
            under_way = visits.get(udid)
            if under_way is not None and not under_way.is_over:
                return under_way
            visits.pop(udid, None)
            while len(visits) >= _MOST_PHONES:
                del visits[next(iter(visits))]
            visit = visits[udid] = DoctorVisit()
        threading.Thread(target=visit.look, args=(request,), name="doctor", daemon=True).start()
        return visit

    def answer(self, visit: DoctorVisit, kind: str, answer: str | int | None) -> None:
        """Judge again with an answer to a question; None leaves it out."""
        with self._lock:
            verdict = visit.verdict
            question = person_questions.next_question(verdict, visit.skipped) if verdict else None
            if verdict is None or question is None or question.kind != kind:
                return  # sent twice, or from an old page
            if answer is None or (question.choices and answer not in dict(question.choices)):
                visit.skipped |= {kind}
                return
            visit.verdict = judge(person_questions.answered(verdict.case.evidence, question.kind, answer))
            person_questions.remember(visit.verdict)

    def for_support(self, visit: DoctorVisit, since: str, tried: Iterable[str]) -> DoctorVerdict | None:
        """The verdict with what only Apple Support needs to know; None if there is none yet."""
        with self._lock:
            if visit.verdict is not None:
                evidence = person_questions.told_for_support(visit.verdict.case.evidence, since, tried)
                visit.verdict = judge(evidence)
                person_questions.remember(visit.verdict)
            return visit.verdict

    def _forgetting(self, browser: "weakref.ref[BrowserSession]") -> Callable[[], None]:
        def forget() -> None:
            session = browser()
            with self._lock:
                if session is not None and session in self._visits:
                    for visit in self._visits[session].values():
                        visit.stop()  # it holds the backup open
                    self._visits[session].clear()

        return forget
