"""``ibackup now`` as a user and as a script have it: what it prints, its events, its result."""

import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.faults import UnreadableFile
from ibackup.simulator.spec import DomainSpec, Passcode
from ibackup.simulator.virtual_phone import VirtualPhone
from support.program import Done, MakeProgram, Program
from support.runs import PASSWORD, SMALL, assert_is_the_phone, assert_sealed

RESULT = {
    "event",
    "schema",
    "command",
    "exit_code",
    "snapshot",
    "path",
    "udid",
    "device_name",
    "files",
    "bytes",
    "received_bytes",
    "full",
    "encrypted",
    "resumed_bytes",
    "carried_files",
    "checked",
    "flawed",
    "started",
    "duration_s",
}


def test_the_whole_story(program: Program) -> None:
    first = program.now()
    result = first.result
    assert set(result) >= RESULT
    assert (result["command"], result["full"], result["encrypted"]) == ("now", True, False)
    assert (result["checked"], result["flawed"], result["carried_files"]) == ("manifest", [], 0)
    assert first.err == ""
    assert_is_the_phone(str(result["path"]), program.phone)
    assert_sealed(str(result["path"]))

    program.phone.change(added=1, changed=2)
    second = program.now()
    assert second.result["full"] is False
    assert int(str(second.result["carried_files"])) > 10
    assert_is_the_phone(str(second.result["path"]), program.phone)

    listed = program.run("list", "--json").result
    snapshots = listed["snapshots"]
    assert isinstance(snapshots, list)
    assert [each["snapshot"] for each in snapshots] == [result["snapshot"], second.result["snapshot"]]
    assert program.run("verify", "--json").result["status"] == "good"
    assert SMALL.name in program.run("show", "latest").out
    shown = program.run("show", str(result["snapshot"])[:9] + "0", code=2)
    assert "snapshot" in shown.err


def test_the_words(program: Program) -> None:
    done = program.run("now", "--patience", "0")
    assert "Backed up and checked:" in done.out
    assert str(program.snapshots[0]) in done.out
    assert "Not in it:" in done.out
    words = done.out.replace("\n", " ")
    for missing in ("Health", "passwords", "call history", "not encrypted"):
        assert missing in words
    assert "Next:" in done.out
    for phase in ("Looking for the phone.", "The iPhone is preparing.", "Receiving files."):
        assert done.err.count(phase) == 1
    assert "\r" not in done.err
    assert "\x1b" not in done.err
    assert max(map(len, done.err.splitlines())) <= 80
    quiet = program.run("now", "--quiet")
    assert quiet.err == ""
    assert quiet.out == "" or quiet.out.startswith("Backed up and checked:")


def test_events(make_program: MakeProgram) -> None:
    spec = replace(
        SMALL,
        domains=(DomainSpec(name="MediaDomain", count=400, max_size=9_000),),
        passcode=Passcode(kind="answered", delay_s=0.3),
        latency_s=0.002,
    )
    program = make_program(spec)
    begun = time.monotonic()
    done = program.now()
    lasted = time.monotonic() - begun
    phases = [each["phase"] for each in done.kinds("phase")]
    assert phases == ["find", "scan", "passcode", "scan", "receive", "finish", "check", "seal"]
    assert all(isinstance(each["message"], str) for each in done.kinds("phase"))
    asked, answered = done.kinds("prompt")
    assert (asked["kind"], asked["done"]) == ("passcode", False)
    assert "Enter the passcode on the iPhone" in str(asked["message"])
    assert (answered["kind"], answered["done"]) == ("passcode", True)
    progress = done.kinds("progress")
    # Twice a second, and at once where a phase begins.
    assert 1 < len(progress) <= 2 * lasted + len(phases)
    assert {"phase", "percent", "bytes", "total_bytes", "files", "total_files", "event"} == set(progress[0])
    known = [float(str(each["percent"])) for each in progress if each["percent"] is not None]
    assert known == sorted(known)


def flawed(done: Done) -> list[dict[str, object]]:
    named = done.result["flawed"]
    assert isinstance(named, list)
    return named


