"""The package as it is released: built once for all tests, from the files of this checkout."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from releasing import distributions

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


@pytest.fixture(scope="session")
def way_to_registry(caches: None) -> dict[str, str]:
    """How the clients reach the registry from here: certificates, proxies and caches of the machine."""
    named = (
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
    )
    return {
        name: text for name, text in os.environ.items() if name in named or name.startswith(("PIP_", "UV_"))
    }


@pytest.fixture(scope="session")
def registry() -> None:
    """Skips where nothing can be installed: the builder and all dependencies come from a registry, or uv's cache."""
    asked = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "-"],
        input="hatchling",
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        if os.environ.get("IBACKUP_PEERS_REQUIRED"):
            pytest.fail(asked.stderr)
        pytest.skip("no package registry can be reached")


@pytest.fixture(scope="session")
def copy_checkout() -> Callable[[Path], Path]:
    """Copies what git keeps, as it is in this checkout, into a new folder."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    names = [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]

    def copy(target: Path) -> Path:
        for name in names:
            made = target / name
            made.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, made)
            made.chmod(0o755 if (ROOT / name).stat().st_mode & stat.S_IXUSR else 0o644)
        return target

    return copy


@pytest.fixture(scope="session")
def built(
    registry: None, copy_checkout: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """The two files of a release, by ``wheel`` and ``sdist``."""
    folder = tmp_path_factory.mktemp("built")
    sdist, wheel = sorted(
        distributions.build(copy_checkout(folder / "checkout"), folder / "dist"),
        key=lambda path: path.suffix == ".whl",
    )
    return {"wheel": wheel, "sdist": sdist, "checkout": folder / "checkout"}
