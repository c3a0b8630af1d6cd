"""What all pages share: the store, the config, the phones, the backups that are open and the jobs that run."""

import os
import threading
from collections.abc import Callable
from functools import cached_property

from ibackup.base.errors import NotABackup, StoreMissing
from ibackup.base.events import Observer, ignore
from ibackup.config import config_file
from ibackup.config.config_schema import Config
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

Mark = tuple[int, ...]
"""Changes when what it stands for was written again."""


class House:
    """One running view.

    Each request looks at what is on the disk, since backups are made meanwhile; what was read is kept
    as long as its folders did not change.
    """

    def __init__(self, request: ViewRequest) -> None:
        self.request = request
        self._lock = threading.Lock()
        self._config: tuple[Mark, Config] | None = None
        self._phones: tuple[Mark, tuple[ShownPhone, ...]] | None = None
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
        config = self.config
        mark = self.mark(store)
        with self._lock:
            if self._phones is None or self._phones[0] != mark:
                self._phones = (mark, shown_phones.of_store(store, config))
            return self._phones[1]

    def mark(self, store: Store) -> Mark:
        """Changes when a backup, a proof or something that a phone reported was written."""
        mark = _mark(self.config_path, store.path)
        for folder in store.phones():
            mark += _mark(folder.path, folder.snapshots_path, folder.proofs_path)
        return mark

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
