"""``ibackup heal``: what is damaged in the store and whole in a real restic repository is whole again."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import ANN, Cli, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.restic_program import ResticProgram
from support.runs import flip

pytestmark = pytest.mark.peer

Tree = dict[str, tuple[int, int, bytes]]


@pytest.fixture
def copied(ibackup: Cli, anns: Path, tmp_path: Path, require_tool: Callable[[str], str]) -> Path:
    """The folder of a copy that has everything in the store."""
    require_tool("restic")
    (tmp_path / "disk").mkdir()
    file = tmp_path / "secrets" / "usb.password"
    for words in (("add", "usb", "--to", tmp_path / "disk" / "copy", "--copy-password-file", file), ("run",)):
        done = ibackup("copy", *words)
        assert done.code == 0, done
    return tmp_path / "disk" / "copy"


def _tree(folder: Path) -> Tree:
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def _rows(found: object) -> list[dict[str, Any]]:
    assert isinstance(found, list)
    return found


def test_a_damaged_snapshot_is_whole_again_from_the_copy(ibackup: Cli, anns: Path, copied: Path) -> None:
    first, newest = snapshots(anns, ANN)
    shared = next(
        path
        for path in (newest / ANN.udid).rglob("*")
        if len(path.name) == 40
        and path.stat().st_size > 1
        and (first / path.relative_to(newest)).exists()
        and (first / path.relative_to(newest)).read_bytes() == path.read_bytes()
    ).relative_to(newest)
    (newest / shared).unlink()
    os.link(first / shared, newest / shared)
    before = {path: _tree(path) for path in (first, newest)}
    flip(newest / shared)
    (newest / ANN.udid / "Manifest.db").unlink()
    verified = ibackup("verify")
    assert verified.code == ExitCode.DAMAGE
    assert f"ibackup heal {newest.name}" in verified.flat
    assert f"ibackup heal {newest.name}" in ibackup("status").flat
    planned = ibackup("heal", "--dry-run", "--json")
    assert planned.code == 0, planned
    other, row = _rows(planned.result["snapshots"])
    assert (other["snapshot"], other["damaged"]) == (first.name, [str(shared)])
    assert row["damaged"] == sorted([str(shared), f"{ANN.udid}/Manifest.db"])
    assert set(row["healed"].values()) == {"usb"}
    assert not (newest / ANN.udid / "Manifest.db").exists()
    done = ibackup("heal", "--json")
    assert done.code == 0, done
    assert [(row["status"], row["left"], row["shared"]) for row in _rows(done.result["snapshots"])] == [
        ("good", [], [newest.name]),
        ("good", [], []),
    ]
    assert {path: _tree(path) for path in before} == before
    assert ibackup("verify").code == 0
    assert "ibackup heal" not in ibackup("status").flat
    assert "No snapshot is known to be damaged" in ibackup("heal").flat
    # Even what says what the rest must be.
    flip(newest / "snapshot.json")
    flip(first / "SHA256SUMS")
    flip(first / shared)
    again = ibackup("heal")
    assert again.code == 0, again
    assert again.flat.count("whole again") == 2
    assert {path: {name: each[::2] for name, each in _tree(path).items()} for path in before} == {
        path: {name: each[::2] for name, each in tree.items()} for path, tree in before.items()
    }
    assert "healing" not in os.listdir(anns / ANN.udid)


def test_what_no_copy_has_whole_stays_and_is_named(
    ibackup: Cli, anns: Path, copied: Path, tmp_path: Path
) -> None:
    first = snapshots(anns, ANN)[0]
    before = _tree(first)
    lost = max(
        (path for path in (first / ANN.udid).rglob("*") if len(path.name) == 40),
        key=lambda path: path.stat().st_size,
    )
    _damage_there(
        copied, tmp_path / "secrets" / "usb.password", hashlib.sha256(lost.read_bytes()).hexdigest()
    )
    shutil.rmtree(first / ANN.udid)
    copied.rename(tmp_path / "aside")
    done = ibackup("heal", first.name, "--json")
    assert (done.code, "not mounted" in str(done.result["message"])) == (ExitCode.STORE_MISSING, True)
    (tmp_path / "aside").rename(copied)
    done = ibackup("heal", first.name, "--from", "usb", "--json")
    assert done.code == ExitCode.DAMAGE, done
    (row,) = _rows(done.result["snapshots"])
    assert (row["left"], row["status"]) == ([str(lost.relative_to(first))], "damaged")
    del before[str(lost.relative_to(first))]
    assert _tree(first) == before
    assert "Still damaged" in ibackup("heal", first.name).flat
    assert ibackup("heal", "2001").code == ExitCode.USAGE


def _damage_there(repository: Path, password: Path, sha256: str) -> None:
    """Change a byte of the piece with this name in a repository."""
    program = ResticProgram("usb", CopyAddress.parse(str(repository)), password.read_text().strip())
    packs: list[Any] = []
    for index in program.lines("list", "index", "--no-lock", doing="look", hear=lambda _: None):
        packs += program.whole("cat", "index", index, "--no-lock", doing="look")["packs"]
    pack, place = next(
        (pack["id"], blob["offset"] + blob["length"] // 2)
        for pack in packs
        for blob in pack["blobs"]
        if blob["id"] == sha256
    )
    path = repository / "data" / pack[:2] / pack
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    os.chmod(path, 0o600)
    path.write_bytes(data)
