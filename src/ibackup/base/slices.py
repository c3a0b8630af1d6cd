"""Waits that Ctrl-C ends at once.

On Windows nothing interrupts the main thread while it waits for another one or for a socket: a long wait would have
to run out first. Each wait here is made of short ones.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Protocol, TypeVar

SLICE_S = 0.5

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ItemSource(Protocol[T_co]):
    """A queue that items are taken from."""

    def get(self, block: bool = True, timeout: float | None = None) -> T_co:
        """The next item. Raises queue.Empty if there is none in time."""


def of(seconds: float | None) -> Iterator[float]:
    """The lengths of short waits, until ``seconds`` have passed; None: without an end."""
    end = None if seconds is None else time.monotonic() + seconds
    while end is None or (left := end - time.monotonic()) > 0:
        yield SLICE_S if end is None else min(SLICE_S, left)


def take(source: ItemSource[T], seconds: float | None = None) -> T:
    """The next item of a queue. Raises queue.Empty if there is none within ``seconds``."""
    for each in of(seconds):
        try:
            return source.get(timeout=each)
        except queue.Empty:
            continue
    raise queue.Empty


def join(thread: threading.Thread, seconds: float | None = None) -> bool:
    """Wait for a thread's end; whether it came within so many seconds. One that Ctrl-C kept from starting has ended."""
    for each in of(seconds):
        if not thread.is_alive():
            return True
        thread.join(each)
    return not thread.is_alive()


def wait_for(future: futures.Future[T]) -> T:
    """A future's result; raises what the future raises."""
    while not future.done():
        futures.wait([future], SLICE_S)
    return future.result()


def call(function: Callable[[], T], seconds: float) -> T:
    """Call a function that may never return and cannot be stopped: after the time limit it is left running.

    Raises:
        TimeoutError: it did not return within ``seconds``.
        Exception: what it raised.
    """
    came: queue.SimpleQueue[tuple[bool, T | BaseException]] = queue.SimpleQueue()

    def run() -> None:
        try:
            came.put((True, function()))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that asked
            came.put((False, error))

    thread = threading.Thread(target=run, name="ibackup call", daemon=True)
    thread.start()
    try:
        good, value = take(came, seconds)
    except queue.Empty:
        raise TimeoutError from None
    join(thread)
    if not good and isinstance(value, BaseException):
        raise value
    return value  # type: ignore[return-value]
