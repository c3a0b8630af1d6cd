"""``ibackup setup``: a newcomer at a terminal, a script without one, and what is left alone the second time."""

import json
import os
import re
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator import Trust
from support.program import Done, Program
from support.runs import SMALL, assert_is_the_phone
from support.screens import Terminal

MakeProgram = Callable[..., Program]
ANN = replace(SMALL, name="Ann’s iPhone")  # noqa: RUF001 - as phones spell it

# Reads and writes a file where crontab(1) has its spool. The real one is tried in tests/scheduling.
CRONTAB = """#!/bin/sh
case "$1" in
    -l) cat "$CRONTAB" 2>/dev/null || { echo "no crontab for you" >&2; exit 1; } ;;
    -r) rm "$CRONTAB" ;;
    -) cat >"$CRONTAB" ;;
esac
"""


@pytest.fixture
def program(make_program: MakeProgram) -> Program:
    """Ann's phone; a crontab of the test's own, and no systemd."""
    made = make_program(ANN)
    folder = made.folder / "bin"
    folder.mkdir()
    for name, text in (("crontab", CRONTAB), ("systemctl", "#!/bin/sh\nexit 1\n")):
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o755)
    made.environment |= {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "CRONTAB": str(made.folder / "crontab"),
    }
    del made.environment["IBACKUP_STORE"]
    made.store = made.folder / "home" / "ibackup"
    return made


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its stand-ins are Linux's")


def config(program: Program) -> Path:
    return program.folder / "home" / ".config" / "ibackup" / "config.toml"


def crontab(program: Program) -> str:
    path = program.folder / "crontab"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def setup(program: Program, *arguments: str, code: int = 0) -> Done:
    return program.run("setup", "--json", "--patience", "0", *arguments, code=code)


def test_a_newcomer_at_a_terminal(program: Program) -> None:
    terminal = Terminal(program, "setup")
    terminal.answer("be called in commands", "")
    terminal.answer("Where shall the backups go?", "")
    terminal.answer("after a backup?", "y")
    terminal.answer("every evening", "")
    terminal.answer("Make the first backup now?", "y")
    out = terminal.end(0)
    assert "Backed up and checked" in out
    assert "ann is set up." in out
    assert "Next: `ibackup setup`" not in out
    assert_is_the_phone(program.snapshots[-1], program.phone)
    assert tomllib.loads(config(program).read_text(encoding="utf-8")) == {
        "store": str(program.store),
        "phones": [{"name": "ann", "udid": program.phone.udid}],
        "nightly": {"window": "21:30-07:00"},
        "prune": {"keep_last": 7, "keep_daily": 14, "keep_weekly": 8, "keep_monthly": 12},
    }
    assert stat.S_IMODE(config(program).stat().st_mode) == 0o600
    assert "30 21 * * * " in crontab(program)
    assert "nightly" in crontab(program)
    # All that follows says the same.
    status = program.run("status").out.splitlines()[1]
    assert re.match(r"ann +\d min +not yet +(\w{3} )?21:30 ", status)
    assert "is right; it names 1 phone" in " ".join(program.run("config", "check").out.split())
    assert "21:30" in program.run("schedule", "show").out


def test_without_a_terminal_by_options(program: Program) -> None:
    done = setup(
        program,
        *("--name", "annie", "--store", str(program.folder / "my store"), "--prune"),
        *("--at", "22:15", "--kind", "cron", "--backup"),
    )
    result = done.result
    assert [event["event"] for event in done.events].count("result") == 1
    program.store = program.folder / "my store"
    assert result["name"] == "annie"
    assert result["schedule"]["at"] == "22:15"  # type: ignore[index]
    assert result["backup"]["snapshot"] == program.snapshots[-1].name  # type: ignore[index]
    assert "15 22 * * * " in crontab(program)
    assert "--window" not in crontab(program)  # the config has it
    loaded = tomllib.loads(config(program).read_text(encoding="utf-8"))
    assert loaded["nightly"] == {"window": "22:15-07:00"}
    assert program.run("list", "--phone", "annie").out.count("MB") + 1


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ([], "--name NAME"),
        (["--name", "a"], "--store FOLDER"),
        (["--name", "a", "--store", "s"], "--prune or --no-prune"),
        (["--name", "a", "--store", "s", "--no-prune"], "--schedule, --at or --no-schedule"),
        (["--name", "a", "--store", "s", "--no-prune", "--no-schedule"], "--backup or --no-backup"),
    ],
)
def test_what_nobody_can_be_asked_is_named(program: Program, given: list[str], option: str) -> None:
    done = setup(program, *given, code=2)
    assert option in str(done.result["hint"])
    assert "--yes" in str(done.result["hint"])
    assert not config(program).exists()
    assert crontab(program) == ""
    assert not program.store.exists()


def test_yes_takes_what_is_proposed(program: Program) -> None:
    result = setup(program, "--yes", "--no-backup").result
    assert (result["name"], result["backup"], result["config_changed"]) == ("ann", None, True)
    assert "30 21 * * * " in crontab(program)
    assert not program.store.exists()


def test_the_second_time_nothing_is_asked_or_changed(program: Program) -> None:
    setup(program, "--yes", "--no-backup")
    path = config(program)
    path.write_text("# mine\n" + path.read_text(encoding="utf-8") + "# the end\n", encoding="utf-8")
    before, lines = path.read_bytes(), crontab(program)
    result = setup(program, "--no-backup").result
    assert (result["config_changed"], result["schedule"]) == (False, None)
    assert (path.read_bytes(), crontab(program)) == (before, lines)
    renamed = setup(program, "--no-backup", "--name", "anna", "--at", "20:00").result
    assert renamed["name"] == "anna"
    assert path.read_bytes().startswith(b"# mine\n")
    assert b'name = "anna"' in path.read_bytes()
    assert "0 20 * * * " in crontab(program)


