"""Snapshots that ``ibackup now`` made, in the hands of tools that we did not write."""

import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.faults import DropInPhase
from ibackup.simulator.virtual_phone import VirtualPhone
from support.program import MakeProgram, Program
from support.readers import by_iphone_backup_decrypt
from support.runs import PASSWORD, SMALL, assert_is_the_phone, photograph

pytestmark = [pytest.mark.promise("Plain format"), pytest.mark.peer, pytest.mark.slow]
Tool = Callable[[str], str]

CLIENTS = ["idevicebackup2", "pymobiledevice3"]


def client(name: str, require_tool: Tool) -> list[str]:
    if name == "idevicebackup2":
        return [require_tool(name)]
    return [sys.executable, "-m", "pymobiledevice3", "backup2"]


def run(program: Program, command: list[str]) -> str:
    """Run another program against the phones of the test."""
    environment = {**program.environment, "COLUMNS": "200"}
    environment.pop("PYTHONWARNINGS")
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, errors="replace", timeout=90, env=environment
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-3000:]
    return text


def a_copy(snapshot: Path, target: Path) -> Path:
    """A copy of a snapshot's backup, as someone makes it before giving it to another program."""
    shutil.copytree(snapshot, target, ignore=shutil.ignore_patterns("SHA256SUMS", "snapshot.json"))
    for folder, _, names in os.walk(target):
        for name in names:
            os.chmod(os.path.join(folder, name), 0o600)
    return target


def assert_restored(phone: VirtualPhone, password: str | None) -> None:
    """The phone took every file back, and found its digests right."""
    restored = phone.restored
    assert restored is not None
    assert len(restored.files) == sum(1 for _ in phone.files.files(encrypted=bool(password)))
    assert restored.compared == len(restored.files)
    assert restored.digests > 0


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
@pytest.mark.parametrize("name", CLIENTS)
def test_restore(make_program: MakeProgram, require_tool: Tool, name: str, password: str | None) -> None:
    command = client(name, require_tool)
    program = make_program(replace(SMALL, backup_password=password))
    phone = program.phone
    program.now()
    phone.change(added=2, changed=3, removed=1)
    program.now()
    assert [
        plistlib.loads((each / phone.udid / "Status.plist").read_bytes())["IsFullBackup"]
        for each in program.snapshots
    ] == [False, False]
    before = photograph(program.store)
    # The second one, an incremental, first: the phone is as it was then.
    secret = ["--password", password] if password else []
    copy = a_copy(program.snapshots[1], program.folder / "copy")
    run(program, [*command, "restore", *secret, str(copy)])
    assert_restored(phone, password)
    assert photograph(program.store) == before


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_going_on_from_a_copy(make_program: MakeProgram, require_tool: Tool, password: str | None) -> None:
    """idevicebackup2 makes an incremental backup on top of our full one, and the phone agrees."""
    command = client("idevicebackup2", require_tool)
    program = make_program(replace(SMALL, backup_password=password))
    program.now()
    copy = a_copy(program.snapshots[0], program.folder / "copy")
    program.phone.change(added=2, changed=3, removed=1)
    text = run(program, [*command, "backup", str(copy)])
    assert "Incremental backup mode" in text
    assert "Backup Successful" in text
    assert not [each for each in program.phone.journal.details("backup") if each.startswith("full")]
    assert_is_the_phone(copy, program.phone, password)


def test_a_full_snapshot_is_restored(make_program: MakeProgram, require_tool: Tool) -> None:
    program = make_program(SMALL)
    program.now()
    copy = a_copy(program.snapshots[0], program.folder / "copy")
    for name in CLIENTS:
        run(program, [*client(name, require_tool), "restore", str(copy)])
        assert_restored(program.phone, None)


@pytest.mark.parametrize("name", CLIENTS)
def test_resumed_and_imported_snapshots_are_restored(
    make_program: MakeProgram, require_tool: Tool, name: str
) -> None:
    program = make_program(SMALL)
    program.phone.set_faults(DropInPhase(phase="uploading", after=2))
    program.now(code=13)
    program.phone.set_faults()
    assert program.now().result["resumed_bytes"]
    copy = a_copy(program.snapshots[0], program.folder / "copy")
    run(program, [*client(name, require_tool), "restore", str(copy)])
    assert_restored(program.phone, None)
    shutil.rmtree(program.store / program.phone.udid)
    program.run("import", "--settled", str(copy / program.phone.udid))
    another = a_copy(program.snapshots[0], program.folder / "another")
    run(program, [*client(name, require_tool), "restore", str(another)])
    assert_restored(program.phone, None)


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
@pytest.mark.parametrize("name", CLIENTS)
def test_ibackup_restores_what_they_made(
    make_program: MakeProgram, require_tool: Tool, name: str, password: str | None
) -> None:
    """Their folders, proven first, then restored and rehearsed, and not changed by any of it."""
    program = make_program(replace(SMALL, backup_password=password))
    folder = program.folder / "theirs"
    folder.mkdir()
    run(program, [*client(name, require_tool), "backup", str(folder)])
    before = photograph(folder)
    theirs = str(folder / program.phone.udid)
    secret = {"IBACKUP_PASSWORD": password}
    checks = program.run("restore", theirs, "--yes", "--json", environment=secret).kinds("preflight")
    assert {each["outcome"] for each in checks} == {"ok", "warning"}
    assert_restored(program.phone, password)
    assert program.run("rehearse", theirs, "--json", environment=secret).result["status"] == "restorable"
    assert photograph(folder) == before


def test_readers(make_program: MakeProgram) -> None:
    """iphone_backup_decrypt and pyiosbackup read what ibackup stored, every file, without a copy."""
    program = make_program(replace(SMALL, backup_password=PASSWORD))
    phone = program.phone
    program.now()
    phone.change(added=1, changed=2)
    program.now()
    before = photograph(program.store)
    assert_is_the_phone(program.snapshots[1], phone, PASSWORD)
    with by_iphone_backup_decrypt(program.snapshots[1] / phone.udid, PASSWORD) as other:
        for entry in phone.files.files():
            assert other.extract_file_as_bytes(entry.path, domain_like=entry.domain) == phone.files.read(
                entry
            )
    assert photograph(program.store) == before


def test_verify_reads_what_another_tool_made(make_program: MakeProgram, require_tool: Tool) -> None:
    program = make_program(SMALL)
    folder = program.folder / "theirs"
    folder.mkdir()
    run(program, [*client("idevicebackup2", require_tool), "backup", str(folder)])
    before = photograph(folder)
    assert program.run("verify", "--json", str(folder)).result["status"] == "good"
    blob = next(path for path in folder.glob("*/??/*") if path.stat().st_size > 100)
    kept = blob.read_bytes()
    blob.write_bytes(kept[:-1])
    assert blob.name in program.run("verify", "--json", str(folder), code=4).out
    blob.write_bytes(kept)
    assert {name: each[2] for name, each in photograph(folder).items()} == {
        name: each[2] for name, each in before.items()
    }
