"""Backups whose list of files is not where it belongs, or not there at all: what is there is read, and told of."""

import json
import plistlib
import shutil
from pathlib import Path

import pytest

from cli.commands.test_files_extract_diff import Run, alone, events, mint, password, said
from support.minted import Mint, Minted, Spec, tree_of

__all__ = ["alone", "mint", "password", "said"]

PASSWORD = "correct horse"
LEAD = "no cause for concern"


def state(made: Minted, snapshot: str, backup: str) -> None:
    """What Status.plist says of the run."""
    path = made.folder / "Status.plist"
    values = plistlib.loads(path.read_bytes()) | {"SnapshotState": snapshot, "BackupState": backup}
    path.write_bytes(plistlib.dumps(values, fmt=plistlib.FMT_BINARY))


def under_way(made: Minted, count: int) -> None:
    """As a run that is cancelled while moving leaves it: the list and some of the files wait to be moved."""
    files = [path for path in made.folder.glob("??/*") if path.is_file()][:count]
    for path in [*files, made.folder / "Manifest.db", made.folder / "Manifest.plist"]:
        target = made.folder / "Snapshot" / path.relative_to(made.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def lose(made: Minted, how: str) -> None:
    for name in ("Manifest.db", "Manifest.mbdb"):
        (made.folder / name).unlink(missing_ok=True)
    if how == "empty":
        (made.folder / "Manifest.db").touch()


@pytest.mark.parametrize("count", [0, 4, 100])
@pytest.mark.parametrize("secret", [None, PASSWORD])
def test_a_list_that_waits_to_be_moved(
    said: Run, mint: Mint, password: Path, tmp_path: Path, secret: str | None, count: int
) -> None:
    made = mint(secret)
    state(made, "moving", "new")
    under_way(made, count)
    before = tree_of(made.folder)
    code, out, err = said(
        "extract", made.folder, "--all", "--to", tmp_path / "out", "--password-file", password
    )
    assert code == 0, err
    assert "Snapshot/" in err
    for spec in made.specs:
        if spec.flags == 1:
            assert (tmp_path / "out" / spec.domain / spec.path).read_bytes() == spec.content
    code, out, _ = said("verify", made.folder, "--level", "deep", "--password-file", password)
    assert code == 4
    assert "cancelled while it moved files" in " ".join(out.split())
    assert "in Snapshot/" in " ".join(out.split())
    assert "missing" not in out
    assert LEAD not in out
    assert tree_of(made.folder) == before


def test_the_newer_copy_is_meant(said: Run, mint: Mint, tmp_path: Path) -> None:
    """Beside a list that waits, the file that waits with it goes before the one of the backup before."""
    made = mint()
    under_way(made, 100)
    state(made, "moving", "new")
    waits = made.folder / "Snapshot" / made.blob("HomeDomain", "Library/SMS/sms.db").relative_to(made.folder)
    old = made.blob("HomeDomain", "Library/SMS/sms.db")
    old.write_bytes(b"old")
    assert said("extract", made.folder, "--messages", "--to", tmp_path / "out")[0] == 0
    assert (tmp_path / "out/HomeDomain/Library/SMS/sms.db").read_bytes() == waits.read_bytes()


def test_the_backup_before_stays_what_is_meant_while_a_newer_one_is_sent(
    said: Run, mint: Mint, tmp_path: Path
) -> None:
    made = mint()
    state(made, "uploading", "old")
    sms = made.blob("HomeDomain", "Library/SMS/sms.db")
    newer = made.folder / "Snapshot" / sms.relative_to(made.folder)
    newer.parent.mkdir(parents=True)
    newer.write_bytes(b"half")
    code, _, err = said("extract", made.folder, "--messages", "--to", tmp_path / "out")
    assert code == 0
    assert "Snapshot/" not in err
    assert (tmp_path / "out/HomeDomain/Library/SMS/sms.db").read_bytes() == sms.read_bytes()
    code, out, _ = said("verify", made.folder)
    assert code == 4
    assert "1 file left by an interrupted run" in " ".join(out.split())
    assert LEAD not in out


@pytest.mark.parametrize("era", ["10.2", "mbdb"])
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_no_list(said: Run, mint: Mint, tmp_path: Path, how: str, era: str) -> None:
    made = mint(era=era)
    lose(made, how)
    code, _, err = said(
        "extract", made.folder, "--messages", "--contacts", "--photos", "--to", tmp_path / "out"
    )
    assert code == 4, err  # what else was there is unknown
    assert " ".join(err.split()).count("the copy of this backup did not finish") == 1
    for spec in made.specs:
        there = tmp_path / "out" / spec.domain / spec.path
        if spec.flags == 1 and spec.domain != "AppDomain-com.example.app" and "Chat" not in spec.path:
            assert (
                spec.path in ("Library/Preferences/a.plist", "Library/empty")
                or there.read_bytes() == spec.content
            )
    code, out, _ = said("files", made.folder)
    assert code == 0
    assert "HomeDomain/Library/SMS/sms.db" in out.splitlines()
    assert "CameraRollDomain/Media/DCIM/100APPLE/IMG_0001.HEIC" in out.splitlines()
    code, out, _ = said("verify", made.folder)
    told = " ".join(out.split())
    assert code == 4
    assert "names are lost with the list" in told
    assert LEAD not in told


@pytest.mark.parametrize("level", ["quick", "full", "deep"])
def test_no_list_of_an_encrypted_backup(
    said: Run, mint: Mint, password: Path, tmp_path: Path, level: str
) -> None:
    """The keys of the files are in the list, so that no password helps, and none is asked for."""
    made = mint(PASSWORD)
    lose(made, "empty")
    code, _, err = said("extract", made.folder, "--messages", "--to", tmp_path / "out")
    assert code == 21
    assert "the keys of all files are in it" in " ".join(err.split())
    code, out, _ = said("verify", made.folder, "--level", level)
    assert code == 4
    assert "the keys of all files are in it" in " ".join(out.split())
    code, out, _ = said("files", made.folder, "--json", "--password-file", password)
    assert code == 21
    assert json.loads(out.splitlines()[-1])["exit_code"] == 21


def test_a_first_backup_that_broke_off(said: Run, mint: Mint, tmp_path: Path) -> None:
    """All is in Snapshot/ yet, and the list never came."""
    made = mint()
    under_way(made, 100)
    state(made, "uploading", "empty")
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    (made.folder / "Snapshot/Manifest.db").unlink()
    code, _, err = said("extract", made.folder, "--messages", "--to", tmp_path / "out")
    assert code == 4, err
    assert "interrupted before the phone sent it" in " ".join(err.split())
    code, out, _ = said("verify", made.folder)
    assert code == 4
    assert LEAD not in out


def test_a_list_of_zeros(said: Run, mint: Mint, tmp_path: Path) -> None:
    made = mint()
    (made.folder / "Manifest.db").write_bytes(bytes(40960))
    code, _, err = said("extract", made.folder, "--messages", "--to", tmp_path / "out", "--json")
    assert code == 4, err
    assert (tmp_path / "out/HomeDomain/Library/SMS/sms.db").is_file()


def test_a_backup_without_anything_known(said: Run, mint: Mint, tmp_path: Path) -> None:
    made = mint(specs=[Spec("AppDomain-org.example", "a", b"x")])
    lose(made, "missing")
    code, out, _ = said("extract", made.folder, "--messages", "--to", tmp_path / "out", "--json")
    assert code == 21
    assert "names of the files are lost" in str(events(out)[-1]["message"]) + str(events(out)[-1].get("why"))


@pytest.mark.parametrize("ending", ["-wal", "-journal"])
def test_someone_looked_into_the_list(said: Run, mint: Mint, tmp_path: Path, ending: str) -> None:
    """What a database browser changed lies beside the list, and is not in what is read."""
    made = mint()
    (made.folder / f"Manifest.db{ending}").write_bytes(b"x" * 4096)
    told = f"Manifest.db{ending} contains changes that another program made"
    assert told in " ".join(said("files", made.folder)[2].split())
    assert told in " ".join(said("extract", made.folder, "--messages", "--to", tmp_path / "out")[2].split())
    code, out, _ = said("verify", made.folder)
    assert code == 0
    assert f"Note: Manifest.db{ending}: changes that another program made" in " ".join(out.split())
    code, _, err = said("import", made.folder, "--settled", "--store", tmp_path / "store")
    assert code == 0, err
    assert told in " ".join(err.split())
