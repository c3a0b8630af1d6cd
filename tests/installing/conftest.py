"""Packages of this checkout, and clean Debians to install them in."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clean_root import CleanRoot, MakeRoot, what_is_missing

ROOT = Path(__file__).resolve().parents[2]
# Found before each test gets a home of its own: what was fetched for one run serves the next.
_CACHE = os.environ.get("IBACKUP_PEERS_CACHE") or str(Path("~/.cache/ibackup-peers").expanduser())
_UV_CACHE = subprocess.run(
    [sys.executable, "-m", "uv", "cache", "dir"], capture_output=True, text=True, check=True
).stdout.strip()


@pytest.fixture(scope="session", autouse=True)
def caches(homes: Path) -> Iterator[None]:
    """Lets what is fetched stay where its user has it, although the home is another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", _UV_CACHE)
        patch.setenv("IBACKUP_PEERS_CACHE", _CACHE)
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture(scope="module")
def make_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeRoot]:
    """Makes a clean Debian: its suite, then packages that it has from the start."""
    missing = what_is_missing()
    if missing:
        if os.environ.get("IBACKUP_PEERS_REQUIRED"):
            pytest.fail(f"missing: {missing}")
        pytest.skip(f"missing: {missing}")
    made: list[CleanRoot] = []
    folder = tmp_path_factory.mktemp("roots")

    def make(*words: str) -> CleanRoot:
        done = subprocess.run(
            [ROOT / "scripts/lib/clean-root", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        made.append(CleanRoot.unpack(Path(done.stdout.strip()), folder / f"root{len(made)}"))
        return made[-1]

    yield make
    for each in made:
        subprocess.run(["rm", "-rf", "--one-file-system", each.path], check=True)
