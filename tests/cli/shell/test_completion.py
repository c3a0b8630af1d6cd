"""Tab completion in the shells themselves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli, snapshots
from ibackup.cli.main import COMMANDS

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`ibackup` as the shells find it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "ibackup"
    script.write_text(f"#!{sys.executable}\nfrom ibackup.cli.main import main\nmain()\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return script


BASH = """
eval "$(ibackup completion bash)"
complete -p ibackup
COMP_WORDS=(%s)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_ibackup_completion ibackup 2>/dev/null
printf '%%s\\n' "${COMPREPLY[@]}"
"""


def offered(shell: str, *words: str) -> list[str]:
    """What a shell offers for the last of some words."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    if shell == "bash":
        quoted = " ".join(f"'{word}'" for word in ("ibackup", *words))
        command = ["bash", "--norc", "-c", BASH % quoted]
    elif shell == "fish":
        line = " ".join(("ibackup", *words))
        command = ["fish", "--no-config", "-c", f"ibackup completion fish | source; complete -C '{line}'"]
    else:
        pytest.skip("zsh completes only interactively")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    return [line.partition("\t")[0] for line in lines if not line.startswith("complete ")]


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_commands_options_and_snapshots(shell: str, program: Path, store: Path) -> None:
    assert set(offered(shell, "")) >= {"now", "verify", "list", "show"}
    assert offered(shell, "ver") == ["verify"]
    assert "--level" in offered(shell, "verify", "--le")
    assert set(offered(shell, "verify", "--level", "")) == {"quick", "full", "deep"}
    ids = [each.name for spec in (ANN, BOB) for each in snapshots(store, spec)]
    for command in ("show", "verify", "files", "extract"):
        assert set(offered(shell, command, "")) == {*ids, "latest"}
    assert set(offered(shell, "search", "word", "--snapshot", "")) == {*ids, "latest"}
    assert offered(shell, "show", ids[0][:-2]) == [each for each in ids if each.startswith(ids[0][:-2])]
    assert offered(shell, "show", "--phone", BOB.udid, "2") == [ids[2]]
    assert set(offered(shell, "list", "--phone", "")) == {ANN.udid, BOB.udid}


def test_powershell(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its script asks for at each Tab, and what it is told; a word that is begun is not part of the path."""
    script = subprocess.run(
        [sys.executable, program, "completion", "powershell"], capture_output=True, text=True, check=True
    ).stdout
    assert "Register-ArgumentCompleter -Native -CommandName ibackup" in script
    monkeypatch.setenv("_IBACKUP_COMPLETE", "powershell_complete")
    for line, word, expected in (
        ("ibackup ver", "ver", {"verify"}),
        ("ibackup verify --level ", "", {"quick", "full", "deep"}),
        ("ibackup verify --level d", "d", {"deep"}),
    ):
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_WORD", word)
        done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
        rows = [row.split("\t") for row in done.stdout.splitlines()]
        assert {value for _, value, _ in rows} == expected


def test_folders_are_offered_where_one_is_meant(program: Path, store: Path, tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    (tmp_path / "taken").mkdir()
    for line in ("extract latest --to", "verify"):
        assert offered("fish", *line.split(), f"{tmp_path}/tak") == [f"{tmp_path}/taken/"]


def test_commands_are_offered_as_help_lists_them_and_none_is_loaded(program: Path) -> None:
    """Commands were loaded, fifteen of them, at each Tab, and described by half a sentence."""
    environment = {**os.environ, "COMP_WORDS": "ibackup ", "COMP_CWORD": "1"}
    code = (
        "import sys, os; os.environ['_IBACKUP_COMPLETE'] = 'zsh_complete'; sys.argv = ['ibackup']\n"
        "from ibackup.cli.main import main, COMMANDS\n"
        "try: main()\nfinally: print([name for name in sys.modules if name.endswith('_command')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    lines = done.stdout.splitlines()
    assert lines[-1] == "[]"
    described = dict(zip(lines[1:-1:3], lines[2:-1:3], strict=True))
    assert {name: described[name] for name in COMMANDS} == COMMANDS


def test_the_store_that_is_named_on_the_line_counts(program: Path, made: Path) -> None:
    assert "latest" in offered("bash", "show", "--store", str(made), "l")
    assert "latest" in offered("bash", "--store", str(made), "show", "l")


def test_without_a_store_nothing_is_said(program: Path) -> None:
    assert offered("bash", "show", "2") in ([], [""])


def test_a_broken_config_says_nothing_in_the_middle_of_a_command(program: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("nonsense")
    done = subprocess.run(
        ["ibackup"],
        env={
            **os.environ,
            "_IBACKUP_COMPLETE": "bash_complete",
            "COMP_WORDS": f"ibackup --config {tmp_path}/broken.toml show 2",
            "COMP_CWORD": "4",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert "Traceback" not in done.stdout


def test_zsh_reads_its_script_and_gets_answers(program: Path, store: Path, tmp_path: Path) -> None:
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("zsh is not installed")
    script = (
        'autoload -U compinit; compinit -D -u; eval "$(ibackup completion zsh)"; print -r -- $_comps[ibackup]'
    )
    done = subprocess.run([zsh, "-f", "-c", script], capture_output=True, text=True, check=True, timeout=500)
    assert (done.stdout.strip(), done.stderr) == ("_ibackup_completion", "")
    asked = subprocess.run(
        ["ibackup"],
        env={
            **os.environ,
            "_IBACKUP_COMPLETE": "zsh_complete",
            "COMP_WORDS": "ibackup show ",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    newest = snapshots(store, ANN)[-1].name
    assert f"plain\n{newest}\n{ANN.name}\n" in asked.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_each_script_is_good_syntax(ibackup: Cli, tmp_path: Path, shell: str) -> None:
    done = ibackup("completion", shell)
    assert done.code == 0
    assert "_IBACKUP_COMPLETE" in done.out
    assert done.out == str(ibackup("completion", shell, "--json").result["script"]).rstrip() + "\n"
    if shutil.which(shell):
        path = tmp_path / "script"
        path.write_text(done.out)
        checked = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")
