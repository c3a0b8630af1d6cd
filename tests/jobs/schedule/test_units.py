"""The units for systemd: what systemd itself says of them, and that removing them leaves nothing."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest

from ibackup.base.errors import IbackupError, UsageError
from ibackup.cli.commands.schedule_command import installed_text, members
from ibackup.jobs.schedule import scheduler_choice
from ibackup.jobs.schedule.schedule_types import ScheduledCommand
from ibackup.jobs.schedule.systemd import Systemd

ODD = "a b \"c' 100% $HOME \\ ü;"
JOB = ScheduledCommand(
    time(21, 30),
    (sys.executable, "-m", "ibackup", "nightly", "--store", f"/x/{ODD}"),
    (("PATH", "/usr/bin:/bin"), ("ODD", ODD)),
    "/etc/passwd file",
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="systemd is Linux's")


WATCH = ScheduledCommand(None, (sys.executable, "-m", "ibackup", "watch"), JOB.environment)


def written(folder: Path, job: ScheduledCommand = JOB) -> list[str]:
    paths = []
    for piece in Systemd(job.program).pieces(job):
        path = folder / os.path.basename(piece.place)
        path.write_text(piece.content, encoding="utf-8")
        paths.append(str(path))
    return paths


@pytest.mark.peer
def test_systemd_finds_nothing_wrong(
    tmp_path: Path, require_tool: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    analyze = require_tool("systemd-analyze")
    paths = written(tmp_path, WATCH)
    done = subprocess.run(
        [analyze, "--user", "verify", "--man=no", *paths], capture_output=True, text=True, check=False
    )
    assert (len(paths), done.returncode, done.stderr) == (1, 0, "")
    paths = written(tmp_path)
    done = subprocess.run(
        [analyze, "--user", "verify", "--man=no", *paths], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    # It does look: a unit with a mistake is told of.
    service = Path(paths[0])
    service.write_text(
        service.read_text(encoding="utf-8").replace("UMask=0077", "UMask=abc"), encoding="utf-8"
    )
    done = subprocess.run(
        [analyze, "--user", "verify", "--man=no", *paths], capture_output=True, text=True, check=False
    )
    assert "Failed to parse mode value" in done.stderr


@pytest.mark.peer
def test_the_time_is_every_day_at_that_time(require_tool: Callable[[str], str]) -> None:
    analyze = require_tool("systemd-analyze")
    timer = Systemd().pieces(JOB)[1].content
    rule = next(line for line in timer.splitlines() if line.startswith("OnCalendar=")).partition("=")[2]
    done = subprocess.run(
        [analyze, "calendar", "--base-time=2026-11-25 12:00:00", "--iterations=2", rule],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2026-11-25 21:30:00" in done.stdout
    assert "2026-11-26 21:30:00" in done.stdout


def test_what_the_service_asks_for() -> None:
    service, timer = (piece.content for piece in Systemd().pieces(JOB))
    assert "LoadCredential=ibackup-password:/etc/passwd file\n" in service
    assert '"/x/a b \\"c\' 100%% $$HOME \\\\ ü;"' in service
    assert 'Environment="ODD=a b \\"c\' 100%% $HOME \\\\ ü;"' in service
    assert "--password-file" not in service
    assert "Persistent=true" in timer
    encrypted = Systemd().pieces(ScheduledCommand(time(1), ("/p",), (), "/x/pw.cred"))[0].content
    assert "LoadCredentialEncrypted=ibackup-password:/x/pw.cred\n" in encrypted


@pytest.mark.parametrize(
    "job",
    [
        ScheduledCommand(time(1), ("/a\nb",)),
        ScheduledCommand(time(1), ("/a",), (("X", "\x07"),)),
        ScheduledCommand(time(1), ("/a",), (), "/x\n"),
    ],
)
def test_what_no_unit_can_hold_is_refused(job: ScheduledCommand) -> None:
    with pytest.raises(UsageError):
        Systemd().pieces(job)


# There is no user manager where these tests run, as a rule. This one does to files what systemctl(1) does to them.
SYSTEMCTL = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
    "--user enable "*)
        case "$3" in *.timer) target=timers ;; *) target=default ;; esac
        wants="$HOME/.config/systemd/user/$target.target.wants"
        mkdir -p "$wants" "$HOME/.local/share/systemd/timers"
        ln -sf "../$3" "$wants/$3"
        [ "$target" = default ] || touch "$HOME/.local/share/systemd/timers/stamp-$3" ;;
    "--user restart "*) exit "${RESTART_FAILS:-0}" ;;
esac
"""


