"""Whatever may be wrong before a backup begins: its exit code, what to do, no traceback, nothing lost."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.faults import (
    DropInPhase,
    ErrorCodeAt,
    Fault,
    HostilePath,
    NoRoom,
    OmittedFile,
    UserCancels,
)
from ibackup.simulator.server import serve
from ibackup.simulator.spec import Trust
from support.program import MakeProgram, Program
from support.runs import SMALL, assert_is_the_phone, photograph

root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to become another"
)


def failed(program: Program, code: int, *arguments: str, **how: object) -> str:
    """One failing run; its message and hint, after a look that both say something, in words too."""
    done = program.now(*arguments, code=code, **how)
    result = done.result
    message, hint = str(result["message"]), str(result["hint"])
    assert message.endswith((".", ")", '"')), message
    assert hint, message
    assert {"event", "schema", "command", "exit_code", "error_code", "message", "hint"} == set(result)
    assert result["command"] == "now"
    return f"{message} {hint}"


def test_no_phone(make_program: MakeProgram) -> None:
    program = make_program()
    assert "No phone is connected" in failed(program, 10)
    told = program.run("now", code=10)
    assert "ibackup: No phone is connected" in told.err
    assert told.out == ""


def test_no_usbmuxd(program: Program) -> None:
    with serve() as gone:
        address = gone.address
    for nowhere in (
        address,
        f"UNIX:{program.folder}/none",
        f"{program.folder}/none",
        "[::1]:9",
        "localhost:9",
    ):
        text = failed(program, 10, environment={"USBMUXD_SOCKET_ADDRESS": nowhere})
        assert "usbmuxd" in text
    text = failed(program, 10, environment={"USBMUXD_SOCKET_ADDRESS": None})
    assert "usbmuxd" in text or "No phone" in text


@pytest.mark.parametrize(
    "address", ["nonsense", "127.0.0.1:", "127.0.0.1:port", "UNIX:", ":::", "127.0.0.1:99999"]
)
def test_a_usbmuxd_address_that_is_none(program: Program, address: str) -> None:
    assert "USBMUXD_SOCKET_ADDRESS" in failed(program, 2, environment={"USBMUXD_SOCKET_ADDRESS": address})


def test_every_spelling_of_the_usbmuxd_address(program: Program, short_folder: Path) -> None:
    path = str(short_folder / "mux")
    with serve(program.phone, port=None, socket_path=path):
        for spelling in (f"UNIX:{path}", path):
            environment = {"USBMUXD_SOCKET_ADDRESS": spelling}
            found = program.run("devices", "--json", environment=environment)
            assert program.phone.udid in found.out
    with serve(program.phone, host="::1") as server:
        found = program.run("devices", "--json", environment={"USBMUXD_SOCKET_ADDRESS": server.address})
        assert server.address.startswith("[::1]:")
        assert program.phone.udid in found.out


def test_locked_and_not_trusted(make_program: MakeProgram) -> None:
    program = make_program(replace(SMALL, locked=True, trust=Trust(kind="pending")))
    assert "locked" in failed(program, 11)
    program.phone.unlock()
    assert "trust this computer" in failed(program, 11)
    assert "Don't Trust" in failed(
        make_program(replace(SMALL, trust=Trust(kind="denied"))), 11, "--patience", "5s"
    )


def test_every_failure_has_its_result(make_program: MakeProgram) -> None:
    program = make_program(replace(SMALL, batch_size=64))
    phone = program.phone
    entry = next(each for each in phone.files.files() if each.size > 100)
    faults: list[tuple[Fault, int, int | None]] = [
        (ErrorCodeAt(where="start", code=999, text="Strange"), 12, 999),
        (HostilePath(place="upload", path="../../../outside"), 12, None),
        (NoRoom(), 14, 105),
        (UserCancels(), 130, None),
        (DropInPhase(phase="uploading"), 13, None),
        (OmittedFile(domain=entry.domain, path=entry.path), 4, None),
        (ErrorCodeAt(where="start", code=208), 11, 208),
        (ErrorCodeAt(where="start", code=207), 20, 207),
    ]
    for fault, code, error_code in faults:
        phone.set_faults(fault)
        result = program.now(code=code).result
        assert {"message", "hint", "error_code", "exit_code", "event", "schema", "command"} == set(result)
        # A cancelled backup may be heard of before its code is.
        assert result["error_code"] == error_code or (code, result["error_code"]) == (130, 202)
        assert result["message"]
        assert result["hint"]
        assert program.snapshots == []
    phone.set_faults()
    assert_is_the_phone(str(program.now().result["path"]), phone)
    assert program.left == []
    (program.folder / "empty").mkdir()
    program.run("verify", "--json", str(program.folder / "empty"), code=21)


def test_a_wrong_udid(program: Program) -> None:
    text = failed(program, 10, "--udid", "00008101-00000000000000AA")
    assert "Connected: Virtual iPhone." in text
    assert failed(program, 2, "--udid", "no such phone!")


def test_wrong_usage(program: Program) -> None:
    for arguments in (["--wait", "soon"], ["--nonsense"], ["extra"], ["--password-file"]):
        result = program.run("now", "--json", *arguments, code=2).result
        assert result["hint"]
        assert "--help" in str(result["hint"])


@root
def test_a_store_that_may_not_be_written(program: Program, tmp_path: Path) -> None:
    """As a user who may not, since root may do everything."""
    for folder in (tmp_path, *tmp_path.parents[:3]):  # one more when tests run side by side
        if folder.stat().st_uid == os.geteuid() and folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(0o755)
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    python = subprocess.run([*nobody, "true"], check=False).returncode
    if python or not _nobody_may_run(program, nobody):
        pytest.skip("nobody may not run this Python")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    text = failed(program, 1, "--store", str(closed / "store"), before=nobody)
    assert "permission to write" in text
    assert list(closed.iterdir()) == []
    # A store of someone else, with backups in it.
    program.now()
    before = photograph(program.store)
    for folder in (program.store, program.store / program.phone.udid):
        folder.chmod(0o755)
    (program.store / "store.json").chmod(0o644)
    assert "permission to write" in failed(program, 1, before=nobody)
    for folder in (program.store, program.store / program.phone.udid):
        folder.chmod(0o700)
    (program.store / "store.json").chmod(0o600)
    after = photograph(program.store)
    assert {name: after[name] for name in before} == before


def _nobody_may_run(program: Program, nobody: list[str]) -> bool:
    process = program.start("--version", before=nobody)
    process.communicate()
    return process.returncode == 0


def test_a_store_inside_a_snapshot(program: Program) -> None:
    program.now()
    snapshot = program.snapshots[0]
    before = photograph(program.store)
    for inside in (
        snapshot / "store",
        snapshot,
        snapshot / program.phone.udid,
        snapshot / program.phone.udid / "00",
    ):
        assert "is a backup" in failed(program, 2, "--store", str(inside))
    assert "inside the store" in failed(program, 2, "--store", str(program.store / program.phone.udid))
    file = program.folder / "a file"
    file.write_text("x")
    assert "not a folder" in failed(program, 2, "--store", str(file))
    assert photograph(program.store) == before


def test_a_store_of_a_newer_version(program: Program) -> None:
    program.now()
    record = program.store / "store.json"
    kept = record.read_text()
    record.write_text(json.dumps(json.loads(kept) | {"schema": 99}))
    before = photograph(program.store)
    text = failed(program, 16)
    assert "newer ibackup" in text
    assert photograph(program.store) == before
    program.run("list", code=16)
    record.write_text(kept)
    assert program.now().code == 0


def test_a_store_that_is_not_mounted(program: Program) -> None:
    program.now()
    disk = program.store.rename(program.folder / "unplugged")
    assert "--new-store" in failed(program, 16)
    program.store.mkdir()
    assert "not mounted" in failed(program, 16)
    program.run("list", code=16)
    assert list(program.store.iterdir()) == []
    program.now("--new-store")
    shutil.rmtree(program.store)
    disk.rename(program.store)
    assert program.now().result["full"] is False


def test_a_store_with_damaged_records(program: Program) -> None:
    program.now()
    (program.store / "store.json").write_text("{")
    before = photograph(program.store / program.phone.udid / "snapshots")
    assert "--new-store" in failed(program, 4)
    program.now("--new-store")
    after = photograph(program.store / program.phone.udid / "snapshots")
    assert {name: after[name] for name in before} == before
    second = program.snapshots[1]
    (second / "snapshot.json").write_text("{}")
    listed = program.run("list").out
    assert "DAMAGED" in listed
    verified = program.run("verify", "--json", second.name, code=4).result
    assert "snapshot.json" in str(verified["message"])
    assert second.name in program.run("verify", code=4).out
    assert_is_the_phone(str(program.now().result["path"]), program.phone)


@pytest.mark.parametrize("rubbish", ["\0" * 9, '{"schema": 1, "phase": "sealed"}'], ids=["zeros", "half"])
def test_a_left_over_with_a_damaged_record(program: Program, rubbish: str) -> None:
    folder = program.store / program.phone.udid
    program.now()
    left = folder / "working-20200101T000000Z-abcdef"
    (left / program.phone.udid).mkdir(parents=True)
    (left / "run.json").write_text(rubbish)
    assert_is_the_phone(str(program.now().result["path"]), program.phone)
    assert program.left == []
