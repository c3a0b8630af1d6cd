"""``ibackup copy`` against the real restic: made once, copied, proven, and nothing hidden when it is wrong."""

import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import ANN, PASSWORD, Cli, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.config import config_file
from ibackup.copies import restic_engine
from ibackup.store.store import Store
from support.keyrings import FileKeyring

pytestmark = pytest.mark.peer


@pytest.fixture
def disk(tmp_path: Path, require_tool: Callable[[str], str]) -> Path:
    require_tool("restic")
    path = tmp_path / "disk"
    path.mkdir()
    return path


@pytest.fixture
def usb(ibackup: Cli, anns: Path, disk: Path, tmp_path: Path) -> Path:
    """The folder of a copy called usb, newly added."""
    file = tmp_path / "secrets" / "usb.password"
    done = ibackup("copy", "add", "usb", "--to", disk / "copy", "--copy-password-file", file, "--json")
    assert done.code == 0, done
    assert (done.result["made"], done.result["made_password"]) == (True, True)
    return disk / "copy"


def first_of(found: object) -> dict[str, Any]:
    assert isinstance(found, list)
    assert isinstance(found[0], dict)
    return found[0]


def test_a_copy_is_added_run_and_proven(ibackup: Cli, usb: Path, anns: Path, tmp_path: Path) -> None:
    password = tmp_path / "secrets" / "usb.password"
    assert stat.S_IMODE(password.stat().st_mode) == 0o600
    assert len(password.read_text().strip()) == 35
    config = config_file.load(None)
    assert [each.to for each in config.copies] == [str(usb)]
    assert password.read_text().strip() not in config.path.read_text() if config.path else False
    ids = [each.name for each in snapshots(anns, ANN)]
    done = ibackup("copy", "run", "usb", "--json")
    assert done.code == 0, done
    row = first_of(done.result["copies"])
    assert [each["snapshot"] for each in row["copied"]] == ids  # oldest first
    assert [each["matched"]["result"] for each in row["copied"]] == ["good", "good"]
    assert [each["matched"]["induced"] for each in row["copied"]] == [False, True]
    assert row["held"] == 2
    assert row["proofs"]["stored"]["result"] == "good"
    assert row["proofs"]["read"]["share"] == "1/90"
    assert {"phase", "progress"} <= {str(event["event"]) for event in done.events}
    again = ibackup("copy", "run", "--json")
    row = first_of(again.result["copies"])
    assert (row["copied"], row["held"], row["proofs"]["read"]["share"]) == ([], 2, "2/90")
    shown = ibackup("copy", "show", "usb", "--json").result
    phone = first_of(shown["of_phones"])
    assert [each["snapshot"] for each in phone["snapshots"]] == ids
    assert {level: proof and proof["result"] for level, proof in phone["proofs"].items()} == {
        "matched": "good", "stored": "good", "read": "good", "rehearsed": None,
    }  # fmt: skip
    plain = ibackup("copy", "show", "usb")
    assert "2 snapshots" in plain.out
    assert "part 2/90" in plain.out
    listed = first_of(ibackup("copy", "list", "--json").result["copies"])
    assert (listed["name"], listed["snapshots"]) == ("usb", 2)
    assert str(listed["proven"]).endswith("Z")
    assert "proven" in ibackup("copy", "list").out
    assert "could destroy" in ibackup("copy", "check-rights", "--help").out.split("Exit codes:")[1]


def test_a_proof_compares_everything_and_reads_everything_back(ibackup: Cli, usb: Path, anns: Path) -> None:
    assert ibackup("copy", "run").code == 0
    shutil.rmtree(snapshots(anns, ANN)[0])
    done = ibackup("copy", "prove", "usb", "--all", "--json")
    assert done.code == 0, done
    assert [each["result"] for each in done.result["matched"]] == ["good"]  # type: ignore[attr-defined]
    assert len(done.result["only_there"]) == 1  # type: ignore[arg-type]
    assert done.result["proofs"]["read"]["share"] is None  # type: ignore[index]
    assert "All of its data was read" in ibackup("copy", "prove", "usb", "--all").flat


