"""The Backup request: a state machine driven by the files on the computer.

A snapshot is sent beside the previous backup, then moved over it. Status.plist records on the computer how
far that got, so a later run can start from any state that was left.
"""

import hashlib
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from ibackup.apple import mbfile
from ibackup.simulator import keybags
from ibackup.simulator.ciphers import Buffer, encrypt, stored_size, wrap
from ibackup.simulator.content import CHUNK, FILE, PhoneFile
from ibackup.simulator.devicelink import LinkError
from ibackup.simulator.faults import HostileSchema, NoManifestDb, NoRoom, ResizedFile, SnapshotInTheWay
from ibackup.simulator.hostfiles import WrittenManifestPlist, WrittenStatusPlist, about_phone
from ibackup.simulator.keybags import PhoneKeybag
from ibackup.simulator.lockdown_values import APPLE_EPOCH, BACKUP
from ibackup.simulator.mbfile_records import modified
from ibackup.simulator.operations.attacks import strike_attacks
from ibackup.simulator.operations.moving import (
    MANIFESTS,
    clean_up,
    finish_earlier,
    move_files,
    move_manifests,
    remove_files,
    store_status,
)
from ibackup.simulator.operations.operation_session import MBError, Session
from ibackup.simulator.operations.phone_memory import PhoneSnapshot
from ibackup.simulator.operations.stored import (
    StoredBackup,
    UnreadableProperties,
    Unusable,
    list_files,
    open_backup,
    read_status,
)
from ibackup.simulator.operations.uploading import UPLOAD_SHARE, Uploader, record_of, row_of
from ibackup.simulator.written_manifest_db import ManifestReader, ManifestWriter, SuspendedManifest, missing

RESERVE = 128 << 20
"""More than this many bytes must stay free on the computer."""
PURGE_MARGIN = 2 << 30
PURGE_URGENCY = 4
_MANIFEST_KEY_CLASS = 4


@dataclass(frozen=True)
class _Start:
    """What the phone starts from.

    Attributes:
        previous: Status.plist as found; None if there is none to continue.
        base: the previous backup; None for a full backup.
        snapshot: an upload to resume, or None.
        there: the part of it that is on the computer, file ID to size.
    """

    previous: WrittenStatusPlist | None
    base: StoredBackup | None
    snapshot: PhoneSnapshot | None
    there: Mapping[str, int]


