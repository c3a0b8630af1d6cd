"""Reads stored files for a verification: many at once, each byte once."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from io import FileIO
from typing import Self

from ibackup.apple.crypto import aes_and_keys
from ibackup.apple.fitting import MOST_UNRECORDED, Stored, digest_of, most_bytes
from ibackup.apple.mbfile import MBFile
from ibackup.apple.reasons import Reason
from ibackup.apple.verify.findings import Finding
from ibackup.base import isolated, slices
from ibackup.base.confined import Confined, PathRefused, parse

_BUFFER = 256 * 1024
_SLICE = 128 * 1024
_BATCH_FILES = 64
_BATCH_BYTES = 16 * 1024 * 1024
_SQLITE_HEADER = 100
_PATIENCE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class ReadJob:
    """One stored file to check.

    Attributes:
        file: its path below the backup's folder.
        size: bytes as last seen, for the progress.
        file_id: empty for the plists and the manifest.
        domain: domain on the phone.
        path: path on the phone.
        record: its record in the manifest, or None.
        encrypted: whether the backup is encrypted.
        known: what was wrong with it when the backup was made, or None.
        sha256: its SHA-256 in the seal.
        key: the key to check its padding with.
        whole: read all of it; otherwise only what its checksums or its end need.
        decrypt: also decrypt all of it.
    """

    file: str
    size: int
    file_id: str = ""
    domain: str = ""
    path: str = ""
    record: MBFile | None = None
    encrypted: bool = False
    known: Reason | None = None
    sha256: bytes | None = None
    key: bytes | None = None
    whole: bool = True
    decrypt: bool = False

    @property
    def sha1(self) -> bytes | None:
        """The SHA-1 from its record."""
        return None if self.record is None else digest_of(self.record)

    @property
    def most(self) -> int:
        """The most bytes that it may have; a larger file is not read."""
        return MOST_UNRECORDED if self.record is None else most_bytes(self.record.size)


@dataclass(frozen=True, slots=True)
class ReadOutcome:
    """What was found in a stored file.

    Attributes:
        size: bytes read, or present.
        sha256: its SHA-256, if the job has one to compare with.
        sha1: its SHA-1, under the same condition.
        ends_well: whether it ends like a whole file: correct padding, or all the pages that an SQLite
            database says it has; None if that is unknown.
        flaw: why it could not be read; empty if it could.
        missing: it no longer exists.
        link: a link or something else that is not a file is there.
        too_long: it has more bytes than it may have, and was not read to its end.
    """

    size: int = 0
    sha256: bytes | None = None
    sha1: bytes | None = None
    ends_well: bool | None = None
    flaw: str = ""
    missing: bool = False
    link: bool = False
    too_long: bool = False

    @property
    def stored(self) -> Stored:
        """What is known about a file that could be read."""
        return Stored(self.size, self.sha1, self.ends_well)


Result = tuple[ReadJob, ReadOutcome] | Finding


class Reader:
    """Reads files of one backup; use an instance in one thread.

    Attributes:
        bytes_read: bytes read so far of files that are read whole; other threads may read this.
    """

    def __init__(self, confined: Confined, stop: threading.Event) -> None:
        self._confined = confined
        self._stop = stop
        self.bytes_read = 0
        self._buffer = memoryview(bytearray(_BUFFER))
        self._plain = memoryview(bytearray(_SLICE + aes_and_keys.BLOCK))

    def examine(self, job: ReadJob) -> ReadOutcome:
        """Check one file; returns what is wrong instead of raising."""
        try:
            fd = self._confined.open_file(parse(job.file))
        except FileNotFoundError:
            return ReadOutcome(missing=True)
        except PathRefused:
            return ReadOutcome(link=True)
        except OSError as error:
            return ReadOutcome(flaw=error.strerror or str(error))
        with FileIO(fd) as source:
            try:
                return self._read(source, job)
            except OSError as error:
                return ReadOutcome(flaw=error.strerror or str(error))

    def _read(self, source: FileIO, job: ReadJob) -> ReadOutcome:
        size = os.fstat(source.fileno()).st_size
        if size > job.most:
            return ReadOutcome(size, too_long=True)
        if not job.whole and job.sha256 is None and job.sha1 is None:
            return ReadOutcome(size, ends_well=self._end(source, size, job.key))
        sha256 = hashlib.sha256() if job.sha256 is not None else None
        sha1 = hashlib.sha1(usedforsecurity=False) if job.sha1 is not None else None
        hashers = [hasher for hasher in (sha256, sha1) if hasher is not None]
        decrypts = job.decrypt and job.key is not None and size % aes_and_keys.BLOCK == 0
        decryptor = aes_and_keys.cbc_decryptor(job.key) if decrypts and job.key is not None else None
        size, tail, head = 0, b"", b""
        while got := self._fill(source):
            if self._stop.is_set():
                return ReadOutcome(size, flaw="stopped")
            view = self._buffer[:got]
            head = head or bytes(view[:_SQLITE_HEADER])
            for hasher in hashers:
                hasher.update(view)
            if decryptor is not None:
                for start in range(0, got - got % aes_and_keys.BLOCK, _SLICE):
                    part = view[start : min(start + _SLICE, got - got % aes_and_keys.BLOCK)]
                    done = decryptor.update_into(part, self._plain)
                    tail = bytes(self._plain[done - aes_and_keys.BLOCK : done])
            size += got
            self.bytes_read += got
            if size > job.most:  # it grows while we read it
                return ReadOutcome(size, too_long=True)
        if job.key is not None and decryptor is None:
            tail = self._last_block(source, size, job.key)
        return ReadOutcome(
            size,
            None if sha256 is None else sha256.digest(),
            None if sha1 is None else sha1.digest(),
            ends_well(size, job.key is not None, tail, head),
        )

    def _fill(self, source: FileIO) -> int:
        filled = 0
        while filled < _BUFFER:
            got = source.readinto(self._buffer[filled:])
            if not got:
                break
            filled += got
        return filled

    def _end(self, source: FileIO, size: int, key: bytes | None) -> bool | None:
        """Judge a file by its end alone."""
        if key is None:
            return ends_well(size, False, b"", source.read(_SQLITE_HEADER))
        return ends_well(size, True, self._last_block(source, size, key), b"")

    def _last_block(self, source: FileIO, size: int, key: bytes) -> bytes:
        """The end of a file's plaintext with the padding; empty if it is not ciphertext."""
        if not size or size % aes_and_keys.BLOCK:
            return b""
        iv = aes_and_keys.ZERO_IV
        source.seek(max(0, size - 2 * aes_and_keys.BLOCK))
        if size > aes_and_keys.BLOCK:
            iv = source.read(aes_and_keys.BLOCK)
        block = source.read(aes_and_keys.BLOCK)
        return (
            aes_and_keys.cbc_decryptor(key, iv).update(block)
            if len(iv) == len(block) == aes_and_keys.BLOCK
            else b""
        )


