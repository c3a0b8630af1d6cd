"""``ibackup copy add --engine rclone`` against the real rclone: plain files of the newest snapshot, proven."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import ANN, Cli, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.config import config_file

pytestmark = pytest.mark.peer


@pytest.fixture
def plain(ibackup: Cli, anns: Path, tmp_path: Path, require_tool: Callable[[str], str]) -> Path:
    """The folder of a copy called usb, newly added."""
    require_tool("rclone")
    path = tmp_path / "disk" / "copy"
    path.parent.mkdir()
    done = ibackup("copy", "add", "usb", "--to", path, "--engine", "rclone", "--json")
    assert done.code == 0, done
    assert (done.result["engine"], done.result["made_password"]) == ("rclone", False)
    return path


def row_of(found: object) -> dict[str, Any]:
    assert isinstance(found, list)
    assert isinstance(found[0], dict)
    return found[0]


def test_the_newest_snapshot_is_copied_proven_shown_and_comes_back(
    ibackup: Cli, plain: Path, anns: Path, tmp_path: Path
) -> None:
    newest = snapshots(anns, ANN)[-1]
    (config,) = config_file.load(None).copies
    assert (config.engine, config.password_file) == ("rclone", None)
    done = ibackup("copy", "run", "--json")
    assert done.code == 0, done
    row = row_of(done.result["copies"])
    assert [each["snapshot"] for each in row["copied"]] == [newest.name]
    assert row["copied"][0]["matched"]["result"] == "good"
    assert (row["held"], row["proofs"]["read"]["share"]) == (1, "1/90")
    again = row_of(ibackup("copy", "run", "--json").result["copies"])
    assert (again["copied"], again["held"], again["vanished"]) == ([], 1, [])
    phone = row_of(ibackup("copy", "show", "usb", "--json").result["of_phones"])
    assert [each["snapshot"] for each in phone["snapshots"]] == [newest.name]
    assert ibackup("copy", "prove", "usb", "--all").code == 0
    assert "1 snapshot " in ibackup("copy", "list").out
    older = ibackup("copy", "run", "usb", "--snapshot", snapshots(anns, ANN)[0].name)
    assert (older.code, "only the newest" in older.flat_err) == (ExitCode.USAGE, True)
    assert ibackup("copy", "rehearse", "usb").code == 0
    page = ibackup("encryption", "recovery-sheet").out
    assert "plain files without a password" in page
    assert "--engine rclone --adopt" in page
    # On a new computer, with nothing but the disk.
    files = {path.relative_to(newest): path.read_bytes() for path in newest.rglob("*") if path.is_file()}
    shutil.rmtree(anns)
    assert ibackup("copy", "remove", "usb").code == 0
    assert ibackup("copy", "add", "old", "--to", plain, "--engine", "rclone").code == ExitCode.USAGE
    assert ibackup("copy", "add", "old", "--to", plain, "--engine", "rclone", "--adopt").code == 0
    assert ibackup("copy", "get", "latest", "--to", tmp_path / "back").code == 0
    part = (tmp_path / "back" / newest.name).rename(tmp_path / "back" / f"{newest.name}.part")
    largest = max(part.rglob("*"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-1])  # as a run that was stopped left it
    kept = {path: path.stat().st_ino for path in part.rglob("*") if len(path.name) == 40 and path != largest}
    got = ibackup("copy", "get", "latest", "--to", tmp_path / "back", "--json")
    assert got.code == 0, got
    assert all((part.with_suffix("") / path.relative_to(part)).stat().st_ino == kept[path] for path in kept)
    path = Path(str(got.result["path"]))
    assert {each.relative_to(path): each.read_bytes() for each in path.rglob("*") if each.is_file()} == files


def test_damage_is_found_named_and_copied_again(ibackup: Cli, plain: Path, anns: Path) -> None:
    assert ibackup("copy", "run").code == 0
    file = next(path for path in (plain / ANN.udid / "newest").rglob("*") if len(path.name) == 40)
    found = file.stat()
    data = bytearray(file.read_bytes())
    data[0] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    (file.parent / "more").write_text("more")
    done = ibackup("copy", "prove", "usb", "--json")
    assert done.code == ExitCode.DAMAGE, done
    problems = done.result["matched"][0]["problems"]  # type: ignore[index]
    assert {each.rpartition("/")[2] for each in problems} == {file.name, "more"}
    done = ibackup("copy", "get", "latest", "--to", plain.parent / "back")
    assert done.code == ExitCode.DAMAGE, done
    assert f"`ibackup verify {plain.parent / 'back'}" in done.flat
    again = ibackup("copy", "run", "--json")
    assert again.code == 0, again
    assert len(row_of(again.result["copies"])["copied"]) == 1
    assert ibackup("copy", "prove", "usb", "--all").code == 0


def test_away_gone_and_another_are_told_apart(ibackup: Cli, plain: Path, anns: Path, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    plain.rename(aside)
    for reason in ("unmounted", "missing"):
        if reason == "missing":
            (plain / "letters").mkdir(parents=True)
        done = ibackup("copy", "run", "usb", "--json")
        assert (done.code, done.result["reason"]) == (ExitCode.STORE_MISSING, reason), done
    assert os.listdir(plain) == ["letters"]  # no new copy by itself
    shutil.rmtree(plain)
    assert ibackup("copy", "add", "new", "--to", plain, "--engine", "rclone").code == 0
    done = ibackup("copy", "run", "usb", "--json")
    assert (done.code, done.result["reason"]) == (ExitCode.STORE_MISSING, "other")
    for line in (
        ("--to", "s3:https://host/bucket"),
        ("--to", anns / "copy"),
        ("--to", plain.parent / "c", "--copy-password-file", tmp_path / "password"),
    ):
        assert ibackup("copy", "add", "odd", "--engine", "rclone", *line).code == ExitCode.USAGE
