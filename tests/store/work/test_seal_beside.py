"""The process that prepares the seal: with it and without it, whatever happens to it, the snapshot is the same."""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.apple.verify.seal import SealLine, encode
from ibackup.base import isolated
from ibackup.base.errors import DamageFound
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.work import seal_beside, sealing
from ibackup.store.work.recovery import finish_left_overs
from ibackup.store.work.seal_beside import SealBeside
from ibackup.store.work.working_copy import WorkingCopy
from store.lab import FILES, UDID, blob, checked, close, draft, send

SEAL = b"".join(
    encode(SealLine(f"{UDID}/{path}", hashlib.sha256(FILES[path]).hexdigest()))
    for path in sorted(FILES, key=lambda path: (path.rpartition("/")[0], path))
)


@pytest.fixture(autouse=True)
def processes(monkeypatch: pytest.MonkeyPatch) -> list[isolated.Process]:
    """It is used for few files and on one core, too; these are the processes that were started."""
    started: list[isolated.Process] = []
    start = isolated.start

    def starting(program: str, *arguments: str) -> isolated.Process:
        started.append(start(program, *arguments))
        return started[-1]

    monkeypatch.setattr(seal_beside, "LEAST_FILES", 1)
    monkeypatch.setattr(isolated, "processors", lambda: 2)
    monkeypatch.setattr(isolated, "start", starting)
    return started


def received(folder: PhoneFolder) -> WorkingCopy:
    """What a phone has sent, up to the moves."""
    working = WorkingCopy.create(folder, None)
    send(working, FILES)
    working.barrier("moving")
    return working


def assert_good(folder: PhoneFolder, processes: list[isolated.Process]) -> None:
    (snapshot,) = folder.snapshots()
    assert Path(snapshot.seal_path).read_bytes() == SEAL
    assert snapshot.meta.seal == hashlib.sha256(SEAL).hexdigest()
    assert (snapshot.meta.files, snapshot.meta.bytes) == (len(FILES), sum(map(len, FILES.values())))
    assert sorted(os.listdir(snapshot.path)) == sorted([UDID, "SHA256SUMS", "snapshot.json"])
    if sys.platform != "win32":
        modes = {
            stat.S_IMODE(os.lstat(os.path.join(snapshot.backup_path, *path.split("/"))).st_mode)
            for path in FILES
        }
        assert modes == {sealing.FROZEN}
    assert all(process.returncode is not None for process in processes)


def never(*_: object) -> None:
    raise AssertionError("this process has to do it, too")


def test_it_does_the_work_while_the_check_takes_sums(
    folder: PhoneFolder, processes: list[isolated.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "compared", never)
    monkeypatch.setattr(sealing, "prepare_seal", never)
    sums = {path: hashlib.sha1(data).digest() for path, data in FILES.items() if "/" in path}
    with received(folder) as working:
        size = os.path.getsize(working.ledger.path)
        working.advance("device_done", draft=draft())
        for path, sha1 in sums.items():
            working.ledger.took(path, sha1)
            assert working.ledger.line(path) is not None  # written
        assert os.path.getsize(working.ledger.path) >= size
        working.advance("verified")
        working.seal()
        working.make_durable()
        snapshot = working.commit()
    assert len(processes) == 1
    assert_good(folder, processes)
    data = Path(folder.sums_file(snapshot.id)).read_bytes()
    assert all(sha1 in data for sha1 in sums.values())


def killed(beside: SealBeside) -> None:
    beside._process.kill()
    beside._process.wait()


def dies_before(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        was = getattr(SealBeside, name)

        def dying(self: SealBeside, *arguments: object) -> object:
            killed(self)
            return was(self, *arguments)

        monkeypatch.setattr(SealBeside, name, dying)

    return patch


def dies_after_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    was = SealBeside.begin

    def dying(self: SealBeside, working: str, udid: str, ledger: str) -> None:
        was(self, working, udid, ledger)
        killed(self)

    monkeypatch.setattr(SealBeside, "begin", dying)


def says(text: str) -> Callable[[pytest.MonkeyPatch], None]:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            seal_beside, "_PROGRAM", f"import sys; sys.stdin.readline(); print({text!r}, flush=True)"
        )

    return patch


def cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: str) -> isolated.Process:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(isolated, "start", refused)


SEALED = {"sha256": "0" * 64, "files": 1, "bytes": 1, "carried_files": 0}


@pytest.mark.parametrize(
    "fault",
    [
        *[dies_before("begin"), dies_after_beginning, dies_before("sealed"), dies_before("freeze")],
        *[says("nonsense"), says('{"files": 1}'), says(json.dumps(SEALED)), cannot_be_started],
    ],
    ids=[
        "early",
        "at work",
        "before it is asked",
        "before it freezes",
        "nonsense",
        "half",
        "no more",
        "no process",
    ],
)
def test_without_it_the_run_does_the_work(
    folder: PhoneFolder,
    processes: list[isolated.Process],
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[pytest.MonkeyPatch], None],
) -> None:
    fault(monkeypatch)
    with received(folder) as working:
        close(working)
    assert_good(folder, processes)


def test_what_it_finds_wrong_is_named(folder: PhoneFolder) -> None:
    with received(folder) as working:
        with open(os.path.join(working.root, blob(7)), "ab") as file:
            file.write(b"!")
        working.advance("device_done", draft=draft())
        working.advance("verified")
        with pytest.raises(DamageFound, match=blob(7)):
            working.seal()
        assert not os.path.exists(sealing.seal_path(working.path))


def test_it_changes_nothing_before_the_check_has_passed(
    folder: PhoneFolder, processes: list[isolated.Process]
) -> None:
    with received(folder) as working:
        working.advance("device_done", draft=draft())
        assert working._beside is not None
        assert working._beside.sealed() is not None
        assert not os.path.exists(sealing.seal_path(working.path))
        assert {os.lstat(os.path.join(working.root, path)).st_mode & 0o200 for path in FILES} == {0o200}
    # Here the run ends; the next one finishes it and finds what the process left.
    finish_left_overs(folder, checked)
    assert_good(folder, processes)


def test_a_half_moved_backup_is_left_to_the_run(
    folder: PhoneFolder, processes: list[isolated.Process]
) -> None:
    with received(folder) as working:
        send(working, {f"Snapshot/{blob(3)}": b"left by the phone"})
        close(working)
    assert_good(folder, processes)
