"""``ibackup verify``: exit codes, what it says, seals for other people's folders, and what it writes down."""

import json
import os
import plistlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli, snapshots
from ibackup.apple.found_folders import folder_error
from ibackup.base.errors import UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.jobs.proving.folder_seal import make_seal
from ibackup.simulator.server import serve
from ibackup.simulator.virtual_phone import VirtualPhone
from support.minted import Mint, Spec
from support.runs import flip, photograph


def photo(snapshot: Path, number: int = 0) -> Path:
    """A stored photo of Ann's, found without the product."""
    backup = snapshot / ANN.udid
    files = [path for path in sorted(backup.glob("??/*")) if path.stat().st_size >= 3000]
    return files[number]


# -- what is good -------------------------------------------------------------------------------------------


def test_the_newest_snapshot_of_each_phone(ibackup: Cli, store: Path) -> None:
    done = ibackup("verify", "--all")
    assert done.code == 0
    newest = [snapshots(store, spec)[-1].name for spec in (ANN, BOB)]
    assert f"Good: snapshot {newest[0]} of {ANN.name}: " in done.flat
    assert f"Good: snapshot {newest[1]} of Bob: " in done.flat
    assert snapshots(store, ANN)[0].name not in done.out
    assert "[" not in done.out.replace("[0", "")  # no colours where there is no terminal


@pytest.mark.parametrize("level", ["quick", "full", "deep"])
def test_a_good_snapshot_at_each_level(ibackup: Cli, anns: Path, level: str) -> None:
    done = ibackup("verify", "--level", level, "--json", "latest")
    assert done.code == 0
    result = done.result
    assert (result["status"], result["level"], result["manifest_checked"]) == ("good", level, True)
    assert (result["damage"], result["intact_in"], result["sealed"]) == (0, {}, True)
    newest = snapshots(anns, ANN)[-1]
    assert (result["snapshot"], result["path"]) == (newest.name, str(newest / ANN.udid))
    # The count and the size are those that `now`, `list` and `show` give.
    meta = json.loads((newest / "snapshot.json").read_text())
    assert (result["files"], result["bytes"]) == (meta["files"], meta["bytes"])
    proofs = json.loads((newest.parent.parent / "proofs" / f"{newest.name}.json").read_text())
    assert [(proof["level"], proof["result"]) for proof in proofs["last"]] == [(level, "good")]


