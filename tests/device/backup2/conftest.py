"""A working copy and a scripted phone that asks things of it; no test leaves a thread or a descriptor behind."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.scripted import UDID
from support.working_lab import Lab


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    threads, descriptors = set(threading.enumerate()), _descriptors()
    yield
    assert set(threading.enumerate()) <= threads
    assert _descriptors() <= descriptors


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (root := tmp_path / "working" / UDID).mkdir(parents=True)
    (staging := tmp_path / "working" / "staging").mkdir()
    return Lab(root, staging)
