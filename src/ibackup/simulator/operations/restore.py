"""The Restore request: every file is fetched, decrypted and checked, as a phone does before it trusts a backup."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ibackup.simulator.ciphers import Context, decryptor, stored_size, unwrap
from ibackup.simulator.content import FILE, LINK
from ibackup.simulator.devicelink import LinkError
from ibackup.simulator.hostfiles import Status, read_plist
from ibackup.simulator.manifest_db import Row
from ibackup.simulator.operations.attacks import strike_attacks
from ibackup.simulator.operations.session import MBError, Session, in_groups
from ibackup.simulator.operations.stored import (
    StoredBackup,
    Unusable,
    entries_of,
    list_files,
    open_backup,
    read_status,
)
from ibackup.simulator.phone import VirtualPhone
from ibackup.simulator.records import archived, data, number

_KEY = "restored"


@dataclass(frozen=True, slots=True)
class RestoredFile:
    """A file that was restored: plaintext bytes, SHA-256 of them, LastModified in Unix seconds."""

    domain: str
    path: str
    size: int
    sha256: bytes
    modified: int


@dataclass(frozen=True)
class Restored:
    """What a Restore request left on the phone.

    Attributes:
        source: the identifier whose backup it was.
        options: the options as they came.
        files: the regular files, by file ID.
        folders: how many folders.
        links: how many links.
        digests: how many files had a digest in their record, which was right.
        compared: how many were compared with what this phone holds, because it made the backup.
    """

    source: str
    options: Mapping[str, object]
    files: Mapping[str, RestoredFile]
    folders: int
    links: int
    digests: int
    compared: int


@dataclass
class _Tally:
    """Counts while a restore is under way."""

    files: dict[str, RestoredFile] = field(default_factory=dict)
    folders: int = 0
    links: int = 0
    digests: int = 0
    bytes: int = 0


class Restore:
    """One Restore request."""

    def __init__(self, session: Session, source: str, options: Mapping[str, object]) -> None:
        self._session = session
        self._phone = session.phone
        self._source = source
        self._options = options
        password = options.get("Password")
        self._password = password if isinstance(password, str) else None

    def run(self) -> None:
        """Restore the backup.

        Raises:
            MBError: it failed, or the phone refuses.
            LinkError: the computer broke the protocol.
        """
        session, source = self._session, self._source
        session.may_fail("start")
        with suppress(Unusable), open_backup(session, source, self._password):
            pass  # only the password counts here: where the manifests are is known after Status.plist
        if self._phone.spec.find_my:
            raise MBError(211, "Find My must be turned off before this device can be restored")
        status = self._usable_status()
        strike_attacks(session, source)
        try:
            with self._manifests(status) as (stored, in_snapshot):
                self._check_version()
                size = _total(stored)
                if size > self._phone.free:
                    raise MBError(106, "Insufficient free disk space on device to restore")
                if not self._options.get("RestoreDontCopyBackup", False):
                    self._copy_backup()
                tally = self._fetch_all(stored, in_snapshot, size)
        except Unusable as error:
            raise MBError(205, f"Error reading backup properties: {error}") from error
        compared = self._compare(stored, tally)
        session.may_fail("end")
        self._phone.memory[_KEY] = Restored(
            source, self._options, tally.files, tally.folders, tally.links, tally.digests, compared
        )

    # --- what is there

    def _usable_status(self) -> Status:
        status = read_status(self._session, self._source)
        if status is None:
            raise MBError(205, "Error reading backup status")
        if status.backup_state == "empty":
            raise MBError(204, "Backup is empty")
        if status.backup_state == "old":
            raise MBError(203, "Backup is not complete")
        return status

    @contextmanager
    def _manifests(self, status: Status) -> Iterator[tuple[StoredBackup, set[str]]]:
        """The manifests, and the IDs of the files that are still in Snapshot."""
        session, source = self._session, self._source
        folder, in_snapshot = source, set[str]()
        if status.snapshot_state in ("uploading", "moving") and "Snapshot" in entries_of(session, source):
            in_snapshot = set(list_files(session, f"{source}/Snapshot"))
            if "Manifest.db" in entries_of(session, f"{source}/Snapshot"):
                folder = f"{source}/Snapshot"
        with open_backup(session, folder, self._password) as stored:
            yield stored, in_snapshot

    def _check_version(self) -> None:
        data = self._session.fetch(f"{self._source}/Info.plist")
        info = read_plist(data or b"")
        if info is None:
            raise MBError(205, "Error reading Info.plist")
        theirs = _version(str(info.get("Product Version", "0")))
        if theirs > self._phone.spec.version:
            raise MBError(203, "Backup was made by a newer version of iOS")

    def _copy_backup(self) -> None:
        """Have the computer keep a copy of this phone's own backup."""
        session, target = self._session, self._phone.udid
        info = session.fetch(f"{target}/Info.plist")
        if info is None:
            return
        try:
            size = self._tree_size(target)
            free = session.link.free_space()
            if free is not None and free <= size:
                raise MBError(105, "Insufficient free disk space on drive to copy the backup")
            copy = f"{target}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
            session.link.copy(target, copy, size)
        except LinkError as error:
            raise MBError(error.mb_error, f"Error copying the backup: {error.text}") from error
        session.store(f"{copy}/Info.plist", [info], len(info))

    def _tree_size(self, folder: str) -> int:
        size = 0
        for name, listed in (self._session.link.contents(folder) or {}).items():
            size += self._tree_size(f"{folder}/{name}") if listed.directory else listed.size
        return size

    # --- the files

    def _fetch_all(self, stored: StoredBackup, in_snapshot: set[str], size: int) -> _Tally:
        tally = _Tally()
        rows = (row for row in stored.manifest.rows() if row.kind == FILE)
        for group in in_groups(rows, self._phone.spec.batch_size):
            self._fetch_group(group, stored, in_snapshot, tally, size)
        for row in stored.manifest.rows():
            tally.links += row.kind == LINK
            tally.folders += row.kind not in (FILE, LINK)
        return tally

    def _fetch_group(
        self, group: list[Row], stored: StoredBackup, in_snapshot: set[str], tally: _Tally, size: int
    ) -> None:
        sinks: dict[str, _Arriving] = {}
        for row in group:
            place = f"{row.file_id[:2]}/{row.file_id}"
            middle = "Snapshot/" if row.file_id in in_snapshot else ""
            sinks[f"{self._source}/{middle}{place}"] = _Arriving(row, stored)
        total = sum(sink.expected for sink in sinks.values())
        self._session.progress(100.0 * (tally.bytes + total) / max(size, 1))
        if self._session.link.download(list(sinks), sinks.__getitem__, total):
            raise MBError(205, "Multiple errors downloading files")
        for sink in sinks.values():
            file = sink.finished()
            tally.files[sink.row.file_id] = file
            tally.bytes += file.size
            tally.digests += sink.digest is not None

    def _compare(self, stored: StoredBackup, tally: _Tally) -> int:
        """Compare what came with what this phone holds, file by file, when it made the backup."""
        lockdown = stored.plist.rest.get("Lockdown")
        if not isinstance(lockdown, dict) or lockdown.get("UniqueDeviceID") != self._phone.udid:
            return 0
        compared = 0
        content = self._phone.files
        for entry in content.files():
            file = tally.files.get(entry.file_id)
            if file is None or file.modified != entry.modified:
                continue
            sha256 = hashlib.sha256()
            for chunk in content.chunks(entry):
                sha256.update(chunk)
            if sha256.digest() != file.sha256:
                raise MBError(205, f"Content didn't match: {entry.domain} {entry.path}")
            compared += 1
        return compared


