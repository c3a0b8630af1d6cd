"""What scripts rest on: options before and after the command, one result, exit codes, no questions."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.conftest import ANN, Cli
from ibackup import __version__
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.main import COMMANDS, cli
from ibackup.cli.shell.top_help import page

COMMON = {
    "--store": ["--store", "/x"],
    "--phone": ["--phone", "ann"],
    "--udid": ["--udid", "ann"],
    "--config": ["--config", "/dev/null"],
    "--log-file": ["--log-file", "/dev/null"],
    "--no-redact": ["--no-redact"],
    "--json": ["--json"],
    "-v": ["-v"],
    "-q": ["-q"],
}


def every_command(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from every_command(child, (*path, name))


@pytest.mark.parametrize("path", [pytest.param(path, id=" ".join(path)) for path in every_command() if path])
def test_help_names_the_common_options_and_the_exit_codes_of_that_command(
    ibackup: Cli, path: tuple[str, ...]
) -> None:
    done = ibackup(*path, "--help")
    assert (done.code, done.err) == (0, "")
    assert "Exit codes" in done.out or "Commands:" in done.out
    assert set(re.findall(r"(?<=[ ,])--?[a-z-]+", done.out)) >= set(COMMON)
    assert max(len(line) for line in done.out.splitlines()) < 80
    assert ibackup(*path, "-h").out == done.out == ibackup("help", *path).out


def test_the_help_on_a_narrow_terminal_has_a_command_on_each_line() -> None:
    lines = page("--json", 40).splitlines()
    assert max(map(len, lines)) <= 80
    table = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert set(table) == set(COMMANDS)
    assert max(map(len, table.values())) <= 40


def test_the_help_fits_a_screen_and_names_every_command(ibackup: Cli) -> None:
    done = ibackup("--help")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert len(lines) < 24  # and the shell's next prompt
    assert max(map(len, lines)) <= 80
    rows = [line for line in lines if line[:2] == "  "]
    titles = [row[2:12].strip() for row in rows if row[2:12].strip()]
    assert titles == ["Back up", "Look", "Restore", "Automate", "iCloud", "Tools"]
    named = [row[at : at + 12].strip() for row in rows for at in (12, 46) if row[at : at + 12].strip()]
    assert named == list(COMMANDS)
    assert set(re.findall(r"(?<=[ ,])--?[a-z-]+", done.out)) >= set(COMMON) - {
        "--udid",
        "--verbose",
        "--quiet",
    }
    assert ibackup("help").out == ibackup("-h").out == done.out


def test_help_on_what_all_commands_share(ibackup: Cli) -> None:
    codes = re.findall(r"^  (\d+) ", ibackup("help", "exit-codes").out, re.MULTILINE)
    assert {int(each) for each in codes} == {each.value for each in ExitCode}
    assert set(re.findall(r"(?<=[ ,])--?[a-z-]+", ibackup("help", "options").out)) >= set(COMMON)
    assert ibackup("help", "nonsense").code == ExitCode.USAGE
    assert ibackup("help", "--json").result["text"]


@pytest.mark.parametrize(("tried", "meant"), [("backup", "now"), ("snapshots", "list"), ("check", "verify")])
def test_words_that_people_try_first(ibackup: Cli, anns: Path, tried: str, meant: str) -> None:
    assert ibackup(tried, "--help").out == ibackup(meant, "--help").out == ibackup("help", tried).out
    assert ibackup(tried, "--json").result["command"] == meant


@pytest.mark.parametrize("option", COMMON)
@pytest.mark.parametrize("path", [pytest.param(path, id=" ".join(path)) for path in every_command() if path])
def test_every_option_works_before_and_after_the_command(
    ibackup: Cli, path: tuple[str, ...], option: str
) -> None:
    words = COMMON[option]
    for line in ((*words, *path, "--help"), (*path, *words, "--help")):
        assert ibackup(*line).code == 0


def test_the_later_of_two_wins_wherever_it_stands(ibackup: Cli, anns: Path) -> None:
    nothing = anns.parent / "nothing"
    assert ibackup("--store", nothing, "list", "--store", anns).code == 0
    assert ibackup("--store", anns, "list", "--store", nothing).code == ExitCode.STORE_MISSING


USAGE_ERRORS = {
    "no command": (),
    "unknown command": ("nwo",),
    "a restore that nobody can be asked about": ("restore",),
    "unknown option": ("list", "--nope"),
    "an option without its value": ("list", "--store"),
    "a bad duration": ("now", "--wait", "5x"),
    "a negative duration": ("now", "--wait", "-5s"),
    "a bad choice": ("verify", "--level", "shallow"),
    "one argument too many": ("show", "a", "b"),
    "a missing argument": ("completion",),
    "unknown shell": ("completion", "tcsh"),
    "no command of a group": ("simulator",),
    "unknown command of a group": ("simulator", "stop"),
    "a port that is none": ("simulator", "run", "--port", "70000"),
    "a config that is not there": ("list", "--config", "/nonexistent/config.toml"),
    "a log that cannot be": ("list", "--log-file", "/nonexistent/log"),
    "a phone that nobody knows": ("list", "--phone", "carol"),
}


@pytest.mark.parametrize("line", USAGE_ERRORS.values(), ids=USAGE_ERRORS)
def test_wrong_usage_ends_with_one_result_too(ibackup: Cli, anns: Path, line: tuple[str, ...]) -> None:
    done = ibackup("--json", *line)
    assert done.code == ExitCode.USAGE
    assert done.result["error_code"] is None
    assert done.result["hint"]
    assert done.err == ""
    plain = ibackup(*line)
    assert (plain.code, plain.out) == (ExitCode.USAGE, "")
    assert plain.err
    assert "Traceback" not in plain.err


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (("now", "--wait", "5x"), "now"),
        (("simulator", "run", "--port", "x"), "simulator run"),
        (("list", "--store"), "list"),
        (("nwo",), ""),
    ],
)
def test_the_result_names_the_command_even_of_wrong_usage(
    ibackup: Cli, line: tuple[str, ...], command: str
) -> None:
    assert ibackup(*line, "--json").result["command"] == command


def test_a_word_that_is_nearly_a_command_gets_that_one_named(ibackup: Cli) -> None:
    assert "Did you mean `ibackup verify`?" in ibackup("verfy").err
    assert "mean" not in ibackup("xyzzy").err


def test_without_a_command_the_help_is_shown(ibackup: Cli) -> None:
    done = ibackup()
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert done.err.startswith("Usage: ibackup ")


def test_json_behind_a_double_dash_is_a_name(ibackup: Cli, anns: Path) -> None:
    done = ibackup("show", "--", "--json")
    assert (done.code, done.out) == (ExitCode.USAGE, "")


def test_version(ibackup: Cli) -> None:
    assert ibackup("--version").out == f"ibackup, version {__version__}\n"


@pytest.mark.parametrize("line", [("--version", "--json"), ("--json", "--version")])
def test_version_as_json(ibackup: Cli, line: tuple[str, ...]) -> None:
    done = ibackup(*line)
    assert done.result == {
        "event": "result",
        "schema": 1,
        "command": "",
        "exit_code": 0,
        "version": __version__,
    }
    assert (len(done.events), done.err) == (1, "")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("30s", 30), ("90m", 5400), ("36h", 129600), ("7d", 604800), ("8w", 4838400)],
)
def test_durations(text: str, seconds: float) -> None:
    from ibackup.cli.shell.typed_values import DURATION

    assert DURATION.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "5", "5x", "s", "1.5h", "5 m", "-5s", "٣s", "1h30m", "9999999s"])
def test_what_is_no_duration(text: str) -> None:
    from ibackup.cli.shell.typed_values import DURATION

    with pytest.raises(click.BadParameter, match="30s, 90m, 36h, 7d or 8w"):
        DURATION.convert(text, None, None)


NOT_FOR_HELP = (
    "pymobiledevice3",
    "cryptography",
    "tqdm",
    "sqlite3",
    "asyncio",
    "ibackup.simulator",
    "ibackup.device",
)


def test_nothing_is_loaded_before_it_is_needed(anns: Path) -> None:
    script = f"""
