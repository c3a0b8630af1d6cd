"""``ibackup fleet`` with the real restic and rclone: a keeper and two computers, in a folder that all of them reach."""

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cli.conftest import ANN, Cli, Ran, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.copies.fleet.fleet_bucket import FleetBucket
from ibackup.copies.fleet.fleet_keys import SigningKey
from ibackup.copies.fleet.keeper_secret import KeeperSecret
from ibackup.copies.plain_lock import PlainLock
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.disk import record_times

pytestmark = pytest.mark.peer
NAME = f"fleet-{ANN.udid.replace('-', '').lower()[-24:]}"


@dataclass
class Computer:
    """One of the computers: its own config, state and store."""

    folder: Path
    ibackup: Cli
    patch: pytest.MonkeyPatch

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def __call__(self, *words: str | Path) -> Ran:
        self.folder.mkdir(exist_ok=True)
        self.patch.setenv("IBACKUP_STATE_DIR", str(self.folder / "state"))
        self.patch.setenv("IBACKUP_STORE", str(self.store))
        done = self.ibackup(*words, "--config", self.folder / "config.toml")
        for secret in self._secrets():
            assert secret not in done.out + done.err
        return done

    def _secrets(self) -> set[str]:
        """What its files hold: keys, passwords, the keeper's own."""
        kept = [*self.folder.glob("fleet/*"), *self.folder.glob("*.secret"), *self.folder.glob("*.enrolment")]
        found = {text for path in kept for text in re.findall(r"[A-Za-z0-9+/=-]{30,}", path.read_text())}
        public = {ANN.udid, *re.findall(r"[0-9a-f]{64}", " ".join(found))}
        config = (self.folder / "config.toml").read_text() if self.folder.is_dir() else ""
        return {each for each in found - public if each not in config}

    def good(self, *words: str | Path) -> Any:
        done = self(*words, "--json")
        assert done.code == 0, done
        return done.result


