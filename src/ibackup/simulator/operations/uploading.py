"""Sending files: batches, records, digests and keys, and files that cannot be read."""

import hashlib
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ibackup.simulator.ciphers import Buffer, encrypt, stored_size, wrap
from ibackup.simulator.content import Content, PhoneFile
from ibackup.simulator.devicelink import FileFailed, Outgoing
from ibackup.simulator.faults import LyingFile, OmittedFile, UnreadableFile
from ibackup.simulator.keybags import PhoneKeybag
from ibackup.simulator.mbfile_records import MBFileRecord, encode
from ibackup.simulator.operations.operation_session import Session, in_groups
from ibackup.simulator.written_manifest_db import ManifestWriter, WrittenRow

UPLOAD_SHARE = 95.0
"""The overall progress, in percent, that is reached when the last file was sent."""


def record_of(
    entry: PhoneFile, *, digest: bytes | None = None, key: bytes | None = None, mode: int | None = None
) -> bytes:
    """The record of an entry, with the fields that a file may have; ``mode`` replaces its own."""
    return encode(
        MBFileRecord(
            path=entry.path,
            size=entry.size,
            mode=entry.mode if mode is None else mode,
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


def row_of(entry: PhoneFile, record: bytes) -> WrittenRow:
    """The manifest row of an entry."""
    return WrittenRow(entry.file_id, entry.domain, entry.path, entry.kind, record)


@dataclass(slots=True)
class _Sending:
    """One file on its way: its keys, and its digest as the bytes pass."""

    entry: PhoneFile
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
        sent: the IDs of all files in Snapshot, 20 bytes each, in the order of arrival.
        unreadable: files that could not be read, not even at the second try.
        omitted: IDs of files that are in the manifest but were not sent, because of a fault.
        before: the record of a file in the previous backup, by its ID, if it is kept for files that could
            not be read.
    """

    session: Session
    content: Content
    folder: str
    keybag: PhoneKeybag
    encrypted: bool
    writer: ManifestWriter
    total: int
    sent: bytearray = field(default_factory=bytearray)
    unreadable: list[PhoneFile] = field(default_factory=list)
    omitted: set[str] = field(default_factory=set)
    before: Callable[[str], bytes | None] = lambda _file_id: None
    _done: int = 0

    def stored(self, entry: PhoneFile) -> int:
        """Bytes that a file takes in the backup."""
        return stored_size(entry.size) if self.encrypted else entry.size

    def send(self, entries: Iterable[PhoneFile]) -> None:
        """Send all of these files; at the end, try those again that could not be read.

        Raises:
            MBError: the computer could not take one.
        """
        again: list[PhoneFile] = []
        self._send_all(entries, again, retry=False)
        self._send_all(again, self.unreadable, retry=True)
        for entry in self.unreadable:
            earlier = self.before(entry.file_id)
            if earlier is not None:
                self.writer.add(row_of(entry, earlier))
            elif self.session.phone.spec.habits.keeps_unread:
                self._keep_unread(entry)
        self.writer.flush()

    def keep(self, entry: PhoneFile, record: bytes) -> None:
        """Keep a file that is already in Snapshot, with this record."""
        self.writer.add(row_of(entry, record))
        self.sent += bytes.fromhex(entry.file_id)
        self._done += entry.size

    def _keep_unread(self, entry: PhoneFile) -> None:
        """Keep an incomplete file in the manifest, without a digest because it was not read to its end."""
        record = record_of(entry, key=self._prepare(entry).wrapped)
        self.writer.add(row_of(entry, record))
        self.sent += bytes.fromhex(entry.file_id)

    def _send_all(self, entries: Iterable[PhoneFile], failed: list[PhoneFile], *, retry: bool) -> None:
        for batch in in_groups(entries, self.session.phone.spec.batch_size):
            failed += self._send_batch(batch, retry=retry)

    def _send_batch(self, batch: list[PhoneFile], *, retry: bool) -> list[PhoneFile]:
        """Send one batch; return the files in it that could not be read."""
        files = [self._prepare(entry) for entry in batch]
        outgoing = (self._outgoing(file, retry=retry) for file in files if not file.omitted)
        total = sum(self.stored(file.entry) for file in files)
        reached = self._done + sum(file.entry.size for file in files)
        with self.session.step(UPLOAD_SHARE * min(reached / max(self.total, 1), 1.0)):
            refused = self.session.link.upload(outgoing, total)
        self._done = reached
        self.session.raise_refused(refused)
        for file in files:
            if file.failed:
                continue
            digest = file.sha1.digest() if file.sha1 else None
            record = record_of(file.entry, digest=digest, key=file.wrapped, mode=self._mode(file.entry))
            self.writer.add(row_of(file.entry, record))
            if file.omitted:
                self.omitted.add(file.file_id)
            else:
                self.sent += bytes.fromhex(file.file_id)
        return [file.entry for file in files if file.failed]

    def _mode(self, entry: PhoneFile) -> int:
        lie = self.session.strike(LyingFile, lambda fault: _is(fault, entry) and fault.how == "folder")
        return entry.mode if lie is None else stat.S_IFDIR | 0o755

    def _prepare(self, entry: PhoneFile) -> _Sending:
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
        return Outgoing(_device_path(file.entry), place, self._chunks(file, retry=retry))

    def _bytes(self, entry: PhoneFile, key: bytes | None) -> Iterator[Buffer]:
        chunks = self.content.chunks(entry)
        return chunks if key is None else encrypt(chunks, key)

    def _chunks(self, file: _Sending, *, retry: bool) -> Iterator[Buffer]:
        """A file's bytes as stored; the digest is taken before any fault touches them."""
        stored = self._digested(file)
        entry = file.entry
        unreadable = self.session.strike(
            UnreadableFile, lambda fault: _is(fault, entry) and not (retry and fault.heals)
        )
        if unreadable is not None:
            file.failed = True
            return _breaking(stored, unreadable)
        lie = self.session.strike(LyingFile, lambda fault: _is(fault, entry) and fault.how != "folder")
        return stored if lie is None else _lying(stored, lie, self.stored(entry))

    def _digested(self, file: _Sending) -> Iterator[Buffer]:
        sha1 = file.sha1
        for chunk in self._bytes(file.entry, file.key):
            if sha1 is not None:
                sha1.update(chunk)
            yield chunk


_CONTAINERS = {
    "AppDomain": "Data/Application",
    "AppDomainGroup": "Shared/AppGroup",
    "AppDomainPlugin": "Data/PluginKitPlugin",
}


def _device_path(entry: PhoneFile) -> str:
    """The path of a file on the phone: app files in their containers, everything else by its user's folder."""
    kind, _, owner = entry.domain.partition("-")
    container = _CONTAINERS.get(kind)
    if container is None:
        return f"/var/mobile/{entry.path}"
    name = str(uuid.uuid5(uuid.NAMESPACE_DNS, owner)).upper()
    return f"/var/mobile/Containers/{container}/{name}/{entry.path}"


def _is(fault: OmittedFile | UnreadableFile | LyingFile, entry: PhoneFile) -> bool:
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
    """The bytes with one bit flipped in the middle, without their second half, or no bytes at all."""
    if fault.how == "empty":
        for _ in chunks:  # so that the digest still covers all of them
            pass
        return
    place = 0
    for chunk in chunks:
        middle = size // 2 - place
        place += len(chunk)
        if not 0 <= middle < len(chunk):
            yield chunk
            continue
        if fault.how == "short":
            yield chunk[:middle]
            for _ in chunks:  # so that the digest still covers all of them
                pass
            return
        yield chunk[:middle]
        yield bytes([chunk[middle] ^ 1])
        yield chunk[middle + 1 :]
