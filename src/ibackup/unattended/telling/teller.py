"""Sends messages and heartbeats one after the other from a thread of its own."""

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from ibackup.config import NotifyConfig
from ibackup.unattended.telling import desktop, heartbeat, push
from ibackup.unattended.telling.messages import Message

_LAST_WORDS_S = 30.0

Beat = Literal["start", "success", "fail"]


class Teller:
    """A context manager; at its end what was not delivered yet has half a minute.

    Args:
        config: who is told, and how.
        problem: takes a sentence about what could not be delivered, in the caller's thread, when the teller is closed.
    """

    def __init__(self, config: NotifyConfig, problem: Callable[[str], None]) -> None:
        self._config = config
        self._problem = problem
        self._jobs: queue.SimpleQueue[Callable[[], str | None] | None] = queue.SimpleQueue()
        self._problems: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tell(self, message: Message) -> None:
        """Send a message to whom it concerns; returns at once."""
        if self._config.desktop:
            self._do(lambda: desktop.show(message))
        urls = self._config.urls_for(message.alarm)
        if urls:
            self._do(lambda: push.send(message, urls))

    def beat(self, beat: Beat, text: str = "") -> None:
        """Ping the heartbeat's address, if there is one; returns at once."""
        url = self._config.heartbeat_url
        if url:
            self._do(lambda: heartbeat.ping(url, beat, text))

    def flush(self) -> None:
        """Hand on what could not be delivered so far."""
        told: set[str] = set()
        while self._problems.qsize():
            problem = self._problems.get()
            if problem not in told:
                told.add(problem)
                self._problem(problem)

    def close(self) -> None:
        """Deliver what waits, for a while, and say what could not be."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join(_LAST_WORDS_S)
            if self._thread.is_alive():
                self._problems.put("Not every message was delivered: whoever takes them does not answer.")
            self._thread = None
        self.flush()

    def _do(self, job: Callable[[], str | None]) -> None:
        if self._thread is None:
            # A daemon, so that an address that never answers does not keep the program from ending.
            self._thread = threading.Thread(target=self._work, name="ibackup telling", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                problem = job()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next message still goes out
                problem = f"A message could not be delivered ({type(error).__name__})."
            if problem:
                self._problems.put(problem)
