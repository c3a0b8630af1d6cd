"""A home of its own for each test, and a crontab that nobody else has."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

SPOOL = "/var/spool/cron/crontabs"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No configuration and no schedule of the user who runs the tests."""
    for name in [name for name in os.environ if name.startswith(("IBACKUP_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


class Spool:
    """Runs programs where cron's spool is a folder of the test: a mount that they alone see.

    The real ``crontab`` reads and writes there, and the crontab of the user who runs the tests is out of its reach.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._user = ["--user", "--map-root-user"] if os.getuid() else []

    def __call__(
        self, *command: str, given: str | None = None, environment: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        mount = f'mount --bind "$0" {SPOOL} && exec "$@"'
        return subprocess.run(
            ["unshare", *self._user, "--mount", "sh", "-c", mount, str(self._folder), *command],
            input=given or "",
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(environment or {})},
        )

    def ibackup(self, *arguments: str, code: int = 0) -> str:
        """``ibackup``, with its exit code; what it printed."""
        done = self(sys.executable, "-m", "ibackup", *arguments)
        assert done.returncode == code, done
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    @property
    def crontab(self) -> str | None:
        """The crontab as crontab(1) shows it, None if there was no restore."""
        done = self("crontab", "-l")
        return done.stdout if done.returncode == 0 else None

    @crontab.setter
    def crontab(self, text: str) -> None:
        done = self("crontab", "-", given=text)
        assert done.returncode == 0, done


@pytest.fixture
def spool(tmp_path: Path, require_tool: Callable[[str], str]) -> Spool:
    """Cron's spool, empty; the test is skipped where there is no cron, or no right to a mount of its own."""
    require_tool("crontab")
    if not Path(SPOOL).is_dir() or shutil.which("unshare") is None:
        pytest.skip("no spool of cron, or no unshare")
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    made = Spool(folder)
    if made("true").returncode:
        pytest.skip("a mount of one's own is not allowed here")
    return made