class _Arriving:
    """A file on its way to the phone: counted, digested as stored, decrypted, hashed."""

    def __init__(self, row: Row, stored: StoredBackup) -> None:
        self.row = row
        try:
            fields = archived(row.record)
            self._size = number(fields, "Size")
            self._modified = number(fields, "LastModified")
            self.digest = data(fields, "Digest")
            self._decryptor = self._key(fields, stored)
        except ValueError as error:
            raise MBError(205, f"Error reading the record of {row.path}: {error}") from error
        self.expected = self._size if self._decryptor is None else stored_size(self._size)
        self._stored = 0
        self._plain = 0
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    def _key(self, fields: dict[str, object], stored: StoredBackup) -> Context | None:
        if not stored.plist.encrypted:
            return None
        wrapped = data(fields, "EncryptionKey")
        if wrapped is None:
            raise ValueError("no EncryptionKey")
        return decryptor(unwrap(stored.keybag.class_keys, wrapped))

    def write(self, data: bytes, /) -> None:
        """Take the next bytes, as stored."""
        self._stored += len(data)
        self._sha1.update(data)
        plain = data if self._decryptor is None else self._decryptor.update(data)
        plain = plain[: self._size - self._plain]
        self._plain += len(plain)
        self._sha256.update(plain)

    def finished(self) -> RestoredFile:
        """The file, checked.

        Raises:
            MBError: 205, its digest or size is not that of its record.
        """
        row = self.row
        if self.digest is not None and self._sha1.digest() != self.digest:
            raise MBError(205, f"Digest didn't match: {row.domain} {row.path}")
        empty = self._size == 0 and self._stored == 0
        if self._stored != self.expected and not empty:
            raise MBError(
                205, f"Size didn't match ({self._stored}, {self.expected}): {row.domain} {row.path}"
            )
        return RestoredFile(row.domain, row.path, self._size, self._sha256.digest(), self._modified)


def restored(phone: VirtualPhone) -> Restored | None:
    """What the last successful Restore request left on a phone."""
    with phone.lock:
        found = phone.memory.get(_KEY)
    return found if isinstance(found, Restored) else None


def _total(stored: StoredBackup) -> int:
    """Plaintext bytes of all files of a backup."""
    size = 0
    for row in stored.manifest.rows():
        if row.kind == FILE:
            with suppress(ValueError):  # told when the file's turn comes
                size += number(archived(row.record), "Size")
    return size


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())
