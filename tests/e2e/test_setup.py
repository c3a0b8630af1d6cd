"""``ibackup setup``: a newcomer at a terminal, a script without one, and what is left alone the second time."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.spec import Trust
from support.program import Done, MakeProgram, Program
from support.runs import SMALL, assert_is_the_phone
from support.screens import Terminal

ANN = replace(SMALL, name="Ann’s iPhone")  # noqa: RUF001 - as phones spell it

# Reads and writes a file where crontab(1) has its spool. The real one is tried in tests/jobs/schedule.
CRONTAB = """#!/bin/sh
case "$1" in
    -l) cat "$CRONTAB" 2>/dev/null || { echo "no crontab for you" >&2; exit 1; } ;;
    -r) rm "$CRONTAB" ;;
    -) cat >"$CRONTAB" ;;
esac
"""


@pytest.fixture
def cron(tmp_path: Path) -> Iterator[None]:
    """Something that is called cron runs."""
    path = tmp_path / "daemon" / "cron"
    path.parent.mkdir()
    shutil.copy(shutil.which("sleep") or "/bin/sleep", path)
    with subprocess.Popen([str(path), "600"]) as daemon:
        yield
        daemon.kill()


@pytest.fixture
def program(make_program: MakeProgram, cron: None) -> Program:
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
    terminal.answer("Short name for this", "")
    terminal.answer("Where should the backups go?", "")
    terminal.answer("after each backup?", "y")
    terminal.answer("Encrypt the backups of this", "n")
    terminal.answer("every evening", "")
    terminal.answer("Where should a second copy", "")
    terminal.answer("over Wi-Fi", "")
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
    assert re.match(r"ann +\d+ (min|h) ago +not yet +none +(\w{3} )?21:30 ", status)
    assert "is valid (1 phone)" in " ".join(program.run("config", "check").out.split())
    assert "21:30" in program.run("schedule", "show").out


def test_without_a_terminal_by_options(program: Program) -> None:
    done = setup(
        program,
        *("--name", "annie", "--store", str(program.folder / "my store"), "--prune"),
        *("--no-encrypt", "--at", "22:15", "--kind", "cron", "--backup"),
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
        (["--name", "a", "--store", "s", "--no-prune"], "--encrypt or --no-encrypt"),
        (["--name", "a", "--store", "s", "--no-prune", "--no-encrypt"], "--schedule, --at or --no-schedule"),
        (
            ["--name", "a", "--store", "s", "--no-prune", "--no-encrypt", "--no-schedule"],
            "--backup or --no-backup",
        ),
    ],
)
def test_what_nobody_can_be_asked_is_named(program: Program, given: list[str], option: str) -> None:
    done = setup(program, *given, code=2)
    assert option in str(done.result["hint"])
    assert "--yes" in str(done.result["hint"])
    assert not config(program).exists()
    assert crontab(program) == ""
    assert not program.store.exists()


@pytest.mark.peer
def test_a_second_copy_is_made_where_it_is_wanted(
    program: Program, require_tool: Callable[[str], str]
) -> None:
    require_tool("restic")
    to = program.folder / "disk" / "copy"
    to.parent.mkdir()
    done = setup(program, "--yes", "--no-schedule", "--copy-to", str(to))
    assert done.result["copy"] == "second"
    (copy,) = tomllib.loads(config(program).read_text(encoding="utf-8"))["copies"]
    assert (copy["to"], (to / "config").is_file()) == (str(to), True)
    kept = Path(copy["password_file"])
    assert (kept.parent, stat.S_IMODE(kept.stat().st_mode)) == (config(program).parent, 0o600)
    assert any("write it down" in str(each["message"]) for each in done.kinds("warning"))
    copied = program.run("copy", "run", "second", "--json").result["copies"]
    assert copied[0]["held"] == 1  # type: ignore[index]
    checks = {
        each["name"]: each
        for each in program.run("setup", "--check", "--json", code=None).kinds("requirement")
    }
    assert checks["second copy"]["state"] == "good"
    setup(program, "--yes", "--no-schedule", "--no-backup", "--copy-to", str(to), code=2)


@pytest.mark.peer
def test_where_only_rclone_is_it_makes_the_copy_and_says_what_that_lacks(
    program: Program, require_tool: Callable[[str], str]
) -> None:
    rclone = require_tool("rclone")
    folder = Path(program.environment["PATH"].split(os.pathsep)[0])
    (folder / "rclone").symlink_to(rclone)
    program.environment["PATH"] = str(folder)
    for name in ("sh", "cat", "rm", "echo"):
        (folder / name).symlink_to(str(shutil.which(name)))
    to = program.folder / "disk" / "copy"
    to.parent.mkdir()
    done = setup(program, "--yes", "--no-schedule", "--no-backup", "--copy-to", str(to))
    assert any("without a password of its own" in str(each["message"]) for each in done.kinds("note"))
    (copy,) = tomllib.loads(config(program).read_text(encoding="utf-8"))["copies"]
    assert (copy["engine"], copy.get("password_file")) == ("rclone", None)


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
    assert "Another phone has the name 'ann'" in str(taken.result["message"])
    setup(program, "--name", "bea", "--yes", "--no-schedule", "--no-backup")
    after = path.read_text(encoding="utf-8")
    assert all(line in after.splitlines() for line in text.splitlines())
    assert [each["name"] for each in tomllib.loads(after)["phones"]] == ["ann", "bea"]
    assert tomllib.loads(after)["prune"] == {"keep_last": 3}


def test_the_password_of_the_backups_is_reported_once(make_program: MakeProgram) -> None:
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


def test_encryption_is_switched_on_with_the_password_that_is_given(program: Program) -> None:
    password = program.folder / "password"
    password.write_text("Hafenmole Distel 31\n")
    password.chmod(0o600)
    result = setup(
        program, "--yes", "--encrypt", "--password-file", str(password), "--no-schedule", "--backup"
    ).result
    assert program.phone.backup_password == "Hafenmole Distel 31"
    assert result["backup"]["encrypted"] is True  # type: ignore[index]
    assert result["backup"]["checked"] == "manifest"  # type: ignore[index]


def test_yes_encrypts_with_the_password_that_is_there(program: Program) -> None:
    password = program.folder / "password"
    password.write_text("Hafenmole Distel 31\n")
    password.chmod(0o600)
    setup(program, "--yes", "--password-file", str(password), "--no-schedule", "--no-backup")
    assert program.phone.backup_password == "Hafenmole Distel 31"


def test_yes_without_a_password_says_that_nothing_is_encrypted(program: Program) -> None:
    done = setup(program, "--yes", "--no-schedule", "--no-backup")
    warnings = [str(event["message"]) for event in done.events if event["event"] == "warning"]
    assert any("will not be encrypted: that needs a password" in text for text in warnings)
    assert program.phone.backup_password is None


def test_the_password_that_was_typed_is_used_and_kept(program: Program) -> None:
    terminal = Terminal(program, "setup", "--name", "ann", "--prune", "--no-schedule", "--backup")
    terminal.answer("Where should the backups go?", "")
    terminal.answer("Encrypt the backups of this", "y")
    terminal.answer("Where should a second copy", "none")
    terminal.answer("over Wi-Fi too", "y")
    terminal.answer("New backup password", "Hafenmole Distel 31")
    terminal.answer("Repeat the password", "Hafenmole Distel 31")
    terminal.answer("Is it written down?", "y")
    terminal.answer("Keep the password in", "y")
    out = terminal.end(0)
    assert "Backed up and checked" in out
    assert "It is encrypted: to restore or read it you need the backup password." in " ".join(out.split())
    (phone,) = tomllib.loads(config(program).read_text(encoding="utf-8"))["phones"]
    kept = Path(phone["password_file"])
    assert kept.read_text(encoding="utf-8") == "Hafenmole Distel 31\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert program.now().result["checked"] == "manifest"


@pytest.mark.parametrize("typed", ["Kurzhaar-Wisent 7", "not it"])
def test_a_phone_that_encrypts_already_is_asked_about(make_program: MakeProgram, typed: str) -> None:
    program = make_program(replace(ANN, backup_password="Kurzhaar-Wisent 7"))
    line = ("--name", "ann", "--store", str(program.store), "--prune", "--no-schedule", "--backup")
    terminal = Terminal(program, "setup", *line)
    terminal.answer("already encrypts its backups. Its backup password", typed)
    terminal.answer("Where should a second copy", "")
    terminal.answer("over Wi-Fi too", "n")
    terminal.answer("Keep the password in", "")
    out = terminal.end(0)
    (phone,) = tomllib.loads(config(program).read_text(encoding="utf-8"))["phones"]
    assert ("password_file" in phone) is (typed != "not it")
    assert ("Backed up and checked" in out) is (typed != "not it")
    shown = " ".join(terminal.shown.split())
    assert ("was not kept" in shown and "ibackup setup --password-file" in shown) is (typed == "not it")


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
    assert "Backups do not start automatically" in " ".join(done.out.split())
    setup(program, "--yes", "--no-backup", "--schedule")
    assert "do not start automatically" not in " ".join(program.run("setup", "--no-backup").out.split())


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
    assert "every evening: `ibackup setup`" in " ".join(program.run("now").out.split())
    setup(program, "--yes", "--no-schedule", "--no-backup")
    said = " ".join(program.run("now").out.split())
    assert "at any time: `ibackup verify`" in said
    assert "`ibackup setup`" not in said


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
    assert checks["second copy"]["state"] == "advice"
    assert json.dumps(done.result["ready"]) == ("true" if done.code == 0 else "false")
    text = program.run("setup", "--check", code=None).out
    assert max(len(line) for line in text.splitlines() if "/" not in line) <= 80
    assert "`ibackup watch`" in text