import os, sys
from ibackup.cli.main import run
null = os.open(os.devnull, os.O_WRONLY)
os.dup2(null, 1)
for line in (["--help"], ["--version"], ["now", "--help"], ["verify", "--help"]):
    assert run(line) == 0, line
loaded = [name for name in {NOT_FOR_HELP!r} if name in sys.modules]
assert not loaded, loaded
for line in (["list"], ["show"], ["verify"], ["files", "latest"], ["completion", "fish"], ["devices"], ["now"]):
    assert run(line) in (0, 2, 10), line
assert "pymobiledevice3" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr


def test_the_program_itself_ends_with_the_code(anns: Path) -> None:
    command = [sys.executable, "-m", "ibackup", "show", "--json", "1999"]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == ExitCode.USAGE
    assert b"No snapshot begins with '1999'" in done.stdout
    assert done.stderr == b""


def test_a_reader_that_goes_away_is_no_error_to_read_about(store: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "ibackup", "list"]
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, check=False, stdin=subprocess.DEVNULL
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="of a shell on POSIX")
@pytest.mark.parametrize("where", ["a reader that has gone", "a full disk", "nowhere"])
def test_an_error_that_nobody_can_be_told_keeps_its_code(store: Path, where: str) -> None:
    if where == "a full disk" and not os.path.exists("/dev/full"):
        pytest.skip("of Linux")
    redirections = {"a reader that has gone": "", "a full disk": ">/dev/full", "nowhere": ">&-"}
    reading, writing = os.pipe()
    os.close(reading)
    line = f'exec "$0" -m ibackup verify / --json {redirections[where]}'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    os.close(writing)
    assert done.returncode == ExitCode.NOT_A_BACKUP
    assert "Traceback" not in done.stderr
    assert ("is not a backup" in done.stderr) == (where != "nowhere")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_an_old_encoding_makes_no_error(anns: Path, encoding: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for more in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "ibackup", "show", *more],
            env=environment,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert (done.returncode, done.stderr) == (0, b"")
    assert ANN.name in done.stdout.decode("utf-8")  # JSON is UTF-8 whatever the system says


