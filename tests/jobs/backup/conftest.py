"""A store with one snapshot of the phone that is plugged in."""

from pathlib import Path

import pytest

from jobs.conftest import MakeLab
from support.runs import Lab, copy_store, first_backup


@pytest.fixture(scope="session")
def first_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one snapshot of the small phone, made once; never to be changed."""
    return first_backup(tmp_path_factory.mktemp("first"))


@pytest.fixture
def backed_up(make_lab: MakeLab, first_store: Path) -> Lab:
    """The small phone and a store of its own with one snapshot of it."""
    lab = make_lab()
    copy_store(first_store, lab.path)
    return lab
