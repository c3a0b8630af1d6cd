"""What all pages share: the store, the config, the phones, the backups that are open and the jobs that run."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ibackup.base.errors import NotABackup, StoreMissing
from ibackup.base.events import Observer, ignore
from ibackup.config import config_file
from ibackup.config.config_schema import Config
from ibackup.store.freshness import Standing
from ibackup.store.store import Store
from ibackup.view import shown_phones
from ibackup.view.doctor_visits import DoctorVisits
from ibackup.view.home.overviews import Overviews
from ibackup.view.opened.opened_backups import OpenedBackups
from ibackup.view.running.connected_phones import ConnectedPhones
from ibackup.view.running.job_board import JobBoard
from ibackup.view.running.live_stream import LiveStreams
from ibackup.view.running.running_job import RunningJob
from ibackup.view.searching.search_room import SearchRooms
from ibackup.view.shown_phones import ShownPhone
from ibackup.view.view_request import ViewRequest

_FRESH_S = 60.0  # for ages and limits, and a seal that something else changes
Mark = tuple[int, ...]
"""Changes when what it stands for was written again."""


@dataclass(frozen=True, slots=True)
class _Records:
    """What was read of a store, and when, by the clock of the process."""

    mark: Mark
    when: float
    standings: Mapping[str, Standing]
    phones: tuple[ShownPhone, ...]


class House:
    """One running view.

    Each request looks at what is on the disk, since backups are made meanwhile; what was read is kept
    as long as its folders did not change.
    """

    def __init__(self, request: ViewRequest) -> None:
        self.request = request
        self._lock = threading.Lock()
        self._config: tuple[Mark, Config] | None = None
        self._read: _Records | None = None
        self.opened = OpenedBackups()
        self.board = JobBoard(self._job_ended)
        self.searches = SearchRooms()
        self.connected = ConnectedPhones(lambda: self.config.limits, self.board.bump)
        self.streams = LiveStreams(lambda: self.board.version, lambda: self.board.is_closed)
        self.overviews = Overviews()
        self.doctor = DoctorVisits()

    @property
    def config(self) -> Config:
        """The config as it is now. Raises UsageError."""
        path = str(self.config_path)
        mark = _mark(path)
        with self._lock:
            if self._config is None or self._config[0] != mark:
                self._config = (mark, config_file.load(self.request.config))
            return self._config[1]

    @property
    def config_path(self) -> str:
        """Where the config file is, or would be."""
        return os.path.expanduser(self.request.config or str(config_file.default_path()))

    @property
    def store_path(self) -> str:
        """Where the store is, or would be."""
        return str(config_file.store_path(self.request.store, self.config))

    @property
    def is_folder(self) -> bool:
        """Whether a backup folder is shown in place of a store: nothing can be made, pinned or removed."""
        return self.request.folder is not None

    def store(self) -> Store:
        """The store.

        Raises:
            StoreMissing: it is not there, or not mounted; NotABackup: a folder is shown in its place.
            IbackupError: it cannot be read.
        """
        if self.is_folder:
            raise NotABackup(
                "This is a single backup folder, not a store.",
                hint="To make backups, end this and run `ibackup open` without a folder.",
            )
        return Store.open(self.store_path, create=False)

    def store_if_there(self) -> Store | None:
        """The store, None if there is none yet. Raises IbackupError if it is there and cannot be read."""
        try:
            return self.store()
        except (StoreMissing, NotABackup):
            return None

    def phones(self) -> tuple[ShownPhone, ...]:
        """The phones and their backups; none without a store. Raises IbackupError."""
        if self.request.folder is not None:
            return self._of_folder
        store = self.store_if_there()
        if store is None:
            return ()
        return self._records(store).phones

    def standings(self, store: Store) -> Mapping[str, Standing]:
        """How each phone's backups are, by its UDID: the same as long as nothing was written, for a minute at most."""
        return self._records(store).standings

    def _records(self, store: Store) -> "_Records":
        """Read the store's records, if they were written or read too long ago."""
        config, now = self.config, time.monotonic()
        folders = store.phones()
        mark = _mark(self.config_path, store.path)
        for folder in folders:
            mark += _mark(folder.path, folder.snapshots_path, folder.proofs_path)
        with self._lock:
            read = self._read
            if read is None or read.mark != mark or now - read.when >= _FRESH_S:
                everyone = (*folders, *(store.phone(each.udid) for each in config.phones))
                standings = {folder.udid: folder.standing() for folder in everyone}
                phones = shown_phones.of_store(store, config, standings)
                read = self._read = _Records(mark, now, standings, phones)
            return read

    def close(self, hurry: Callable[[], bool] = lambda: False, observe: Observer = ignore) -> None:
        """Stop running jobs as Ctrl-C does, end event streams and close all backups; may be called twice.

        Args:
            hurry: whether a restore in its middle is to be stopped, too; see ``JobBoard.close``.
            observe: gets a warning about it.
        """
        self.board.close(hurry, observe)
        self.searches.close()
        self.opened.close()

    def _job_ended(self, job: RunningJob) -> None:
        """A phone whose encryption a job has changed is not what it said before."""
        if job.kind == "encryption" and job.state.outcome is not None:
            self.connected.changed_by(job.udid, job.state.outcome.result.get("encrypted"))

    @cached_property
    def _of_folder(self) -> tuple[ShownPhone, ...]:
        return shown_phones.of_folder(str(self.request.folder), self.request.udid)


def _mark(*paths: str) -> Mark:
    found: list[int] = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            found.append(0)
        else:
            found += (status.st_mtime_ns, status.st_size, status.st_ino)
    return tuple(found)
