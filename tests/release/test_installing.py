"""The wheel alone, in an empty environment, without the pins: installed as people do it, then used.

What is installed then is the newest that pyproject.toml allows, on the day of the test.
"""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ibackup import __version__

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths"),
]


@dataclass(frozen=True)
class Someone:
    """Someone with an empty home, far from the checkout."""

    home: Path
    settings: Mapping[str, str]

    def run(self, *command: str | Path, code: int = 0, variables: Mapping[str, str] | None = None) -> str:
        """What a command prints."""
        done = subprocess.run(
            command,
            cwd=self.home,
            env={
                **self.settings,
                "HOME": str(self.home),
                "PATH": "/usr/bin:/bin",
                "LC_ALL": "C.UTF-8",
                **(variables or {}),
            },
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout


@pytest.fixture
def someone(tmp_path: Path, way_to_registry: dict[str, str]) -> Iterator[Someone]:
    yield Someone(tmp_path, way_to_registry)
    shutil.rmtree(tmp_path)  # 300 MB


def by_uv(wheel: Path, someone: Someone) -> Path:
    command = (sys.executable, "-m", "uv", "tool", "install", "--quiet", "--no-python-downloads")
    folders = {"UV_TOOL_DIR": str(someone.home / "tools"), "UV_TOOL_BIN_DIR": str(someone.home / "bin")}
    someone.run(*command, "--python", sys.executable, wheel, variables=folders)
    return someone.home / "bin" / "ibackup"


def by_pipx(wheel: Path, someone: Someone) -> Path:
    folders = {"PIPX_HOME": str(someone.home / "pipx"), "PIPX_BIN_DIR": str(someone.home / "bin")}
    someone.run(sys.executable, "-m", "pipx", "install", "--python", sys.executable, wheel, variables=folders)
    return someone.home / "bin" / "ibackup"


def by_pip(wheel: Path, someone: Someone) -> Path:
    someone.run(sys.executable, "-m", "venv", "env")
    someone.run(someone.home / "env" / "bin" / "pip", "install", "--quiet", wheel)
    return someone.home / "env" / "bin" / "ibackup"


@pytest.mark.parametrize(
    ("install", "words"),
    [
        pytest.param(by_uv, "uv tool", id="uv tool install"),
        pytest.param(by_pipx, "pipx", id="pipx install", marks=pytest.mark.long),
        pytest.param(by_pip, "pip, in a virtual environment", id="pip install", marks=pytest.mark.long),
    ],
)
def test_the_wheel_alone_is_enough(
    built: dict[str, Path], someone: Someone, install: Callable[[Path, Someone], Path], words: str
) -> None:
    ibackup = install(built["wheel"], someone)
    said = someone.run(ibackup, "--version", "--verbose")
    assert said.startswith(f"ibackup, version {__version__}\n")
    assert f"Installed by   {words}\n" in said
    store = someone.home / "demo"
    someone.run(ibackup, "demo", "--keep", store)
    said = someone.run(
        ibackup, "verify", min(store.glob("*/snapshots/2*")), code=4
    )  # one byte is damaged there
    assert "DAMAGED" in said
    assert "1 finding in " in said


def test_every_extra_can_be_resolved(built: dict[str, Path], root: Path, someone: Someone) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = f"ibackup[{','.join(project['optional-dependencies'])}] @ {built['wheel'].as_uri()}\n"
    (someone.home / "in.txt").write_text(wanted, encoding="utf-8")
    command = (
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--no-header",
        "--no-annotate",
        "in.txt",
    )
    found = someone.run(*command, "--universal", "--python-version", "3.11")
    for name in ("keyring==", "mfusepy==", "paho-mqtt==", "apprise==", "pi-heif=="):
        assert name in found
