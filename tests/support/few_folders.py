"""Phones that make only the folders that their files need."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from ibackup.simulator.operations.backup_and_incremental import BackupOperation

_make_all = BackupOperation._make_folders


def _make_few(self: BackupOperation) -> None:
    link, folder = self._session.link, self._folder
    needed = sorted({entry.file_id[:2] for entry in self._phone.files.files(encrypted=self._encrypted)})
    for top in (folder, f"{folder}/Snapshot"):
        link.create_directory(top)
        for name in needed:
            link.create_directory(f"{top}/{name}")


@contextmanager
def few_folders() -> Iterator[None]:
    """The phone makes only the folders that its files need.

    Phones make 256 of them, twice, and list them one by one: three quarters of the time of a small phone's run, and
    nearly all of its moments.
    """
    with mock.patch.object(BackupOperation, "_make_folders", _make_few):
        yield


@contextmanager
def all_folders() -> Iterator[None]:
    """The phone makes all of them, as phones do."""
    with mock.patch.object(BackupOperation, "_make_folders", _make_all):
        yield
