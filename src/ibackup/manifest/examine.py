"""Reading stored files for a verification: many at once, each byte once."""

import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from io import FileIO
from typing import Protocol, Self

from ibackup.confined import Confined, PathRefused, parse
from ibackup.manifest import crypto
from ibackup.manifest.findings import Finding

_BUFFER = 256 * 1024
_SLICE = 128 * 1024
_BATCH_FILES = 64
_BATCH_BYTES = 16 * 1024 * 1024
_SQLITE_HEADER = 100
_PATIENCE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Job:
    """One stored file to look into.

    Attributes:
        file: its path below the backup's folder.
        size: bytes as last seen, for the progress.
        file_id: empty for the plists and the manifest.
        domain: on the phone.
        path: on the phone.
        expected: bytes it should have, None when nothing tells.
        sha256: by the seal.
        sha1: by its record.
        key: to decrypt it with.
        whole: read it all; else only as much as its checksums or its end ask for.
    """

    file: str
    size: int
    file_id: str = ""
    domain: str = ""
    path: str = ""
    expected: int | None = None
    sha256: bytes | None = None
    sha1: bytes | None = None
    key: bytes | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is in a stored file.

    Attributes:
        size: bytes read, or there.
        digest: SHA-256 where the job has one to compare with, else SHA-1, else None.
        sha1: SHA-1 where the job has both.
        ends_well: whether its end is one of a whole file: right padding, or all the pages that an SQLite database
            says it has; None when nothing tells.
        flaw: why it could not be read, empty when it could.
        missing: it is not there any more.
        link: a link or something else that is no file stands there.
    """

    size: int = 0
    digest: bytes | None = None
    sha1: bytes | None = None
    ends_well: bool | None = None
    flaw: str = ""
    missing: bool = False
    link: bool = False


Result = tuple[Job, Outcome] | Finding


class _Hash(Protocol):
    def update(self, data: memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


class Reader:
    """Reads files of one backup; an instance is for one thread.

    Attributes:
        bytes_read: so far, of files that are read whole; others may look at it.
    """

    def __init__(self, confined: Confined, stop: threading.Event) -> None:
        self._confined = confined
        self._stop = stop
        self.bytes_read = 0
        self._buffer = memoryview(bytearray(_BUFFER))
        self._plain = memoryview(bytearray(_SLICE + crypto.BLOCK))

    def examine(self, job: Job) -> Outcome:
        """Look into one file; says what is wrong instead of raising."""
        try:
            fd = self._confined.open_file(parse(job.file))
        except FileNotFoundError:
            return Outcome(missing=True)
        except PathRefused:
            return Outcome(link=True)
        except OSError as error:
            return Outcome(flaw=error.strerror or str(error))
        with FileIO(fd) as source:
            try:
                return self._read(source, job)
            except OSError as error:
                return Outcome(flaw=error.strerror or str(error))

    def _read(self, source: FileIO, job: Job) -> Outcome:
        known = job.sha256 is not None or job.sha1 is not None
        size = os.fstat(source.fileno()).st_size
        if not job.whole and not known:
            return Outcome(size, ends_well=self._end(source, size, job.key))
        hashers: list[_Hash] = []
        if job.sha256 is not None:
            hashers.append(hashlib.sha256())
        if job.sha1 is not None:
            hashers.append(hashlib.sha1(usedforsecurity=False))
        decryptor = (
            crypto.cbc_decryptor(job.key) if job.key is not None and size % crypto.BLOCK == 0 else None
        )
        size, tail, head = 0, b"", b""
        while got := self._fill(source):
            if self._stop.is_set():
                return Outcome(size, flaw="stopped")
            view = self._buffer[:got]
            head = head or bytes(view[:_SQLITE_HEADER])
            for hasher in hashers:
                hasher.update(view)
            if decryptor is not None:
                for start in range(0, got - got % crypto.BLOCK, _SLICE):
                    part = view[start : min(start + _SLICE, got - got % crypto.BLOCK)]
                    done = decryptor.update_into(part, self._plain)
                    tail = bytes(self._plain[done - crypto.BLOCK : done])
            size += got
            self.bytes_read += got
        return Outcome(
            size,
            hashers[0].digest() if hashers else None,
            hashers[1].digest() if len(hashers) > 1 else None,
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
        tail = b""
        if size and size % crypto.BLOCK == 0:
            iv = crypto.ZERO_IV
            if size > crypto.BLOCK:
                source.seek(size - 2 * crypto.BLOCK)
                iv = source.read(crypto.BLOCK)
            block = source.read(crypto.BLOCK)
            tail = (
                crypto.cbc_decryptor(key, iv).update(block) if len(iv) == len(block) == crypto.BLOCK else b""
            )
        return ends_well(size, True, tail, b"")


def ends_well(size: int, encrypted: bool, tail: bytes, head: bytes) -> bool | None:
    """Whether a stored file is whole by its own end; None when nothing tells.

    Args:
        size: its bytes.
        encrypted: whether they are encrypted.
        tail: the last block of its plaintext, padding and all.
        head: the first bytes of one that is not encrypted, for what SQLite says there.
    """
    if encrypted:
        return crypto.padding(tail) > 0 or size == 0
    if not head.startswith(b"SQLite format 3\0") or len(head) < _SQLITE_HEADER:
        return None
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    # The header's page count holds only when the database was last written by an SQLite that keeps it.
    if not pages or head[24:28] != head[92:96]:
        return None
    return pages * (65536 if page == 1 else page) == size


class Readers:
    """A few threads that read the files of one backup; results come in the order of the jobs."""

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
        self, steps: Iterable[Job | Finding], waiting: Callable[[], None] = lambda: None
    ) -> Iterator[Result]:
        """Look into files, and hand on findings in their place; what is under way at any time is bounded.

        Args:
            steps: what to do.
            waiting: called now and then while the next result takes long: a phone's film may be read for minutes.
        """
        under_way: deque[Future[list[Result]]] = deque()
        for batch in _batches(steps):
            under_way.append(self._pool.submit(self._examine, batch))
            if len(under_way) > 2 * self._count:
                yield from _result(under_way.popleft(), waiting)
        while under_way:
            yield from _result(under_way.popleft(), waiting)

    def _examine(self, batch: list[Job | Finding]) -> list[Result]:
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
    return future.result()


def _batches(steps: Iterable[Job | Finding]) -> Iterator[list[Job | Finding]]:
    """Small files together, so that handing them over costs little; large ones alone, so that all threads work."""
    batch: list[Job | Finding] = []
    size = 0
    for step in steps:
        batch.append(step)
        size += step.size if isinstance(step, Job) else 0
        if len(batch) >= _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def worker_count() -> int:
    """As many threads as there are processors to use, at most four: more only make a disk seek."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(4, usable or 1))