@pytest.fixture
def calls(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = home / "bin"
    folder.mkdir()
    program = folder / "systemctl"
    program.write_text(SYSTEMCTL, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(home / "calls"))
    return home / "calls"


def files(home: Path) -> set[str]:
    found = (path for top in (".config", ".local") for path in (home / top).rglob("*"))
    return {path.name for path in found if path.is_symlink() or path.is_file()}


def test_install_find_and_remove_without_a_trace(home: Path, calls: Path) -> None:
    assert Systemd().find() is None
    Systemd().install(JOB)
    found = Systemd().find()
    assert found is not None
    assert (found.at, found.problem) == (time(21, 30), "")
    Systemd().install(ScheduledCommand(time(6, 5), JOB.command))
    again = Systemd().find()
    assert again is not None
    assert again.at == time(6, 5)
    asked = calls.read_text(encoding="utf-8").splitlines()
    assert asked[:3] == [
        "--user daemon-reload",
        "--user enable ibackup-nightly.timer",
        "--user restart ibackup-nightly.timer",
    ]
    assert Systemd().remove()
    assert files(home) == set()
    assert not Systemd().remove()


@pytest.mark.parametrize("lingers", [False, True])
def test_a_night_that_needs_someone_logged_in_is_not_promised(
    home: Path, calls: Path, monkeypatch: pytest.MonkeyPatch, lingers: bool
) -> None:
    monkeypatch.setattr("ibackup.jobs.schedule.systemd.is_lingering", lambda: lingers)
    Systemd().install(JOB)
    found = Systemd().find()
    assert found is not None
    assert found.is_sure == lingers
    told, text = members(found), installed_text(found, "")
    assert (told["next_run"] is not None) == lingers
    assert ("Next run" in text) == lingers
    assert ("loginctl enable-linger" in text) == (not lingers)
    assert "loginctl enable-linger" in str(told["condition"]) or lingers


def test_the_watch_stands_beside_the_nights(home: Path, calls: Path) -> None:
    Systemd().install(JOB)
    before = files(home)
    assert Systemd("watch").find() is None
    Systemd("watch").install(WATCH)
    found = Systemd("watch").find()
    assert found is not None
    assert (found.program, found.at, found.problem) == ("watch", None, "")
    assert "--user restart ibackup-watch.service" in calls.read_text(encoding="utf-8")
    assert Systemd("watch").remove()
    assert files(home) == before


CRONTAB = """#!/bin/sh
case "$1" in
    -l) cat "$HOME/crontab" 2>/dev/null || { echo "no crontab for you" >&2; exit 1; } ;;
    -) cat >"$HOME/crontab" ;;
esac
"""


def test_a_packaged_timer_counts_once_its_user_enabled_it(
    home: Path, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged = tmp_path / "packaged"
    packaged.mkdir()
    monkeypatch.setattr("ibackup.jobs.schedule.systemd.PACKAGED", str(packaged))
    for name, text in Systemd().units(JOB).items():
        (packaged / name).write_text(text, encoding="utf-8")
    assert Systemd().find() is None
    subprocess.run(["systemctl", "--user", "enable", "ibackup-nightly.timer"], check=True)
    found = Systemd().find()
    assert found is not None
    assert (found.at, found.problem) == (JOB.at, "")
    assert found.place == str(packaged / "ibackup-nightly.timer")
    assert Systemd().remove()
    assert files(home) == set()
    assert Systemd().find() is None
    assert len(list(packaged.iterdir())) == 2


def test_another_kind_takes_the_place_of_the_first(home: Path, calls: Path) -> None:
    program = home / "bin" / "crontab"
    program.write_text(CRONTAB, encoding="utf-8")
    program.chmod(0o755)
    Systemd().install(JOB)
    Systemd("watch").install(WATCH)
    found, caveat = scheduler_choice.install(JOB, "cron")
    assert (found.kind, found.at) == ("cron", time(21, 30))
    assert "If the computer is off" in caveat
    assert Systemd().find() is None
    assert Systemd("watch").find() is not None
    assert scheduler_choice.find() == found


def test_one_that_systemd_refuses_leaves_nothing(
    home: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTART_FAILS", "1")
    with pytest.raises(IbackupError, match="restart"):
        Systemd().install(JOB)
    assert files(home) == set()


def test_a_timer_that_someone_changed_or_switched_off(home: Path, calls: Path) -> None:
    Systemd().install(JOB)
    timer = home / ".config/systemd/user/ibackup-nightly.timer"
    timer.write_text(timer.read_text(encoding="utf-8").replace("21:30", "21,22:30"), encoding="utf-8")
    os.unlink(home / ".config/systemd/user/timers.target.wants/ibackup-nightly.timer")
    found = Systemd().find()
    assert found is not None
    assert found.at is None
    assert "enable --now" in found.problem


def test_the_words_of_the_command_survive(tmp_path: Path) -> None:
    service = Systemd().pieces(JOB)[0].content
    line = next(line for line in service.splitlines() if line.startswith("ExecStart=")).partition("=")[2]
    # Double quotes and backslashes mean the same to a POSIX shell's reader.
    assert tuple(word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)) == JOB.command