def ends_well(size: int, encrypted: bool, tail: bytes, head: bytes) -> bool | None:
    """Whether a stored file is whole, judged by its own end; None if that is unknown.

    Args:
        size: its size in bytes.
        encrypted: whether it is encrypted.
        tail: the last block of its plaintext with the padding.
        head: the first bytes of an unencrypted file, which may be SQLite's header.
    """
    if encrypted:
        return aes_and_keys.padding(tail) > 0 if size else None
    if not head.startswith(b"SQLite format 3\0") or len(head) < _SQLITE_HEADER:
        return None
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    # The header's page count is valid only if the last SQLite to write the database keeps it.
    if not pages or head[24:28] != head[92:96]:
        return None
    return pages * (65536 if page == 1 else page) == size


class Readers:
    """A few threads that read the files of one backup; results are in the order of the jobs."""

    def __init__(self, root: str, count: int) -> None:
        self._root = root
        self._count = count
        self._stop = threading.Event()
        self._local = threading.local()
        self._opened: list[Confined] = []
        self._readers: list[Reader] = []
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="verify")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)
        for confined in self._opened:
            confined.close()

    @property
    def bytes_read(self) -> int:
        """Bytes read so far, by all threads."""
        return sum(reader.bytes_read for reader in self._readers)

    def run(
        self, steps: Iterable[ReadJob | Finding], waiting: Callable[[], None] = lambda: None
    ) -> Iterator[Result]:
        """Check files, and pass findings on in their place; the amount of pending work is bounded.

        Args:
            steps: what to do.
            waiting: called now and then while the next result takes long: a film may take minutes to read.
        """
        under_way: deque[Future[list[Result]]] = deque()
        for batch in _batches(steps):
            under_way.append(self._pool.submit(self._examine, batch))
            if len(under_way) > 2 * self._count:
                yield from _result(under_way.popleft(), waiting)
        while under_way:
            yield from _result(under_way.popleft(), waiting)

    def _examine(self, batch: list[ReadJob | Finding]) -> list[Result]:
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            confined = Confined(self._root)
            self._opened.append(confined)
            reader = self._local.reader = Reader(confined, self._stop)
            self._readers.append(reader)
        return [step if isinstance(step, Finding) else (step, reader.examine(step)) for step in batch]


def _result(future: Future[list[Result]], waiting: Callable[[], None]) -> list[Result]:
    while not wait([future], _PATIENCE_SECONDS).done:
        waiting()
    return slices.wait_for(future)


def _batches(steps: Iterable[ReadJob | Finding]) -> Iterator[list[ReadJob | Finding]]:
    """Small files in groups, so that passing them on costs little; large files alone, so that all threads work."""
    batch: list[ReadJob | Finding] = []
    size = 0
    for step in steps:
        batch.append(step)
        size += step.size if isinstance(step, ReadJob) else 0
        if len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def worker_count() -> int:
    """As many threads as there are processors, at most four: more only make a disk seek."""
    return min(4, isolated.processors())
