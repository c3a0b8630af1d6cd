"""``ibackup list --finder``: what Apple's programs hold on this computer."""

import plistlib
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli
from ibackup.base.exit_codes import ExitCode


@pytest.fixture
def finder(ibackup: Cli, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Finder's folder of a home, with two backups."""
    folder = tmp_path / "Library/Application Support/MobileSync/Backup"
    folder.mkdir(parents=True)
    monkeypatch.setattr(
        "ibackup.jobs.keeping.finder_folder.finder_folders.__defaults__", ("darwin", {"HOME": str(tmp_path)})
    )
    for spec in (ANN, BOB):
        assert ibackup("to-finder", "latest", "--phone", spec.udid, "--to", folder).code == 0
    return folder


def test_what_is_there(ibackup: Cli, finder: Path) -> None:
    done = ibackup("list", "--finder", "--json")
    assert done.code == 0
    rows = {row["device_name"]: row for row in done.result["backups"]}  # type: ignore[attr-defined]
    assert set(rows) == {ANN.name, BOB.name}
    assert rows[BOB.name]["encrypted"] is True
    assert rows[ANN.name]["encrypted"] is False
    for spec in (ANN, BOB):
        row = rows[spec.name]
        assert row["udid"] == spec.udid
        assert row["path"] == str(finder / spec.udid)
        assert row["made"]
        size = sum(path.stat().st_size for path in (finder / spec.udid).rglob("*") if path.is_file())
        assert row["bytes"] == size
    text = ibackup("list", "--finder").flat
    assert BOB.name in text
    assert "not encrypted" in text
    assert "ibackup import" in text


def test_what_cannot_be_read_is_there_all_the_same(ibackup: Cli, finder: Path) -> None:
    (finder / ANN.udid / "Info.plist").write_bytes(b"none")
    (finder / ANN.udid / "Manifest.plist").write_bytes(
        plistlib.dumps({"Lockdown": {"UniqueDeviceID": "\x1b[2J"}}, fmt=plistlib.FMT_BINARY)
    )
    (finder / "empty").mkdir()
    done = ibackup("list", "--finder")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert ANN.udid in done.out


def test_where_there_is_none(ibackup: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = "ibackup.jobs.keeping.finder_folder.finder_folders.__defaults__"
    monkeypatch.setattr(places, ("linux", {}))
    assert ibackup("list", "--finder").code == ExitCode.USAGE
    monkeypatch.setattr(places, ("darwin", {"HOME": str(tmp_path)}))
    done = ibackup("list", "--finder")
    assert done.code == 0
    assert "have no backup" in done.flat