@pytest.fixture
def computer(
    tmp_path: Path, ibackup: Cli, monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], str]
) -> Callable[[str], Computer]:
    require_tool("restic")
    require_tool("rclone")

    def make(name: str) -> Computer:
        return Computer(tmp_path / name, ibackup, monkeypatch)

    for name in ("keeper", "desk", "lab"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.toml").write_text("[prune]\nkeep_last = 1\n" if name == "keeper" else "")
    return make


@pytest.fixture
def keeper(computer: Callable[[str], Computer], tmp_path: Path) -> Computer:
    mine = computer("keeper")
    secret = mine.folder / "keeper.secret"
    (tmp_path / "bucket").mkdir()
    mine.good("fleet", "init", tmp_path / "bucket", "--keeper-file", secret)
    assert secret.stat().st_mode & 0o777 == 0o600
    return mine


def enrolled(keeper: Computer, member: Computer) -> Computer:
    """A computer that has joined the fleet with Ann's phone."""
    file = keeper.folder / f"{member.folder.name}.enrolment"
    typed = ANN.udid.replace("-", "").lower()  # as usbmuxd, and people, may spell it
    keeper.good("fleet", "enrol", member.folder.name, typed, "--to", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert member.good("fleet", "join", file)["added"] == [NAME]
    config = member.folder / "config.toml"
    before = config.read_text()
    assert member.good("fleet", "join", file)["known"] == [NAME]
    assert config.read_text() == before  # again changes nothing
    return member


@pytest.fixture
def desk(keeper: Computer, computer: Callable[[str], Computer], made: Path) -> Computer:
    """A computer with two snapshots of Ann's phone, which are copied and reported."""
    member = computer("desk")
    shutil.copytree(made, member.store, symlinks=True)
    enrolled(keeper, member)
    member.good("copy", "run", NAME)
    return member


def status(keeper: Computer, code: int = 0) -> tuple[list[str], dict[str, Any]]:
    """The kinds of problems, and the one phone."""
    done = keeper("fleet", "status", "--json")
    assert done.code == code, done
    result: Any = done.result
    (phone,) = result["phones"]
    return [each["kind"] for each in [*result["problems"], *phone["problems"]]], phone


def test_from_nothing_to_a_phone_that_two_computers_back_up(
    keeper: Computer,
    desk: Computer,
    computer: Callable[[str], Computer],
    plugged: Callable[..., list[VirtualPhone]],
    tmp_path: Path,
) -> None:
    kinds, phone = status(keeper)
    assert (kinds, phone["name"], phone["computer"]) == ([], ANN.name, "desk")
    assert "all backed up in time" in keeper("fleet", "status").flat
    # The phone moves to another computer, and its next backup there is incremental.
    lab = enrolled(keeper, computer("lab"))
    lab.good("copy", "get", "latest", "--from", NAME, "--into-store")
    phone_now = plugged(ANN)[0]
    assert lab.good("now", "--patience", "0")["full"] is False
    phone_now.change()
    assert lab("nightly", "--once", "--every", "0", "--json").code == 0
    kinds, phone = status(keeper)
    assert (kinds, phone["computer"], phone["hosts"]) == ([], "lab", ["desk", "lab"])
    # The bucket is away: the night goes well without it.
    bucket = tmp_path / "bucket"
    bucket.rename(tmp_path / "unplugged")
    assert lab("nightly", "--once", "--every", "9d", "--json").code == 0
    (tmp_path / "unplugged").rename(bucket)
    # A computer that is stolen.
    keeper.good("fleet", "revoke", "lab")
    again = keeper("fleet", "enrol", "lab", "--to", tmp_path / "again")
    assert (again.code, "was revoked" in again.flat_err) == (ExitCode.USAGE, True)
    rows = keeper.good("fleet", "list")["hosts"]
    assert [(each["host"], each["revoked"]) for each in rows] == [("desk", False), ("lab", True)]
    for forms in ("--prometheus", "--html"):
        text = keeper("fleet", "status", forms).out
        assert ANN.name in text
    families = {
        each.name for each in text_string_to_metric_families(keeper("fleet", "status", "--prometheus").out)
    }
    assert "ibackup_fleet_phone_backup_timestamp_seconds" in families


def test_the_keeper_looks_for_itself_removes_by_its_rules_and_the_computers_know(
    keeper: Computer, desk: Computer, tmp_path: Path
) -> None:
    older, newer = (each.name for each in snapshots(desk.store, ANN))
    first = keeper.good("fleet", "keeper")
    (phone,) = first["phones"]
    assert (phone["snapshots"], phone["newest"], phone["problems"]) == (2, newer, [])
    assert (first["matched"], first["rehearsed"], first["removed"]) == ([ANN.udid], ANN.udid, {})
    second = keeper.good("fleet", "keeper")  # the other snapshot is compared, and may go then
    assert second["removed"] == {ANN.udid: [older]}
    assert second["rehearsed"] is None
    # It was said before anything went: a keeper that is killed in between leaves no computer in doubt.
    findings = tmp_path / "bucket" / "keeper" / "findings.json"
    kept = findings.read_bytes()
    findings.unlink()
    done = desk.good("copy", "run", NAME)
    assert (done["copies"][0]["copied"], done["copies"][0]["vanished"]) == ([], [])
    assert status(keeper, ExitCode.DAMAGE)[0] == ["replayed"]
    findings.write_bytes(kept)
    page = (tmp_path / "bucket" / "index.html").read_text(encoding="utf-8")
    assert ANN.name in page
    assert "<script" not in page
    # Only the newest reports stay.
    for _ in range(4):
        desk.good("copy", "run", NAME)
    keeper.good("fleet", "keeper")
    assert len(list((tmp_path / "bucket" / "status" / ANN.udid).iterdir())) <= 3
    _what_an_intruder_does_is_found(keeper, tmp_path / "bucket")


def _what_an_intruder_does_is_found(keeper: Computer, bucket: Path) -> None:
    report = max((bucket / "status" / ANN.udid).iterdir())
    for other in set(report.parent.iterdir()) - {report}:
        other.unlink()
    good = report.read_bytes()
    members = json.loads(good)
    members["exit_code"] = 0
    report.write_bytes(SigningKey.new().signed(members))
    assert status(keeper, ExitCode.DAMAGE)[0] == ["forged", "silent"]
    report.write_bytes(good)
    record = bucket / "hosts" / "desk.json"
    kept = record.read_bytes()
    record.write_bytes(SigningKey.new().signed(json.loads(kept)))
    done = keeper("fleet", "status", "--json")
    assert done.code == ExitCode.DAMAGE
    assert "did not sign" in str(done.result["problems"])
    listed = keeper("fleet", "list")
    assert (listed.code, "did not sign its record" in listed.flat) == (ExitCode.DAMAGE, True)
    record.write_bytes(kept)
    # A snapshot vanishes from the repository, and a file of data is damaged.
    shutil.rmtree(bucket / "repos" / ANN.udid / "snapshots")
    (bucket / "repos" / ANN.udid / "snapshots").mkdir()
    found = keeper("fleet", "keeper", "--json")
    assert found.code == ExitCode.DAMAGE
    assert "vanished" in str(found.result["phones"])
    assert status(keeper, ExitCode.DAMAGE)[0] == ["damaged"]


def test_two_keepers_exclude_each_other(
    keeper: Computer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = tmp_path / "bucket" / "keeper" / "busy.json"
    members = {"computer": "nas", "machine": "x", "when": record_times.written(record_times.now())}
    busy.write_text(json.dumps(members))
    done = keeper("fleet", "keeper")
    assert done.code == ExitCode.BUSY
    assert "keeping the fleet" in done.flat_err
    busy.unlink()
    # Another user of this computer, for example root's cron.
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "root"))
    with PlainLock(FleetBucket.open(str(tmp_path / "bucket"), None).program, "keeper").held():
        assert keeper("fleet", "keeper").code == ExitCode.BUSY
    assert keeper("fleet", "keeper").code == 0


def test_what_is_missing_or_wrong_is_said(
    keeper: Computer, computer: Callable[[str], Computer], tmp_path: Path
) -> None:
    lab = computer("lab")
    for command in ("status", "list", "keeper", "revoke lab", f"enrol lab {ANN.udid} --to x"):
        done = lab("fleet", *command.split())
        assert (done.code, "belongs to no fleet" in done.flat_err) == (ExitCode.USAGE, True)
    assert keeper("fleet", "status").code == ExitCode.STALE
    for place, said in ((tmp_path / "typo", "does not exist"), ("sftp:ann@nas:/x", "cannot be at sftp:")):
        done = lab("fleet", "init", place, "--keeper-file", lab.folder / "lab.secret")
        assert (done.code, said in done.flat_err) == (ExitCode.USAGE, True), done
    again = keeper("fleet", "init", tmp_path / "other", "--keeper-file", keeper.folder / "other.secret")
    assert (again.code, "already" in again.flat_err) == (ExitCode.USAGE, True)
    for words, said in (
        (("enrol", "Front Desk", ANN.udid, "--to", "x"), "cannot be the name"),
        (("enrol", "lab", "not-a-udid", "--to", "x"), "is not a UDID"),
        (("enrol", "lab", "--to", "x"), "no phones yet"),
        (("enrol", "lab", ANN.udid), "no file"),
        (("enrol", "lab", ANN.udid, "--policy"), "Only a bucket"),
        (("enrol", "lab", "*", "--policy"), "is not a UDID"),
        (("revoke", "lab"), "no computer 'lab'"),
    ):
        done = keeper("fleet", *words)
        assert (done.code, said in done.flat_err) == (ExitCode.USAGE, True), done
    enrolled(keeper, lab)
    # The folder is on a disk that is away: nothing is taken for gone, and nothing is written in its place.
    bucket = tmp_path / "bucket"
    bucket.rename(tmp_path / "unplugged")
    for command in ("status", "list", "keeper"):
        assert keeper("fleet", command).code == ExitCode.STORE_MISSING
    done = lab("fleet", "join", keeper.folder / "lab.enrolment")
    assert (done.code, "is not on this computer" in done.flat_err) == (ExitCode.USAGE, True)
    assert not bucket.exists()
    (tmp_path / "unplugged").rename(bucket)
    # Keys that it was given later are the copies' keys, too.
    (tmp_path / "lab.env").write_text("")
    lab.good("fleet", "join", keeper.folder / "lab.enrolment", "--key-file", tmp_path / "lab.env")
    assert (lab.folder / "config.toml").read_text().count(f'key_file = "{tmp_path / "lab.env"}"') == 2
    os.unlink(lab.folder / "fleet" / "lab.key")
    done = lab("fleet", "keeper")
    assert (done.code, "does not keep the fleet" in done.flat_err) == (ExitCode.USAGE, True)
    for nonsense in ("{}", "AWS_ACCESS_KEY_ID=x", (keeper.folder / "keeper.secret").read_text()):
        (tmp_path / "nonsense").write_text(nonsense)
        done = lab("fleet", "join", tmp_path / "nonsense")
        assert (done.code, "is not an enrolment" in done.flat_err) == (ExitCode.FAILED, True)
    os.unlink(keeper.folder / "keeper.secret")
    assert keeper("fleet", "keeper").code == ExitCode.FAILED
    KeeperSecret.new().keep_in_new_file(str(keeper.folder / "keeper.secret"))
    done = keeper("fleet", "enrol", "lab", ANN.udid, "--to", tmp_path / "other")
    assert (done.code, "another fleet" in done.flat_err) == (ExitCode.USAGE, True)
