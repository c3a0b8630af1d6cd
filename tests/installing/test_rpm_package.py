"""The .rpm: linted, unpacked over a system that has what it needs, and run; and two builds are the same."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.clean_root import MakeRoot, build_packages

pytestmark = [pytest.mark.long, pytest.mark.peer, pytest.mark.slow]
PYTHON = "3.11"  # what bookworm has


def test_linted_unpacked_and_run(
    root: Path, tmp_path: Path, make_root: MakeRoot, require_tool: Callable[[str], str]
) -> None:
    (package,) = build_packages(root, tmp_path / "made", "--kind", "rpm", "--python", PYTHON)
    linted = subprocess.run(
        [require_tool("rpmlint"), "--config", root / "tests/installing/rpmlint.toml", package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "0 errors, 0 warnings" in linted.stdout, linted.stdout
    needed = subprocess.run(
        [require_tool("rpm"), "-qpR", package], capture_output=True, text=True, check=True
    ).stdout
    assert {f"/usr/bin/python{PYTHON}", "usbmuxd"} <= set(needed.splitlines())

    debian = make_root("bookworm", f"python{PYTHON}", "usbmuxd")
    payload = subprocess.Popen([require_tool("rpm2cpio"), package], stdout=subprocess.PIPE)
    with payload:
        subprocess.run(
            [require_tool("cpio"), "--extract", "--make-directories", "--quiet", "--no-absolute-filenames"],
            cwd=debian.path,
            stdin=payload.stdout,
            check=True,
        )
    for name in ("after-install.sh", "before-remove.sh"):
        (debian.path / "srv" / name).write_bytes((root / "scripts/packing" / name).read_bytes())
    compiled = debian.path / f"opt/ibackup/lib/python{PYTHON}/site-packages/ibackup/__pycache__"
    debian.run("sh", "/srv/after-install.sh", "2")
    debian.run("sh", "/srv/before-remove.sh", "1")  # of the older package, in an upgrade
    assert compiled.is_dir()
    debian.run("ibackup", "demo")
    debian.run("sh", "/srv/before-remove.sh", "0")
    assert not compiled.exists()
    assert (debian.path / "usr/share/zsh/site-functions/_ibackup").is_file()


def test_two_builds_are_the_same(root: Path, tmp_path: Path) -> None:
    first, second = (
        [each.read_bytes() for each in build_packages(root, tmp_path / name)] for name in ("first", "second")
    )
    assert first == second
