"""``ibackup schedule``: any kind printed anywhere, the right kind chosen, no secret written down."""

import json
import os
import sys
import time as clock
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from ibackup.base.exit_codes import ExitCode
from ibackup.cli.main import run
from ibackup.jobs.schedule import scheduler_choice
from ibackup.jobs.schedule.cron import Cron
from ibackup.jobs.schedule.schedule_types import NAMES, next_run
from ibackup.jobs.schedule.scheduled_command import make_job, not_passed_on, only_in_the_shell
from ibackup.jobs.schedule.systemd import Systemd

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ibackup(capfd: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run(arguments)
        return (code, *capfd.readouterr())

    return call


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    clock.tzset()
    yield
    monkeypatch.delenv("TZ")
    clock.tzset()


@pytest.mark.parametrize("kind", NAMES)
def test_every_kind_is_printed_everywhere(ibackup: Cli, home: Path, kind: str) -> None:
    code, out, err = ibackup(
        "schedule", "install", "--print", "--kind", kind, "--at", "6:05", "--store", "st"
    )
    assert (code, err) == (0, "")
    assert str(Path.cwd() / "st") in out
    assert "06:05-07:00" in out
    assert {path.name for path in home.iterdir()} == set()
    code, out, _ = ibackup("schedule", "install", "--print", "--kind", kind, "--json")
    pieces = json.loads(out)["pieces"]
    assert len(pieces) == (2 if kind == "systemd" else 1)
    assert all("21:30-07:00" in each["content"] for each in pieces[:1])


def test_watch_is_printed_too_and_has_no_time(ibackup: Cli) -> None:
    code, out, _ = ibackup("schedule", "install", "--watch", "--print", "--kind", "systemd", "--json")
    (piece,) = json.loads(out)["pieces"]
    assert code == 0
    assert '"ibackup" "watch" "--store"' in piece["content"]
    assert "--window" not in piece["content"]
    code, _, err = ibackup("schedule", "install", "--watch", "--at", "21:30", "--print")
    assert code == ExitCode.USAGE
    assert "exclude each other" in err


def test_the_window_of_the_config_is_left_to_the_config(ibackup: Cli, tmp_path: Path) -> None:
    config = tmp_path / "my config.toml"
    config.write_text('[nightly]\nwindow = "20:00-06:00"\n', encoding="utf-8")
    _, out, _ = ibackup("schedule", "install", "--print", "--kind", "launchd", "--config", str(config))
    assert str(config) in out
    assert "--window" not in out


@pytest.mark.parametrize("at", ["25:00", "21:60", "21", "2130", "x", "21:3", "-1:30"])
def test_what_is_no_time_of_day(ibackup: Cli, at: str) -> None:
    code, _, err = ibackup("schedule", "install", "--print", f"--at={at}")
    assert code == ExitCode.USAGE
    assert "write 21:30" in err


@pytest.mark.promise("No secret leaks")
def test_no_secret_is_written_down(ibackup: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IBACKUP_PASSWORD", "IBACKUP_HEARTBEAT_URL", "IBACKUP_NOTIFY_URLS"):
        monkeypatch.setenv(name, "https://geheim.example/MARKED")
    monkeypatch.setenv("IBACKUP_PASSWORD_FILE", "/home/you/pw")
    for kind in NAMES:
        _, out, _ = ibackup("schedule", "install", "--print", "--kind", kind)
        assert "MARKED" not in out
    assert not_passed_on() == ("IBACKUP_HEARTBEAT_URL", "IBACKUP_NOTIFY_URLS", "IBACKUP_PASSWORD")
    assert dict(make_job(time(1)).environment)["IBACKUP_PASSWORD_FILE"] == "/home/you/pw"


def test_what_a_task_of_windows_will_not_have() -> None:
    shell = {"IBACKUP_STATE_DIR": "D:\\state", "USBMUXD_SOCKET_ADDRESS": "127.0.0.1:27015", "PATH": "C:\\x"}
    account = {"USBMUXD_SOCKET_ADDRESS": "127.0.0.1:27015", "PATH": "C:\\"}
    assert only_in_the_shell("windows", shell, account) == ("IBACKUP_STATE_DIR",)
    assert only_in_the_shell("windows", shell | {"IBACKUP_STATE_DIR": ""}, account) == ()
    for kind in NAMES:
        assert kind == "windows" or only_in_the_shell(kind, shell, {}) == ()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="one of the two would be installed")
def test_settings_that_are_left_out_are_named(ibackup: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", "/here/alone")
    _, _, err = ibackup("schedule", "install", "--kind", "windows")
    assert "IBACKUP_STATE_DIR" in err
    assert "setx" in err
    _, _, err = ibackup("schedule", "install", "--kind", "launchd")
    assert "setx" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX homes")
def test_what_a_schedulers_environment_lacks(tmp_path: Path) -> None:
    account = os.path.expanduser(f"~{os.environ.get('USER', 'root')}")
    (tmp_path / "bin").mkdir()
    given = {
        "PATH": f"{tmp_path}/bin:{tmp_path}/bin:relative:/nonexistent:/usr/bin",
        "HOME": str(tmp_path),
        "LANG": "de_DE.UTF-8",
        "XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}",
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path=/run/user/{os.getuid()}/bus",
        "EDITOR": "ed",
        "IBACKUP_PASSWORD": "x",
    }
    assert dict(make_job(time(1), environment=given).environment) == {
        "PATH": f"{tmp_path}/bin:/usr/bin",
        "HOME": str(tmp_path),
        "LANG": "de_DE.UTF-8",
        "XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}",
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path=/run/user/{os.getuid()}/bus",
    }
    passing = {"HOME": account, "XDG_RUNTIME_DIR": "/tmp/x", "DBUS_SESSION_BUS_ADDRESS": "unix:abstract=/x"}
    assert "XDG_RUNTIME_DIR" not in dict(make_job(time(1), environment=passing).environment)
    assert "DBUS_SESSION_BUS_ADDRESS" not in dict(make_job(time(1), environment=passing).environment)


@pytest.mark.skipif(not hasattr(clock, "tzset"), reason="no tzset")
@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("now", "at", "following"),
    [
        ("2026-11-25T20:00:00Z", time(21, 30), "2026-11-25T20:30:00Z"),
        ("2026-11-25T20:30:00Z", time(21, 30), "2026-11-26T20:30:00Z"),
        ("2026-10-24T20:00:00Z", time(21, 30), "2026-10-25T20:30:00Z"),  # summer time has ended in between
        ("2026-03-28T21:00:00Z", time(21, 30), "2026-03-29T19:30:00Z"),  # and begun
    ],
)
def test_the_next_run_by_the_clock_on_the_wall(now: str, at: time, following: str) -> None:
    moment = next_run(at, datetime.fromisoformat(now))
    assert moment.astimezone(UTC) == datetime.fromisoformat(following)


def test_each_system_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def there(_self: object) -> str:
        return ""

    def not_there(_self: object) -> str:
        return "not there"

    for platform, kind in (("darwin", "launchd"), ("win32", "windows")):
        monkeypatch.setattr("sys.platform", platform)
        assert scheduler_choice.usual() == kind
    monkeypatch.setattr("sys.platform", "linux")
    for systemd, cron, kind in (
        (there, there, "systemd"),
        (not_there, there, "cron"),
        (not_there, not_there, "systemd"),
    ):
        monkeypatch.setattr(Systemd, "missing", systemd)
        monkeypatch.setattr(Cron, "missing", cron)
        assert scheduler_choice.usual() == kind


def test_a_kind_that_this_computer_has_not(ibackup: Cli) -> None:
    kind = "windows" if sys.platform != "win32" else "launchd"
    code, _, err = ibackup("schedule", "install", "--kind", kind)
    assert code == ExitCode.USAGE
    assert "cannot be started by " in " ".join(err.split())
