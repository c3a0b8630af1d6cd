"""A lab for each test: a virtual iPhone that is plugged in, and a store, empty or with one snapshot."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ibackup.simulator import PhoneSpec, VirtualPhone
from support.runs import SMALL, Lab, copy_store, first_backup, plugging_in

MakeLab = Callable[..., Lab]


@pytest.fixture
def make_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeLab]:
    """Gives a function that plugs in the phone of a spec; no thread is left when the test is over."""
    with plugging_in(tmp_path, monkeypatch) as plug_in:

        def make(spec: PhoneSpec = SMALL, *, store: str = "store") -> Lab:
            return plug_in(lambda stack: Lab(tmp_path / store, stack, VirtualPhone(spec)))

        yield make


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """The small phone and an empty store."""
    return make_lab()


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
