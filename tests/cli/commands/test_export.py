"""``ibackup export`` as it is typed: what it says, counts and ends with."""

import json
from pathlib import Path

import pytest

from cli.conftest import Cli
from ibackup.base.exit_codes import ExitCode
from ibackup.simulator.life.calls_db import CALLS, call_stores
from ibackup.simulator.life.contacts_db import address_book
from support.minted import Mint, Minted, Spec

PASSWORD = "Kurzhaar-Wisent 7"


def made(tmp_path: Path, password: str | None = PASSWORD, *, calls: int = len(CALLS)) -> Minted:
    files = [*address_book(), *call_stores(CALLS[:calls])]
    return Mint(tmp_path)(password, specs=[Spec(each.domain, each.path, content=each.data) for each in files])


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return path


def test_twice(ibackup: Cli, tmp_path: Path, password: Path) -> None:
    line = ("export", made(tmp_path).folder, "--contacts", "--calls", "--to", tmp_path / "out")
    done = ibackup(*line, "--password-file", password)
    assert done.code == 0
    assert f"{len(CALLS)} calls." in done.flat
    assert f"They are in {tmp_path / 'out'}" in done.flat
    assert f"open {tmp_path / 'out' / 'index.html'}" in done.flat
    assert (tmp_path / "out" / "Calls" / "Calls.csv").is_file()
    again = ibackup(*line, "--password-file", password, "--json").result
    assert (again["files"], again["calls"], again["findings"]) == (0, len(CALLS), {})
    assert "Nothing was new: " in ibackup(*line, "--password-file", password).flat


def test_nothing_to_find(ibackup: Cli, tmp_path: Path) -> None:
    folder = made(tmp_path, None).folder
    done = ibackup("export", folder, "--safari", "--voicemail", "--to", tmp_path / "out")
    assert done.code == ExitCode.FAILED
    assert "Nothing was found for " in done.flat
    done = ibackup("export", folder, "--everything", "--to", tmp_path / "out", "--json")
    assert done.code == 0
    missing = done.result["not_found"]
    assert isinstance(missing, list)
    assert {"safari", "voicemail"} <= {each["kind"] for each in missing}


def test_wrong_lines(ibackup: Cli, tmp_path: Path, password: Path) -> None:
    folder = made(tmp_path).folder
    done = ibackup("export", folder, "--to", tmp_path / "out")
    assert (done.code, "Say what to export." in done.flat_err) == (ExitCode.USAGE, True)
    for option in (("--since", "yesterday"), ("--format", "pdf"), ("--until", "2024-13-01")):
        done = ibackup("export", folder, "--calls", "--to", tmp_path / "out", *option)
        assert done.code == ExitCode.USAGE, option
    done = ibackup("export", folder, "--calls", "--to", folder / "out", "--password-file", password)
    assert done.code == ExitCode.USAGE
    password.write_text("wrong\n")
    done = ibackup("export", folder, "--calls", "--to", tmp_path / "out", "--password-file", password)
    assert done.code == ExitCode.PASSWORD
    assert not (tmp_path / "out").exists()


def test_days_are_whole_days(
    ibackup: Cli, tmp_path: Path, password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    line = ("export", made(tmp_path).folder, "--calls", "--password-file", password, "--json")
    ibackup(*line, "--to", tmp_path / "all")
    calls = json.loads((tmp_path / "all" / "Calls" / "Calls.json").read_text())
    day = min(call["time"] for call in calls if call["time"])[:10]
    of_day = sum((call["time"] or "").startswith(day) for call in calls)
    found = ibackup(*line, "--to", tmp_path / "day", "--since", day, "--until", day).result
    assert found["calls"] == of_day > 0


def test_what_a_later_backup_lacks(ibackup: Cli, tmp_path: Path, password: Path) -> None:
    (tmp_path / "later").mkdir()
    before, later = made(tmp_path).folder, made(tmp_path / "later", calls=3).folder
    line = ("export", before, "--calls", "--gone-by", later, "--to", tmp_path / "out")
    found = ibackup(*line, "--password-file", password, "--json").result
    assert found["calls"] == len(CALLS) - 3
    line = ("export", before, "--contacts", "--gone-by", later, "--to", tmp_path / "out")
    assert "Nothing is gone of --contacts." in ibackup(*line, "--password-file", password).flat
    assert ibackup(*line, "--password-file", password).code == 0  # that nothing is gone is an answer


def test_damage_is_named_and_the_rest_is_exported(ibackup: Cli, tmp_path: Path, password: Path) -> None:
    backup = made(tmp_path)
    backup.blob("HomeDomain", "Library/AddressBook/AddressBook.sqlitedb").write_bytes(b"\0" * 4096)
    line = ("export", backup.folder, "--contacts", "--calls", "--to", tmp_path / "out")
    done = ibackup(*line, "--password-file", password)
    assert done.code == ExitCode.DAMAGE
    assert "Left out:" in done.flat
    assert "contacts" in done.flat
    assert f"{len(CALLS)} calls." in done.flat


def test_times_are_those_of_the_season(
    ibackup: Cli, tmp_path: Path, password: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made(tmp_path).folder
    for zone, shown in (("Europe/Berlin", "04:40:00 +02:00"), ("Australia/Sydney", "12:40:00 +10:00")):
        monkeypatch.setenv("TZ", zone)
        to = tmp_path / zone.replace("/", " ")
        assert not ibackup("export", folder, "--calls", "--to", to, "--password-file", password).code
        assert f"2024-05-18 {shown}" in (to / "Calls" / "Calls.csv").read_text(encoding="utf-8")
