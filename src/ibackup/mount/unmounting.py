"""What is mounted, in small records of this user: `unmount` finds it there, and a crash leaves nothing dead."""

import errno
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.programs import run
from ibackup.mount.mount_place import names_of
from ibackup.mount.system.system_mount import busy
from ibackup.mount.system.system_mounts import mounted_by
from ibackup.mount.webdav_site import port_of
from ibackup.store.disk import durable, this_computer
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord
from ibackup.store.records.used_stores import state_dir

_FOLDER = "mounts"
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class MountRecord:
    """A tree that an ibackup has mounted.

    Attributes:
        at: the place, or the address of a WebDAV server that nothing mounts.
        pid: the process, while ``boot`` is this boot.
        by: the name of the SystemMount; empty for FUSE and for a mere server.
        address: what it mounts, with the user.
    """

    at: str
    pid: int
    boot: str
    by: str = ""
    address: str = ""

    @property
    def path(self) -> str:
        """Of the record."""
        return os.path.join(state_dir(), _FOLDER, f"{self.pid}.json")

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs."""
        return this_computer.same_boot(self.boot, this_computer.boot_id()) and this_computer.alive(self.pid)

    @classmethod
    def made(cls, at: str, by: str = "", address: str = "") -> "MountRecord":
        """Write one for this process. Raises IbackupError."""
        record = cls(at, os.getpid(), this_computer.boot_id(), by, address)
        members: dict[str, object] = {
            "schema": _SCHEMA,
            "at": at,
            "pid": record.pid,
            "boot": record.boot,
            "by": by,
            "address": address,
        }
        with telling("It could not be recorded what is mounted."):
            durable.make_dir(os.path.dirname(record.path), parents=True)
            durable.write_file(record.path, JsonRecord(members).render())
        return record

    @classmethod
    def read(cls, path: Path) -> "MountRecord":
        """Read one. Raises OSError, ValueError."""
        record = JsonRecord.read(str(path))
        address = record.text("address")
        if address:
            port_of(address)
        return cls(record.text("at"), record.number("pid"), record.text("boot"), record.text("by"), address)

    @property
    def is_server(self) -> bool:
        """Whether it is a WebDAV server and nothing more, which ends when its record is gone."""
        return self.at.startswith("http://")

    @property
    def is_wanted(self) -> bool:
        """Whether the record is still there."""
        return os.path.exists(self.path)

    def undo(self, *, forced: bool = False) -> None:
        """Unmount it. Raises IbackupError if a program uses it."""
        by = mounted_by(self.by)
        if by is not None:
            by.unmount(self.at, self.address, forced=forced)
        elif not self.is_server and (is_dead(self.at) or os.path.ismount(self.at)):
            unmount(self.at, lazily=forced or is_dead(self.at))

    def forget(self) -> None:
        """Remove it."""
        Path(self.path).unlink(missing_ok=True)


def mounted() -> list[MountRecord]:
    """Everything that is recorded as mounted, alive or not."""
    found = []
    for path in sorted(Path(state_dir(), _FOLDER).glob("*.json")):
        try:
            found.append(MountRecord.read(path))
        except (OSError, ValueError):
            path.unlink(missing_ok=True)
    return found


def clear_dead(at: str | None) -> None:
    """Unmount what crashed programs left, at the place that a user named and at those that were recorded."""
    for record in mounted():
        if not record.is_alive:
            if record.by or is_dead(record.at):
                record.undo(forced=True)
            record.forget()
    for each in names_of(at) if at is not None else ():
        if is_dead(each):
            unmount(each, lazily=True)


def is_dead(at: str) -> bool:
    """Whether the program behind a mounted folder is gone."""
    try:
        os.stat(at)
    except OSError as error:
        return error.errno in (errno.ENOTCONN, errno.ECONNABORTED)
    return False


def unmount(at: str, *, lazily: bool = False) -> None:
    """Unmount a folder of FUSE. Raises IbackupError if a program still uses it."""
    if sys.platform == "win32":
        raise IbackupError(
            f"{at!r} ends with its `ibackup mount`.", hint="Press Ctrl-C in the window where it runs."
        )
    if sys.platform == "darwin":
        command = ["umount", *(["-f"] if lazily else []), at]
    elif (helper := which("fusermount3") or which("fusermount")) is not None:
        command = [helper, "-u", *(["-z"] if lazily else []), "--", at]
    else:
        command = ["umount", *(["-l"] if lazily else []), "--", at]
    done = run(*command)
    if done.code:
        raise busy(at, done)


def unmount_named(at: str | None) -> list[str]:
    """Unmount a place or end a server, or everything of this user's; returns what. Raises IbackupError, UsageError."""
    known = [each for each in mounted() if each.is_alive or not each.is_server]
    if at is not None:
        names = frozenset([at]) if at.startswith("http://") else names_of(at)
        known = [each for each in known if each.at in names]
        dead = next((each for each in names if is_dead(each)), None)
        if not known and dead is None:
            raise UsageError(
                f"ibackup has mounted nothing at {at}.", hint="`ibackup unmount` alone unmounts everything."
            )
        known = known or [MountRecord(str(dead), 0, "")]
    for record in known:
        record.undo(forced=not record.is_alive)
        record.forget()
    return [each.at for each in known]
