"""What ``ibackup now`` says, in lines and in JSON; that it does the job is told in tests/backup and tests/e2e."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli, snapshots
from ibackup.errors import ExitCode
from ibackup.simulator import Passcode, PhoneSpec, Trust, VirtualPhone, serve
from ibackup.simulator.spec import AttemptSpec, ErrorCodeAt, ICloudSpec, NoRoom, UnreadableFile, UserCancels

Plug = Callable[..., list[VirtualPhone]]
SLOW = replace(ANN, latency_s=0.004, batch_size=1, passcode=Passcode(kind="answered", delay_s=0.2))


@pytest.fixture(autouse=True)
def new_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IBACKUP_STORE", str(tmp_path / "new"))
    return tmp_path / "new"


def test_the_last_sentence(ibackup: Cli, plugged: Plug, new_store: Path) -> None:
    plugged(ANN)
    done = ibackup("now")
    assert done.code == 0
    [made] = snapshots(new_store, ANN)
    files = sum(path.is_file() for path in (made / ANN.udid).rglob("*"))
    assert f", {files} files, in {made}. It took " in done.flat
    assert done.out.startswith("Backed up and checked: ")
    assert "Not in it: saved passwords, Health data and call history" in done.flat
    assert "Anyone who has this disk can read the backup." in done.flat
    assert "Next: `ibackup setup`" in done.flat


CLOUDY = ICloudSpec(attempts=tuple(AttemptSpec(code=303, days=days) for days in (0.1, 1.1, 2.1)))


@pytest.mark.parametrize("spec", [ANN, BOB], ids=["plain", "encrypted"])
def test_what_the_phone_noted_of_icloud_backup(
    ibackup: Cli, plugged: Plug, password_file: Path, spec: PhoneSpec
) -> None:
    plugged(replace(spec, cloud_backup=True, icloud=CLOUDY))
    hint = "iCloud Backup fails: the phone noted error 303 three times since "
    done = ibackup("now", "--password-file", password_file)
    assert done.code == 0
    assert hint in done.flat
    assert "Run `ibackup doctor`." in done.flat
    done = ibackup("now", "--json", "--password-file", password_file)
    assert str(done.result["icloud_hint"]).startswith(hint)
    if spec is BOB:  # without the password there is nothing to read it with
        assert ibackup("now", "--json").result["icloud_hint"] is None


def test_nothing_is_said_of_icloud_backup_that_is_switched_off(ibackup: Cli, plugged: Plug) -> None:
    plugged(replace(ANN, icloud=CLOUDY))
    assert "iCloud Backup fails" not in ibackup("now").flat


def test_one_line_a_phase(ibackup: Cli, plugged: Plug) -> None:
    plugged(replace(SLOW, latency_s=0))
    done = ibackup("now")
    assert done.code == 0
    lines = [
        "Looking for the phone.",
        "Backing up to",
        "looks through its files",
        "Enter the passcode on the iPhone",
        "Receiving files.",
        "puts the backup together",
        "Checking every file",
        "Sealing it",
    ]
    assert [done.flat_err.count(line) for line in lines] == [1] * len(lines)
    places = [done.flat_err.index(line) for line in lines]
    assert places == sorted(places)
    assert not set(done.err) & {"\r", "\x1b", "\b"}
    assert max(len(line) for line in done.err.splitlines() if "/" not in line) <= 80


def test_an_encrypted_phone_without_and_with_its_password(
    ibackup: Cli, plugged: Plug, password_file: Path
) -> None:
    plugged(BOB)
    done = ibackup("now")
    assert done.code == 0
    assert done.out.startswith("Backed up: ")
    assert "The phone has checked it, and it is sealed. With the password of its backups" in done.flat
    assert "saved passwords" not in done.flat
    done = ibackup("now", "--password-file", password_file)
    assert done.out.startswith("Backed up and checked: ")
    assert "the rest was here already" in done.flat
    assert "looks through" in done.err
    assert "The iPad" in done.flat_err
    assert "iPhone" not in done.err


def test_events(ibackup: Cli, plugged: Plug, new_store: Path) -> None:
    plugged(SLOW)
    begun = time.monotonic()
    done = ibackup("now", "--json")
    passed = time.monotonic() - begun
    assert (done.code, done.err) == (0, "")
    events = done.events
    phases = [event["phase"] for event in events if event["event"] == "phase"]
    assert list(dict.fromkeys(phases)) == ["find", "scan", "passcode", "receive", "finish", "check", "seal"]
    progress = [event for event in events if event["event"] == "progress"]
    assert 1 <= len(progress) <= 2 * passed + 1
    assert all(event.keys() >= {"phase", "percent", "bytes", "total_bytes", "files"} for event in progress)
    prompts = [(event["kind"], event["done"]) for event in events if event["event"] == "prompt"]
    assert prompts == [("passcode", False), ("passcode", True)]
    [made] = snapshots(new_store, ANN)
    result = done.result
    assert result["command"] == "now"
    assert (result["snapshot"], result["path"], result["udid"]) == (made.name, str(made), ANN.udid)
    wanted = (
        "files bytes received_bytes full encrypted resumed_bytes carried_files checked unreadable duration_s"
    )
    assert result.keys() >= set(wanted.split())
    assert (result["checked"], result["unreadable"], result["full"]) == ("manifest", [], True)


def test_quiet(ibackup: Cli, plugged: Plug) -> None:
    plugged(replace(ANN, passcode=Passcode(kind="answered", delay_s=0.2)))
    done = ibackup("now", "-q")
    assert (done.code, done.out) == (0, "")
    assert done.err == "Enter the passcode on the iPhone to start the backup.\n"


def test_unreadable_files_are_named(ibackup: Cli, plugged: Plug) -> None:
    victim = next(
        each for each in VirtualPhone(ANN).files.files() if each.domain == "CameraRollDomain" and each.size
    )
    plugged(replace(ANN, faults=(UnreadableFile(domain=victim.domain, path=victim.path),)))
    done = ibackup("now")
    assert done.code == ExitCode.UNREADABLE_FILES
    assert done.out.startswith("Backed up and checked, all but 1 file: ")
    assert "The phone could not read these files; they are not in the backup:" in done.flat
    assert victim.path.rpartition("/")[2] in done.out or victim.file_id in done.out
    plugged(replace(ANN, faults=(UnreadableFile(domain=victim.domain, path=victim.path),)))
    result = ibackup("now", "--full", "--json").result
    assert result["exit_code"] == ExitCode.UNREADABLE_FILES
    assert result["message"] == "The phone could not read 1 file; the rest is backed up."
    assert len(result["unreadable"]) == 1  # type: ignore[arg-type]
    assert "the phone could not read:" in ibackup("show").out
    said = ibackup("verify", "--level", "deep").flat
    assert "DAMAGED" not in said
    assert "1 file is missing that the phone could not read" in said
    assert "A restore would have everything else." in said
    assert "Every other file on the phone's list" in ibackup("verify", "--level", "quick").flat


REFUSED: dict[str, tuple[PhoneSpec, ExitCode, int | None]] = {
    "too little room": (replace(ANN, faults=(NoRoom(),)), ExitCode.NO_ROOM, 105),
    "cancelled on the phone": (replace(ANN, faults=(UserCancels(after=1),)), ExitCode.INTERRUPTED, None),
    "refused": (replace(ANN, faults=(ErrorCodeAt(where="start", code=25),)), ExitCode.PHONE_REFUSED, 25),
    "passcode never entered": (
        replace(ANN, passcode=Passcode(kind="never", delay_s=0.1)),
        ExitCode.PERSON_NEEDED,
        208,
    ),
    "not trusted": (replace(ANN, trust=Trust(kind="denied")), ExitCode.PERSON_NEEDED, None),
    "nobody taps Trust": (replace(ANN, trust=Trust(kind="pending")), ExitCode.PERSON_NEEDED, None),
    "setup not done": (replace(ANN, setup_done=False), ExitCode.PERSON_NEEDED, 212),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_phone_that_refuses(ibackup: Cli, plugged: Plug, why: str) -> None:
    spec, code, number = REFUSED[why]
    plugged(spec)
    done = ibackup("now", "--json", "--patience", "0")
    assert done.code == code
    if number is not None:
        assert done.result["error_code"] == number
        assert f"MBErrorDomain {number}" in str(done.result["message"])
    assert done.result["hint"]
    said = ibackup("now", "--patience", "0")
    assert (said.code, said.out) == (code, "")
    assert said.err.count("ibackup:") == 1
    assert "Traceback" not in said.err


def test_several_phones_need_a_choice(ibackup: Cli, plugged: Plug) -> None:
    plugged(ANN, BOB)
    done = ibackup("now", "--json")
    assert done.code == ExitCode.USAGE
    assert all(each in str(done.result["message"]) for each in (ANN.udid, ANN.name, BOB.udid, "Bob"))
    assert "--phone" in str(done.result["hint"])
    assert ibackup("now", "--phone", BOB.udid).code == 0
    assert ibackup("now", "--phone", "00008101-0000000000000009").code == ExitCode.NO_PHONE


def test_waiting_for_a_phone(
    ibackup: Cli, plugged: Plug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve() as server:
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", server.address)
        later = threading.Timer(0.5, lambda: server.attach(VirtualPhone(ANN)))
        later.start()
        done = ibackup("now", "--wait", "30s")
        later.join()
    assert done.code == 0
    assert "Waiting for a phone" in done.err


def test_a_store_that_cannot_be(ibackup: Cli, plugged: Plug, tmp_path: Path) -> None:
    plugged(ANN)
    (tmp_path / "file").write_text("x")
    done = ibackup("now", "--store", tmp_path / "file")
    assert done.code == ExitCode.USAGE
    assert "is not a folder" in done.flat_err
    done = ibackup("now", "--store", "/proc/nothing/store")
    assert done.code != 0
    assert "could not be made" in done.flat_err


def test_a_setup_that_is_interrupted_does_not_claim_that_nothing_was_changed(
    ibackup: Cli, plugged: Plug, tmp_path: Path, new_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged(ANN)
    config = tmp_path / "new.toml"

    def stopped(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ibackup.backup.back_up", stopped)
    done = ibackup("setup", "--yes", "--no-schedule", "--config", config)
    assert done.code == ExitCode.INTERRUPTED
    assert config.exists()
    assert "What was written so far stays" in done.flat_err


def test_an_interruption_says_what_is_left(
    ibackup: Cli, plugged: Plug, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged(ANN)

    def stopped(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ibackup.backup.back_up", stopped)
    done = ibackup("now")
    assert done.code == ExitCode.INTERRUPTED
    assert "Finished snapshots are untouched. What has arrived is kept" in done.flat_err
