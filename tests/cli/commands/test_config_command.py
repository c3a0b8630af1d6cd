"""``ibackup config``: what holds and where it comes from, without a secret; what is wrong, with its line."""

import tomllib
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli
from ibackup.base.exit_codes import ExitCode
from ibackup.config import config_file, value_kinds
from ibackup.config.config_keys import keys
from ibackup.config.config_schema import TABLES
from ibackup.config.effective_settings import NOT_SHOWN

FULL = f"""
store = "store"

[[phones]]
name = "ann"
udid = "{ANN.udid}"
password_file = "ann.password"
every = "44h"

[[phones]]
name = "bob"
udid = "{BOB.udid}"
password_command = "echo MARKED-1"

[phones.prune]
keep_last = 2

[nightly]
window = "21:00-07:00"
max_age = "3d"
min_free = "50GB"
power = false

[notify]
urls = ["ntfys://ntfy.example/MARKED-2"]
done = []
heartbeat_url = "https://hc.example/MARKED-3"

[prune]
keep_within = "8w"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(FULL, encoding="utf-8")
    path.chmod(0o600)
    (tmp_path / "ann.password").write_text("x\n", encoding="utf-8")
    (tmp_path / "ann.password").chmod(0o600)
    return path


def test_show_is_a_config_file_that_says_the_same(ibackup: Cli, file: Path, tmp_path: Path) -> None:
    done = ibackup("config", "show", "--config", file)
    assert (done.code, done.err) == (0, "")
    assert "MARKED" not in done.out
    shown = tomllib.loads(done.out)
    assert shown["store"] == str(tmp_path / "store")
    assert shown["nightly"] == {
        "every": "20h",
        "window": "21:00-07:00",
        "max_age": "3d",
        "max_prompts": 3,
        "answer_within": "5m",
        "power": False,
        "min_free": "50GB",
    }
    assert [phone["name"] for phone in shown["phones"]] == ["ann", "bob"]
    assert (shown["phones"][0]["every"], shown["phones"][1]["prune"]["keep_last"]) == ("44h", 2)
    assert shown["phones"][1]["password_command"] == "(not shown)"
    assert (shown["notify"]["urls"], shown["notify"]["done"]) == ("(not shown)", [])
    again = tmp_path / "again.toml"
    lines = [line for line in done.out.splitlines() if NOT_SHOWN not in line]
    again.write_text("\n".join(lines), encoding="utf-8")
    assert config_file.load(str(again)).nightly == config_file.load(str(file)).nightly
    assert config_file.load(str(again)).prune == config_file.load(str(file)).prune


def test_where_each_value_comes_from(
    ibackup: Cli, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def origins(*more: str | Path) -> dict[str, str]:
        rows = ibackup("config", "show", "--json", *more).result["settings"]
        return {f"{row['table']}{row['key']}": row["origin"] for row in rows}  # type: ignore[attr-defined]

    assert origins()["store"] == "default"
    assert origins("--config", file)["store"] == "file"
    monkeypatch.setenv("IBACKUP_STORE", str(tmp_path))
    assert origins("--config", file)["store"] == "environment"
    assert origins("--config", file, "--store", tmp_path)["store"] == "option"
    found = origins("--config", file)
    assert (found["[nightly]max_age"], found["[nightly]every"]) == ("file", "default")
    monkeypatch.setenv("IBACKUP_NOTIFY_DESKTOP", "no")
    assert origins("--config", file)["[notify]desktop"] == "environment"


def test_every_key_of_the_schema_is_shown(ibackup: Cli, file: Path) -> None:
    rows = ibackup("config", "show", "--json", "--config", file).result["settings"]
    shown = {(row["table"].strip("[]"), row["key"]) for row in rows}  # type: ignore[attr-defined]
    always = {
        (name, key.name)
        for name, kind in TABLES.items()
        for _, key in keys(kind)
        if name in ("nightly", "proof")
    }
    assert always <= shown


def test_check(ibackup: Cli, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "you do not need one" in ibackup("config", "check").flat
    done = ibackup("config", "check", "--config", file)
    assert (done.code, done.err) == (0, "")
    assert "(2 phones)" in done.flat
    file.chmod(0o644)
    (tmp_path / "ann.password").chmod(0o644)
    done = ibackup("config", "check", "--config", file)
    assert done.code == 0
    assert done.err.count("chmod 600") == 2
    for address, warns in (("http://hc.example/ping/1", True), ("http://127.0.0.1:8000/1", False)):
        monkeypatch.setenv("IBACKUP_HEARTBEAT_URL", address)
        assert ("https://" in ibackup("config", "check", "--config", file).err) is warns
    (tmp_path / "ann.password").write_text("\n", encoding="utf-8")
    assert "is empty" in ibackup("config", "check", "--config", file).flat_err
    (tmp_path / "ann.password").unlink()
    missing = ibackup("config", "check", "--config", file)
    assert missing.code == ExitCode.USAGE
    assert "ann.password" in missing.err
    file.write_text("[nightly]\nwindwo = 1\n", encoding="utf-8")
    wrong = ibackup("config", "check", "--config", file)
    assert wrong.code == ExitCode.USAGE
    assert "line 2" in wrong.flat_err
    assert "did you mean window?" in wrong.flat_err


@pytest.mark.parametrize("text", ["0", "30s", "90m", "36h", "7d"])
def test_durations_are_written_as_they_are_read(text: str) -> None:
    seconds = value_kinds.duration_s(text)
    assert seconds is not None
    assert value_kinds.written_duration(seconds) == text


def test_addresses_that_nothing_can_use(
    ibackup: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[notify]\nurls = ["ntfys://ntfy.example/topic"]\n')
    path.chmod(0o600)
    assert ibackup("config", "check", "--config", path).code == 0
    monkeypatch.setattr("ibackup.config.effective_settings.find_spec", lambda _name: None)
    done = ibackup("config", "check", "--config", path)
    assert done.code == ExitCode.USAGE
    assert "apprise is not installed" in done.flat_err
    assert 'pip install "apprise' in done.flat_err
