"""What is mounted, in small records of this user: `unmount` finds it there, and a crash leaves nothing dead."""

import errno
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.programs import run
from ibackup.store.disk import durable, this_computer
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.records.used_stores import state_dir

_FOLDER = "mounts"
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class MountRecord:
    """A tree that an ibackup has mounted.

    Attributes:
        at: the folder, or the address of a WebDAV server.
        pid: the process, while ``boot`` is this boot.
    """

    at: str
    pid: int
    boot: str

    @property
    def path(self) -> str:
        """Of the record."""
        return os.path.join(state_dir(), _FOLDER, f"{self.pid}.json")

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs."""
        return this_computer.same_boot(self.boot, this_computer.boot_id()) and this_computer.alive(self.pid)

    @classmethod
    def made(cls, at: str) -> "MountRecord":
        """Write one for this process. Raises IbackupError."""
        record = cls(at, os.getpid(), this_computer.boot_id())
        members: dict[str, object] = {"schema": _SCHEMA, "at": at, "pid": record.pid, "boot": record.boot}
        with telling("It could not be recorded what is mounted."):
            durable.make_dir(os.path.dirname(record.path), parents=True)
            durable.write_file(record.path, JsonRecord(members).render())
        return record

    @property
    def is_server(self) -> bool:
        """Whether it is a WebDAV server, which ends when its record is gone."""
        return self.at.startswith("http://")

    @property
    def is_wanted(self) -> bool:
        """Whether the record is still there."""
        return os.path.exists(self.path)

    def forget(self) -> None:
        """Remove it."""
        Path(self.path).unlink(missing_ok=True)


def mounted() -> list[MountRecord]:
    """Everything that is recorded as mounted, alive or not."""
    found = []
    for path in sorted(Path(state_dir(), _FOLDER).glob("*.json")):
        try:
            record = JsonRecord.read(str(path))
            found.append(MountRecord(record.text("at"), record.number("pid"), record.text("boot")))
        except (OSError, RecordFlaw):
            path.unlink(missing_ok=True)
    return found


def clear_dead(at: str) -> None:
    """Unmount what crashed programs left, at this place and at those that were recorded."""
    for record in mounted():
        if not record.is_alive:
            if not record.is_server and is_dead(record.at):
                unmount(record.at, lazily=True)
            record.forget()
    if is_dead(at):
        unmount(at, lazily=True)


def is_dead(at: str) -> bool:
    """Whether the program behind a mounted folder is gone."""
    try:
        os.stat(at)
    except OSError as error:
        return error.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    return False


def unmount(at: str, *, lazily: bool = False) -> None:
    """Unmount a folder. Raises IbackupError if a program still uses it."""
    if sys.platform == "darwin":
        command = ["umount", *(["-f"] if lazily else []), at]
    elif (helper := which("fusermount3") or which("fusermount")) is not None:
        command = [helper, "-u", *(["-z"] if lazily else []), "--", at]
    else:
        command = ["umount", *(["-l"] if lazily else []), "--", at]
    done = run(*command)
    if done.code:
        raise IbackupError(
            f"{at!r} could not be unmounted: {' '.join(done.err.split())[:300] or f'exit code {done.code}'}.",
            hint="Close what is open there, and leave the folder in every terminal. Then try again.",
        )


def unmount_named(at: str | None) -> list[str]:
    """Unmount a folder or end a server, or everything of this user's; returns what. Raises IbackupError, UsageError."""
    known = [each for each in mounted() if each.is_alive or not each.is_server]
    if at is not None:
        full = at
        if not at.startswith("http://"):
            full = os.path.abspath(at) if is_dead(at) else os.path.realpath(at)
        known = [each for each in known if each.at == full]
        if not known and not is_dead(full):
            raise UsageError(
                f"ibackup has mounted nothing at {at}.", hint="`ibackup unmount` alone unmounts everything."
            )
        known = known or [MountRecord(full, 0, "")]
    for record in known:
        if not record.is_server and (is_dead(record.at) or os.path.ismount(record.at)):
            unmount(record.at, lazily=is_dead(record.at))
        record.forget()
    return [each.at for each in known]
