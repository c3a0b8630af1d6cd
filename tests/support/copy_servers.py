"""Servers that keep second copies, each a process of its own on this computer, and more than one restic."""

import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.quick_keys import SERVED


@dataclass
class CopyServer:
    """A server that runs; ``address`` ends with a slash."""

    process: subprocess.Popen[str]
    address: str

    @property
    def port(self) -> int:
        return int(self.address.rstrip("/").rpartition(":")[2])

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(
    command: Sequence[str], announces: str, environment: Mapping[str, str] | None = None
) -> Iterator[CopyServer]:
    """A server, as soon as it says what ``announces`` finds, whose first group is its host and port."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
        | dict(environment or {}),
    )
    assert process.stdout is not None
    said: list[str] = []
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(announces, line):
                break
        else:
            pytest.fail(f"{command[0]} serves nothing: {''.join(said)}")
        drain.start()
        yield CopyServer(process, f"http://{found[1]}/")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait()
        if drain.ident is not None:
            drain.join()
        process.stdout.close()


@contextmanager
def rclone_restic(path: Path, *options: str) -> Iterator[CopyServer]:
    """rclone's server of restic's REST protocol; ``options`` may be ``--append-only``."""
    command = ["rclone", "serve", "restic", "--addr", "127.0.0.1:0", str(path), *options]
    with serving(command, r"http://(127\.0\.0\.1:\d+)/") as server:
        SERVED[server.port] = path
        yield server


@contextmanager
def rest_server(
    path: Path, *options: str, before: Sequence[str] = (), port: int = 0, users: bool = False
) -> Iterator[CopyServer]:
    """restic's own server.

    Args:
        path: what it serves.
        options: more of its options, such as ``--append-only``.
        before: a command that starts it, which may give it a disk of its own.
        port: where it listens; 0: anywhere.
        users: whether it asks for a user.
    """
    program = ["restic-rest-server", "--path", str(path), "--listen", f"127.0.0.1:{port}"]
    if not users:
        program.append("--no-auth")
    with serving([*before, *program, *options], r"start server on (127\.0\.0\.1:\d+)") as server:
        SERVED[server.port] = Path(f"/proc/{server.process.pid}/root{path}") if before else path
        yield server


def put_first(program: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Have everything that looks for restic find ``program``."""
    folder.mkdir()
    (folder / "restic").symlink_to(os.path.realpath(program))
    patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    assert shutil.which("restic") == str(folder / "restic")
