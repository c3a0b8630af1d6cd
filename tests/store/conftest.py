"""A store on the real file system."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.records.used_stores import KnownStores
from ibackup.store.store import Store
from store.lab import UDID, Listener, backup


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def known(tmp_path: Path) -> KnownStores:
    return KnownStores(str(tmp_path / "state"))


@pytest.fixture
def store(tmp_path: Path, known: KnownStores) -> Store:
    return Store.open(tmp_path / "store", known=known)


@pytest.fixture
def folder(store: Store) -> PhoneFolder:
    folder = store.phone(UDID)
    folder.make()
    return folder


@pytest.fixture
def first(folder: PhoneFolder) -> Snapshot:
    return backup(folder, started=datetime(2026, 11, 20, 2, 0, 4, tzinfo=UTC))


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0)
    os.umask(before)
    yield
    os.umask(before)