class BackupOperation:
    """One Backup request."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._phone = session.phone
        self._folder = session.phone.udid
        self._password = session.phone.backup_password
        self._encrypted = self._password is not None

    def run(self) -> None:
        """Make the backup.

        Raises:
            MBError: it failed.
            LinkError: the computer broke the protocol.
        """
        session = self._session
        session.ask_passcode((15, 7, 1) if session.phone.spec.version < (16,) else (16, 1))
        self._preconditions()
        session.may_fail("start")
        try:
            with ExitStack() as stack:
                start = self._look(stack)
                if start is not None:
                    self._back_up(start)
        except Unusable as error:
            raise MBError(205, f"Error reading backup properties: {error}") from error
        session.may_fail("end")
        now = int(time.time()) - APPLE_EPOCH
        self._phone.set_value(BACKUP, "LastiTunesBackupDate", now)
        self._phone.set_value(BACKUP, "LastiTunesBackupTZ", "GMT")

    def _preconditions(self) -> None:
        spec = self._phone.spec
        if not spec.setup_done:
            raise MBError(212, "The setup assistant is not finished")
        if spec.requires_encryption and not self._encrypted:
            raise MBError(207, "Backup encryption is required by a profile")
        if self._phone.locked:
            self._phone.refused_for_lock()
            raise MBError(208, "Device locked")
        if self._session.strike(SnapshotInTheWay):
            raise MBError(3, 'Failed to create snapshot: File exists (17) at path "/private/var"')

    # --- what is on the computer

    def _look(self, stack: ExitStack) -> _Start | None:
        """Read what the computer has and finish what an earlier backup left; None if nothing else is to be done."""
        session, folder = self._session, self._folder
        status = read_status(session, folder)
        if status is None or not status.readable:
            return _Start(status, None, None, {})
        if status.snapshot_state in ("moving", "removing"):
            status = finish_earlier(session, folder, status)
            if self._phone.spec.finishes_only:
                return None
        base = None
        if not status.full and status.backup_state != "empty":
            base = self._base(stack, status)
        if status.snapshot_state == "uploading":
            return self._resume(status, base)
        return _Start(status, base, None, {})

    def _base(self, stack: ExitStack, status: WrittenStatusPlist) -> StoredBackup | None:
        """The previous backup, verified; None if a full backup is needed."""
        session, folder = self._session, self._folder
        try:
            base = stack.enter_context(open_backup(session, folder, self._password))
        except UnreadableProperties as error:
            if status.snapshot_state == "finished" and self._phone.spec.version < (17,):
                raise MBError(205, "Error reading backup properties") from error
            return None
        except Unusable as error:
            self._note(f"full: {error}")
            return None
        except MBError as error:
            self._note(f"full: {error.text}")
            return None
        if base.plist.encrypted != self._encrypted:
            self._note("full: encryption was switched")
            return None
        session.fetch(f"{folder}/Status.plist")
        there = list_files(session, folder)
        try:
            lost = missing(base.manifest, there)
        except sqlite3.DatabaseError as error:
            lost = [str(error)]
        if lost:
            self._note("full: Existing backup is corrupt, forcing a full backup")
            return None
        return base

    def _resume(self, status: WrittenStatusPlist, base: StoredBackup | None) -> _Start:
        """Resume an interrupted upload, or start over if this process knows nothing about it."""
        session, folder = self._session, self._folder
        snapshot = session.memory.snapshot
        if snapshot is not None and self._fits(snapshot, status, base):
            there = list_files(session, f"{folder}/Snapshot")
            self._note(f"resume: {len(there)} files are there")
            return _Start(status, base, snapshot, there)
        self._note("start over")
        session.link.remove([f"{folder}/Snapshot"])
        return _Start(status, base, None, {})

    def _fits(self, snapshot: PhoneSnapshot, status: WrittenStatusPlist, base: StoredBackup | None) -> bool:
        if snapshot.uuid != status.uuid or snapshot.encrypted != self._encrypted:
            return False
        if keybags.unlock(snapshot.keybag.data, self._password or "") is None:
            return False
        return base is None or base.keybag.class_keys == snapshot.keybag.class_keys

    def _note(self, text: str) -> None:
        self._phone.journal.add("backup", text)

    # --- the snapshot

    def _back_up(self, start: _Start) -> None:
        session, folder = self._session, self._folder
        resumed = start.snapshot
        backup_id = resumed.uuid if resumed else str(uuid.uuid4()).upper()
        status = WrittenStatusPlist(
            uuid=backup_id,
            backup_state="old" if start.previous and start.previous.backup_state != "empty" else "empty",
            snapshot_state="uploading",
            full=start.base is None,
        )
        keybag = self._keybag(start, backup_id)
        writer = ManifestWriter(session.memory.fresh_path())
        uploader = Uploader(session, self._phone.files, folder, keybag, self._encrypted, writer, 0)
        if start.base is not None and self._phone.spec.habits.keeps_old_row:
            uploader.before = start.base.manifest.record
        finished = False
        try:
            size = self._scan(start, uploader)
            self._make_room(size)
            self._make_folders()
            store_status(session, folder, status)
            session.memory.snapshot = PhoneSnapshot(backup_id, writer.path, keybag, self._encrypted)
            if resumed:
                session.memory.discard(resumed.path)
            strike_attacks(session, folder)
            files = self._phone.files.files(encrypted=self._encrypted)
            uploader.send(entry for entry in files if entry.file_id not in writer)
            self._store_manifests(keybag, writer, backup_id)
            finished = True
        finally:
            if not finished:
                writer.suspend()
        self._settle(start, uploader, replace(status, backup_state="new"))
        session.memory.discard(writer.path)

    def _keybag(self, start: _Start, backup_id: str) -> PhoneKeybag:
        if start.base is not None:
            return start.base.keybag
        if start.snapshot is not None:
            return start.snapshot.keybag
        seed = f"{self._phone.spec.seed} {backup_id}".encode()
        return keybags.mint(self._password, seed=seed, rounds=self._phone.spec.keybag_rounds)

    def _scan(self, start: _Start, uploader: Uploader) -> int:
        """Compare the phone's files with what is on the computer; return how many bytes must be sent."""
        self._session.pause(self._phone.spec.scan_s)
        self._session.wait_for(self._phone.scan_may_end)
        kept = SuspendedManifest(start.snapshot.path) if start.snapshot else None
        writer = uploader.writer
        size = 0
        try:
            for entry in self._phone.files.entries(encrypted=self._encrypted):
                if entry.kind != FILE:
                    writer.add(row_of(entry, record_of(entry)))
                elif record := self._unchanged(entry, start.base):
                    writer.add(row_of(entry, self._resized(entry, record)))
                elif kept and (record := self._already_sent(entry, kept, start.there, uploader)):
                    uploader.keep(entry, record)
                else:
                    size += entry.size
        finally:
            if kept:
                kept.close()
        writer.flush()
        uploader.total = size
        return size

    def _unchanged(self, entry: PhoneFile, base: StoredBackup | None) -> bytes | None:
        """The record of a file that need not be sent: its modification time has not changed (in whole seconds)."""
        record = base.manifest.record(entry.file_id) if base else None
        return record if record is not None and _same_time(record, entry) else None

    def _resized(self, entry: PhoneFile, record: bytes) -> bytes:
        """The record of such a file, unless a fault replaces it."""
        fault = self._session.strike(
            ResizedFile, lambda each: (each.domain, each.path) == (entry.domain, entry.path)
        )
        if fault is None:
            return record
        before = mbfile.decode(record)
        return record_of(replace(entry, size=fault.size), digest=before.digest, key=before.encryption_key)

    def _already_sent(
        self, entry: PhoneFile, kept: SuspendedManifest, there: Mapping[str, int], uploader: Uploader
    ) -> bytes | None:
        """The record of a file that the interrupted upload already sent, as far as its size shows."""
        if there.get(entry.file_id) != uploader.stored(entry):
            return None
        record = kept.record(entry.file_id)
        return record if record is not None and _same_time(record, entry) else None

    def _make_room(self, size: int) -> None:
        """Make sure there is enough space on the computer, or ask it to make some.

        Raises:
            MBError: 105, there is not enough.
        """
        fault = self._session.strike(NoRoom)
        short = self._short_of(size, fault)
        if short is None:
            return
        try:
            freed = self._session.link.purge(short + PURGE_MARGIN, PURGE_URGENCY)
        except LinkError:
            freed = None
        if freed is not None and self._short_of(size, None if fault and fault.purge_helps else fault) is None:
            return
        raise MBError(105, "Insufficient free disk space on drive to back up")

    def _short_of(self, size: int, fault: NoRoom | None) -> int | None:
        """Bytes that are missing on the computer; None if there is enough."""
        try:
            free = self._session.link.free_space()
        except LinkError:
            free = None
        if fault is not None:
            return fault.missing
        needed = size + RESERVE
        return None if free is None or free > needed else needed - free

    def _make_folders(self) -> None:
        for folder in (self._folder, f"{self._folder}/Snapshot"):
            self._session.link.create_directory(folder)
            for number in range(256):
                self._session.link.create_directory(f"{folder}/{number:02x}")

    def _store_manifests(self, keybag: PhoneKeybag, writer: ManifestWriter, backup_id: str) -> None:
        """Send Manifest.plist and Manifest.db into Snapshot."""
        session, place = self._session, f"{self._folder}/Snapshot"
        seed = f"{self._phone.spec.seed} {backup_id}".encode()
        properties: dict[str, bytes] = {}
        key = None
        if self._password is not None:
            key = hashlib.sha256(b"manifest" + seed + keybag.class_keys[_MANIFEST_KEY_CLASS]).digest()
            salt = hashlib.sha256(b"salt" + seed).digest()[:20]
            properties = {
                "salt": salt,
                "passwordHash": hashlib.sha256(self._password.encode() + salt).digest(),
            }
        hostile = session.strike(HostileSchema)
        writer.finish(properties, version=self._phone.spec.version, more=hostile.sql if hostile else "")
        plist = WrittenManifestPlist(
            encrypted=self._encrypted,
            keybag=keybag.data,
            manifest_key=wrap(keybag.class_keys, _MANIFEST_KEY_CLASS, key) if key else None,
            rest=about_phone(self._phone.spec, self._phone.domain(), passcode=self._phone.has_passcode),
        ).dump()
        session.store(f"{place}/Manifest.plist", [plist], len(plist))
        if session.strike(NoManifestDb) is None:
            with open(writer.path, "rb") as file:
                size = file.seek(0, 2)
                file.seek(0)
                chunks: Iterator[Buffer] = iter(lambda: file.read(CHUNK), b"")
                if key is not None:
                    chunks, size = encrypt(chunks, key), stored_size(size)
                session.store(f"{place}/Manifest.db", chunks, size)

    # --- the end

    def _settle(self, start: _Start, uploader: Uploader, status: WrittenStatusPlist) -> None:
        """Move the snapshot over the previous backup, remove deleted files, check what is there."""
        session, folder = self._session, self._folder
        no_database = session.strike(NoManifestDb) is not None
        manifests = MANIFESTS[:1] if no_database else MANIFESTS
        store_status(session, folder, replace(status, snapshot_state="moving"))
        # Only now: until the computer has these files, the upload may need to be resumed.
        session.memory.snapshot = None
        session.progress(UPLOAD_SHARE + 1)
        sent = uploader.sent
        move_files(session, folder, (sent[at : at + 20].hex() for at in range(0, len(sent), 20)))
        move_manifests(session, folder, manifests)
        store_status(session, folder, replace(status, snapshot_state="removing"))
        session.progress(UPLOAD_SHARE + 3)
        with ManifestReader(uploader.writer.path) as manifest:
            remove_files(session, folder, self._dropped(start, manifest))
        clean_up(session, folder)
        store_status(session, folder, replace(status, snapshot_state="finished", full=False))
        session.progress(100.0)
        if not no_database:
            self._check(uploader.omitted)

    def _dropped(self, start: _Start, manifest: ManifestReader) -> Iterator[str]:
        """The files of the previous backup that are not in the new one."""
        if start.base is not None:
            before: Iterator[str] = start.base.manifest.file_ids()
        elif start.previous is not None:
            before = iter(sorted(list_files(self._session, self._folder)))
        else:
            before = iter(())
        return (name for name in before if manifest.record(name) is None)

    def _check(self, overlooked: set[str]) -> None:
        """Read everything back and check that each file of the manifest is there.

        Raises:
            MBError: 205, something is missing.
        """
        session, folder = self._session, self._folder
        status = read_status(session, folder)
        if status is None or status.snapshot_state != "finished":
            raise MBError(205, "Error reading backup status")
        try:
            with open_backup(session, folder, self._password) as stored:
                lost = missing(stored.manifest, overlooked | list_files(session, folder).keys())
        except (Unusable, MBError) as error:
            raise MBError(205, f"Error reading the backup: {error}") from error
        if lost:
            raise MBError(205, f"Manifest references files not in backup: {lost[0]}")


def _same_time(record: bytes, entry: PhoneFile) -> bool:
    try:
        return modified(record) == entry.modified
    except ValueError:
        return False
