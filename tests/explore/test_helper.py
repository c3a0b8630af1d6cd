"""Files taken out by processes of their own: the same as by a thread, and gone when they should be."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from explore.taking import PASSWORD, Take, files_below
from ibackup.apple.backup import Backup
from ibackup.base.errors import IbackupError
from ibackup.explore.extraction import Wanted, extract
from ibackup.explore.head_start import Ready
from ibackup.explore.selection import Selection
from support.minted import Mint, Minted, Spec

needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def many(count: int = 300) -> list[Spec]:
    return [Spec("MediaDomain", f"f{n % 7}/{n}", b"%d" % n * (n % 50)) for n in range(count)]


def started(monkeypatch: pytest.MonkeyPatch) -> list["subprocess.Popen[bytes]"]:
    """The processes that helpers start from now on."""
    found = []
    real = subprocess.Popen

    def popen(*args: object, **options: object) -> "subprocess.Popen[bytes]":
        found.append(real(*args, **options))  # type: ignore[call-overload]
        return found[-1]  # type: ignore[no-any-return]

    monkeypatch.setattr(subprocess, "Popen", popen)
    return found


def test_nothing_is_left_running(
    mint: Mint, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = started(monkeypatch)
    assert take(mint(PASSWORD, specs=many()), tmp_path / "out", writers=2).done.files == 300
    assert len(processes) == 2
    assert all(process.returncode is not None for process in processes)


def test_troubles_come_back(mint: Mint, take: Take, tmp_path: Path) -> None:
    minted = mint(PASSWORD, specs=many())
    minted.blob("MediaDomain", "f5/5").unlink()
    minted.blob("MediaDomain", "f6/6").write_bytes(b"short")
    taken = take(minted, tmp_path / "out", writers=2)
    assert taken.kinds() == {"f5/5": "missing", "f6/6": "short"}
    assert taken.done.files == 299


def test_where_no_process_can_be_started_a_thread_does_it(
    mint: Mint, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "there is none"))
    assert take(mint(PASSWORD, specs=many()), tmp_path / "out", writers=2).done.files == 300


@needs_posix
def test_a_process_that_is_killed_is_reported(
    mint: Mint, opened: Callable[[Minted], Backup], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = started(monkeypatch)
    specs = [Spec("MediaDomain", f"{n}", os.urandom(1000)) for n in range(2000)]
    backup = opened(mint(PASSWORD, specs=specs))

    def kill(_event: object) -> None:
        if processes:
            processes[0].kill()

    with pytest.raises(IbackupError, match="ended too early"):
        extract(backup, Wanted(Selection(), str(tmp_path / "out"), writers=2), observer=kill)
    assert all(process.returncode is not None for process in processes)
    assert not (tmp_path / "out/.ibackup-part").exists()
    whole = {spec.path: spec.content for spec in specs}
    there = files_below(tmp_path / "out/MediaDomain")
    assert there.items() <= whole.items()


@needs_posix
def test_a_process_does_not_outlive_the_one_that_started_it(mint: Mint, tmp_path: Path) -> None:
    minted = mint(PASSWORD)
    program = f"""
import sys, time
from ibackup.explore.writer_process import Helper
from ibackup.explore.file_writer import Setup
with Helper(Setup({str(minted.folder)!r}, None, {str(tmp_path)!r}, {str(tmp_path)!r}, False)) as helper:
    helper.write_all([])
    print(helper._process.pid, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    while is_alive(pid):
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return not Path("/proc/self").exists()
    return state != "Z"  # gone, though nobody has asked for it yet


@needs_posix
def test_ctrl_c_ends_all_and_leaves_no_half_file(mint: Mint, tmp_path: Path) -> None:
    specs = [Spec("MediaDomain", f"{n}", os.urandom(200_000)) for n in range(200)]
    minted = mint(PASSWORD, specs=specs)
    program = f"""
import itertools, time
from ibackup.explore.extraction import Wanted, extract
from ibackup.explore.head_start import Ready
from ibackup.explore.selection import Selection
from ibackup.apple.backup import Backup
numbers = itertools.count(1)
def observe(event):
    print(event, flush=True)
    if next(numbers) == 3:
        time.sleep(600)  # until Ctrl-C, which must not come when all is done
with Backup.open({str(minted.folder)!r}) as backup:
    backup.unlock({PASSWORD!r})
    extract(backup, Wanted(Selection(), {str(tmp_path / "out")!r}, writers=2), observer=observe)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=500)
    assert said.count(b"KeyboardInterrupt") == 1
    assert not (tmp_path / "out/.ibackup-part").exists()
    assert all(len(content) == 200_000 for content in files_below(tmp_path / "out").values())


def test_processes_that_were_ready_are_used(
    mint: Mint, opened: Callable[[Minted], Backup], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ibackup.apple.verify.stored_file_readers.worker_count", lambda: 2)
    processes = started(monkeypatch)
    backup = opened(mint(PASSWORD, specs=many()))
    with Ready() as ready:
        ready.start()
        assert len(processes) == 2
        wanted = Wanted(Selection(), str(tmp_path / "out"), writers=2)
        assert extract(backup, wanted, ready=ready).files == 300
    assert len(processes) == 2
    assert all(process.returncode is not None for process in processes)


def test_processes_nobody_took_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibackup.apple.verify.stored_file_readers.worker_count", lambda: 2)
    processes = started(monkeypatch)
    with Ready() as ready:
        ready.start()
    assert len(processes) == 2
    assert all(process.returncode is not None for process in processes)
