"""Runs turns side by side, so that a phone that is silent for hours does not block the others."""

import ctypes
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from ibackup.base import slices
from ibackup.base.events import Event, Observer, Progress, PromptDone, Silent

T = TypeVar("T")
_LOOK_EVERY_S = 1.0  # how often a waiting main thread checks for Ctrl-C, which does not wake it on Windows


@dataclass(slots=True)
class _UnderWay(Generic[T]):
    name: str
    thread: threading.Thread | None = None
    silent: bool = False
    last: Progress | None = None
    result: list[T] = field(default_factory=list)
    error: BaseException | None = None

    @property
    def over(self) -> bool:
        return bool(self.result) or self.error is not None


class Abreast(Generic[T]):
    """Work on phones, each in its own thread; the next may begin when all others have ended or are silent.

    Args:
        observe: gets their events, one at a time. While several are running, texts begin with the phone's name, and
        progress is that of the latest one.
    """

    def __init__(self, observe: Observer) -> None:
        self._observe = observe
        self._changed = threading.Condition()
        self._under_way: list[_UnderWay[T]] = []

    @property
    def busy(self) -> bool:
        """Whether anything is running, or has ended but was not collected."""
        return bool(self._under_way)

    @property
    def free(self) -> bool:
        """Whether the next may begin."""
        with self._changed:
            return all(each.silent and not each.over for each in self._under_way)

    def start(self, name: str, work: Callable[[Observer], T]) -> None:
        """Begin with a phone of that name; the work receives its observer."""
        mine: _UnderWay[T] = _UnderWay(name)

        def run() -> None:
            result: list[T] = []
            error: BaseException | None = None
            try:
                try:
                    result = [work(lambda event: self._heard(mine, event))]
                except BaseException as raised:  # noqa: BLE001 - raised again where it is collected
                    error = raised
                self._end(mine, result, error)
            except KeyboardInterrupt as late:  # of ``stop``, after the work and before anyone knew of its end
                self._end(mine, result, error or late)

        mine.thread = threading.Thread(target=run, name=f"ibackup turn of {name}")
        self._under_way.append(mine)
        mine.thread.start()

    def wait(self) -> None:
        """Wait a moment, or less if something ends or falls silent."""
        with self._changed:
            if not any(each.over for each in self._under_way):
                self._changed.wait(_LOOK_EVERY_S)

    def ended(self) -> Iterator[T]:
        """The results of work that ended since the last call; raises what one of them raised."""
        for each in [each for each in self._under_way if each.over]:
            self._under_way.remove(each)
            if each.thread is not None:
                slices.join(each.thread)
            if each.error is not None:
                raise each.error
            yield from each.result

    def stop(self) -> None:
        """End all of them as Ctrl-C would; returns when they have ended."""
        with self._changed:
            for each in self._under_way:
                if each.thread is not None and each.thread.ident is not None and not each.over:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(each.thread.ident), ctypes.py_object(KeyboardInterrupt)
                    )
        for each in self._under_way:
            if each.thread is not None:
                slices.join(each.thread)
        self._under_way.clear()

    def _end(self, mine: _UnderWay[T], result: list[T], error: BaseException | None) -> None:
        with self._changed:
            mine.result, mine.error = result, error
            self._changed.notify_all()

    def _heard(self, mine: _UnderWay[T], event: Event) -> None:
        with self._changed:
            moved = not isinstance(event, Progress) or event != mine.last
            mine.last = event if isinstance(event, Progress) else mine.last
            silent = (isinstance(event, Silent) and event.phase != "passcode") or (mine.silent and not moved)
            if silent != mine.silent:
                mine.silent = silent
                self._changed.notify_all()
            if len(self._under_way) > 1:
                if isinstance(event, Progress) and mine is not self._under_way[-1]:
                    return
                event = _named(mine.name, event)
            self._observe(event)


def is_silence(event: Event) -> bool:
    """Whether the event says that the phone is silent for its own reasons, not because it waits for someone."""
    return isinstance(event, Silent) and event.phase != "passcode"


def _named(name: str, event: Event) -> Event:
    if isinstance(event, Progress | PromptDone) or not event.text:
        return event
    return replace(event, text=f"{name}: {event.text}")
