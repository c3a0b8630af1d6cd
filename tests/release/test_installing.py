"""The wheel alone, in an empty environment, without the pins: installed as people do it, then used.

What is installed then is the newest that pyproject.toml allows, on the day of the test.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ibackup import __version__

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX paths"),
]


def run(*command: str | Path, folder: Path, variables: Mapping[str, str] | None = None, code: int = 0) -> str:
    """What a command prints in a folder of its own, for someone with an empty home."""
    kept = ("UV_CACHE_DIR", "PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            "HOME": str(folder),
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            **{name: os.environ[name] for name in kept if name in os.environ},
            **{name: text for name, text in os.environ.items() if name.startswith(("PIP_", "UV_"))},
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


def by_uv(wheel: Path, folder: Path) -> Path:
    variables = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    uv = (sys.executable, "-m", "uv", "tool", "install", "--quiet", "--no-python-downloads")
    run(*uv, "--python", sys.executable, wheel, folder=folder, variables=variables)
    return folder / "bin" / "ibackup"


def by_pipx(wheel: Path, folder: Path) -> Path:
    variables = {"PIPX_HOME": str(folder / "pipx"), "PIPX_BIN_DIR": str(folder / "bin")}
    run(
        sys.executable,
        "-m",
        "pipx",
        "install",
        "--python",
        sys.executable,
        wheel,
        folder=folder,
        variables=variables,
    )
    return folder / "bin" / "ibackup"


def by_pip(wheel: Path, folder: Path) -> Path:
    run(sys.executable, "-m", "venv", folder / "env", folder=folder)
    run(folder / "env" / "bin" / "pip", "install", "--quiet", wheel, folder=folder)
    return folder / "env" / "bin" / "ibackup"


@pytest.mark.parametrize(
    ("install", "words"),
    [
        pytest.param(by_uv, "uv tool", id="uv tool install"),
        pytest.param(by_pipx, "pipx", id="pipx install", marks=pytest.mark.long),
        pytest.param(by_pip, "pip, in a virtual environment", id="pip install", marks=pytest.mark.long),
    ],
)
def test_the_wheel_alone_is_enough(
    built: dict[str, Path], tmp_path: Path, install: Callable[[Path, Path], Path], words: str
) -> None:
    ibackup = install(built["wheel"], tmp_path)
    try:
        said = run(ibackup, "--version", "--verbose", folder=tmp_path)
        assert said.startswith(f"ibackup, version {__version__}\n")
        assert f"Installed by   {words}\n" in said
        store = tmp_path / "demo"
        run(ibackup, "demo", "--keep", store, folder=tmp_path)
        snapshot = min(store.glob("*/snapshots/2*"))
        said = run(ibackup, "verify", snapshot, folder=tmp_path, code=4)  # the demo has damaged one byte
        assert "DAMAGED" in said
        assert "1 finding in " in said
    finally:
        shutil.rmtree(tmp_path)  # 300 MB


def test_every_extra_can_be_resolved(built: dict[str, Path], root: Path, tmp_path: Path) -> None:
    extras = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    (tmp_path / "in.txt").write_text(
        f"ibackup[{','.join(extras)}] @ {built['wheel'].as_uri()}\n", encoding="utf-8"
    )
    uv = (sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate")
    found = run(*uv, "--universal", "--python-version", "3.11", "in.txt", folder=tmp_path)
    for name in ("keyring==", "mfusepy==", "paho-mqtt==", "apprise==", "pi-heif=="):
        assert name in found
