"""One run per phone: a lock file that the system guards if it can, and a record for when it cannot.

``flock`` (``LockFileEx`` on Windows) is reliable within one computer, but not among several computers that
share a network file system. So the holder also writes down who it is, and updates the file's time every
minute. A record left by a dead holder on the same computer is taken over at once; a record from another
computer only when its time is 15 minutes old by the file server's own clock.
"""

import contextlib
import os
import secrets
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from ibackup.base import held, slices
from ibackup.base.errors import PhoneBusy
from ibackup.store.disk import durable, record_times, this_computer
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.disk.system_lock import try_to_lock

MARK_EVERY_S = 60.0
STALE_AFTER_S = 15 * 60.0
_SETTLE_S = 1.0
_ENDING_S = 20.0  # for a process of a killed run to store what it was given, a few megabytes
_LOOK_S = 0.02
_LENGTH = 1024
_WAIT = "Wait for it to finish, or stop it and try again."


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock.

    Attributes:
        host: the computer's name, to show to people.
        machine: distinguishes computers with the same name.
        token: distinguishes runs.
        started: when the lock was taken, UTC.
    """

    host: str
    machine: str
    boot_id: str
    pid: int
    started: datetime
    token: str

    @classmethod
    def me(cls) -> Self:
        """This process, now."""
        return cls(
            this_computer.name(),
            this_computer.machine(),
            this_computer.boot_id(),
            os.getpid(),
            record_times.now(),
            secrets.token_hex(8),
        )

    @property
    def is_here(self) -> bool:
        """Whether it ran on this computer since the last start."""
        return self._same_computer and this_computer.same_boot(self.boot_id, this_computer.boot_id())

    @property
    def is_dead(self) -> bool:
        """Whether it has certainly ended; False if that is unknown here."""
        if not self._same_computer:
            return False
        return not self.is_here or not this_computer.alive(self.pid)

    @property
    def _same_computer(self) -> bool:
        return (self.host, self.machine) == (this_computer.name(), this_computer.machine())

    def render(self) -> bytes:
        """The record, always of the same length, so that one write replaces it."""
        members = {
            "host": self.host,
            "machine": self.machine,
            "boot_id": self.boot_id,
            "pid": self.pid,
            "started": record_times.written(self.started),
            "token": self.token,
        }
        return JsonRecord(members).render().ljust(_LENGTH)[:_LENGTH]

    @classmethod
    def parse(cls, data: bytes) -> Self | None:
        """The holder that a lock file names; None if it names none."""
        try:
            record = JsonRecord.load(data)
            return cls(
                record.text("host"),
                record.text("machine"),
                record.text("boot_id"),
                record.number("pid"),
                record.time("started"),
                record.text("token"),
            )
        except RecordFlaw:
            return None


def holder_of(path: str) -> Holder | None:
    """Who holds a lock, for display only; None if nobody does according to the record."""
    try:
        with open(path, "rb") as source:
            return Holder.parse(source.read(_LENGTH))
    except OSError:
        return None


def live_holder(path: str) -> Holder | None:
    """The same, but None for a run that is over: dead on this computer, or long without an update on another."""
    holder = holder_of(path)
    if holder is None or holder.is_dead:
        return None
    with contextlib.suppress(OSError):
        # This computer's clock must do, because a look writes nothing.
        if not holder.is_here and _is_stale(os.stat(path).st_mtime, time.time(), STALE_AFTER_S):
            return None
    return holder


class PhoneLock:
    """A lock, held from ``acquire`` until ``release``; also a context manager.

    Args:
        path: the lock file; created if it does not exist, and never removed.
    """

    def __init__(
        self, path: str, *, mark_every: float = MARK_EVERY_S, stale_after: float = STALE_AFTER_S
    ) -> None:
        self._path = path
        self._mark_every = mark_every
        self._stale_after = stale_after
        self._fd = -1
        self._guarded = False
        self._me: Holder | None = None
        self._stop = threading.Event()
        self._marker: threading.Thread | None = None
        self._lost = False

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            PhoneBusy: another run holds it.
            IbackupError: the lock file cannot be written.
        """
        with telling("ibackup could not lock this phone's folder."):
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
            self._fd = os.open(self._path, flags, 0o600)
            try:
                durable.make_own(self._fd)  # another run must be able to open it too
                self._take()
            except BaseException:
                os.close(self._fd)
                self._fd = -1
                raise
        self._stop.clear()
        self._marker = threading.Thread(target=self._keep_marking, name="ibackup lock", daemon=True)
        self._marker.start()

    def _take(self) -> None:
        guarded = self._guard()
        before = self._read()
        if guarded is False:
            raise _busy(before)
        self._guarded = guarded is True
        foreign = False
        if before is not None and not self._may_take_from(before, guarded=guarded is True):
            if not self._mark_is_old():
                raise _busy(before)
            foreign = True
        self._me = Holder.me()
        self._write()
        if foreign or guarded is None:
            # If two computers both find the old record stale, only this record keeps them apart.
            time.sleep(_SETTLE_S)
            now = self._read()
            if now is None or now.token != self._me.token:
                raise _busy(now)

    def _guard(self) -> bool | None:
        """As ``try_to_lock``; waits for what a killed run's process is still doing."""
        for _ in slices.of(_ENDING_S):
            if (guarded := try_to_lock(self._fd)) is not False:
                return guarded
            before = self._read()
            if before is None or not (before.is_here and before.is_dead):
                break
            time.sleep(_LOOK_S)
        return try_to_lock(self._fd)

    def _may_take_from(self, holder: Holder, *, guarded: bool) -> bool:
        """Whether the remaining record belongs to a run that is over."""
        if holder.is_here and guarded:
            return True  # the system would not have granted the lock while that process held it
        return holder.is_dead

    def _mark_is_old(self) -> bool:
        """Compare the record's time with that of a new file, so that both come from the file server's clock."""
        fresh = f"{self._path}.{secrets.token_hex(4)}"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(fd, b"now")
            os.fsync(fd)
            now = os.fstat(fd).st_mtime
        finally:
            os.close(fd)
            held.unlink(fresh)
        return _is_stale(os.stat(self._path).st_mtime, now, self._stale_after)

    def _read(self) -> Holder | None:
        os.lseek(self._fd, 0, os.SEEK_SET)
        return Holder.parse(os.read(self._fd, _LENGTH))

    def _write(self) -> None:
        if self._me is not None:
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.write(self._fd, self._me.render())
            # A server sets the time when the data reaches it.
            os.fsync(self._fd)

    def _keep_marking(self) -> None:
        while not self._stop.wait(self._mark_every):
            try:
                now = self._read()
                if self._me is None or (now is not None and now.token != self._me.token):
                    self._lost = True
                    return
                self._write()
            except OSError:
                continue  # a share is briefly unavailable; if it stays away, the run itself will notice

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptor by which a process that has it, too, holds the lock as long as it lives.

        Empty if the lock is not held, or the system does not guard it.
        """
        return (self._fd,) if self._fd >= 0 and self._guarded else ()

    def check(self) -> None:
        """Check that we still hold the lock, before something that cannot be undone. Raises PhoneBusy."""
        if self._lost:
            raise _busy(holder_of(self._path))

    def release(self) -> None:
        """Release the lock; does nothing if it is not held."""
        if self._fd < 0:
            return
        self._stop.set()
        if self._marker is not None:
            slices.join(self._marker)
            self._marker = None
        with contextlib.suppress(
            OSError
        ):  # closing releases the lock in any case, and the record says that we ended
            if not self._lost:
                os.ftruncate(self._fd, 0)
        os.close(self._fd)
        self._fd = -1
        self._guarded = False
        self._me = None


def _is_stale(mark: float, now: float, after: float) -> bool:
    """Whether nobody updates this time any more. A time far ahead of the clock is wrong, and would never become old."""
    return abs(now - mark) >= after


def _busy(holder: Holder | None) -> PhoneBusy:
    if holder is None:
        return PhoneBusy("Another run of ibackup is using this phone.", hint=_WAIT)
    where = "" if holder.host == this_computer.name() else f" on {holder.host}"
    hint = (
        _WAIT
        if holder.is_here
        else f"{_WAIT} If that run has crashed, ibackup takes over 15 minutes after its last sign of life."
    )
    return PhoneBusy(
        f"Another run of ibackup is using this phone: process {holder.pid}{where}, since "
        f"{record_times.written(holder.started)}.",
        hint=hint,
    )