def test_a_flipped_byte_in_the_copy_is_found(ibackup: Cli, usb: Path) -> None:
    assert ibackup("copy", "run").code == 0
    _flip(usb)
    done = ibackup("copy", "prove", "usb", "--all", "--json")
    assert done.code == ExitCode.DAMAGE, done
    assert done.result["proofs"]["read"]["result"] == "damaged"  # type: ignore[index]
    assert "damaged" in str(done.result["message"])
    assert ibackup("copy", "show", "usb").out.count("DAMAGED") == 1
    # Where no data is read otherwise, that counts until it is read again.
    path = config_file.default_path()
    path.write_text(path.read_text().replace("[[copies]]", "[[copies]]\nread_parts = 0"))
    done = ibackup("copy", "run", "--json")
    assert (done.code, "ibackup copy repair usb" in str(done.result["hint"])) == (ExitCode.DAMAGE, True)


def test_a_pack_that_is_gone_is_found(ibackup: Cli, usb: Path) -> None:
    assert ibackup("copy", "run").code == 0
    pack = max((usb / "data").rglob("*"), key=lambda path: path.stat().st_size)
    pack.unlink()
    done = ibackup("copy", "run", "--json")
    assert done.code == ExitCode.DAMAGE, done
    assert first_of(done.result["copies"])["proofs"]["stored"]["result"] == "damaged"
    assert "ibackup copy repair usb" in ibackup("copy", "prove", "usb").flat


def test_a_file_that_was_damaged_here_is_not_called_copied(ibackup: Cli, usb: Path, anns: Path) -> None:
    newest = snapshots(anns, ANN)[-1]
    file = next(path for path in (newest / ANN.udid).rglob("*") if len(path.name) == 40)
    other = file.with_name("other")
    shutil.copy2(file, other)
    data = bytearray(other.read_bytes())
    data[0] ^= 1
    other.write_bytes(data)
    other.replace(file)
    done = ibackup("copy", "run", "--json")
    assert done.code == ExitCode.DAMAGE, done
    assert f"Snapshot {newest.name} is damaged in the store" in str(done.result["message"])
    assert file.name in str(done.result["message"])
    assert f"ibackup verify {newest.name}" in str(done.result["hint"])
    # Once the file is whole again, the snapshot is copied anew and proven.
    data[0] ^= 1
    file.write_bytes(data)
    again = ibackup("copy", "run", "--json")
    assert again.code == 0, again
    row = first_of(again.result["copies"])
    assert [each["snapshot"] for each in row["copied"]] == [newest.name]


