"""What has arrived is made durable now and then, whatever the phone does meanwhile."""

import threading
import time
from collections.abc import Callable

import pytest

from ibackup.base.errors import ConnectionLost, IbackupError
from ibackup.base.events import Event
from ibackup.device.backup2.backup_session import BackupSession
from ibackup.device.folder import checkpoints
from ibackup.device.folder.checkpoints import Checkpoints
from ibackup.device.folder.working_files import WorkingFiles
from support.scripted import OPTIONS, UDID, Device, blob, chunk, file, name, playing, status_plist
from support.scripted_phone import ScriptedPhone
from support.working_lab import Lab

PIECE = bytes(600_000)


class Watched:
    """A checkpoint that notes which files it covered, and in which thread it was made."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.made = threading.Event()
        self.covered: list[set[str]] = []
        self.threads: list[str] = []

    def __call__(self) -> None:
        self._lab.ledger.check(self._lab.root)
        self.covered.append(set(self._lab.ledger.files))
        self.threads.append(threading.current_thread().name)
        self.made.set()


def below(number: int) -> str:
    return blob(number).removeprefix(f"{UDID}/")


def serve(lab: Lab, script: Callable[[Device], object], watched: Callable[[], None]) -> None:
    """A conversation that ends when the script hangs up."""
    with (
        playing(script) as sock,
        WorkingFiles(
            lab.root,
            lab.staging,
            UDID,
            lab.ledger,
            free_space=lambda: 1 << 40,
            barrier=lab.barriers.append,
            settled=lambda state: lab.barriers.append(f"settled {state}"),
            checkpoint=watched,
        ) as files,
    ):
        BackupSession(ScriptedPhone(sock), files, ignore).run()


def ignore(_event: Event) -> None:
    pass


def test_a_large_file_does_not_hold_back_those_before_it(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_BYTES", 5000)
    watched = Watched(lab)

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        device.send("DLMessageUploadFiles", OPTIONS, 1.0, 1 << 30)
        device.raw(file(blob(1), b"a" * 3000) + file(blob(2), b"b" * 3000))
        device.raw(name("/var/mobile/big") + name(blob(3)))
        for _ in range(40):
            device.raw(chunk(PIECE))
            if watched.made.is_set():
                break
        assert watched.made.wait(60)

    with pytest.raises(ConnectionLost):
        serve(lab, script, watched)
    assert watched.covered == [{below(1), below(2)}]
    assert watched.threads == ["ibackup-writer"]


def test_a_minute_is_enough_whatever_came(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a file, and while the phone is silent between two messages."""
    monkeypatch.setattr(checkpoints, "EVERY_S", 0.2)
    watched = Watched(lab)

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        device.send("DLMessageUploadFiles", OPTIONS, 1.0, 1 << 30)
        device.raw(file(blob(1), b"a") + name("/var/mobile/big") + name(blob(2)))
        while not watched.made.wait(0.05):
            device.raw(chunk(b"x" * 10))
        watched.made.clear()
        device.raw(chunk(b"", 0) + bytes(4))
        assert device.status()[0] == 0
        assert watched.made.wait(60)

    with pytest.raises(ConnectionLost):
        serve(lab, script, watched)
    assert watched.covered == [{below(1)}, {below(1), below(2)}]
    assert watched.threads == ["ibackup-writer", "MainThread"]


def test_one_that_fails_ends_the_run(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_BYTES", 1)

    def fail() -> None:
        raise IbackupError("The disk is gone.")

    def script(device: Device) -> None:
        device.greet()
        device.receive()
        device.send("DLMessageUploadFiles", OPTIONS, 1.0, 1 << 30)
        device.raw(file(blob(1), b"a") + name("/var/mobile/big") + name(blob(2)))
        while True:
            device.raw(chunk(PIECE))

    with pytest.raises(IbackupError, match="disk is gone"):
        serve(lab, script, fail)


def test_what_a_status_says_is_settled_before_it_is_answered(lab: Lab) -> None:
    def script(device: Device) -> None:
        device.greet()
        device.receive()
        for state in ("uploading", "moving", "finished"):
            assert device.upload(file(f"{UDID}/Status.plist", status_plist(state)))[0] == 0
            lab.barriers.append(f"answered {state}")

    with pytest.raises(ConnectionLost):
        serve(lab, script, Watched(lab))
    assert lab.barriers == [
        "answered uploading",
        *("moving", "settled moving", "answered moving"),
        *("finished", "settled finished", "answered finished"),
    ]


def test_nothing_new_costs_nothing() -> None:
    made: list[float] = []
    timed = Checkpoints(lambda: made.append(time.monotonic()), every_bytes=10, every_s=0)
    timed.make_if_due()
    assert not made
    timed.stored(0)
    timed.make_if_due()
    timed.make_if_due()
    assert len(made) == 1
    timed.stored(11)
    timed.passed()
    timed.make_if_due()
    assert len(made) == 1