def test_unreadable_files_end_with_three(program: Program) -> None:
    entry = next(
        each for each in program.phone.files.files() if each.domain == "HomeDomain" and each.size > 99
    )
    program.phone.set_faults(UnreadableFile(domain=entry.domain, path=entry.path))
    done = program.run("now", code=3)
    assert "except 1 file" in done.out
    assert entry.path in done.out.replace("\n", "").replace("  ", "")
    (named,) = flawed(program.now(code=3))
    assert named["path"] == f"{entry.file_id[:2]}/{entry.file_id}"
    assert "nothing of it came" in str(named["text"])
    assert "as the phone sent it" in program.run("verify", code=3).out


def test_an_encrypted_phone(make_program: MakeProgram) -> None:
    program = make_program(replace(SMALL, backup_password=PASSWORD))
    without = program.run("now")
    assert "needs the right backup password" in without.out.replace("\n", " ")
    file = program.folder / "password"
    file.write_text(f"{PASSWORD}\nanother line\n")
    file.chmod(0o600)
    result = program.now("--password-file", str(file)).result
    assert (result["encrypted"], result["checked"]) == (True, "manifest")
    assert_is_the_phone(str(result["path"]), program.phone, PASSWORD)
    wrong = program.now(environment={"IBACKUP_PASSWORD": "wrong one"})
    assert wrong.result["checked"] == "phone"
    (warning,) = wrong.kinds("warning")
    assert "does not open this backup" in str(warning["message"])
    assert program.run("verify", "--json", environment={"IBACKUP_PASSWORD": "wrong"}, code=20).result["hint"]


def test_two_phones_in_one_store(make_program: MakeProgram) -> None:
    other = replace(SMALL, seed=2, udid="", serial="", name="Zoë and the iPad", device_class="iPad")
    program = make_program(SMALL, other)
    failed = program.now(code=2).result
    for phone in program.phones:
        assert phone.udid in f"{failed['message']} {failed['hint']}"
    for phone in program.phones:
        assert program.now("--udid", phone.udid.replace("-", "")).result["udid"] == phone.udid
    config = program.folder / "config.toml"
    config.write_text(f'[[phones]]\nname = "zoë"\nudid = "{program.phones[1].udid}"\n')
    result = program.now("--config", str(config), "--phone", "Zoë").result
    assert result["udid"] == program.phones[1].udid
    assert len(list(program.store.glob("*/snapshots/*"))) == 3
    assert program.run("list", "--json").out.count('"event": "snapshot"') == 3


def test_waiting_for_a_phone(make_program: MakeProgram) -> None:
    program = make_program()
    assert program.now("--udid", "00008101-000AC08BE8B33913", code=10).result["hint"]
    process = program.start("now", "--json", "--wait", "1m")
    assert process.stdout is not None
    assert '"phase": "find"' in process.stdout.readline()
    phone = VirtualPhone(SMALL)
    program.server.attach(phone)
    done = program.finish(process, 0)
    assert done.out.splitlines()[-1].startswith('{"event": "result"')
    assert_is_the_phone(
        Path(program.store, phone.udid, "snapshots", done.out.split('"snapshot": "')[1][:16]), phone
    )


def test_a_store_may_be_read_while_a_run_is_under_way(program: Program) -> None:
    program.now()
    program.phone.change(added=4)
    held = replace(SMALL.passcode, kind="answered", delay_s=60)
    program.phone.passcode = held
    process = program.start("now", "--json")
    assert program.phone.journal.wait("notified", "com.apple.LocalAuthentication.ui.presented")
    try:
        assert program.run("verify", "--json").result["status"] == "good"
        assert "A backup is running" in program.run("list").out
        busy = program.now(code=15).result
        assert f"process {process.pid}" in str(busy["message"])
    finally:
        process.terminate()
    program.finish(process, 130)


@pytest.mark.promise("Plain format")
@pytest.mark.parametrize("tool", ["sha256sum"])
def test_the_seal_is_read_by_coreutils(program: Program, tool: str) -> None:
    program.now()
    done = subprocess.run(
        [tool, "-c", "SHA256SUMS"], cwd=program.snapshots[0], check=True, capture_output=True, text=True
    )
    assert done.stdout.count(": OK\n") == len((program.snapshots[0] / "SHA256SUMS").read_text().splitlines())
