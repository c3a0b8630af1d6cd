"""A working copy and a scripted phone that asks things of it; no test leaves a thread or a descriptor behind."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ibackup.device import requests
from ibackup.device.files import WorkingFiles
from ibackup.device.link import DeviceLink, Patience
from ibackup.events import Event
from support.scripted import UDID, Device, DictLedger, playing


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    threads, descriptors = set(threading.enumerate()), _descriptors()
    yield
    assert set(threading.enumerate()) <= threads
    assert _descriptors() <= descriptors


@dataclass
class Lab:
    """A working copy on the disk, and what was told about it."""

    root: Path
    staging: Path
    ledger: DictLedger = field(default_factory=DictLedger)
    told: list[Event] = field(default_factory=list)
    barriers: list[str] = field(default_factory=list)
    free: int = 123_456_789_012

    def working(self) -> WorkingFiles:
        return WorkingFiles(
            self.root,
            self.staging,
            UDID,
            self.ledger,
            free_space=lambda: self.free,
            barrier=self.barriers.append,
            observer=self.told.append,
        )

    def play(self, script: Callable[[Device], None], *, patience: Patience | None = None) -> None:
        """Answer the script's requests until it has been played, then compare the disk with the ledger."""
        with playing(script) as sock, DeviceLink(sock, patience=patience) as link, self.working() as files:
            self.files = files
            while True:
                message = link.receive()
                if message[0] == "DLMessageDisconnect":
                    break
                files.handle(link, requests.parse(message))
        self.check()

    def ask(self, script: Callable[[Device], None]) -> None:
        """The same for a script that only asks."""

        def whole(device: Device) -> None:
            script(device)
            device.send("DLMessageDisconnect", "done")

        self.play(whole)

    def check(self) -> None:
        """Disk and ledger agree, and nothing half done is left."""
        self.ledger.check(self.root)
        assert list(self.staging.iterdir()) == []


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    (root := tmp_path / "working" / UDID).mkdir(parents=True)
    (staging := tmp_path / "working" / "staging").mkdir()
    return Lab(root, staging)
