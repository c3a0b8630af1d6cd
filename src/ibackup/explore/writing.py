"""One file out of a backup into its place: read, decrypted, written under a fresh name, renamed.

Decryption runs on small reused buffers: they stay in the processor's cache, where AES is several times faster than
on a buffer of the file's size, and no memory is asked of the system for any file.
"""

import contextlib
import errno
import os
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, NamedTuple, Self

from ibackup.confined import Confined, Parts, PathRefused, Staged
from ibackup.errors import IbackupError, NoRoom
from ibackup.explore.times import Times, as_ns, set_times
from ibackup.manifest.crypto import BLOCK, CHUNK, ZERO_IV, cbc_decryptor, padding, stored_size
from ibackup.manifest.flaws import FormatError, KeyRefused
from ibackup.manifest.keybag import ClassKeys
from ibackup.manifest.plaintext import plaintext_length

TroubleKind = Literal[
    "record", "missing", "unreadable", "key", "short", "padding", "changed", "refused", "exists"
]

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_MAX_OPEN = 256  # folders held open by each writer, so that their path is walked once


class Setup(NamedTuple):
    """All that a writer must know; it may go to another process.

    Attributes:
        source: the backup's folder.
        keys: None when the backup is not encrypted.
        target: a folder that exists.
        staging: a folder of this writer's own on the same file system.
        overwrite: whether files that are there are replaced.
    """

    source: str
    keys: ClassKeys | None
    target: str
    staging: str
    overwrite: bool


class Job(NamedTuple):
    """One file to take out: where it is stored, its size by its record, its key, and its place below the target."""

    file_id: str
    domain: str
    path: str
    blob: Parts
    size: int
    wrapped_key: bytes | None
    parts: Parts
    times: Times


@dataclass(frozen=True, slots=True)
class Trouble:
    """A file that could not be taken out, or whose content is doubtful.

    Attributes:
        kind: ``record`` (the manifest's row is damaged), ``missing`` (not in the backup), ``unreadable`` (the
            computer cannot read it), ``key`` (its key does not open), ``short`` (shorter than its record says),
            ``padding`` (its end did not decrypt to what it must), ``changed`` (a verification found that it is not
            what was sealed), ``refused`` (its place cannot be written) or
            ``exists`` (another file is there).
        text: what is wrong, the end of a sentence about the file.
        written: whether a file was written all the same, with what there is.
    """

    kind: TroubleKind
    file_id: str
    domain: str
    path: str
    text: str
    written: bool = False


class Written(NamedTuple):
    """What became of one job."""

    bytes: int
    new: bool
    trouble: Trouble | None = None


