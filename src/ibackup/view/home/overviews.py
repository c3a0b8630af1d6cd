"""The state of the store's backups for pages that ask often: found out again when their records were read again."""

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from ibackup.config.config_schema import Config
from ibackup.jobs.overview.store_overview import Overview, look
from ibackup.jobs.schedule.next_start import NextStart, next_start
from ibackup.store.freshness import Standing
from ibackup.store.store import Store

_SCHEDULE_FRESH_S = 60.0  # asking the system's schedulers starts programs


class Overviews:
    """Keeps the last overview for a moment; used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: tuple[Mapping[str, Standing], Config, Overview] | None = None
        self._start: tuple[float, NextStart] | None = None

    def of(self, store: Store, config: Config, standings: Mapping[str, Standing]) -> Overview:
        """The overview of a store.

        Args:
            store: the store.
            config: names, limits and hours.
            standings: of its phones by their UDIDs; others than before mean that they were read again.

        Raises:
            IbackupError: the store cannot be read.
        """
        with self._lock:
            kept = self._kept
            if kept is not None and kept[0] is standings and kept[1] == config:
                return kept[2]
            found = look(store, config, datetime.now(UTC), standings=standings)
            start = self._next_start(time.monotonic())
            found = replace(found, next_run=start.next_run, watched=start.watched, unsure=start.unsure)
            self._kept = (standings, config, found)
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
