"""What ``ibackup now`` says, in lines and in JSON; that it does the job is told in tests/jobs/backup and tests/e2e."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.simulator.cloudspec import AttemptSpec, ICloudSpec
from ibackup.simulator.faults import ErrorCodeAt, LyingFile, NoRoom, UnreadableFile, UserCancels
from ibackup.simulator.server import serve
from ibackup.simulator.spec import Passcode, PhoneSpec, Trust
from ibackup.simulator.virtual_phone import VirtualPhone

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
    assert "Next: to do this every evening: `ibackup setup`" in done.flat


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
        "is preparing",
        "Enter the passcode on the iPhone",
        "Receiving files.",
        "is assembling and checking the backup",
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
    assert "The phone has checked it, and it is sealed." in done.flat
    assert "that needs the right backup password (--password-file)" in done.flat
    assert "saved passwords" not in done.flat
    wrong = password_file.with_name("wrong")
    wrong.write_text("the one before\n")
    wrong.chmod(0o600)
    done = ibackup("now", "--password-file", wrong)
    assert "The password that you gave or stored does not open this backup." in done.flat_err
    assert "that needs the right backup password (--password-file)" in done.flat
    done = ibackup("now", "--password-file", password_file)
    assert done.out.startswith("Backed up and checked: ")
    assert "the rest was already here" in done.flat
    assert "is preparing" in done.err
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
    wanted = "files bytes received_bytes full encrypted resumed_bytes carried_files checked flawed duration_s"
    assert result.keys() >= set(wanted.split())
    assert (result["checked"], result["flawed"], result["full"]) == ("manifest", [], True)


def test_quiet(ibackup: Cli, plugged: Plug) -> None:
    plugged(replace(ANN, passcode=Passcode(kind="answered", delay_s=0.2)))
    done = ibackup("now", "-q")
    assert (done.code, done.out) == (0, "")
    assert done.err == "Enter the passcode on the iPhone to start the backup.\n"


def test_what_came_otherwise_than_the_list_says_is_not_called_changed(ibackup: Cli, plugged: Plug) -> None:
    victim = next(
        each for each in VirtualPhone(ANN).files.files() if each.domain == "HomeDomain" and each.size > 100
    )
    plugged(replace(ANN, faults=(LyingFile(domain=victim.domain, path=victim.path, how="flipped"),)))
    assert ibackup("now").code == ExitCode.FLAWED
    said = ibackup("verify")
    assert said.code == ExitCode.FLAWED
    assert "its content differs from the phone's list" in said.flat
    assert "changed since it was backed up" not in said.flat
    assert "flawed: 1 file" in ibackup("list").flat
    told = ibackup("restore", "--dry-run", "--despite-flaws").flat
    assert f"{victim.path}\" (its content differs from the phone's list" in told
    assert "Proven good" not in told


def test_unreadable_files_are_named(ibackup: Cli, plugged: Plug) -> None:
    victim = next(
        each for each in VirtualPhone(ANN).files.files() if each.domain == "CameraRollDomain" and each.size
    )
    plugged(replace(ANN, faults=(UnreadableFile(domain=victim.domain, path=victim.path),)))
    done = ibackup("now")
    assert done.code == ExitCode.FLAWED
    assert done.out.startswith("Backed up and checked, except 1 file: ")
    assert "These files differ from the phone's own list, and are kept as sent:" in done.flat
    assert "restart the phone, then run `ibackup now --full`" in done.flat
    assert victim.path.rpartition("/")[2] in done.out or victim.file_id in done.out
    plugged(replace(ANN, faults=(UnreadableFile(domain=victim.domain, path=victim.path),)))
    result = ibackup("now", "--full", "--json").result
    assert result["exit_code"] == ExitCode.FLAWED
    assert result["message"] == "The phone could not read 1 file; the rest is backed up."
    assert len(result["flawed"]) == 1  # type: ignore[arg-type]
    assert "the phone could not read it (Input/output error; nothing of it came)" in ibackup("show").flat
    said = ibackup("verify", "--level", "deep")
    assert said.code == ExitCode.FLAWED
    assert "DAMAGED" not in said.flat
    assert "the phone could not read it" in said.flat, "the reason that the backup gave"
    assert "of the wrong size" not in said.flat
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
    assert "could not be created" in done.flat_err


def test_a_setup_that_is_interrupted_does_not_claim_that_nothing_was_changed(
    ibackup: Cli, plugged: Plug, tmp_path: Path, new_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged(ANN)
    config = tmp_path / "new.toml"

    def stopped(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ibackup.jobs.runs.whole_backup.back_up", stopped)
    done = ibackup("setup", "--yes", "--no-schedule", "--config", config)
    assert done.code == ExitCode.INTERRUPTED
    assert config.exists()
    assert "Everything written so far stays" in done.flat_err


def test_an_interruption_says_what_is_left(
    ibackup: Cli, plugged: Plug, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged(ANN)

    def stopped(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ibackup.jobs.runs.whole_backup.back_up", stopped)
    done = ibackup("now")
    assert done.code == ExitCode.INTERRUPTED
    assert "Finished snapshots are untouched. Everything received so far is kept" in done.flat_err


def test_an_encrypted_backup_says_so_and_claims_no_check_that_was_not_made(
    ibackup: Cli, plugged: Plug, tmp_path: Path, password_file: Path
) -> None:
    plugged(BOB)
    done = ibackup("now", "--store", tmp_path / "new")
    assert "Checking every file against the phone's list" not in done.flat_err
    assert "It is encrypted: to restore or read it you need the backup password." in done.flat
    assert "`ibackup encryption status`" in done.flat
    done = ibackup("now", "--store", tmp_path / "new", "--password-file", password_file)
    assert "Checking every file against the phone's list" in done.flat_err
    assert "It is encrypted" in done.flat


def test_a_connected_twin_of_the_name_is_asked_about(
    ibackup: Cli, plugged: Plug, anns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store knows one phone of that name, and another one is on the cable."""
    monkeypatch.setenv("IBACKUP_STORE", str(anns))
    twin = replace(ANN, seed=77, udid="")
    assert twin.udid != ANN.udid
    plugged(twin)
    done = ibackup("now", "--phone", ANN.name.upper())
    assert done.code == ExitCode.USAGE
    assert "Several phones are called" in done.flat_err
    assert ANN.udid in done.flat_err
    assert twin.udid in done.flat_err
    assert ibackup("list", "--phone", ANN.name).code == 0, "only the store's phone has snapshots"
    assert ibackup("now", "--phone", twin.udid).code == 0
