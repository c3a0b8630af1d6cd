"""The block in the crontab: there once, gone without a trace, everything else byte for byte as it was."""

import subprocess
import sys
from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from ibackup.base.errors import IbackupError, UsageError
from ibackup.cli.commands.schedule_command import installed_text, members, tell_what_is_left_out
from ibackup.cli.shell.application import App, Settings
from ibackup.jobs.schedule import cron
from ibackup.jobs.schedule.cron import BEGIN, END, Cron, _block, _with, is_running
from ibackup.jobs.schedule.schedule_types import ScheduledCommand, next_run, system_zone
from jobs.schedule.conftest import Spool

JOB = ScheduledCommand(time(21, 30), ("/opt/python", "-m", "ibackup", "nightly"))
THEIRS = (
    "# a crontab of many years\n"
    'MAILTO=""\n'
    '  5  4 * *   sun   /bin/echo  "a  b"   # trailing\n'
    "@reboot   /bin/true\n"
    "0 1 * * mon-fri /bin/date +\\%F\n"
    "\t\n"
    "\n"
    "# 5 5 * * * switched off\n"
)


def block(job: ScheduledCommand = JOB) -> str:
    (piece,) = Cron().pieces(job)
    return piece.content


# -- the text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", THEIRS, "# no end of line"])
def test_in_and_out_again(before: str) -> None:
    after = _with(before, block())
    assert after.startswith(before)
    assert _with(after, block()) == after
    later = _with(after, block(ScheduledCommand(time(6, 5), JOB.command)))
    assert "5 6 * * *" in later
    assert "30 21" not in later
    assert _with(later, "").rstrip("\n") == before.rstrip("\n")
    assert _with(before, "") == before


def test_it_stays_where_someone_moved_it() -> None:
    text = f"# first\n{block()}# last\n"
    assert _with(text, block(ScheduledCommand(time(1, 0), JOB.command))).splitlines()[0::4] == [
        "# first",
        "# last",
    ]


@pytest.mark.parametrize(
    "text", [f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"]
)
def test_a_block_that_lost_a_mark_is_not_guessed_at(text: str) -> None:
    for wanted in (block(), ""):
        with pytest.raises(IbackupError, match="Someone changed"):
            _with(text, wanted)


def as_cron_does(line: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a line's command as cron(8) does: by /bin/sh, percent signs unescaped, with its own small environment."""
    command = line.split(" ", 5)[5].replace("\\%", "%")
    return subprocess.run(
        ["/bin/sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={"SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", **environment},
    )


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX sh")
def test_words_and_variables_arrive_whatever_is_in_them(tmp_path: Path) -> None:
    odd = "a b'c\"d $HOME `x` 100% \\ ü;&|"
    show = "import os, sys; print(sys.argv[1:], os.environ['PATH'], os.environ['ODD'], sep='\\n')"
    job = ScheduledCommand(time(21, 30), (sys.executable, "-c", show, odd), (("PATH", "/x y"), ("ODD", odd)))
    line = block(job).splitlines()[1]
    assert line.startswith("30 21 * * * ")
    done = as_cron_does(line, {"HOME": str(tmp_path)})
    assert done.stdout.splitlines() == [repr([odd]), "/x y", odd], done


def test_what_cron_cannot_take_is_refused() -> None:
    for word in ("a\nb", "x" * 1000):
        with pytest.raises(UsageError):
            block(ScheduledCommand(time(1), ("/opt/python", word)))


# -- the real crontab ---------------------------------------------------------------------------------------


@pytest.mark.peer
def test_the_real_crontab_keeps_what_is_not_ours(spool: Spool) -> None:
    spool.crontab = THEIRS
    assert spool.crontab == THEIRS
    said = spool.ibackup("schedule", "install", "--kind", "cron", "--at", "22:15")
    assert "Every day at 22:15, by this computer's clock, cron starts the backup" in " ".join(said.split())
    after = spool.crontab
    assert after is not None
    assert after.startswith(THEIRS + BEGIN)
    assert after.endswith(END + "\n")
    spool.ibackup("schedule", "install", "--kind", "cron", "--at", "22:15")
    assert spool.crontab == after
    spool.ibackup("schedule", "install", "--kind", "cron")
    changed = spool.crontab or ""
    assert "\n30 21 * * * " in changed
    assert changed.count(BEGIN) == 1
    assert '"at": "21:30"' in spool.ibackup("schedule", "show", "--json")
    spool.ibackup("schedule", "remove")
    assert spool.crontab == THEIRS
    assert "There was no schedule" in spool.ibackup("schedule", "remove")
    assert '"installed": false' in spool.ibackup("schedule", "show", "--json")


@pytest.mark.peer
def test_who_had_no_crontab_has_none_afterwards(spool: Spool) -> None:
    assert spool.crontab is None
    spool.ibackup("schedule", "install", "--kind", "cron")
    assert str(spool.crontab).startswith(BEGIN)
    spool.ibackup("schedule", "remove")
    assert spool.crontab is None


@pytest.mark.peer
def test_a_block_that_someone_cut_is_left_alone(spool: Spool) -> None:
    spool.crontab = f"{THEIRS}{BEGIN}\n"
    said = spool.ibackup("schedule", "install", "--kind", "cron", code=1)
    assert "crontab -e" in said
    assert spool.crontab == f"{THEIRS}{BEGIN}\n"


def test_no_cron_is_said_plainly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no `crontab` command" in Cron().missing()
    assert Cron().find() is None
    assert not Cron().remove()


def test_whether_cron_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert not is_running(tmp_path)
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "comm").write_text("bash\n")
    assert not is_running(tmp_path)
    (tmp_path / "proc" / "7" / "comm").write_text("crond\n")
    assert is_running(tmp_path)
    (tmp_path / "proc" / "7" / "comm").write_text("bash\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "cron.pid").write_text("7\n")
    assert is_running(tmp_path)
    (tmp_path / "run" / "cron.pid").write_text("8\n")
    assert not is_running(tmp_path)
    (tmp_path / "run" / "systemd" / "generator").mkdir(parents=True)
    (tmp_path / "run" / "systemd" / "generator" / "cron-ann-0.timer").touch()
    assert is_running(tmp_path)


@pytest.mark.parametrize("runs", [True, False])
def test_a_run_that_cannot_come_is_not_promised(runs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    text = _block(ScheduledCommand(time(22, 15), ("/usr/bin/ibackup", "nightly")))
    monkeypatch.setattr(cron, "_read", lambda: text)
    monkeypatch.setattr(cron, "is_running", lambda: runs)
    monkeypatch.setattr(Cron, "missing", lambda _self: "")
    found = Cron().find()
    assert found is not None
    assert (found.problem == "") is runs
    said = " ".join(installed_text(found, "").split())
    assert ("Next run" in said) is runs
    assert ("cron is not running" in said) is not runs
    assert (members(found)["next_run"] is not None) is runs


def test_a_schedule_goes_by_the_computers_clock_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    tell_what_is_left_out(App(Settings()), None)
    assert "not this shell's TZ (Pacific/Kiritimati)" in " ".join(capfd.readouterr().err.split())
    zone = system_zone()
    assert zone is not None
    assert next_run(time(22, 15), datetime(2026, 11, 30, tzinfo=UTC), zone).tzinfo is zone
