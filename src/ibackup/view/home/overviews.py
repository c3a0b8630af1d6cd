"""The state of the store's backups for pages that ask often: read again when something was written there."""

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

from ibackup.config.config_schema import Config
from ibackup.jobs.overview.store_overview import Overview, look
from ibackup.jobs.schedule.next_start import NextStart, next_start
from ibackup.store.store import Store

_FRESH_S = 60.0  # ages and limits; each look reads the seal of the newest backup
_SCHEDULE_FRESH_S = 60.0  # asking the system's schedulers starts programs


class Overviews:
    """Keeps the last overview for a moment; used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[float, tuple[int, ...], Config, Overview] | None = None
        self._start: tuple[float, NextStart] | None = None

    def of(self, store: Store, config: Config, mark: tuple[int, ...]) -> Overview:
        """The overview of a store.

        Args:
            store: the store.
            config: names, limits and hours.
            mark: another one means that something in the store was written.

        Raises:
            IbackupError: the store cannot be read.
        """
        with self._lock:
            kept, now = self._kept, time.monotonic()
            is_fresh = kept is not None and now - kept[0] < _FRESH_S
            if is_fresh and kept is not None and kept[1:3] == (mark, config) and kept[3].store == store.path:
                return kept[3]
            found = look(store, config, datetime.now(UTC))
            start = self._next_start(now)
            found = replace(found, next_run=start.next_run, watched=start.watched, unsure=start.unsure)
            self._kept = (now, mark, config, found)
            return found

    @property
    def starts(self) -> datetime | None:
        """When the nights start next, as far as a look has found out; asks nobody."""
        return self._start[1].next_run if self._start else None

    def schedule_changed(self) -> None:
        """Ask the schedulers again at the next look."""
        with self._lock:
            self._start = self._kept = None

    def _next_start(self, now: float) -> NextStart:
        if self._start is None or now - self._start[0] >= _SCHEDULE_FRESH_S:
            self._start = (now, next_start(datetime.now(UTC)))
        return self._start[1]
