"""Packages of this checkout, and clean Debians to install them in."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clean_root import CleanRoot, MakeRoot, what_is_missing
from support.kept_caches import kept_caches

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def caches(homes: Path) -> Iterator[None]:
    """What was fetched stays."""
    with kept_caches():
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
