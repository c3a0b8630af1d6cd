"""Values that take long to make: made by the first thread that asks, while the others wait for that value alone."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Place(Generic[V]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made: list[V] = []


class MadeOnce(Generic[K, V]):
    """The values that were used last, by key; any thread may ask.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._places: OrderedDict[K, _Place[V]] = OrderedDict()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """What ``make`` returned the first time, as long as others are not used more. Raises what it raises."""
        with self._lock:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            while len(self._places) > self._most:
                self._places.popitem(last=False)
        with place.lock:
            if not place.made:
                place.made.append(make())
            return place.made[0]
