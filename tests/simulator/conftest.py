"""A virtual iPhone that is served while a test runs, and is gone without a trace afterwards."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ibackup.simulator.server import Server, serve
from ibackup.simulator.virtual_phone import VirtualPhone


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Gives a function that serves phones and lets clients of this process and its children find them."""
    # Clients keep pair records in the home folder; none of theirs is to be found or left there.
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with ExitStack() as stack:

        def start(*phones: VirtualPhone, **how: object) -> Server:
            server = stack.enter_context(serve(*phones, **how))  # type: ignore[arg-type]
            monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", server.address)
            return server

        yield start
    left = [thread.name for thread in threading.enumerate() if thread.name.startswith("virtual-")]
    assert not left
