"""Sending files: batches, records, digests and keys, and files that cannot be read."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ibackup.simulator.ciphers import Buffer, encrypt, stored_size, wrap
from ibackup.simulator.content import Content, Entry
from ibackup.simulator.devicelink import FileFailed, Outgoing
from ibackup.simulator.faults import LyingFile, OmittedFile, UnreadableFile
from ibackup.simulator.keybags import Keybag
from ibackup.simulator.manifest_db import ManifestWriter, Row
from ibackup.simulator.operations.session import Session, in_groups
from ibackup.simulator.records import Record, encode

UPLOAD_SHARE = 95.0
"""Percent of the overall progress that is reached when the last file was sent."""


def record_of(entry: Entry, *, digest: bytes | None = None, key: bytes | None = None) -> bytes:
    """The record of an entry, with the digest and the wrapped key that a file may have."""
    return encode(
        Record(
            path=entry.path,
            size=entry.size,
            mode=entry.mode,
            inode=entry.inode,
            uid=entry.uid,
            gid=entry.gid,
            modified=entry.modified,
            changed=entry.modified,
            birth=entry.birth,
            protection_class=entry.protection_class,
            target=entry.target,
            digest=digest,
            encryption_key=key,
            xattrs=entry.xattrs,
        )
    )


def row_of(entry: Entry, record: bytes) -> Row:
    """The manifest row of an entry."""
    return Row(entry.file_id, entry.domain, entry.path, entry.kind, record)


@dataclass(slots=True)
class _Sending:
    """One file on its way: its keys, and its digest as the bytes go by."""

    entry: Entry
    file_id: str
    key: bytes | None
    wrapped: bytes | None
    sha1: "hashlib._Hash | None"
    failed: bool = False
    omitted: bool = False


@dataclass
class Uploader:
    """Sends files into Snapshot and writes their rows.

    Attributes:
        sent: the IDs of all files in Snapshot, 20 bytes each, in the order in which they came there.
        unreadable: files left out because they could not be read, even when tried again.
        omitted: IDs of files that are in the manifest and were not sent: a fault.
    """

    session: Session
    content: Content
    folder: str
    keybag: Keybag
    encrypted: bool
    writer: ManifestWriter
    total: int
    sent: bytearray = field(default_factory=bytearray)
    unreadable: list[Entry] = field(default_factory=list)
    omitted: set[str] = field(default_factory=set)
    _done: int = 0

    def stored(self, entry: Entry) -> int:
        """Bytes that a file takes in the backup."""
        return stored_size(entry.size) if self.encrypted else entry.size

    def send(self, entries: Iterable[Entry]) -> None:
        """Send all of these files, and those that could not be read once more at the end.

        Raises:
            MBError: the computer could not take one.
        """
        again: list[Entry] = []
        self._send_all(entries, again, retry=False)
        self._send_all(again, self.unreadable, retry=True)
        self.writer.flush()

    def keep(self, entry: Entry, record: bytes) -> None:
        """A file is in Snapshot already, with this record."""
        self.writer.add(row_of(entry, record))
        self.sent += bytes.fromhex(entry.file_id)
        self._done += entry.size

    def _send_all(self, entries: Iterable[Entry], failed: list[Entry], *, retry: bool) -> None:
        for batch in in_groups(entries, self.session.phone.spec.batch_size):
            failed += self._send_batch(batch, retry=retry)

    def _send_batch(self, batch: list[Entry], *, retry: bool) -> list[Entry]:
        """Send one batch; those of it that could not be read."""
        files = [self._prepare(entry) for entry in batch]
        outgoing = (self._outgoing(file, retry=retry) for file in files if not file.omitted)
        total = sum(self.stored(file.entry) for file in files)
        refused = self.session.link.upload(outgoing, total)
        self.session.raise_refused(refused)
        for file in files:
            if file.failed:
                continue
            digest = file.sha1.digest() if file.sha1 else None
            record = record_of(file.entry, digest=digest, key=file.wrapped)
            self.writer.add(row_of(file.entry, record))
            if file.omitted:
                self.omitted.add(file.file_id)
            else:
                self.sent += bytes.fromhex(file.file_id)
        self._done += sum(file.entry.size for file in files)
        self.session.progress(UPLOAD_SHARE * self._done / max(self.total, 1))
        return [file.entry for file in files if file.failed]

    def _prepare(self, entry: Entry) -> _Sending:
        key = wrapped = None
        if self.encrypted:
            key = hashlib.blake2b(entry.stamp, digest_size=32, key=self.keybag.class_keys[1]).digest()
            wrapped = wrap(self.keybag.class_keys, entry.protection_class, key)
        sha1 = hashlib.sha1(usedforsecurity=False) if entry.has_digest else None
        omitted = self.session.strike(OmittedFile, lambda fault: _is(fault, entry)) is not None
        if omitted and sha1 is not None:
            for chunk in self._bytes(entry, key):
                sha1.update(chunk)
        return _Sending(entry, entry.file_id, key, wrapped, sha1, omitted=omitted)

    def _outgoing(self, file: _Sending, *, retry: bool) -> Outgoing:
        place = f"{self.folder}/Snapshot/{file.file_id[:2]}/{file.file_id}"
        return Outgoing(f"/var/mobile/{file.entry.path}", place, self._chunks(file, retry=retry))

    def _bytes(self, entry: Entry, key: bytes | None) -> Iterator[Buffer]:
        chunks = self.content.chunks(entry)
        return chunks if key is None else encrypt(chunks, key)

    def _chunks(self, file: _Sending, *, retry: bool) -> Iterator[Buffer]:
        """A file's bytes as stored, digested before any fault touches them."""
        stored = self._digested(file)
        entry = file.entry
        unreadable = self.session.strike(
            UnreadableFile, lambda fault: _is(fault, entry) and not (retry and fault.heals)
        )
        if unreadable is not None:
            file.failed = True
            return _breaking(stored, unreadable)
        lie = self.session.strike(LyingFile, lambda fault: _is(fault, entry))
        return stored if lie is None else _lying(stored, lie, self.stored(entry))

    def _digested(self, file: _Sending) -> Iterator[Buffer]:
        sha1 = file.sha1
        for chunk in self._bytes(file.entry, file.key):
            if sha1 is not None:
                sha1.update(chunk)
            yield chunk


def _is(fault: OmittedFile | UnreadableFile | LyingFile, entry: Entry) -> bool:
    return fault.path == entry.path and fault.domain == entry.domain


def _breaking(chunks: Iterator[Buffer], fault: UnreadableFile) -> Iterator[Buffer]:
    left = fault.after
    for chunk in chunks:
        if left <= 0:
            break
        yield chunk[:left]
        left -= len(chunk)
    raise FileFailed(fault.code, fault.text)


def _lying(chunks: Iterator[Buffer], fault: LyingFile, size: int) -> Iterator[Buffer]:
    """The bytes with one bit in their middle turned, or without their last half."""
    place = 0
    for chunk in chunks:
        middle = size // 2 - place
        place += len(chunk)
        if not 0 <= middle < len(chunk):
            yield chunk
            continue
        if fault.how == "short":
            yield chunk[:middle]
            for _ in chunks:  # the digest still is that of all of them
                pass
            return
        yield chunk[:middle]
        yield bytes([chunk[middle] ^ 1])
        yield chunk[middle + 1 :]
