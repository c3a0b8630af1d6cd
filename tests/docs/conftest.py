"""Where the repository is and what is in it."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def pages(root: Path) -> dict[Path, str]:
    """Everything written for people, by file."""
    files = [*sorted(root.glob("*.md")), *sorted((root / "docs").glob("**/*.md"))]
    return {path: path.read_text(encoding="utf-8") for path in files}


@pytest.fixture(scope="session")
def tracked(root: Path) -> list[Path]:
    """Every file that git keeps; skipped where this is no checkout (an unpacked sdist)."""
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=root, capture_output=True, check=True)
    paths = [root / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]