class _Flaw(Exception):
    """This file cannot be taken out; the others can."""

    def __init__(self, kind: TroubleKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Stopped(Exception):
    """The run is given up; nobody waits for this file."""


class Writer:
    """Takes files out of a backup, one after the other; for one thread.

    Attributes:
        moved: bytes dealt with so far; other threads may look at it.
        target: the target folder.
    """

    def __init__(self, setup: Setup) -> None:
        self.moved = 0
        self._keys = setup.keys
        self._stopped = False
        self._overwrite = setup.overwrite
        self._plain = memoryview(bytearray(CHUNK + BLOCK))
        self._staging = setup.staging
        self._source = Confined(setup.source, max_open=_MAX_OPEN)
        try:
            self.target = Confined(setup.target, setup.staging, max_open=_MAX_OPEN)
        except BaseException:
            self._source.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()
        self.target.close()

    def stop(self) -> None:
        """Have the file under way given up; for other threads."""
        self._stopped = True

    def write_all(self, jobs: list[Job]) -> list[Written]:
        """Take out files.

        Raises:
            NoRoom: the target is full.
            Stopped: the run is given up.
        """
        return [self._write_one(job) for job in jobs]

    def _write_one(self, job: Job) -> Written:
        try:
            if self._stands(job):
                self.moved += job.size
                return Written(job.size, new=False, trouble=self._doubt_of_old(job))
            return self._write(job)
        except _Flaw as flaw:
            return Written(0, new=False, trouble=_trouble(job, flaw.kind, flaw.text))
        except PathRefused as error:
            return Written(
                0, new=False, trouble=_trouble(job, "refused", f"its place was refused. {error.why}")
            )
        except OSError as error:
            raise_if_full(error)
            text = f"it cannot be written here: {error.strerror or error}"
            return Written(0, new=False, trouble=_trouble(job, "refused", text))

    # -- the place ------------------------------------------------------------------------------------------

    def _stands(self, job: Job) -> bool:
        """Whether this very file, by size and time, is there already. Raises _Flaw when something else is."""
        try:
            item = self.target.item(job.parts)
        except FileNotFoundError:
            return False
        if item.kind == "directory":
            raise _Flaw("exists", "a folder of that name is there")
        if item.kind == "file":
            # FAT keeps every other second only
            same_time = abs(item.mtime - as_ns(job.times.modified) / 1e9) < 2.001
            if same_time and (item.size == job.size or self._is_length(job, item.size)):
                return True
            if not item.size:
                return False
        if not self._overwrite:
            raise _Flaw("exists", "another file is there and was left as it is")
        return False

    def _is_length(self, job: Job, length: int) -> bool:
        """Whether a stored file can be so long; databases in use often differ from their record."""
        try:
            stored = self._source.item(job.blob).size
        except (OSError, PathRefused):
            return False
        encrypted = job.wrapped_key is not None and self._keys is not None
        return 0 < stored - length <= BLOCK if encrypted else stored == length

    def _doubt_of_old(self, job: Job) -> Trouble | None:
        """What an earlier run told of a file that it wrote: its end is looked at again. Raises _Flaw."""
        key = self._key(job)
        source, stored = _opened(self._source, job)
        try:
            if key is None:
                return _short(job, stored) if stored < job.size else None
            if not stored and not job.size:
                return None
            os.lseek(source, max(0, stored // BLOCK - 2) * BLOCK, os.SEEK_SET)
            blocks = _read(source, 2 * BLOCK)
        finally:
            os.close(source)
        iv = blocks[:BLOCK] if len(blocks) == 2 * BLOCK else ZERO_IV
        tail = cbc_decryptor(key, iv).update(blocks[-BLOCK:]) if len(blocks) >= BLOCK else b""
        return _doubt(job, stored, plaintext_length(stored, job.size, lambda: tail), tail)

    # -- the content ----------------------------------------------------------------------------------------

    def _write(self, job: Job) -> Written:
        key = self._key(job)
        source, stored = _opened(self._source, job)
        try:
            staged = self.target.create()
            try:
                try:
                    if key is None:
                        length, trouble = self._copy(job, source, stored, staged.fd)
                    else:
                        length, trouble = self._decrypt(job, source, stored, key, staged.fd)
                    with contextlib.suppress(OSError):  # a file without its time is better than no file
                        set_times(staged.fd, job.times)
                finally:
                    os.close(staged.fd)
                self._publish(staged, job)
            except BaseException:
                with contextlib.suppress(OSError):  # the staging folder goes at the end anyway
                    self.target.discard(staged)
                raise
        finally:
            os.close(source)
        return Written(length, new=True, trouble=trouble)

    def _publish(self, staged: Staged, job: Job) -> None:
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                set_times(os.path.join(self._staging, staged.name), job.times)
        self.target.publish(staged, job.parts)

    def _key(self, job: Job) -> bytes | None:
        if self._keys is None or job.wrapped_key is None:
            return None
        try:
            return self._keys.unwrap(job.wrapped_key)
        except (KeyRefused, FormatError) as error:
            raise _Flaw("key", f"its key cannot be opened: {error.message}") from None

    def _copy(self, job: Job, source: int, stored: int, target: int) -> tuple[int, Trouble | None]:
        done = 0
        while data := _read(source, max(BLOCK, min(CHUNK, stored - done))):
            self._put(target, data)
            done += len(data)
        return done, _short(job, done) if done < job.size else None

    def _decrypt(
        self, job: Job, source: int, stored: int, key: bytes, target: int
    ) -> tuple[int, Trouble | None]:
        """Decrypt a file to its end, where its padding and its record say how long it is."""
        size = job.size
        if not stored and not size:
            return 0, None  # some phones keep nothing for an empty file
        decryptor = cbc_decryptor(key)
        plain = self._plain
        done = written = 0
        tail = b""
        while stored - done >= BLOCK:
            data = _read(source, min(CHUNK, stored - done))
            whole = len(data) - len(data) % BLOCK
            if not whole:
                break  # it became shorter since it was opened
            decryptor.update_into(data if whole == len(data) else data[:whole], plain)
            done += whole
            tail = bytes(plain[whole - BLOCK : whole])
            if stored - done >= BLOCK:
                self._put(target, plain[:whole])
                written = done
        length = min(plaintext_length(stored, size, lambda: tail), done)
        if length > written:
            self._put(target, plain[: length - written])
        elif length < written:
            os.ftruncate(target, length)
        return length, _doubt(job, stored, length, tail)

    def _put(self, target: int, data: bytes | memoryview) -> None:
        if self._stopped:
            raise Stopped
        self.moved += len(data)
        while (done := os.write(target, data)) < len(data):
            data = memoryview(data)[done:]


def _opened(source: Confined, job: Job) -> tuple[int, int]:
    """The stored file, and its size in bytes."""
    try:
        return source.open_sized(job.blob)
    except FileNotFoundError:
        raise _Flaw("missing", "it is not in the backup") from None
    except PathRefused:
        raise _Flaw("unreadable", "a link stands where it should be in the backup") from None
    except OSError as error:
        raise _Flaw("unreadable", f"it cannot be read: {error.strerror or error}") from None


def _read(source: int, count: int) -> bytes:
    """So many bytes, or as far as the file goes. Raises _Flaw when the disk does not give it."""
    try:
        data = os.read(source, count)
        while data and len(data) < count and (more := os.read(source, count - len(data))):
            data += more
    except OSError as error:
        raise _Flaw("unreadable", f"it cannot be read: {error.strerror or error}") from None
    return data


def _doubt(job: Job, stored: int, length: int, tail: bytes) -> Trouble | None:
    """What is wrong with a decrypted file that was written as far as it goes."""
    size = job.size
    if stored == stored_size(size, encrypted=True):
        if length != size or padding(tail) == stored - size:
            return None
        return _trouble(
            job, "padding", "its end did not decrypt as it must: it is damaged, perhaps in part", written=True
        )
    # A database in use while the phone read it is longer or shorter than its record says, its padding right.
    if length >= size or (tail and padding(tail) and not stored % BLOCK):
        return None
    return _short(job, length)


def _short(job: Job, length: int) -> Trouble:
    text = f"it has {length:,} bytes of {job.size:,}: the rest is not in the backup"
    return _trouble(job, "short", text, written=True)


def _trouble(job: Job, kind: TroubleKind, text: str, *, written: bool = False) -> Trouble:
    return Trouble(kind, job.file_id, job.domain, job.path, text, written)


def raise_if_full(error: OSError) -> None:
    """Raise NoRoom for an error that says so."""
    if error.errno in _FULL or getattr(error, "winerror", None) in {39, 112}:
        raise no_room() from None


def no_room(why: str = "") -> IbackupError:
    """The error for a target that is full."""
    return NoRoom(
        "There is not enough room where the files should go.",
        why=why,
        hint="Make room there, or name a folder on another disk with --to. Files that are there already are not "
        "written again.",
    )