@pytest.mark.parametrize("form", ["id", "prefix", "latest", "snapshot folder", "backup folder", "relative"])
def test_every_way_to_name_a_snapshot(
    ibackup: Cli, anns: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = snapshots(anns, ANN)[-1]
    monkeypatch.chdir(newest.parent)
    named = {
        "id": newest.name,
        "prefix": newest.name[:-1],
        "latest": "latest",
        "snapshot folder": str(newest),
        "backup folder": str(newest / ANN.udid),
        "relative": f"./{newest.name}/{ANN.udid}",
    }[form]
    done = ibackup("verify", "--level", "quick", "--json", named)
    assert (done.code, done.result["snapshot"], done.result["sealed"]) == (0, newest.name, True)


def test_a_prefix_of_several_and_of_none(ibackup: Cli, anns: Path) -> None:
    for ref, said in (
        ("20", "Several snapshots begin with '20'"),
        ("1999", "No snapshot begins with '1999'"),
    ):
        done = ibackup("verify", ref)
        assert done.code == ExitCode.USAGE
        assert said in done.flat_err
        assert all(snapshot.name in done.flat_err for snapshot in snapshots(anns, ANN))


def test_latest_of_several_phones_needs_a_choice(ibackup: Cli, store: Path) -> None:
    for words in (
        ["verify", "latest"],
        ["verify"],
        ["show"],
        ["rehearse"],
        ["files"],
        ["extract", "--all", "--to", "x"],
    ):
        done = ibackup(*words)
        assert done.code == ExitCode.USAGE
        assert f"{ANN.name} ({ANN.udid}) and Bob ({BOB.udid})" in done.flat_err
        assert f"--phone '{ANN.name}' or --phone Bob" in done.flat_err
    assert ibackup("verify", "latest", "--phone", ANN.udid).code == 0
    assert ibackup("verify", "--udid", BOB.udid.replace("-", "")).code == 0


def test_quiet_says_nothing_of_what_is_well(ibackup: Cli, anns: Path) -> None:
    done = ibackup("verify", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
    flip(photo(snapshots(anns, ANN)[-1]))
    assert "DAMAGED" in ibackup("verify", "-q").out


def test_nothing_to_verify(ibackup: Cli, store: Path) -> None:
    for spec in (ANN, BOB):
        shutil.rmtree(store / spec.udid)
    done = ibackup("verify")
    assert done.code == ExitCode.USAGE
    assert "There is no snapshot to verify." in done.err
    assert "`ibackup now`" in done.err


# -- the password -------------------------------------------------------------------------------------------


def test_locked_but_sealed_is_good_as_far_as_that_goes(ibackup: Cli, bobs: Path) -> None:
    done = ibackup("verify", "--json")
    assert (done.code, done.result["status"], done.result["manifest_checked"]) == (0, "good", False)
    assert "The phone's list of files is encrypted" in ibackup("verify").flat


def test_with_its_password_the_list_is_compared_too(ibackup: Cli, bobs: Path, password_file: Path) -> None:
    done = ibackup("verify", "--json", "--password-file", password_file)
    assert (done.code, done.result["manifest_checked"]) == (0, True)
    done = ibackup("verify", "--level", "deep", "--json", "--password-file", password_file)
    assert done.code == 0
    assert done.result["decrypted"] == 3
    said = ibackup("verify", "--level", "deep", "--password-file", password_file).flat
    assert "A restore would have everything it needs." in said
    assert "locked" not in said


@pytest.mark.parametrize("given", [True, False], ids=["password", "locked"])
@pytest.mark.parametrize("what", ["SHA256SUMS", "salt", "keybag", "class"])
def test_damage_that_keeps_the_password_from_opening_is_damage(
    ibackup: Cli, bobs: Path, password_file: Path, what: str, given: bool
) -> None:
    """Not a wrong or missing password: nobody would find the right one."""
    snapshot = snapshots(bobs, BOB)[0]
    path = snapshot / (what if what == "SHA256SUMS" else f"{BOB.udid}/Manifest.plist")
    data = bytearray(path.read_bytes())
    place = {"SHA256SUMS": 3, "salt": data.find(b"DPSL") + 12, "keybag": data.find(b"HMCK") + 4}
    data[place.get(what, data.rfind(b"WPKY") + 12)] ^= 0x42
    path.chmod(0o600)
    path.write_bytes(data)
    words = ("--password-file", password_file) if given else ()
    for level in ("full", "deep") if given else ("full",):
        done = ibackup("verify", "latest", "--json", "--level", level, *words)
        assert done.code == ExitCode.DAMAGE
        found = {(e["kind"], e["file"]) for e in done.events if e["event"] == "finding"}
        if what == "SHA256SUMS":
            assert {kind for kind, _ in found} <= {"seal-damaged", "not-sealed", "missing", "content-changed"}
            assert ("seal-damaged", "") in found
            assert "  The seal: damaged" in ibackup("verify", "latest", *words).out
        else:
            assert ("content-changed", "Manifest.plist") in found


def test_deep_needs_the_password(ibackup: Cli, bobs: Path) -> None:
    done = ibackup("verify", "--level", "deep")
    assert (done.code, done.out) == (ExitCode.PASSWORD, "")
    assert "--password-file FILE" in done.flat_err


def test_of_several_one_that_needs_a_password_keeps_no_other_from_being_proven(
    ibackup: Cli, store: Path, password_file: Path
) -> None:
    every = ("verify", "--all", "--level", "deep")
    done = ibackup(*every)
    assert done.code == ExitCode.PASSWORD
    bob = snapshots(store, BOB)[-1].name
    assert f"Good: snapshot {snapshots(store, ANN)[-1].name}" in done.flat
    assert f"Not checked: {bob}: Not checked: this needs the password." in done.flat
    result = ibackup(*every, "--json").result
    assert result["status"] == "unchecked"
    assert [each["status"] for each in result["backups"]] == ["good", "unchecked"]  # type: ignore[attr-defined]
    assert bob in str(result["message"])
    # Damage is the worse news.
    flip(photo(snapshots(store, ANN)[-1]))
    assert ibackup(*every).code == ExitCode.DAMAGE
    assert ibackup(*every, "--json").result["status"] == "damaged"


# -- damage -------------------------------------------------------------------------------------------------


def test_damage_is_named_with_its_advice_and_written_down(ibackup: Cli, anns: Path) -> None:
    newest = snapshots(anns, ANN)[-1]
    victim = photo(newest)
    flip(victim)
    done = ibackup("verify", "--json")
    assert done.code == ExitCode.DAMAGE
    findings = [event for event in done.events if event["event"] == "finding"]
    assert [(each["kind"], each["severity"], each["file_id"]) for each in findings] == [
        ("content-changed", "damage", victim.name)
    ]
    assert findings[0]["domain"]
    assert findings[0]["path"]
    assert str(findings[0]["expected"]).startswith("SHA-256 ")
    result = done.result
    assert (result["status"], result["damage"]) == ("damaged", 1)
    assert result["message"] == f"Damage was found in {newest.name}."
    group = {"file": "", "kind": "content-changed", "severity": "damage", "count": 1}
    assert result["groups"] == [{"domain": findings[0]["domain"], **group}]

    text = ibackup("verify")
    assert text.code == ExitCode.DAMAGE
    assert f"DAMAGED: snapshot {newest.name} of {ANN.name}: 1 finding in " in text.flat
    assert "changed since it was backed up" in text.out
    assert str(findings[0]["path"]) in text.out
    assert "SHA-256" not in text.out  # two checksums tell people nothing
    assert "What to do: run `ibackup now`" in text.flat
    assert "DAMAGED" in ibackup("list").out
    shown = ibackup("show")
    assert "DAMAGED" in shown.out
    assert victim.name in shown.out
    assert ibackup("show", "--json").result["damaged"] == [f"{victim.name[:2]}/{victim.name}"]


def test_what_is_known_to_be_damaged_is_not_taken_out_in_silence(
    ibackup: Cli, anns: Path, tmp_path: Path
) -> None:
    newest = snapshots(anns, ANN)[-1]
    victim = photo(newest)
    flip(victim, later=False)
    extract = ("extract", newest.name, "--all", "--to", tmp_path / "o")
    assert ibackup(*extract).code == 0  # nobody has looked
    assert ibackup("verify").code == ExitCode.DAMAGE
    done = ibackup(*extract, "--json")
    assert done.code == ExitCode.DAMAGE
    (finding,) = [event for event in done.events if event["event"] == "finding"]
    assert (finding["kind"], finding["file_id"], finding["written"]) == ("changed", victim.name, True)
    assert done.result["findings"] == {"changed": 1}
    text = ibackup(*extract)
    assert text.code == ExitCode.DAMAGE
    assert "has changed since it was backed up" in text.flat
    assert str(finding["path"]) in text.out
    assert "An older snapshot may still have" in text.flat
    flip(victim, later=False)
    assert ibackup("verify").code == 0
    assert ibackup(*extract).code == 0


def test_a_quick_look_does_not_take_damage_back(ibackup: Cli, anns: Path) -> None:
    victim = photo(snapshots(anns, ANN)[-1])
    flip(victim, later=False)
    assert ibackup("verify").code == ExitCode.DAMAGE
    assert ibackup("verify", "--level", "quick").code == 0
    assert "DAMAGED" in ibackup("list").out
    flip(victim, later=False)
    assert ibackup("verify").code == 0
    assert "DAMAGED" not in ibackup("list").out


def test_the_snapshot_that_still_has_the_file_is_named(ibackup: Cli, anns: Path) -> None:
    older, newest = snapshots(anns, ANN)
    victim = photo(newest)
    twin = older / victim.relative_to(newest)
    whole = twin.read_bytes()
    victim.unlink()
    victim.write_bytes(whole[:-1])
    done = ibackup("verify")
    assert done.code == ExitCode.DAMAGE
    assert f"still good in snapshot {older.name}" in done.flat
    assert f"1 damaged file is still good in {older.name}: take them out with `ibackup extract`" in done.flat
    assert "expected" in done.flat  # sizes do tell something
    file = f"{victim.name[:2]}/{victim.name}"
    assert ibackup("verify", "--json").result["intact_in"] == {file: older.name}
    # Damaged there, too: nobody is sent there.
    twin.unlink()
    twin.write_bytes(whole[:-1])
    assert ibackup("verify", "--json").result["intact_in"] == {}


def test_a_damaged_record_is_damage(ibackup: Cli, anns: Path) -> None:
    older, newest = snapshots(anns, ANN)
    record = newest / "snapshot.json"
    record.chmod(0o600)
    record.write_text(record.read_text().replace('"full"', '"fool"'))
    for named in (newest.name, str(newest), str(newest / ANN.udid)):
        done = ibackup("verify", named)
        assert (done.code, done.out) == (ExitCode.DAMAGE, "")
        assert "snapshot.json' is damaged" in done.flat_err
        assert ibackup("verify", "--json", named).result["message"]
    # The newest is not passed over in silence, and the one before it is still proven.
    for what in ((), ("latest",)):
        done = ibackup("verify", *what)
        assert done.code == ExitCode.DAMAGE
        assert f"DAMAGED: {newest.name}: " in done.flat
        assert f"Good: snapshot {older.name}" in done.flat
    result = ibackup("verify", "--json").result
    assert [each["status"] for each in result["backups"]] == ["good", "damaged"]  # type: ignore[attr-defined]
    # An older one that is damaged is not what was asked about.
    shutil.move(record, record.with_name("away"))
    os.rename(newest, newest.with_name("20010101T000000Z"))
    assert ibackup("verify").code == 0


def test_only_damaged_records(ibackup: Cli, bobs: Path) -> None:
    (snapshots(bobs, BOB)[0] / "snapshot.json").unlink()
    for what in ((), ("latest",)):
        done = ibackup("verify", *what)
        assert done.code == ExitCode.DAMAGE
        assert "snapshot.json' is damaged: it is missing" in done.flat


def test_a_snapshot_without_its_backup(ibackup: Cli, anns: Path) -> None:
    newest = snapshots(anns, ANN)[-1]
    shutil.rmtree(newest / ANN.udid)
    done = ibackup("verify")
    assert done.code == ExitCode.DAMAGE
    assert "is missing" in done.flat_err


def test_thousands_of_findings_stay_readable(ibackup: Cli, tmp_path: Path) -> None:
    counts = {"CameraRollDomain": 5_000, "HomeDomain": 30, "AppDomain-org.example.a": 4, "HealthDomain": 1}
    names = [
        (domain, f"Media/{number:05d}.jpg") for domain, count in counts.items() for number in range(count)
    ]
    made = Mint(tmp_path)(specs=[Spec(domain, path, b"x") for domain, path in names])
    for path in made.folder.glob("??/*"):
        path.unlink()
    done = ibackup("verify", "--level", "quick", made.folder)
    assert done.code == ExitCode.DAMAGE
    assert len(done.out.splitlines()) < 45
    assert max(len(line) for line in done.out.splitlines() if str(tmp_path) not in line) <= 80
    assert "5,035 findings" in done.flat
    titles = [
        "Photos: 5,000 x missing",
        "Messages, contacts, settings: 30 x missing",
        "org.example.a: 4 x",
        "Health: miss",
    ]
    places = [done.out.index(title) for title in titles]
    assert places == sorted(places)
    assert "… and 4,995 more" in done.out
    report = ibackup("verify", "--level", "quick", "--json", made.folder)
    assert sum(event["event"] == "finding" for event in report.events) == 5_035
    assert report.result["damage"] == 5_035
    groups = report.result["groups"]
    assert isinstance(groups, list)
    assert {group["domain"]: group["count"] for group in groups} == counts


def test_a_locked_backup_groups_what_it_cannot_name(ibackup: Cli, bobs: Path) -> None:
    backup = snapshots(bobs, BOB)[0] / BOB.udid
    for path in backup.glob("??/*"):
        path.chmod(0o600)
        path.write_bytes(b"")
    done = ibackup("verify")
    assert done.code == ExitCode.DAMAGE
    assert "Files with unknown names: 3 x " in done.flat


def test_names_from_a_backup_do_not_steer_the_terminal(ibackup: Cli, tmp_path: Path) -> None:
    made = Mint(tmp_path)(specs=[Spec("HomeDomain", "a\x1b]0;title\x07\u202e\n\x9b31m", b"x" * 9)])
    for path in made.folder.glob("??/*"):
        path.unlink()
    done = ibackup("verify", made.folder)
    assert done.code == ExitCode.DAMAGE
    assert r"a\x1b]0;title\x07\u202e\n\x9b31m" in done.out
    assert not set(done.out) & {"\x1b", "\x07", "\u202e", "\x9b"}


def test_a_store_that_cannot_be_written_is_proven_all_the_same(
    ibackup: Cli, anns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_args: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("ibackup.store.disk.durable.write_file", read_only)
    done = ibackup("verify")
    assert done.code == 0
    assert "Warning: The outcome could not be recorded in the store." in done.flat_err


def test_a_snapshot_copied_elsewhere_leaves_nothing_beside_it(
    ibackup: Cli, anns: Path, tmp_path: Path
) -> None:
    shutil.copytree(snapshots(anns, ANN)[-1], tmp_path / "a" / "b" / "20260101T000000Z")
    before = photograph(tmp_path / "a")
    done = ibackup("verify", tmp_path / "a" / "b" / "20260101T000000Z")
    assert (done.code, photograph(tmp_path / "a")) == (0, before)


# -- other people's folders ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Gives a folder with the backup that another program made of Ann's phone; made once for each program."""
    made: dict[str, Path] = {}

    def make(program: str, *command: str) -> Path:
        if program not in made:
            folder = tmp_path_factory.mktemp(program)
            with serve(VirtualPhone(ANN)) as server:
                subprocess.run(
                    [*command, str(folder)],
                    env={**os.environ, **server.environment, "HOME": str(folder.parent)},
                    check=True,
                    capture_output=True,
                    timeout=60,
                )
            made[program] = folder
        return made[program]

    return make


COMMANDS = {
    "idevicebackup2": ("idevicebackup2", "-u", ANN.udid, "backup", "--full"),
    "pymobiledevice3": (sys.executable, "-m", "pymobiledevice3", "backup2", "backup", "--full"),
}


@pytest.mark.peer
@pytest.mark.parametrize("program", COMMANDS)
def test_a_folder_that_another_program_made(
    ibackup: Cli,
    tmp_path: Path,
    program: str,
    require_tool: Callable[[str], str],
    foreign: Callable[..., Path],
) -> None:
    require_tool(COMMANDS[program][0])
    folder = tmp_path / "backups"
    shutil.copytree(foreign(program, *COMMANDS[program]), folder)
    before = photograph(folder)
    for named in (folder, folder / ANN.udid):  # the folder that it was given, or the one below
        for level in ("quick", "full", "deep"):
            done = ibackup("verify", "--json", "--level", level, named)
            assert (done.code, done.result["status"], done.result["sealed"]) == (0, "good", False)
            assert done.result["snapshot"] is None
    assert photograph(folder) == before
    done = ibackup("verify", folder)
    assert "could be compared by size only" in done.flat
    victim = max((folder / ANN.udid).glob("??/*"), key=lambda path: path.stat().st_size)
    victim.write_bytes(victim.read_bytes()[:-1])
    done = ibackup("verify", folder)
    assert done.code == ExitCode.DAMAGE
    assert "make a new backup now" in done.flat
    assert "ibackup now`; the phone sends" not in done.flat


@pytest.fixture
def other(tmp_path: Path, made: Path) -> Path:
    """A backup folder without a seal."""
    source = snapshots(made, ANN)[0] / ANN.udid
    shutil.copytree(source, tmp_path / "other" / ANN.udid)
    return tmp_path / "other" / ANN.udid


@pytest.mark.parametrize("words", [("--seal",), ("--seal", "{file}")], ids=["beside", "in a file"])
@pytest.mark.parametrize("order", ["before", "behind"])
def test_a_seal_finds_damage_that_nothing_else_would(
    ibackup: Cli, other: Path, tmp_path: Path, words: tuple[str, ...], order: str
) -> None:
    file = tmp_path / "with space" / "seal"
    file.parent.mkdir()
    words = tuple(word.format(file=file) for word in words)
    seal = file if len(words) == 2 else other.parent / f"{ANN.udid}.SHA256SUMS"
    line = (*words, other) if order == "before" else (other, *words)
    before = photograph(other)
    done = ibackup("verify", *line)
    assert done.code == 0
    assert photograph(other) == before
    assert f"are in '{seal}'. From now on" in done.flat
    assert "write down checksums" not in done.flat  # what is just being done need not be advised
    assert seal.stat().st_mode & 0o777 == 0o600
    # By another program: it is what sha256sum writes.
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", seal],
        cwd=other.parent,
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert len(seal.read_text().splitlines()) == sum(path.is_file() for path in other.rglob("*"))
    again = ibackup("verify", *line)
    assert again.code == 0
    assert "It matches the existing seal" in again.flat
    assert ibackup("verify", "--json", *line).result["sealed"] is True

    victim = max(other.glob("??/*"), key=lambda path: path.stat().st_size)
    flip(victim, later=False)
    done = ibackup("verify", "--json", *line)
    assert done.code == ExitCode.DAMAGE
    assert [event["file_id"] for event in done.events if event["event"] == "finding"] == [victim.name]
    if len(words) == 1:
        assert ibackup("verify", other).code == ExitCode.DAMAGE


def test_a_deep_check_of_a_damaged_backup_says_what_a_restore_would_lack(ibackup: Cli, other: Path) -> None:
    next(other.glob("??/*")).unlink()
    lacking = "A restore would lack what is named above"
    assert lacking in ibackup("verify", other, "--level", "deep").flat
    assert lacking not in ibackup("verify", other).flat


def test_a_damaged_folder_gets_no_seal(ibackup: Cli, other: Path) -> None:
    victim = max(other.glob("??/*"), key=lambda path: path.stat().st_size)
    victim.chmod(0o600)
    victim.write_bytes(b"")
    done = ibackup("verify", "--seal", other)
    assert done.code == ExitCode.DAMAGE
    assert "No seal was made" in done.out
    assert [path.name for path in other.parent.iterdir()] == [ANN.udid]


def test_a_backup_that_broke_off_says_how_it_continues(ibackup: Cli, other: Path) -> None:
    status = other / "Status.plist"
    status.chmod(0o600)
    values = plistlib.loads(status.read_bytes())
    status.write_bytes(plistlib.dumps(values | {"SnapshotState": "uploading", "BackupState": "old"}))
    done = ibackup("verify", other)
    assert done.code == ExitCode.DAMAGE
    assert "the previous one is still in place" in done.flat
    assert "continues an interrupted backup when it next backs up the phone" in done.flat


def test_nothing_is_promised_of_a_backup_without_its_list_of_files(ibackup: Cli, other: Path) -> None:
    next(other.glob("??/*")).unlink()
    done = ibackup("verify", other)
    assert (done.code, "`ibackup extract`" in done.flat) == (ExitCode.DAMAGE, True)
    (other / "Manifest.db").chmod(0o600)
    (other / "Manifest.db").write_bytes(b"no database")
    done = ibackup("verify", other)
    assert (done.code, "`ibackup extract`" in done.flat) == (ExitCode.DAMAGE, False)


def test_a_seal_is_not_for_snapshots(ibackup: Cli, anns: Path) -> None:
    for line in (("--seal", "x"), ("latest", "--seal")):
        done = ibackup("verify", *line)
        assert done.code == ExitCode.USAGE
        assert "--seal is for a folder made by another program." in done.err


def test_a_seal_that_cannot_be_written(ibackup: Cli, other: Path) -> None:
    done = ibackup("verify", other, "--seal", "/nonexistent/seal")
    assert done.code == ExitCode.USAGE
    assert "cannot be written: there is no such folder" in done.flat_err
    assert "Verifying" not in done.flat_err  # told before hours are spent on it


def test_half_a_seal_never_has_its_name(other: Path, tmp_path: Path) -> None:
    """Otherwise, if the program is killed while it makes the seal, the next run reports thousands of added files."""
    seen: list[list[str]] = []
    (tmp_path / "seals").mkdir()
    target = tmp_path / "seals" / "seal"
    make_seal(str(other), str(target), lambda _: seen.append([path.name for path in target.parent.iterdir()]))
    assert len(seen) > 10
    assert not any("seal" in names for names in seen)
    assert [path.name for path in target.parent.iterdir()] == ["seal"]
    with pytest.raises(UsageError, match="exists already"):
        make_seal(str(other), str(target))
    assert [path.name for path in target.parent.iterdir()] == ["seal"]


@pytest.mark.parametrize("inside", ["seal", "00/seal", "link/seal"])
def test_a_seal_in_the_backup_itself_is_refused(ibackup: Cli, other: Path, inside: str) -> None:
    """Nothing is ever written into a folder made elsewhere, not even when that is asked for."""
    (other / "00").mkdir(exist_ok=True)
    (other.parent / "link").symlink_to(other)
    before = photograph(other)
    place = other.parent / inside if inside.startswith("link") else other / inside
    done = ibackup("verify", other, "--seal", place)
    assert done.code == ExitCode.USAGE
    assert "in the backup itself" in done.flat_err
    assert photograph(other) == before


def test_a_seal_that_is_a_folder(ibackup: Cli, other: Path, tmp_path: Path) -> None:
    done = ibackup("verify", other, "--seal", tmp_path)
    assert (done.code, "is a folder" in done.flat_err) == (ExitCode.USAGE, True)
    (other.parent / f"{ANN.udid}.SHA256SUMS").mkdir()
    done = ibackup("verify", other)
    assert done.code == ExitCode.NOT_A_BACKUP
    assert "The seal '" in done.flat_err


def test_a_damaged_record_is_no_reason_to_lose_the_files(ibackup: Cli, anns: Path, tmp_path: Path) -> None:
    snapshot = snapshots(anns, ANN)[-1]
    folder = snapshot / ANN.udid
    good = ibackup("files", folder)
    record = snapshot / "snapshot.json"
    record.chmod(0o600)
    record.write_bytes(record.read_bytes().replace(b'"sequence"', b'"sequense"'))
    done = ibackup("files", folder)
    assert (done.code, done.out) == (0, good.out)
    assert "snapshot.json' is damaged" in done.flat_err
    assert ibackup("extract", folder, "--all", "--to", tmp_path / "o").code == 0
    assert ibackup("diff", folder, folder).code == 0
    for told in (ibackup("verify", folder), ibackup("files", snapshot)):
        assert told.code == ExitCode.DAMAGE
        assert "to `ibackup extract` to get files out of it" in told.flat_err


def test_the_seal_of_a_snapshot_that_cannot_be_read_is_damage(ibackup: Cli, anns: Path) -> None:
    seal = snapshots(anns, ANN)[-1] / "SHA256SUMS"
    seal.parent.chmod(0o700)
    seal.unlink()
    seal.mkdir()
    done = ibackup("verify", "latest", "--json")
    assert done.code == ExitCode.DAMAGE
    assert [e["kind"] for e in done.events if e["event"] == "finding"] == ["seal-damaged"]


def test_the_commands_that_are_shown_can_be_pasted(ibackup: Cli, other: Path, tmp_path: Path) -> None:
    seal = tmp_path / "Ann's seal"
    done = ibackup("verify", other, "--seal", seal)
    assert f"`ibackup verify --seal {shlex.quote(str(seal))}`" in done.flat


def test_a_new_backup_after_the_seal_is_recognized(ibackup: Cli, other: Path) -> None:
    """Thousands of changed files are then no cause for alarm, and the way out is said."""
    assert ibackup("verify", other, "--seal").code == 0
    victim = max(other.glob("??/*"), key=lambda path: path.stat().st_size)
    flip(victim, later=False)
    assert "a new backup was made" not in ibackup("verify", other).flat
    status = plistlib.loads((other / "Status.plist").read_bytes())
    (other / "Status.plist").chmod(0o600)
    (other / "Status.plist").write_bytes(plistlib.dumps(status | {"UUID": "another"}))
    done = ibackup("verify", other)
    assert done.code == ExitCode.DAMAGE
    assert "a new backup was probably made into this folder after it was sealed" in done.flat
    assert f"'{other}.SHA256SUMS'" in done.flat


def test_what_a_look_with_finder_or_explorer_leaves_is_no_damage(
    ibackup: Cli, anns: Path, other: Path
) -> None:
    inside = snapshots(anns, ANN)[-1] / ANN.udid
    inside.chmod(0o700)
    for folder in (inside, other):
        for name in (".DS_Store", "._Manifest.db", "Thumbs.db", "desktop.ini", "0a/.DS_Store"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).parent.chmod(0o700)
            (folder / name).write_bytes(b"litter")
    assert ibackup("verify", other, "--seal").code == 0
    (other / ".DS_Store").write_bytes(b"changes with every look")
    for what in ("latest", other):
        done = ibackup("verify", what, "--json")
        assert (done.code, done.result["sealed"], done.result["notes"]) == (0, True, 1)
    (inside / "note.txt").write_text("mine")
    assert ibackup("verify", "latest").code == ExitCode.DAMAGE


def test_a_folder_with_an_odd_name_does_not_steer_the_terminal(
    ibackup: Cli, other: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "\x1b[2J\nname"
    other.rename(odd)
    done = ibackup("verify", odd, "--seal")
    assert done.code == 0
    assert "\x1b" not in done.out + done.err
    assert "\\x1b[2J\\nname" in done.out


def test_a_deep_check_of_a_backup_without_databases(ibackup: Cli, anns: Path) -> None:
    done = ibackup("verify", "latest", "--level", "deep")
    assert "0 databases" not in done.flat
    assert "A restore would have everything it needs." in done.flat


def test_an_encrypted_folder_without_a_seal_needs_the_password(
    ibackup: Cli, made: Path, tmp_path: Path, password_file: Path
) -> None:
    folder = tmp_path / "other" / BOB.udid
    shutil.copytree(snapshots(made, BOB)[0] / BOB.udid, folder)
    done = ibackup("verify", folder)
    assert done.code == ExitCode.PASSWORD
    assert "Not checked: this needs the password." in done.flat_err
    assert ibackup("verify", folder, "--password-file", password_file, "--seal").code == 0
    done = ibackup("verify", folder, "--json")
    assert (done.code, done.result["manifest_checked"], done.result["sealed"]) == (0, False, True)


# -- no backup at all ---------------------------------------------------------------------------------------


def test_a_folder_without_a_backup(ibackup: Cli, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    done = ibackup("verify", tmp_path / "photos")
    assert (done.code, done.out) == (ExitCode.NOT_A_BACKUP, "")
    assert "is not a backup" in done.flat_err
    assert "Info.plist, Manifest.plist, Manifest.db" in done.flat_err
    assert ibackup("verify", tmp_path / "photos", "--json").result["exit_code"] == 21


def test_a_folder_with_several(ibackup: Cli, tmp_path: Path, other: Path) -> None:
    shutil.copytree(other, other.with_name("00008101-0000000000000001"))
    done = ibackup("verify", other.parent)
    assert done.code == ExitCode.NOT_A_BACKUP
    assert ANN.udid in done.flat_err
    assert "00008101-0000000000000001" in done.flat_err


def test_a_whole_store_is_no_backup_folder(ibackup: Cli, anns: Path) -> None:
    done = ibackup("verify", anns)
    assert done.code == ExitCode.NOT_A_BACKUP
    assert f"`ibackup verify latest --store {anns}`" in done.flat_err


@pytest.mark.parametrize("what", ["/nonexistent/folder", "/etc/passwd"])
def test_what_is_no_folder(ibackup: Cli, anns: Path, what: str) -> None:
    done = ibackup("verify", what)
    assert done.code in (ExitCode.USAGE, ExitCode.NOT_A_BACKUP)
    assert what in done.flat_err


@pytest.mark.skipif(os.name != "posix", reason="rights of files are of another kind there")
@pytest.mark.parametrize(
    ("platform", "said"),
    [("darwin", "Full Disk Access"), ("linux", "Run this as the user who made the backup.")],
)
def test_a_folder_that_the_system_does_not_show(
    ibackup: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, said: str
) -> None:
    folder = tmp_path / "Backup"
    folder.mkdir()

    def refuse(path: str) -> object:
        if os.fspath(path) == str(folder):
            raise PermissionError(1, "Operation not permitted", path)
        return real(path)

    real = os.scandir
    monkeypatch.setattr("os.scandir", refuse)
    monkeypatch.setattr(folder_error, "__defaults__", (platform,))
    done = ibackup("verify", folder)
    monkeypatch.undo()
    assert done.code == ExitCode.NOT_A_BACKUP
    assert said in done.flat_err


def test_progress_and_phases_as_json(ibackup: Cli, anns: Path) -> None:
    events = ibackup("verify", "--json").events
    assert "phase" in [event["event"] for event in events]
    assert all(isinstance(event, dict) for event in events)


def test_phones_without_snapshots_are_left_out(ibackup: Cli, anns: Path) -> None:
    shutil.rmtree(anns / ANN.udid / "snapshots")
    done = ibackup("verify")
    assert done.code == ExitCode.USAGE


def test_a_store_is_named_as_every_command_names_it(ibackup: Cli, anns: Path) -> None:
    said = {name: ibackup(name, anns) for name in ("verify", "files")}
    assert {each.code for each in said.values()} == {ExitCode.NOT_A_BACKUP}
    for each in said.values():
        assert "is a store of ibackup." in each.flat_err
        assert f"`ibackup list --store {anns}`" in each.flat_err
    assert said["verify"].flat_err == said["files"].flat_err
