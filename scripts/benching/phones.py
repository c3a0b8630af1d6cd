"""Virtual iPhones for the races, each in a process of its own, so that no contender pays for it."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benching.measure import cpu_seconds

READY = "export USBMUXD_SOCKET_ADDRESS="
NOTES = "notes.jsonl"
_PREPARED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "prepared_phone.py")


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
    notes: str = ""

    @property
    def cpu(self) -> float:
        """The processor time that it has used so far, seconds."""
        return cpu_seconds(self.pid)

    def last_note(self) -> "Note | None":
        """What the phone noted about the last backup that it finished; None if it keeps no notes."""
        try:
            with open(self.notes, encoding="utf-8") as file:
                return Note(**json.loads(list(file)[-1]))
        except (FileNotFoundError, IndexError):
            return None


@dataclass(frozen=True, slots=True)
class Note:
    """One backup, as the phone saw it.

    Attributes:
        files: how many files the backup has.
        sent: bytes of all files that were sent.
        sending_s: how long that took, until the last was acknowledged.
        last_word: when it said that the backup is finished, by time.monotonic(); 0 before that.
    """

    files: int
    sent: int
    sending_s: float
    last_word: float


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
def serving(description: str, folder: str, *, virtual: bool = True) -> Iterator[Phone]:
    """Serve a phone while the block runs.

    Args:
        description: from ``spec``.
        folder: where its files go.
        virtual: the virtual iPhone, which can do everything; otherwise the prepared phone, which costs little, has no
            password, and only makes backups in which everything or nothing is new.
    """
    path = os.path.join(folder, "phone.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(description)
    command = [sys.executable, "-m", "ibackup", "--quiet", "simulator", "run", "--spec", path, "--port", "0"]
    environment = {**os.environ, "TMPDIR": folder}
    notes = os.path.join(folder, NOTES)
    if not virtual:
        command = [sys.executable, _PREPARED, path, folder]
        environment["PYTHONPATH"] = os.path.dirname(os.path.dirname(_PREPARED))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(notes)
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            if server.stdout is None or not (line := server.stdout.readline()).startswith(READY):
                raise RuntimeError("The phone did not start.")
            yield Phone(server.pid, {"USBMUXD_SOCKET_ADDRESS": line.removeprefix(READY).strip()}, notes)
        finally:
            server.terminate()