def test_a_second_phone_joins(program: Program, make_program: MakeProgram) -> None:
    path = config(program)
    path.parent.mkdir(parents=True)
    text = (
        "# of many years\n\n[[phones]]\n"
        'name = "ann"   # not this one\nudid = "00008101-001F0B0C0D0E0F02"\n\n[prune]\nkeep_last = 3  # enough\n'
    )
    path.write_text(text, encoding="utf-8")
    taken = setup(program, "--name", "ann", "--yes", "--no-schedule", "--no-backup", code=2)
    assert "Another phone is called 'ann'" in str(taken.result["message"])
    setup(program, "--name", "bea", "--yes", "--no-schedule", "--no-backup")
    after = path.read_text(encoding="utf-8")
    assert all(line in after.splitlines() for line in text.splitlines())
    assert [each["name"] for each in tomllib.loads(after)["phones"]] == ["ann", "bea"]
    assert tomllib.loads(after)["prune"] == {"keep_last": 3}


def test_the_password_of_the_backups_is_told_once(make_program: MakeProgram) -> None:
    program = make_program(replace(ANN, backup_password="Kurzhaar-Wisent 7"))
    password = program.folder / "pw"
    password.write_text("Kurzhaar-Wisent 7\n", encoding="utf-8")
    password.chmod(0o600)
    result = setup(program, "--yes", "--no-schedule", "--password-file", str(password)).result
    assert result["encrypted"] is True
    assert result["backup"]["checked"] == "manifest"  # type: ignore[index]
    (phone,) = tomllib.loads(config(program).read_text(encoding="utf-8"))["phones"]
    assert phone["password_file"] == str(password)
    assert program.now().result["checked"] == "manifest"


def test_a_config_that_is_a_link_stays_one(program: Program) -> None:
    dots = program.folder / "dotfiles.toml"
    dots.write_text("# dots\n", encoding="utf-8")
    config(program).parent.mkdir(parents=True)
    config(program).symlink_to(dots)
    setup(program, "--yes", "--no-schedule", "--no-backup")
    assert config(program).is_symlink()
    assert "[[phones]]" in dots.read_text(encoding="utf-8")


def test_a_config_at_another_place_is_made_and_used(program: Program) -> None:
    path = program.folder / "new" / "my.toml"
    setup(program, "--yes", "--no-backup", "--config", str(path))
    assert "[[phones]]" in path.read_text(encoding="utf-8")
    assert f"--config {path}" in crontab(program)
    assert not config(program).exists()


def test_what_was_declined_is_said(program: Program) -> None:
    done = program.run("setup", "--yes", "--no-schedule", "--no-backup")
    assert "Nothing starts backups by itself" in " ".join(done.out.split())
    setup(program, "--yes", "--no-backup", "--schedule")
    assert "Nothing starts" not in program.run("setup", "--no-backup").out


def test_no_phone_and_nobody_at_the_phone(program: Program, make_program: MakeProgram) -> None:
    gone = program.run(
        "setup",
        "--json",
        "--yes",
        code=10,
        environment={"USBMUXD_SOCKET_ADDRESS": str(program.folder / "none")},
    )
    assert "`ibackup setup --check`" in str(gone.result["hint"])
    assert not config(program).exists()


def test_a_phone_that_does_not_trust_yet(make_program: MakeProgram) -> None:
    program = make_program(replace(ANN, trust=Trust(kind="dialog", delay_s=0.2)))
    done = program.run("setup", "--json", "--yes", "--no-schedule", "--no-backup", "--patience", "30s")
    assert "trust" in [event["kind"] for event in done.kinds("prompt")]
    assert done.result["name"] == "ann"


def test_now_points_to_setup_until_it_is_done(program: Program) -> None:
    assert "Next: `ibackup setup`" in program.run("now").out
    setup(program, "--yes", "--no-schedule", "--no-backup")
    assert "Next: `ibackup verify`" in program.run("now").out


def test_the_line_in_the_crontab_works_as_cron_runs_it(program: Program) -> None:
    config(program).parent.mkdir(parents=True)
    config(program).write_text('[nightly]\nwindow = "always"\n', encoding="utf-8")
    setup(program, "--yes", "--no-backup", "--kind", "cron")
    line = next(line for line in crontab(program).splitlines() if not line.startswith("#"))
    # What cron(8) gives a job, and no more: no variable of ours, a short PATH, the account's own home, no locale.
    bare = {"SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "HOME": "/", "LOGNAME": "nobody"}
    command = line.split(" ", 5)[5].replace("\\%", "%")
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=bare, cwd="/", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert_is_the_phone(program.snapshots[-1], program.phone)
    shown = program.run("schedule", "show").out
    assert re.search(r"Last run: \S+ \S+ \(`ibackup nightly`\), ended \S+ \S+ with exit\s+code 0", shown)
    assert "ann: backed up" in shown
    rows = program.run("schedule", "show", "--json").result["phones"]
    assert [row["state"] for row in rows] == ["done"]  # type: ignore[attr-defined]


def test_check_names_what_to_type(program: Program) -> None:
    done = program.run("setup", "--check", "--json", code=None)
    checks = {check["name"]: check for check in done.kinds("requirement")}
    assert checks["usbmuxd"]["state"] == "good"
    assert "is connected, ready" in str(checks["phone"]["message"])
    assert checks["schedule"]["commands"] == ["ibackup schedule install"]
    assert json.dumps(done.result["ready"]) == ("true" if done.code == 0 else "false")
    text = program.run("setup", "--check", code=None).out
    assert max(len(line) for line in text.splitlines() if "/" not in line) <= 80
    assert "`ibackup watch`" in text
