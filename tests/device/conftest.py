"""Virtual iPhones on a virtual usbmuxd, for every test of the device layer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from ibackup.base.events import Event
from ibackup.simulator.server import Server, serve
from ibackup.simulator.virtual_phone import VirtualPhone

Serve = Callable[..., Server]


@pytest.fixture
def told() -> list[Event]:
    """Where an observer keeps what it is told: pass its ``append``."""
    return []


@pytest.fixture
def plug_in() -> Iterator[Serve]:
    """Serves the phones it is given, until the test ends; the test leaves no thread behind."""
    before = set(threading.enumerate())
    with ExitStack() as servers:

        def plug(*phones: VirtualPhone, **options: object) -> Server:
            return servers.enter_context(serve(*phones, **options))  # type: ignore[arg-type]

        yield plug
    assert set(threading.enumerate()) <= before
