"""A lab for each test: a virtual iPhone that is plugged in, and a store, empty or with one snapshot."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ibackup.simulator import PhoneSpec, VirtualPhone
from support.runs import SMALL, Lab, copy_store

MakeLab = Callable[..., Lab]


@pytest.fixture
def make_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeLab]:
    """Gives a function that plugs in the phone of a spec; no thread is left when the test is over."""
    before = set(threading.enumerate())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    with ExitStack() as stack:

        def make(spec: PhoneSpec = SMALL, *, store: str = "store") -> Lab:
            lab = Lab(tmp_path / store, stack, VirtualPhone(spec))
            monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", lab.server.address)
            return lab

        yield make
    assert set(threading.enumerate()) <= before


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """The small phone and an empty store."""
    return make_lab()


@pytest.fixture(scope="session")
def first_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one snapshot of the small phone, made once; never to be changed."""
    folder = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("IBACKUP_STATE_DIR", str(folder / "state"))
        lab = Lab(folder / "store", stack, VirtualPhone(SMALL))
        patch.setenv("USBMUXD_SOCKET_ADDRESS", lab.server.address)
        lab.now()
    return folder / "store"


@pytest.fixture
def backed_up(make_lab: MakeLab, first_store: Path) -> Lab:
    """The small phone and a store of its own with one snapshot of it."""
    lab = make_lab()
    copy_store(first_store, lab.path)
    return lab
