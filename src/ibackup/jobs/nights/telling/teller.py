"""Sends messages and heartbeats one after the other from a separate thread."""

import queue
import threading
from collections.abc import Callable
from typing import Literal

from ibackup.base import slices
from ibackup.base.closeable import Closeable
from ibackup.config.config_schema import NotifyConfig
from ibackup.jobs.nights.telling import desktop, heartbeat, push
from ibackup.jobs.nights.telling.message_texts import Message

_LAST_WORDS_S = 30.0

Beat = Literal["start", "success", "fail"]


class Teller(Closeable):
    """A context manager; at its end, undelivered messages have half a minute.

    Args:
        config: where notifications go.
        problem: gets a sentence about undelivered messages, in the caller's thread, when the teller is closed.
    """

    def __init__(self, config: NotifyConfig, problem: Callable[[str], None]) -> None:
        self._config = config
        self._problem = problem
        self._jobs: queue.SimpleQueue[Callable[[], str | None] | None] = queue.SimpleQueue()
        self._problems: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def tell(self, message: Message) -> None:
        """Send a message to its addresses; returns at once."""
        if self._config.desktop:
            self._do(
                lambda: desktop.show(message) and ""
            )  # a server has no screen, which is no news each night
        urls = self._config.urls_for(message.alarm)
        if urls:
            self._do(lambda: push.send(message, urls))

    def beat(self, beat: Beat, text: str = "") -> None:
        """Ping the heartbeat's address, if there is one; returns at once."""
        url = self._config.heartbeat_url
        if url:
            self._do(lambda: heartbeat.ping(url, beat, text))

    def flush(self) -> None:
        """Report what could not be delivered so far."""
        told: set[str] = set()
        while self._problems.qsize():
            problem = self._problems.get()
            if problem not in told:
                told.add(problem)
                self._problem(problem)

    def close(self) -> None:
        """Deliver waiting messages for a while, and report the failures."""
        if self._thread is not None:
            self._jobs.put(None)
            if not slices.join(self._thread, _LAST_WORDS_S):
                self._problems.put("Not every message was delivered: the receiving service does not answer.")
            self._thread = None
        self.flush()

    def _do(self, job: Callable[[], str | None]) -> None:
        with self._lock:
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
