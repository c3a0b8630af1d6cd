"""Puts one file from a backup into its place: read, decrypted, written under a new name, renamed.

Decryption uses small reused buffers. They stay in the processor's cache, where AES is several times faster
than on a buffer as large as the file, and no memory is allocated for any file.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from ibackup.apple.crypto import decrypted_in_place
from ibackup.apple.crypto.aes_and_keys import BLOCK, CHUNK, ZERO_IV, cbc_decryptor, padding, stored_size
from ibackup.apple.crypto.keybag import ClassKeys
from ibackup.apple.crypto.plaintext import plaintext_length
from ibackup.apple.fitting import most_bytes
from ibackup.apple.format_errors import FormatError, KeyRefused
from ibackup.base import descriptors
from ibackup.base.closeable import Closeable
from ibackup.base.confined import Confined, Parts, PathRefused, Staged
from ibackup.base.disks import is_full
from ibackup.base.errors import IbackupError, NoRoom
from ibackup.explore.file_times import Times, as_ns, set_times

TroubleKind = Literal[
    "record",
    "missing",
    "unreadable",
    "key",
    "locked",
    "short",
    "long",
    "padding",
    "changed",
    "refused",
    "exists",
]

_MOST_FOLDERS = 256  # kept open on each side by each writer, so that their path is walked once
_OWNERS = 4  # the two sides of two writers; one of these only makes folders and checks


class Setup(NamedTuple):
    """Everything that a writer must know; it can be sent to another process.

    Attributes:
        source: the backup's folder.
        keys: None if the backup is not encrypted.
        target: a folder that exists.
        staging: this writer's own folder on the same file system.
        overwrite: whether existing files are replaced.
        signs: what is known about the backup, for files whose own bytes do not show how they are stored.
        locked: why a file that is encrypted without a key cannot be extracted, as the end of a sentence about
            it.
    """

    source: str
    keys: ClassKeys | None
    target: str
    staging: str
    overwrite: bool
    signs: decrypted_in_place.Signs = decrypted_in_place.Signs()
    locked: str = ""


class WriteJob(NamedTuple):
    """One file to extract.

    Attributes:
        blob: where it is stored.
        size: size from its record.
        wrapped_key: its wrapped key.
        parts: its place below the target.
        digest: the phone's checksum of the stored bytes.
    """

    file_id: str
    domain: str
    path: str
    blob: Parts
    size: int
    wrapped_key: bytes | None
    parts: Parts
    times: Times
    digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Trouble:
    """A file that could not be extracted, or whose content is doubtful.

    Attributes:
        kind: ``record`` (its row in the manifest is damaged), ``missing`` (not in the backup), ``unreadable``
            (the computer cannot read it), ``key`` (its key does not open), ``locked`` (it is encrypted, and
            its key is not here), ``short`` (shorter than its record says), ``long`` (so much longer that it
            was cut there), ``padding`` (its end did not decrypt correctly), ``changed`` (a verification found
            that it has changed since it was sealed), ``refused`` (its place cannot be written) or ``exists``
            (another file is there).
        text: what is wrong, as the end of a sentence about the file.
        written: whether a file was written anyway, with what there is.
    """

    kind: TroubleKind
    file_id: str
    domain: str
    path: str
    text: str
    written: bool = False


class Written(NamedTuple):
    """The result of one job."""

    bytes: int
    new: bool
    trouble: Trouble | None = None


class WriteCounts(Protocol):
    """What a run counts: files written with their ``bytes``, and those that were there already."""

    files: int
    bytes: int
    same: int


def count_written(
    counts: WriteCounts,
    jobs: Iterable[WriteJob],
    written: Iterable[Written],
    damaged: frozenset[str],
    tell: Callable[[Trouble], None],
) -> None:
    """Count a batch, and report its troubles.

    Args:
        counts: of the run.
        jobs: the batch.
        written: what came of each.
        damaged: stored files that a verification found damaged: writing them does not detect that.
        tell: gets each trouble.
    """
    for job, one in zip(jobs, written, strict=True):
        if damaged and one.trouble is None and "/".join(job.blob) in damaged:
            text = "`ibackup verify` found that it has changed since it was backed up"
            tell(Trouble("changed", job.file_id, job.domain, job.path, text, written=True))
        if one.trouble is not None:
            tell(one.trouble)
            if not one.trouble.written:
                continue
        if one.new:
            counts.files += 1
            counts.bytes += one.bytes
        else:
            counts.same += 1


class _Flaw(Exception):
    """This file cannot be extracted; the others can."""

    def __init__(self, kind: TroubleKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Stopped(Exception):
    """The run was stopped; nobody waits for this file."""


class Writer(Closeable):
    """Extracts files from a backup, in order; use it in one thread.

    Attributes:
        moved: bytes processed so far; other threads may read this.
        target: the target folder.
    """

    def __init__(self, setup: Setup) -> None:
        self.moved = 0
        self._keys = setup.keys
        self._stopped = False
        self._overwrite = setup.overwrite
        self._signs = setup.signs
        self._locked = setup.locked
        self._plain = memoryview(bytearray(CHUNK + BLOCK))
        self._staging = setup.staging
        most = descriptors.share(_MOST_FOLDERS, owners=_OWNERS)
        self._source = Confined(setup.source, max_open=most)
        try:
            self.target = Confined(setup.target, setup.staging, max_open=most)
        except BaseException:
            self._source.close()
            raise

    def close(self) -> None:
        """Close both folders."""
        self._source.close()
        self.target.close()

    def stop(self) -> None:
        """Stop the current file; for other threads."""
        self._stopped = True

    def write_all(self, jobs: list[WriteJob]) -> list[Written]:
        """Extract files.

        Raises:
            NoRoom: the target is full.
            Stopped: the run was stopped.
        """
        return [self._write_one(job) for job in jobs]

    def _write_one(self, job: WriteJob) -> Written:
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

    def _stands(self, job: WriteJob) -> bool:
        """Whether this same file, by size and time, is already there. Raises _Flaw if something else is."""
        try:
            item = self.target.item(job.parts)
        except FileNotFoundError:
            return False
        if item.kind == "directory":
            raise _Flaw("exists", "a folder with that name is there")
        if item.kind == "file":
            # FAT stores only every other second
            same_time = abs(item.mtime - as_ns(job.times.modified) / 1e9) < 2.001
            if same_time and (item.size == job.size or self._is_length(job, item.size)):
                return True
            if not item.size:
                return False
        if not self._overwrite:
            raise _Flaw("exists", "another file is already there and was left unchanged")
        return False

    def _is_length(self, job: WriteJob, length: int) -> bool:
        """Whether a stored file can be this long; databases in use often differ from their record."""
        try:
            stored = self._source.item(job.blob).size
        except (OSError, PathRefused):
            return False
        encrypted = job.wrapped_key is not None and self._keys is not None
        return stored == length or (encrypted and 0 < stored - length <= BLOCK)

    def _doubt_of_old(self, job: WriteJob) -> Trouble | None:
        """The problem of a file that an earlier run wrote, found by checking its end again. Raises _Flaw."""
        source, stored = _opened(self._source, job)
        try:
            if stored > most_bytes(job.size):
                return _long(job, stored)
            key = self._key_for(source, stored, job)
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

    def _key_for(self, source: int, stored: int, job: WriteJob) -> bytes | None:
        """The key of a file; None if it is stored plain. Raises _Flaw if it is encrypted and cannot be opened."""

        def head() -> bytes:
            data = _read(source, decrypted_in_place.HEAD)
            os.lseek(source, 0, os.SEEK_SET)
            return data

        def same() -> bool:
            with open(source, "rb", closefd=False) as data:
                found = decrypted_in_place.agrees(data, job.digest)
            os.lseek(source, 0, os.SEEK_SET)
            return found

        has_key = job.wrapped_key is not None
        form = decrypted_in_place.form_of(
            stored, job.size, has_key=has_key, signs=self._signs, head=head, same=same
        )
        if form is decrypted_in_place.Form.LOCKED:
            raise _Flaw("locked", self._locked)
        return self._key(job) if form is decrypted_in_place.Form.KEYED else None

    # -- the content ----------------------------------------------------------------------------------------

    def _write(self, job: WriteJob) -> Written:
        source, stored = _opened(self._source, job)
        try:
            key = self._key_for(source, stored, job)
            too_long = _long(job, stored) if stored > most_bytes(job.size) else None
            if too_long is not None:
                stored = stored_size(job.size, encrypted=key is not None)
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
                with contextlib.suppress(OSError):  # the staging folder is removed at the end anyway
                    self.target.discard(staged)
                raise
        finally:
            os.close(source)
        return Written(length, new=True, trouble=too_long or trouble)

    def _publish(self, staged: Staged, job: WriteJob) -> None:
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                set_times(os.path.join(self._staging, staged.name), job.times)
        self.target.publish(staged, job.parts)

    def _key(self, job: WriteJob) -> bytes | None:
        if self._keys is None or job.wrapped_key is None:
            return None
        try:
            return self._keys.unwrap(job.wrapped_key)
        except (KeyRefused, FormatError) as error:
            raise _Flaw("key", f"its key cannot be opened: {error.message}") from None

    def _copy(self, job: WriteJob, source: int, stored: int, target: int) -> tuple[int, Trouble | None]:
        done = 0
        while data := _read(source, min(CHUNK, stored - done)):
            self._put(target, data)
            done += len(data)
        return done, _short(job, done) if done < job.size else None

    def _decrypt(
        self, job: WriteJob, source: int, stored: int, key: bytes, target: int
    ) -> tuple[int, Trouble | None]:
        """Decrypt a file to its end, where its padding and its record determine its length."""
        size = job.size
        if not stored and not size:
            return 0, None  # some phones store nothing for an empty file
        decryptor = cbc_decryptor(key)
        plain = self._plain
        done = written = 0
        tail = b""
        while stored - done >= BLOCK:
            data = _read(source, min(CHUNK, stored - done))
            whole = len(data) - len(data) % BLOCK
            if not whole:
                break  # it was shortened after it was opened
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


def _opened(source: Confined, job: WriteJob) -> tuple[int, int]:
    """The stored file, and its size in bytes."""
    try:
        return source.open_sized(job.blob)
    except FileNotFoundError:
        raise _Flaw("missing", "it is not in the backup") from None
    except PathRefused:
        raise _Flaw("unreadable", "in the backup, a link is in its place") from None
    except OSError as error:
        raise _Flaw("unreadable", f"it cannot be read: {error.strerror or error}") from None


def _read(source: int, count: int) -> bytes:
    """`count` bytes, or as many as the file has. Raises _Flaw if the disk fails."""
    try:
        data = os.read(source, count)
        while data and len(data) < count and (more := os.read(source, count - len(data))):
            data += more
    except OSError as error:
        raise _Flaw("unreadable", f"it cannot be read: {error.strerror or error}") from None
    return data


def _doubt(job: WriteJob, stored: int, length: int, tail: bytes) -> Trouble | None:
    """What is wrong with a decrypted file, which was written as far as it goes."""
    size = job.size
    if stored == stored_size(size, encrypted=True):
        if length != size or padding(tail) == stored - size:
            return None
        return _trouble(
            job, "padding", "its end did not decrypt correctly: it is damaged, perhaps in part", written=True
        )
    # A database in use while the phone read it is longer or shorter than its record says, but its padding is
    # right.
    if length >= size or (tail and padding(tail) and not stored % BLOCK):
        return None
    return _short(job, length)


def _short(job: WriteJob, length: int) -> Trouble:
    text = f"it has {length:,} bytes of {job.size:,}: the rest is not in the backup"
    return _trouble(job, "short", text, written=True)


def _long(job: WriteJob, stored: int) -> Trouble:
    text = f"{stored:,} bytes are stored for its {job.size:,}: it was cut there"
    return _trouble(job, "long", text, written=True)


def _trouble(job: WriteJob, kind: TroubleKind, text: str, *, written: bool = False) -> Trouble:
    return Trouble(kind, job.file_id, job.domain, job.path, text, written)


def raise_if_full(error: OSError) -> None:
    """Raise NoRoom for an error that says so."""
    if is_full(error):
        raise no_room() from None


def no_room(why: str = "") -> IbackupError:
    """The error for a full target disk."""
    return NoRoom(
        "There is not enough space where the files should go.",
        why=why,
        hint="Free some space there, or choose a folder on another disk with --to. Existing files are "
        "not written again.",
    )
