"""A whole Debian in a folder, in which a test installs and runs things as its root.

What runs there has a mount table and process ids of its own. Both end with the program that was started, and that ends
with the test's own process, even if it is killed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PREPARE = """\
mount -t proc proc "$0/proc"
mount -t tmpfs tmpfs "$0/tmp"
mount -t tmpfs tmpfs "$0/run"
exec chroot "$0" "$@"
"""
_NEEDED = ("mmdebstrap", "unshare", "setpriv", "chroot")


def what_is_missing() -> str:
    """Why no such root can be made here; empty if it can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "only root can run a Debian of its own"
    return ", ".join(name for name in _NEEDED if shutil.which(name) is None)


@dataclass(frozen=True)
class CleanRoot:
    """One such Debian.

    Attributes:
        path: where it is.
    """

    path: Path

    @classmethod
    def unpack(cls, archive: Path, target: Path) -> "CleanRoot":
        """Take it out of what scripts/lib/clean-root made, with this computer's name servers."""
        target.mkdir()
        subprocess.run(
            ["tar", "--extract", "--numeric-owner", f"--directory={target}", f"--file={archive}"], check=True
        )
        shutil.copy("/etc/resolv.conf", target / "etc/resolv.conf")
        return cls(target)

    def start(
        self, *command: str, variables: Mapping[str, str] | None = None, mounts: str = ""
    ) -> "subprocess.Popen[str]":
        """Start a program in it; ``mounts`` are lines of sh that mount more, below ``$0``."""
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            **(variables or {}),
        }
        apart = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
        return subprocess.Popen(
            [
                "setpriv",
                "--pdeathsig",
                "KILL",
                *apart,
                "sh",
                "-ec",
                mounts + _PREPARE,
                str(self.path),
                *command,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )

    def run(self, *command: str, variables: Mapping[str, str] | None = None) -> str:
        """What a program in it prints; it must succeed."""
        code, said = self.end_of(*command, variables=variables)
        assert code == 0, f"{' '.join(command)} ended with {code}:\n{said[-4000:]}"
        return said

    def end_of(self, *command: str, variables: Mapping[str, str] | None = None) -> tuple[int, str]:
        """How a program in it ends, and what it prints."""
        with self.start(*command, variables=variables) as running:
            said, _ = running.communicate()
            return running.returncode, said

    def files(self) -> set[str]:
        """Every path in it, but not what programs keep for themselves."""
        return {
            os.path.relpath(os.path.join(folder, name), self.path)
            for folder, names, files in os.walk(self.path)
            for name in (*names, *files)
        }


MakeRoot = Callable[..., CleanRoot]
"""Makes one: its suite, then packages that it has from the start."""


def build_packages(root: Path, folder: Path, *words: str) -> list[Path]:
    """What scripts/packages.py of the checkout ``root`` makes in a folder."""
    done = subprocess.run(
        [sys.executable, root / "scripts/packages.py", folder, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Path(line) for line in done.stdout.splitlines()]
