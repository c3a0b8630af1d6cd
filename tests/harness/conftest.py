"""A rig for each test, on a real file system."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.rig import Rig, rig


@pytest.fixture
def phones(tmp_path: Path) -> Iterator[Rig]:
    """Phones and stores; no thread is left when the test is over."""
    before = set(threading.enumerate())
    with rig(tmp_path) as made:
        yield made
    assert set(threading.enumerate()) <= before
    shutil.rmtree(tmp_path, ignore_errors=True)  # thousands of stores with --long
