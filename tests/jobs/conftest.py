"""A virtual iPhone that is plugged in, and a store for it: what the tests of most jobs begin with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from support.runs import SMALL, Lab, PlugIn, plugging_in

MakeLab = Callable[..., Lab]


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlugIn]:
    """Gives a function that plugs in the phone of a lab; no thread is left when the test is over."""
    with plugging_in(tmp_path, monkeypatch) as plug_in:
        yield plug_in


@pytest.fixture
def make_lab(tmp_path: Path, plugged: PlugIn) -> MakeLab:
    """Gives a function that plugs in the phone of a spec."""

    def make(spec: PhoneSpec = SMALL, *, store: str = "store") -> Lab:
        return plugged(lambda stack: Lab(tmp_path / store, stack, VirtualPhone(spec)))

    return make


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """The small phone and an empty store."""
    return make_lab()
