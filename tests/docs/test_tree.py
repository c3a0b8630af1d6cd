"""Nothing of the machines it was made on stands in the repository."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

# Taken apart, so that this file does not find itself.
REGISTRIES = re.compile(
    "|".join(["py" + r"pi\.org", "python" + r"hosted\.org", "extra-index-" + "url", "find-" + "links"])
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.~$}{%-])/(?:"
    + "|".join(["work" + "/", "home" + r"/(?!you\b|pi\b)", "Users" + r"/(?!you\b|Shared\b)"])
    + ")"
)
SCRIPTS = [
    "scripts/test",
    "scripts/lib/in-venv",
    "scripts/demo",
    "scripts/packages",
    "scripts/gen-docs",
    "scripts/gen-man",
    "scripts/release",
    "install.sh",
    ".ci/run",
]


def texts(paths: list[Path]) -> list[tuple[Path, str]]:
    """The text files among them."""
    found = []
    for path in paths:
        data = path.read_bytes()
        if b"\0" not in data:
            found.append((path, data.decode("utf-8", "replace")))
    return found


def test_no_registry_is_named(tracked: list[Path]) -> None:
    assert [path.name for path, text in texts(tracked) if REGISTRIES.search(text)] == []


def test_no_path_of_a_machine(tracked: list[Path]) -> None:
    found = [
        f"{path.name}: {line.strip()[:100]}"
        for path, text in texts(tracked)
        for line in text.splitlines()
        if MACHINE_PATHS.search(line)
    ]
    assert found == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no executable bit")
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_can_be_run(root: Path, name: str) -> None:
    path = root / name
    assert path.stat().st_mode & stat.S_IXUSR
    assert path.read_bytes().startswith(b"#!/")


def test_git_keeps_the_executable_bit(root: Path, tracked: list[Path]) -> None:
    assert tracked
    listed = subprocess.run(
        ["git", "ls-files", "--stage", "--", *SCRIPTS], cwd=root, capture_output=True, check=True
    )
    modes = {line.split("\t")[1]: line.split()[0] for line in listed.stdout.decode().splitlines()}
    assert modes == dict.fromkeys(modes, "100755")


def test_no_file_is_huge(tracked: list[Path]) -> None:
    assert [path.name for path in tracked if os.path.getsize(path) > 2_000_000] == []


def test_the_only_binaries_are_small_pictures_of_the_web_view(root: Path, tracked: list[Path]) -> None:
    """They are what `scripts/pictures` makes, and 1.5 MB at most in all."""
    binary = [path for path in tracked if path.suffix in {".png", ".jpg", ".webp", ".gif", ".ico", ".woff2"}]
    assert {path.parent for path in binary} == {root / "docs" / "pictures"}
    assert sum(path.stat().st_size for path in binary) <= 1_500_000