MENTION = re.compile(r"`ibackup ((?:-[^\s`]+ )*)([a-z][a-z-]*)")


def test_no_message_advertises_a_command_that_is_not_there(pytestconfig: pytest.Config) -> None:
    source = pytestconfig.rootpath / "src" / "ibackup"
    promised = [
        f"{path.relative_to(source)}: ibackup {found[2]}"
        for path in source.rglob("*.py")
        for found in MENTION.finditer(path.read_text("utf-8"))
        if found[2] not in COMMANDS
    ]
    assert promised == []


def test_whatever_breaks_inside_is_reported_without_a_traceback(
    ibackup: Cli, anns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("ibackup.store.phone_folder.PhoneFolder.entries", broken)
    done = ibackup("list", "--json")
    assert done.code == ExitCode.FAILED
    assert "a fault of ours" in str(done.result["message"])
    assert "-v" in str(done.result["hint"])
    assert "Traceback" not in ibackup("list").err
    assert "Traceback" in ibackup("list", "-v").err
    assert "Traceback" in ibackup("list", "-v", "--json").err
    assert ibackup("list", "-v", "--json").result["exit_code"] == 1


def test_what_the_system_says_is_passed_on(ibackup: Cli, anns: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: object) -> None:
        raise OSError(5, "Input/output error", "/some/where")

    monkeypatch.setattr("ibackup.store.phone_folder.PhoneFolder.entries", broken)
    done = ibackup("list")
    assert done.code == ExitCode.FAILED
    assert "Input/output error (/some/where)" in done.flat_err


@pytest.mark.parametrize("line", [("list",), ("show",), ("verify", "--level", "quick")])
def test_ctrl_c_is_130(
    ibackup: Cli, anns: Path, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...]
) -> None:
    def stopped(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ibackup.store.phone_folder.PhoneFolder.entries", stopped)
    done = ibackup(*line)
    assert (done.code, done.out) == (ExitCode.INTERRUPTED, "")
    assert done.err == "ibackup: Interrupted.\n  Nothing was changed.\n"
    assert ibackup(*line, "--json").result["message"] == "Interrupted."


@pytest.mark.skipif(sys.platform == "win32", reason="no process ends with a signal there")
def test_ctrl_c_in_the_middle_of_an_import_does_not_hide_the_code(tmp_path: Path) -> None:
    """A module that makes a dataclass runs exec(), and Python remembers how that ended."""
    (tmp_path / "program.py").write_text(
        "from ibackup.cli import main\n"
        "def run(_args):\n"
        "    try:\n"
        "        exec('raise KeyboardInterrupt')\n"
        "    except KeyboardInterrupt:\n"
        "        return 130\n"
        "main.run = run\n"
        "main.main()\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, "-m", "program"], cwd=tmp_path, check=False, timeout=500)
    assert done.returncode == ExitCode.INTERRUPTED
