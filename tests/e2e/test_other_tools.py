"""Snapshots that ``ibackup now`` made, in the hands of tools that we did not write."""

import json
import os
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.faults import DropInPhase
from ibackup.simulator.spec import Passcode, demo_spec
from ibackup.simulator.virtual_phone import VirtualPhone
from support.program import MakeProgram, Program
from support.readers import by_iphone_backup_decrypt, mvt_ios
from support.runs import PASSWORD, SMALL, assert_is_the_phone, photograph

pytestmark = [pytest.mark.promise("Plain format"), pytest.mark.peer, pytest.mark.slow]
Tool = Callable[[str], str]

CLIENTS = ["idevicebackup2", "pymobiledevice3"]
MVT_READS = ["sms", "whatsapp", "contacts", "calendar", "manifest"]
MVT_READS_ENCRYPTED = ["calls", "safari_history"]


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


PAGE = Path(__file__).parents[2] / "docs" / "howto-other-tools.md"


def commands_of(name: str) -> list[list[str]]:
    """The commands of a program that the page has, in its order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith(f"{name} ")]


def lives_on(make_program: MakeProgram, password: str | None) -> tuple[Program, Path]:
    """A phone with a life and its snapshot, and a folder with the copy that the page has people make."""
    life = demo_spec()
    spec = replace(life, domains=(), apps=life.apps[-1:], passcode=Passcode(), backup_password=password)
    program = make_program(replace(spec, ios_version="14.8"))
    program.now()
    a_copy(program.snapshots[0], program.folder / "restore-copy")
    return program, program.folder


def typed(words: list[str], folder: Path, udid: str, **variables: str) -> None:
    """Run a command of the page in a folder."""
    values = {"UDID": udid, "PASSWORD": PASSWORD}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [re.sub("UDID|PASSWORD", lambda found: values[found[0]], word) for word in words],
        check=False, capture_output=True, text=True, timeout=250, cwd=folder,
        env={"PATH": path, "HOME": str(folder), **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]


@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_whatsapp_chat_exporter(make_program: MakeProgram, require_tool: Tool, password: str | None) -> None:
    program, folder = lives_on(make_program, password)
    of_backup, of_files = commands_of("whatsapp-chat-exporter")
    for words in (of_backup, of_files):
        words[0] = require_tool(str(Path(sys.executable).with_name(words[0])))
    if password is None:
        typed(of_backup, folder, program.phone.udid)
    else:
        (extract,) = (words for words in commands_of("ibackup") if words[1] == "extract")
        extract[-1] = str(folder / extract[-1])
        program.run(*extract[1:], environment={"IBACKUP_PASSWORD": password})
        folder /= next(words[1] for words in commands_of("cd") if words[1].startswith("whatsapp"))
        typed(of_files, folder, program.phone.udid)
    chats = json.loads((folder / "chats.json").read_text(encoding="utf-8"))
    texts = [message["data"] for chat in chats.values() for message in chat["messages"].values()]
    assert {"The boat is in the water again", "I come on Sunday"} <= set(texts)
    assert list((folder / "chats").rglob("*.html"))


def test_pyiosbackup_as_a_program(make_program: MakeProgram) -> None:
    program, folder = lives_on(make_program, PASSWORD)
    (unback,) = commands_of("pyiosbackup")
    typed(unback, folder, program.phone.udid)
    taken = {path.name for path in (folder / "files").rglob("*") if path.is_file()}
    assert {"ChatStorage.sqlite", "sms.db", "AddressBook.sqlitedb"} <= taken


@pytest.mark.long
@pytest.mark.parametrize("password", [None, PASSWORD], ids=["plain", "encrypted"])
def test_mvt(make_program: MakeProgram, password: str | None) -> None:
    mvt = mvt_ios()
    program, folder = lives_on(make_program, password)
    plain, decrypt, decrypted = commands_of("mvt-ios")
    for words in [plain] if password is None else [decrypt, decrypted]:
        typed([mvt, *words[1:]], folder, program.phone.udid, MVT_IOS_BACKUP_PASSWORD=PASSWORD)
    more = MVT_READS_ENCRYPTED if password else []
    read = {
        each: json.loads((folder / "found" / f"{each}.json").read_text("utf-8"))
        for each in (*MVT_READS, *more)
    }
    assert all(read.values()), {name: len(found) for name, found in read.items()}
    assert "I come on Sunday" in str(read["whatsapp"])


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
