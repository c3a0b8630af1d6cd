"""Virtual iPhones for the races, each in a process of its own, so that no contender pays for it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benching.measure import cpu_seconds

_READY = "export USBMUXD_SOCKET_ADDRESS="


@dataclass(frozen=True, slots=True)
class Domain:
    """Made-up files of one domain, sizes in bytes."""

    name: str
    count: int
    min_size: int
    max_size: int


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone that is being served."""

    pid: int
    environment: Mapping[str, str]

    @property
    def cpu(self) -> float:
        """The processor time that it has used so far, seconds."""
        return cpu_seconds(self.pid)


def spec(
    domains: tuple[Domain, ...] = (), *, big_file: int = 0, password: str = "", rounds: int = 10_000_000
) -> str:
    """The description of a phone, as TOML."""
    lines = ['name = "Bench"', f"keybag_rounds = {rounds}"]
    if big_file:
        lines.append(f"big_file_size = {big_file}")
    if password:
        lines.append(f'backup_password = "{password}"')
    for domain in domains:
        lines += [
            "[[domains]]",
            f'name = "{domain.name}"',
            f"count = {domain.count}",
            f"min_size = {domain.min_size}",
            f"max_size = {domain.max_size}",
        ]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def serving(description: str, folder: str) -> Iterator[Phone]:
    """Serve a phone while the block runs.

    Args:
        description: from ``spec``.
        folder: where its files go.
    """
    path = os.path.join(folder, "phone.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(description)
    command = [sys.executable, "-m", "ibackup", "--quiet", "simulator", "run", "--spec", path, "--port", "0"]
    environment = {**os.environ, "TMPDIR": folder}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            if server.stdout is None or not (line := server.stdout.readline()).startswith(_READY):
                raise RuntimeError("The virtual iPhone did not start.")
            yield Phone(server.pid, {"USBMUXD_SOCKET_ADDRESS": line.removeprefix(_READY).strip()})
        finally:
            server.terminate()