def test_away_gone_and_another_are_told_apart(ibackup: Cli, usb: Path, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    usb.rename(aside)
    for reason in ("unmounted", "missing"):
        if reason == "missing":
            (usb / "letters").mkdir(parents=True)
        for command in ("run", "prove"):
            done = ibackup("copy", command, "usb", "--json")
            assert (done.code, done.result["reason"]) == (ExitCode.STORE_MISSING, reason), done
        assert not (usb / "config").exists()  # no new repository by itself
    shutil.rmtree(usb)
    shutil.copytree(aside, usb)
    text = config_file.default_path().read_text()
    (own,) = (each.repository_id for each in config_file.load(None).copies)
    config_file.default_path().write_text(text.replace(own, "0" * 64))
    done = ibackup("copy", "run", "usb", "--json")
    assert (done.code, done.result["reason"]) == (ExitCode.STORE_MISSING, "other")


def test_a_wrong_password_is_no_missing_copy(ibackup: Cli, usb: Path, tmp_path: Path) -> None:
    (tmp_path / "secrets" / "usb.password").write_text("wrong\n")
    done = ibackup("copy", "run", "usb", "--json")
    assert done.code == ExitCode.PASSWORD
    assert "reason" not in done.result
    (tmp_path / "secrets" / "usb.password").unlink()
    assert ibackup("copy", "run", "usb").code == ExitCode.PASSWORD


def test_several_copies_run_in_turn_and_one_that_fails_stops_no_other(
    ibackup: Cli, usb: Path, disk: Path, tmp_path: Path
) -> None:
    file = tmp_path / "secrets" / "usb.password"
    assert ibackup("copy", "add", "nas", "--to", disk / "nas", "--copy-password-file", file).code == 0
    usb.rename(tmp_path / "aside")
    done = ibackup("copy", "run", "--json")
    assert done.code == ExitCode.STORE_MISSING
    rows: Any = done.result["copies"]
    assert [each["name"] for each in rows] == ["usb", "nas"]
    assert rows[0]["error"]["reason"] == "unmounted"
    assert (rows[1]["error"], rows[1]["held"]) == (None, 2)


def test_what_is_there_already_is_adopted_only_when_asked(ibackup: Cli, usb: Path, tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "usb.password"
    assert ibackup("copy", "run").code == 0
    assert ibackup("copy", "remove", "usb").code == 0
    assert config_file.load(None).copies == ()
    line = ("copy", "add", "mine", "--to", usb, "--copy-password-file", file)
    refused = ibackup(*line)
    assert (refused.code, config_file.load(None).copies) == (ExitCode.USAGE, ())
    assert "--adopt" in refused.err
    assert ibackup(*line, "--adopt").code == 0
    assert first_of(ibackup("copy", "run", "--json").result["copies"])["copied"] == []
    assert ibackup("copy", "prove", "mine").code == 0
    empty = ("copy", "add", "none", "--to", tmp_path / "nothing", "--copy-password-file", file, "--adopt")
    assert ibackup(*empty).code == ExitCode.STORE_MISSING


def test_the_keychain_keeps_the_password(ibackup: Cli, anns: Path, disk: Path, ring: FileKeyring) -> None:
    done = ibackup("copy", "add", "usb", "--to", disk / "copy")
    assert done.code == 0, done
    assert "in the keychain" in done.flat
    kept = ring.get_password("ibackup", "copy usb")
    assert kept
    assert kept not in done.out + done.err
    assert ibackup("copy", "run", "usb").code == 0


def test_without_a_place_for_the_password_nothing_is_made(ibackup: Cli, anns: Path, disk: Path) -> None:
    done = ibackup("copy", "add", "usb", "--to", disk / "copy")
    assert (done.code, list(disk.iterdir())) == (ExitCode.USAGE, [])
    assert "--copy-password-file" in done.flat_err


@pytest.mark.parametrize(
    "line",
    [
        ("add", "Not A Name", "--to", "/x", "--copy-password-file", "/x/y"),
        ("add", "usb", "--to", "rest:", "--copy-password-file", "/x/y"),
        ("add", "usb", "--to", "/x", "--copy-password-file", "/x/y", "--copy-password-command", "true"),
        ("run",),
        ("run", "usb"),
        ("show", "usb"),
        ("prove", "usb"),
        ("remove", "usb"),
    ],
)
def test_what_is_no_use_is_said(ibackup: Cli, anns: Path, line: tuple[str, ...]) -> None:
    assert ibackup("copy", *line).code == ExitCode.USAGE


def test_an_encrypted_phone_and_one_phone_alone(
    ibackup: Cli, store: Path, disk: Path, tmp_path: Path
) -> None:
    file = tmp_path / "copy.password"
    line = ("copy", "add", "bob", "--to", disk / "copy", "--copy-password-file", file, "--phone", "Bob")
    assert ibackup(*line).code == 0
    done = ibackup("copy", "run", "bob", "--json")
    assert done.code == 0, done
    row = first_of(done.result["copies"])
    assert (row["held"], {each["udid"] for each in row["copied"]} == {ANN.udid}) == (1, False)
    assert ibackup("copy", "run", "bob", "--phone", ANN.udid).code == ExitCode.USAGE
    assert PASSWORD not in done.out


def test_prune_leaves_a_snapshot_that_is_being_copied(ibackup: Cli, anns: Path) -> None:
    folder = Store.open(anns).phone(ANN.udid)
    first = folder.snapshots()[0]
    with folder.hold(first, "copy-usb"):
        done = ibackup("prune", "--keep-last", "1", "--yes", "--json")
        assert done.code == 0
        kept: Any = done.result["kept"]
        assert {each["snapshot"]: each["reasons"] for each in kept}[first.id] == ["in-use"]
    assert ibackup("prune", "--keep-last", "1", "--yes").code == 0
    assert not Path(first.path).exists()
    assert not [name for name in os.listdir(folder.proofs_path) if "held" in name]


# -- back from there ----------------------------------------------------------------------------------------


def test_a_snapshot_comes_back_whole_and_can_be_used(
    ibackup: Cli, usb: Path, anns: Path, tmp_path: Path
) -> None:
    assert ibackup("copy", "run").code == 0
    newest = snapshots(anns, ANN)[-1]
    before = {path.relative_to(newest): path.read_bytes() for path in newest.rglob("*") if path.is_file()}
    shutil.rmtree(anns)  # the disk with the store is gone
    target = tmp_path / "back"
    done = ibackup("copy", "get", "latest", "--from", "usb", "--to", target, "--json")
    assert done.code == 0, done
    path = Path(str(done.result["path"]))
    assert (path, done.result["status"]) == (target / newest.name, "good")
    assert {each.relative_to(path): each.read_bytes() for each in path.rglob("*") if each.is_file()} == before
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert ibackup("verify", path, "--level", "full").code == 0
    assert ibackup("extract", path, "--all", "--to", tmp_path / "out").code == 0
    again = ibackup("copy", "get", "latest", "--to", target)
    assert (again.code, "there already" in again.flat_err) == (ExitCode.USAGE, True)
    assert ibackup("copy", "get", "1999", "--to", target).code == ExitCode.USAGE


def test_fetching_continues_with_what_is_missing_or_wrong(
    ibackup: Cli, usb: Path, anns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a run that was stopped left it; with many files, whole folders are asked for."""
    monkeypatch.setattr(restic_engine, "_MOST_PATTERNS", 2)
    assert ibackup("copy", "run").code == 0
    newest = snapshots(anns, ANN)[-1]
    part = tmp_path / "back" / f"{newest.name}.part"
    shutil.copytree(newest, part)
    stored = sorted((part / ANN.udid).glob("??/*"))
    for folder in {path.parent for path in stored[:4]}:
        shutil.rmtree(folder)
    left = [path for path in stored if path.exists()]
    os.chmod(left[0], 0o600)
    left[0].write_bytes(b"half of it")
    (part / ANN.udid / "Manifest.db").unlink()
    (part / ANN.udid / "half.partial").write_bytes(b"")
    before = {path.relative_to(part): path.stat().st_ctime_ns for path in left[1:]}
    done = ibackup("copy", "get", "latest", "--to", part.parent)
    assert done.code == 0, done
    assert f"{len(before) + 5} files are here already and whole" in done.flat_err
    whole = tmp_path / "back" / newest.name
    assert os.listdir(part.parent) == [newest.name]
    assert {path: (whole / path).stat().st_ctime_ns for path in before} == before
    assert {path.relative_to(whole): path.read_bytes() for path in whole.rglob("*") if path.is_file()} == {
        path.relative_to(newest): path.read_bytes() for path in newest.rglob("*") if path.is_file()
    }
    (part / "mine").mkdir(parents=True)
    shutil.rmtree(whole)
    refused = ibackup("copy", "get", "latest", "--to", part.parent)
    assert (refused.code, "no snapshot that ibackup fetched" in refused.flat_err) == (ExitCode.USAGE, True)


def test_a_damaged_piece_is_named_when_it_comes_back(
    ibackup: Cli, usb: Path, anns: Path, tmp_path: Path
) -> None:
    assert ibackup("copy", "run").code == 0
    _flip(usb)
    first = snapshots(anns, ANN)[0].name  # whose data is in the largest file there
    done = ibackup("copy", "get", first, "--to", tmp_path / "back", "--json")
    assert done.code == ExitCode.DAMAGE, done
    done = ibackup("copy", "rehearse", "usb", "--snapshot", first, "--json")
    assert done.code == ExitCode.DAMAGE, done
    assert done.result["rehearsed"]["result"] == "damaged"  # type: ignore[index]


def test_the_restore_test_of_a_copy_is_recorded_and_leaves_nothing(
    ibackup: Cli, usb: Path, anns: Path
) -> None:
    assert ibackup("copy", "run").code == 0
    left = anns / "copy-fetched-killed"
    (left / "20261201T000000Z").mkdir(parents=True)
    names = sorted(set(os.listdir(anns)) - {left.name})
    done = ibackup("copy", "rehearse", "usb", "--json")
    assert done.code == 0, done
    assert done.result["snapshot"] == snapshots(anns, ANN)[-1].name
    assert sorted(os.listdir(anns)) == names
    shown = first_of(ibackup("copy", "show", "usb", "--json").result["of_phones"])
    assert shown["proofs"]["rehearsed"]["result"] == "good"
    assert ibackup("status").code in (0, ExitCode.STALE)


def test_an_encrypted_snapshot_is_restored_from_the_copy(
    ibackup: Cli, bobs: Path, disk: Path, tmp_path: Path, password_file: Path
) -> None:
    file = tmp_path / "copy.password"
    assert ibackup("copy", "add", "usb", "--to", disk / "copy", "--copy-password-file", file).code == 0
    assert ibackup("copy", "run").code == 0
    assert ibackup("copy", "rehearse", "usb").code == ExitCode.PASSWORD
    done = ibackup("copy", "rehearse", "usb", "--password-file", password_file)
    assert done.code == 0, done
    assert "Restorable from usb alone" in done.flat


def _flip(repository: Path) -> None:
    """Damage the largest file of data in a repository."""
    pack = max((repository / "data").rglob("*"), key=lambda path: path.stat().st_size)
    os.chmod(pack, 0o600)
    data = bytearray(pack.read_bytes())
    data[len(data) // 3] ^= 1
    pack.write_bytes(data)


def test_the_recovery_sheet_is_enough_on_a_new_computer(
    ibackup: Cli, usb: Path, anns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ibackup("copy", "run").code == 0
    kept = (tmp_path / "secrets" / "usb.password").read_text().strip()
    plain = ibackup("encryption", "recovery-sheet")
    assert (plain.code, kept in plain.out, "usb: " in plain.out) == (0, False, True)
    done = ibackup("encryption", "recovery-sheet", "--with-password", "--json")
    assert first_of(done.result["copies"])["password"] == kept
    page = ibackup("encryption", "recovery-sheet", "--with-password").out
    assert f"its password: {kept}" in page
    # Another computer: no config, no store, no state, nothing but the sheet and the disk.
    newest = snapshots(anns, ANN)[-1].name
    shutil.rmtree(anns)
    home = tmp_path / "new home"
    home.mkdir()
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.delenv("IBACKUP_STORE")
    file = home / "password"
    file.write_text(kept)
    commands = [
        shlex.split(
            each.replace("FILE", shlex.quote(str(file))).replace("FOLDER", shlex.quote(str(home / "back")))
        )
        for each in page.replace("\\\n", " ").splitlines()
        if each.strip().startswith("ibackup copy")
    ]
    assert [words[:3] for words in commands] == [["ibackup", "copy", "add"], ["ibackup", "copy", "get"]]
    for words in commands:
        end = ibackup(*words[1:])
        assert end.code == 0, end
    assert str(home / "back" / newest) in end.out
    assert ibackup("verify", home / "back" / newest).code == 0


def test_whether_this_computer_could_destroy_a_copy_is_found_out_and_shown(ibackup: Cli, usb: Path) -> None:
    assert "is unknown: `ibackup copy check-rights usb`" in ibackup("copy", "show", "usb").flat
    before = sorted(usb.rglob("*"))
    done = ibackup("copy", "check-rights", "usb", "--json")
    assert done.code == ExitCode.FLAWED
    rights: Any = done.result["rights"]
    assert (rights["destroys"], rights["left"]) == (True, None)
    assert {each["act"]: each["answer"] for each in rights["acts"]} == {"overwrite": "done", "remove": "done"}
    assert sorted(usb.rglob("*")) == before
    plain = ibackup("copy", "check-rights", "usb")
    assert "This computer could destroy the copy usb" in plain.flat
    assert "Disconnect the disk" in plain.flat
    assert ibackup("copy", "show", "usb", "--json").result["rights"] == rights | {
        "when": ibackup("copy", "show", "usb", "--json").result["rights"]["when"]  # type: ignore[index]
    }
    assert (
        "could destroy the copy usb, and so could ransomware on it. Tried"
        in ibackup("copy", "show", "usb").flat
    )


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_run_that_is_killed_at_any_stage_is_completed_by_the_next(ibackup: Cli, usb: Path) -> None:
    for stage in ("Copying snapshot", "Proving every file", "Checking the copy"):
        command = [sys.executable, "-m", "ibackup", "copy", "run", "usb", "--json"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            assert process.stdout is not None
            assert any(stage in line for line in process.stdout)
            process.kill()
    done = ibackup("copy", "run", "usb", "--json")
    assert done.code == 0, done
    row = first_of(done.result["copies"])
    assert (row["held"], row["vanished"]) == (2, [])
    proved = ibackup("copy", "prove", "usb", "--all", "--json")
    assert proved.code == 0, proved
    assert [each["result"] for each in proved.result["matched"]] == ["good"] * 2  # type: ignore[attr-defined]
