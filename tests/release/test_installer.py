"""install.sh in a clean home, with a PATH that has only what every system has; install.ps1 as far as it can be read."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup import __version__

pytestmark = [pytest.mark.peer, pytest.mark.skipif(sys.platform == "win32", reason="POSIX sh")]

EVERYWHERE = ("sh", "awk", "basename", "cat", "cut", "dirname", "grep", "rm", "sha256sum", "shasum", "uname")


class Newcomer:
    """Someone with an empty home, and the programs that every system has."""

    def __init__(self, folder: Path, script: Path, settings: dict[str, str]) -> None:
        self.settings = settings
        self.home = folder / "a home"
        self.home.mkdir()
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.script = script
        for name in EVERYWHERE:
            if path := shutil.which(name):
                (self.programs / name).symlink_to(path)

    def has(self, name: str, text: str) -> None:
        """Give them one more program."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)

    def run(self, *words: str | Path, code: int = 0) -> str:
        """What install.sh says."""
        done = subprocess.run(
            [self.programs / "sh", self.script, *words],
            cwd=self.home,
            env={**self.settings, "HOME": str(self.home), "PATH": str(self.programs), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert bool(done.stderr) == bool(code), done.stderr
        return done.stdout + done.stderr

    @property
    def left(self) -> set[str]:
        """What is in the home, by the folders that programs use; caches do not count."""
        return {
            path.relative_to(self.home).as_posix()
            for path in self.home.rglob("*")
            if path.is_file() or path.is_symlink()
        } - {each.relative_to(self.home).as_posix() for each in self.home.glob(".cache/**/*")}


@pytest.fixture
def newcomer(tmp_path: Path, root: Path, way_to_registry: dict[str, str]) -> Newcomer:
    return Newcomer(tmp_path, root / "install.sh", way_to_registry)


@pytest.fixture
def wheel(built: dict[str, Path], tmp_path: Path) -> Path:
    """The wheel as someone downloads it, with its release's list of checksums."""
    made = tmp_path / "down loads" / built["wheel"].name
    made.parent.mkdir()
    shutil.copy(built["wheel"], made)
    checksum = hashlib.sha256(made.read_bytes()).hexdigest()
    (made.parent / "SHA256SUMS").write_text(
        f"{'0' * 64}  other.whl\n{checksum}  {made.name}\n", encoding="utf-8"
    )
    return made


@pytest.mark.long
def test_it_brings_uv_and_ibackup_twice_and_takes_both_away(newcomer: Newcomer, wheel: Path) -> None:
    """With a Python and nothing else: uv comes by pip, which knows the checksums of its files."""
    (newcomer.programs / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    said = newcomer.run("--from", wheel)
    assert "is the file that SHA256SUMS names." in said
    assert f"Installed: ibackup, version {__version__}" in said
    assert "Your shell does not look there yet." in said
    ibackup = newcomer.home / ".local" / "bin" / "ibackup"
    assert ibackup.is_symlink()
    mine = {each for each in newcomer.left if not each.startswith(".local/share/")}
    assert mine == {".local/bin/ibackup"}, "it changes nothing else"
    assert {each.split("/")[2] for each in newcomer.left - mine} == {"ibackup-installer", "uv"}

    again = newcomer.run("--from", wheel)
    assert "uv is here: " in again
    assert f"Installed: ibackup, version {__version__}" in again

    gone = newcomer.run("--uninstall")
    assert "Removed: ibackup." in gone
    assert not ibackup.exists()
    assert {each for each in newcomer.left if "ibackup" in each} == set()
    assert "uv is not here. If it installed ibackup" in newcomer.run("--uninstall")


def test_a_file_that_is_not_the_release_is_refused(newcomer: Newcomer, wheel: Path) -> None:
    newcomer.has("uv", 'echo "$@" >>"$HOME/called"')
    with wheel.open("ab") as file:
        file.write(b"more")
    assert "is not the file of the release" in newcomer.run("--from", wheel, code=1)
    other = wheel.rename(wheel.with_name("ibackup-9.9-py3-none-any.whl"))
    assert "SHA256SUMS does not name ibackup-9.9" in newcomer.run("--from", other, code=1)
    assert not (newcomer.home / "called").exists()


def test_what_is_missing_is_said_with_what_to_do(newcomer: Newcomer, tmp_path: Path) -> None:
    said = newcomer.run(code=1)
    assert "neither Homebrew nor a Python with venv" in said
    assert "https://docs.astral.sh/uv/getting-started/installation/" in said
    newcomer.has("uv", "exit 1")
    assert "there is no nowhere.whl" in newcomer.run("--from", "nowhere.whl", code=1)
    assert "--form is not an option" in newcomer.run("--form", "x", code=1)
    assert "uv has not installed ibackup, so there is nothing to remove." in newcomer.run("--uninstall")
    assert "usage: sh install.sh" in newcomer.run("--help")
    (newcomer.programs / "uname").unlink()
    newcomer.has("uname", '[ "$1" = -m ] && echo armv7l || echo Linux')
    assert "ibackup needs 64-bit Linux or macOS; this is Linux on armv7l" in newcomer.run(code=1)
    assert newcomer.left == set()


def test_another_ibackup_is_upgraded_as_uv_knows_it(newcomer: Newcomer) -> None:
    """So that packages that someone added to it stay."""
    newcomer.has(
        "uv",
        'echo "$@" >>"$HOME/called"\n'
        'case "$*" in "tool list") echo "ibackup v0.0.9" ;; "tool dir --bin") echo "$HOME/b" ;; esac',
    )
    (newcomer.home / "b").mkdir()
    (newcomer.home / "b" / "ibackup").write_text("#!/bin/sh\necho ibackup, version 0.1.0\n", encoding="utf-8")
    (newcomer.home / "b" / "ibackup").chmod(0o755)
    assert "Installed: ibackup, version 0.1.0" in newcomer.run()
    assert "tool upgrade --quiet ibackup" in (newcomer.home / "called").read_text(encoding="utf-8")


def test_half_of_the_script_does_nothing(newcomer: Newcomer, tmp_path: Path) -> None:
    """As when the connection ends while a shell reads it."""
    newcomer.has("uv", 'echo "$@" >>"$HOME/called"')
    text = newcomer.script.read_text(encoding="utf-8")
    newcomer.script = tmp_path / "half.sh"
    for end in (len(text) // 2, text.rindex("main")):
        newcomer.script.write_text(text[:end], encoding="utf-8")
        subprocess.run(
            ["sh", newcomer.script],
            env={"HOME": str(newcomer.home), "PATH": str(newcomer.programs)},
            check=False,
            capture_output=True,
        )
        assert newcomer.left == set()


def test_shellcheck_finds_nothing(root: Path, require_tool: Callable[[str], str]) -> None:
    said = subprocess.run(
        [require_tool("shellcheck"), "--severity", "style", root / "install.sh"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout) == (0, "")


def test_powershell_can_read_the_other_one(root: Path, way_to_registry: dict[str, str]) -> None:
    """By a grammar of PowerShell; a Windows runs it in no test of ours."""
    parse = (
        "import sys, tree_sitter, tree_sitter_powershell as p\n"
        "tree = tree_sitter.Parser(tree_sitter.Language(p.language())).parse(sys.stdin.buffer.read())\n"
        "def wrong(node):\n"
        "    return ([node.start_point.row + 1] if node.is_error or node.is_missing else [])"
        " + [each for child in node.children for each in wrong(child)]\n"
        "print(wrong(tree.root_node))\n"
    )
    command = ("-m", "uv", "run", "--quiet", "--isolated", "--no-project", "--python", sys.executable)
    packages = ("--with", "tree-sitter", "--with", "tree-sitter-powershell")
    text = (root / "install.ps1").read_bytes()
    for given, expected in ((text, "[]\n"), (text + b"if (", None)):
        found = subprocess.run(
            [sys.executable, *command, *packages, "python", "-c", parse],
            input=given,
            capture_output=True,
            check=True,
        )
        assert (found.stdout.decode() == expected) == (expected is not None)
    assert all(byte < 128 for byte in text), (
        "Windows' own PowerShell reads other letters by the system's code page"
    )
