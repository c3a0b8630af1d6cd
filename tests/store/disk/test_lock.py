"""One run per phone: between threads of this computer the system decides, between computers the mark does."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from ibackup.base.errors import IbackupError, PhoneBusy
from ibackup.store.disk import lock, this_computer
from ibackup.store.disk.lock import Holder, PhoneLock, holder_of
from ibackup.store.phone_folder import PhoneFolder

_HOLD = """
import sys, time
from ibackup.store.disk.lock import PhoneLock
with PhoneLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "ibackup lock"] == []


@pytest.fixture
def other_run(path: str) -> Iterator["subprocess.Popen[str]"]:
    run = subprocess.Popen([sys.executable, "-c", _HOLD, path], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "held\n"
    yield run
    run.kill()
    run.wait()
    run.stdout.close()


def pretend(path: str, *, age: float = 0, **changes: object) -> None:
    """Leave the record of a run that held the lock, ``age`` seconds after its last mark."""
    members = json.loads(Holder.me().render()) | changes
    Path(path).write_text(json.dumps(members).ljust(1024))
    moment = time.time() - age
    os.utime(path, (moment, moment))


def test_a_second_run_is_told_who_has_it_since_when(path: str, other_run: "subprocess.Popen[str]") -> None:
    with pytest.raises(PhoneBusy) as told:
        PhoneLock(path).acquire()
    assert told.value.exit_code == 15
    holder = holder_of(path)
    assert holder is not None
    assert f"process {other_run.pid}" in told.value.message
    assert holder.started.strftime("since %Y-%m-%dT%H:%M:%SZ") in told.value.message
    assert (holder.pid, holder.is_here, holder.is_dead) == (other_run.pid, True, False)


def test_a_killed_run_is_taken_over_at_once(path: str, other_run: "subprocess.Popen[str]") -> None:
    other_run.send_signal(signal.SIGKILL)
    other_run.wait()
    before = holder_of(path)
    assert before is not None
    assert before.is_dead
    with PhoneLock(path):
        mine = holder_of(path)
        assert mine is not None
        assert mine.pid == os.getpid()


def test_the_record_is_what_the_contract_names(path: str) -> None:
    with PhoneLock(path):
        record = json.loads(Path(path).read_text())
        assert {"host", "boot_id", "pid", "started"} <= set(record)
        assert oct(os.stat(path).st_mode & 0o777) == "0o600"
    assert Path(path).read_bytes() == b""
    assert holder_of(path) is None


def test_it_can_be_taken_again_and_again_but_not_twice(path: str) -> None:
    for _ in range(3):
        with PhoneLock(path), pytest.raises(PhoneBusy):
            PhoneLock(path).acquire()
    PhoneLock(path).release()


def test_another_computers_fresh_mark_is_respected(path: str) -> None:
    pretend(path, age=14 * 60, host="other", machine="m", boot_id="b", pid=1)
    with pytest.raises(PhoneBusy, match="on other") as told:
        PhoneLock(path).acquire()
    assert "15 minutes" in told.value.hint
    holder = holder_of(path)
    assert holder is not None
    assert holder.host == "other"
    assert os.listdir(os.path.dirname(path)) == ["lock"]


@pytest.mark.parametrize(
    ("age", "told"),
    [(14 * 60, True), (16 * 60, False), (30 * 86400, False), (-14 * 60, True), (-30 * 365 * 86400, False)],
)
def test_a_run_of_another_computer_that_is_over_is_not_told_as_under_way(
    folder: PhoneFolder, age: int, told: bool
) -> None:
    """The disk was pulled from it, or it went down; nobody marks the lock any more."""
    pretend(folder.lock_path, age=age, host="other", machine="m", boot_id="b", pid=1)
    assert (folder.holder() is not None) is told


@pytest.mark.parametrize("age", [15 * 60 + 5, -73 * 365 * 86400])
def test_another_computers_old_mark_is_taken_over(
    path: str, monkeypatch: pytest.MonkeyPatch, age: int
) -> None:
    """So is one of a year that has not come: it would hold for ever."""
    monkeypatch.setattr(lock, "_SETTLE_S", 0.01)
    pretend(path, age=age, host="other", machine="m", boot_id="b", pid=1)
    with PhoneLock(path):
        holder = holder_of(path)
        assert holder is not None
        assert holder.pid == os.getpid()


def test_of_two_that_take_over_at_once_one_stays(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where flock does not reach the other computer, the last one that wrote has it."""

    def other_writes(_: float) -> None:
        pretend(path, host="third", machine="m", boot_id="b", pid=1)

    monkeypatch.setattr(lock, "try_to_lock", lambda _: None)
    monkeypatch.setattr(time, "sleep", other_writes)
    pretend(path, age=15 * 60 + 5, host="other", machine="m", boot_id="b", pid=1)
    with pytest.raises(PhoneBusy, match="on third"):
        PhoneLock(path).acquire()


def test_a_run_from_before_a_reboot_is_over(path: str) -> None:
    pretend(path, boot_id="another start", pid=1)
    with PhoneLock(path):
        pass


def test_a_computer_of_the_same_name_is_another_one(path: str) -> None:
    pretend(path, machine="another", pid=1)
    with pytest.raises(PhoneBusy):
        PhoneLock(path).acquire()


@pytest.mark.parametrize(("pid", "busy"), [(os.getppid(), True), (2**22 + 5, False)])
def test_without_locks_of_the_system_the_process_is_looked_at(
    path: str, monkeypatch: pytest.MonkeyPatch, pid: int, busy: bool
) -> None:
    monkeypatch.setattr(lock, "try_to_lock", lambda _: None)
    monkeypatch.setattr(lock, "_SETTLE_S", 0.01)
    pretend(path, pid=pid)
    if busy:
        with pytest.raises(PhoneBusy):
            PhoneLock(path).acquire()
    else:
        with PhoneLock(path):
            pass


@pytest.mark.parametrize("text", [b"", b"{", b"null", b'{"pid": -1}', b"\xff" * 5000])
def test_a_record_that_says_nothing_holds_nothing(path: str, text: bytes) -> None:
    Path(path).write_bytes(text)
    with PhoneLock(path):
        holder = holder_of(path)
        assert holder is not None


def test_it_is_marked_while_it_is_held(path: str) -> None:
    with PhoneLock(path, mark_every=0.01):
        os.utime(path, (1, 1))
        while os.stat(path).st_mtime < 1000:
            time.sleep(0.01)


def test_a_lock_that_another_computer_took_is_noticed(path: str) -> None:
    held = PhoneLock(path, mark_every=0.01)
    held.acquire()
    held.check()
    pretend(path, host="other", machine="m", boot_id="b", pid=1)
    while not held._lost:
        time.sleep(0.01)
    with pytest.raises(PhoneBusy, match="on other"):
        held.check()
    held.release()
    holder = holder_of(path)
    assert holder is not None
    assert holder.host == "other"


def test_a_link_in_place_of_the_lock_is_not_followed(path: str, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    os.symlink(tmp_path / "victim", path)
    with pytest.raises(IbackupError, match="link"):
        PhoneLock(path).acquire()
    assert (tmp_path / "victim").read_text() == "precious"


def test_readers_never_wait(folder: PhoneFolder) -> None:
    with folder.lock():
        assert folder.snapshots() == []
        holder = folder.holder()
        assert holder is not None
        assert holder.pid == os.getpid()


def test_many_at_once_and_one_at_a_time(path: str) -> None:
    program = """
import sys
from ibackup.base.errors import PhoneBusy
from ibackup.store.disk.lock import PhoneLock
try:
    with PhoneLock(sys.argv[1]):
        sys.stdin.read()
except PhoneBusy:
    sys.exit(15)
"""
    command = [sys.executable, "-c", program, path]
    runs = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
    try:
        while sum(run.poll() is None for run in runs) > 1:
            time.sleep(0.01)
    finally:
        for run in runs:
            run.communicate()
    assert sorted(run.returncode for run in runs) == [0, 15, 15, 15]


def test_start_times_mean_the_same_start_within_a_minute() -> None:
    assert this_computer.same_boot("time:1000", "time:1050")
    assert not this_computer.same_boot("time:1000", "time:1070")
    assert not this_computer.same_boot("time:x", "time:1")
    assert not this_computer.same_boot("", "")
    assert this_computer.same_boot(this_computer.boot_id(), this_computer.boot_id())


class Kernel:
    """What Windows says of a process that is not to be looked at, is not there, or has ended."""

    def __init__(self, error: int, code: int = 259) -> None:
        self.error, self.code = error, code
        self.OpenProcess = Mock(return_value=None if error else 4242)
        self.CloseHandle = Mock()
        self.GetExitCodeProcess = Mock(side_effect=self._tell)

    def _tell(self, _handle: int, place: Any) -> int:
        place._obj.value = self.code
        return 1


@pytest.mark.parametrize(
    ("error", "code", "is_alive"), [(5, 0, True), (87, 0, False), (0, 259, True), (0, 1, False)]
)
def test_a_process_that_windows_does_not_let_us_look_at_is_not_dead(
    error: int, code: int, is_alive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(error, code)
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: kernel, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: error, raising=False)
    assert this_computer._alive_on_windows(4711) is is_alive
    assert kernel.CloseHandle.called is not bool(error)


_HOLD_FOR_A_CHILD = """
import os, subprocess, sys
from ibackup.store.disk.lock import PhoneLock
lock = PhoneLock(sys.argv[1])
lock.acquire()
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=0, pass_fds=lock.descriptors)
print("held", flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process inherits the lock as on POSIX")
def test_the_process_of_a_killed_run_holds_the_lock(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may still be storing what it was given; the next run waits for it."""
    command = [sys.executable, "-c", _HOLD_FOR_A_CHILD, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdin is not None
        assert run.stdout.readline() == "held\n"
        run.kill()
        run.wait()
        with monkeypatch.context() as patch:
            patch.setattr(lock, "_ENDING_S", 0.2)
            with pytest.raises(PhoneBusy):
                PhoneLock(path).acquire()
        looks = threading.Event()

        def look(seconds: float) -> None:
            looks.set()
            wait(seconds)

        wait = time.sleep
        monkeypatch.setattr(time, "sleep", look)
        waiting = PhoneLock(path)
        thread = threading.Thread(target=waiting.acquire)
        thread.start()
        assert looks.wait(60)
        run.stdin.close()
        thread.join(60)
        assert holder_of(path) is not None
        waiting.release()
