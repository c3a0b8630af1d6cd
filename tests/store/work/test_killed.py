"""A run that is killed at every call of the system, and a power cut at every such moment.

After each, the snapshot before is byte for byte what it was, no half snapshot has a snapshot's name, and the next
run ends with what the phone has, without help.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ibackup.store.disk import durable, this_computer
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.used_stores import KnownStores
from ibackup.store.store import Store
from store.lab import AFTER, SMALL, UDID, backup, photograph, run, verify

pytestmark = [
    pytest.mark.promise("The last good backup survives anything"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process"),
]

_CALLS = frozenset(
    [
        "open",
        "os.rename",
        "os.remove",
        "os.mkdir",
        "os.rmdir",
        "os.link",
        "os.chmod",
        "os.utime",
        "os.scandir",
    ]
)


def killed_at(number: int, job: Callable[[], object], synced: Path) -> bool:
    """Run a job in a process of its own and kill that before its ``number``-th call; False when it got to its end.

    Inodes that were known to be on the disk when it died are listed in ``synced``.
    """
    pid = os.fork()
    if pid == 0:
        try:
            _count_down(number)
            _write_down_what_is_synced(synced)
            job()
        except BaseException:  # noqa: BLE001 - the parent is told by the exit code
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def _count_down(number: int) -> None:
    left = number

    def hook(event: str, _: tuple[object, ...]) -> None:
        nonlocal left
        if event in _CALLS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _write_down_what_is_synced(target: Path) -> None:
    real = durable.sync_all

    def sync_all(folder: str, files: Iterator[str], folders: list[str]) -> None:
        real(folder, files, folders)
        inodes = {
            os.lstat(os.path.join(top, name)).st_ino for top, _, names in os.walk(folder) for name in names
        }
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(fd, "".join(f"{inode}\n" for inode in inodes).encode())
        os.close(fd)

    durable.sync_all = sync_all  # type: ignore[assignment]


def cut_the_power(folder: PhoneFolder, synced: Path) -> None:
    """Fill every file of a working copy that was not known to be on the disk with zeros, its size and time kept.

    That is the worst a power cut may do: the name and all that is told of the file are there, its data is not.
    """
    safe = {int(line) for line in synced.read_text().split()} if synced.exists() else set()
    for left in folder.left_overs():
        for top, _, names in os.walk(os.path.join(left.path, UDID)):
            for name in names:
                path = os.path.join(top, name)
                found = os.lstat(path)
                if found.st_nlink == 1 and found.st_ino not in safe:
                    os.chmod(path, 0o600)
                    Path(path).write_bytes(bytes(found.st_size))
                    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.fixture
def ready(tmp_path: Path) -> Callable[[int], PhoneFolder]:
    def make(number: int) -> PhoneFolder:
        store = Store.open(tmp_path / str(number), known=KnownStores(str(tmp_path / "state")))
        folder = store.phone(UDID)
        backup(folder, SMALL)
        return folder

    return make


def check(folder: PhoneFolder, before: object) -> None:
    first = folder.snapshots()[0]
    assert photograph(first.path) == before
    assert folder.broken() == []
    for snapshot in folder.snapshots():
        verify(snapshot)


def each_moment(
    ready: Callable[[int], PhoneFolder],
    tmp_path: Path,
    step: int,
    *,
    power: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> int:
    """Kill at every ``step``-th call until a run gets to its end; gives how many were killed."""
    number = 1
    while True:
        folder = ready(number)
        before = photograph(folder.snapshots()[0].path)
        synced = tmp_path / f"synced {number}"
        killed = killed_at(number, lambda folder=folder: run(folder), synced)  # type: ignore[misc]
        check(folder, before)
        if not killed:
            assert verify(folder.snapshots()[-1]) == AFTER
            return number // step
        with monkeypatch.context() as patch:
            if power:
                cut_the_power(folder, synced)
                patch.setattr(this_computer, "boot_id", lambda: "another start")
            last = run(folder)
            check(folder, before)
            assert verify(last) == AFTER
            assert folder.left_overs() == []
        number += step


def test_killed_now_and_then(
    ready: Callable[[int], PhoneFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert each_moment(ready, tmp_path, 53, power=False, monkeypatch=monkeypatch) > 3


def test_the_power_fails_now_and_then(
    ready: Callable[[int], PhoneFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert each_moment(ready, tmp_path, 47, power=True, monkeypatch=monkeypatch) > 3


@pytest.mark.slow
@pytest.mark.parametrize("power", [False, True])
def test_killed_at_many_calls(
    ready: Callable[[int], PhoneFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, power: bool
) -> None:
    step = 1 if os.environ.get("IBACKUP_LONG") else 3
    assert each_moment(ready, tmp_path, step, power=power, monkeypatch=monkeypatch) > 100 // step


def test_killed_twice(ready: Callable[[int], PhoneFolder], tmp_path: Path) -> None:
    """A run that continues a broken one is killed too, again and again, each time a little later."""
    folder = ready(1)
    before = photograph(folder.snapshots()[0].path)
    for number in range(5, 400, 61):
        if not killed_at(number, lambda: run(folder), tmp_path / "synced"):
            break
        check(folder, before)
    last = run(folder) if len(folder.snapshots()) == 1 else folder.snapshots()[-1]
    check(folder, before)
    assert verify(last) == AFTER
