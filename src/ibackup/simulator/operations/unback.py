"""The Unback and Extract requests: restore files of a backup under their own names, on the computer."""

import tempfile
from collections.abc import Iterator

from ibackup.simulator.ciphers import Buffer, decryptor, unwrap
from ibackup.simulator.content import CHUNK, DIRECTORY, FILE
from ibackup.simulator.devicelink import LinkError
from ibackup.simulator.mbfile_records import archived, data, number
from ibackup.simulator.operations.operation_session import MBError, Session
from ibackup.simulator.operations.stored import StoredBackup, Unusable, open_backup
from ibackup.simulator.written_manifest_db import WrittenRow

ROOT = "_unback_"


def unback(session: Session, source: str, password: str | None) -> None:
    """Rebuild all files of a backup below `_unback_` on the computer.

    Raises:
        MBError: a file is missing (205), the password is wrong (207), …
    """
    top = f"{ROOT}/{source}"
    made: set[str] = set()
    try:
        with open_backup(session, source, password) as stored:
            _make(session, top, made)
            for row in stored.manifest.rows():
                place = f"{top}/{row.domain}/{row.path}".rstrip("/")
                if row.kind == DIRECTORY:
                    _make(session, place, made)
                elif row.kind == FILE:
                    _make(session, place.rpartition("/")[0], made)
                    _rebuild(session, stored, row, source, place)
    except (Unusable, ValueError) as error:
        raise MBError(205, f"Error reading backup properties: {error}") from error


def extract(session: Session, source: str, password: str | None, domain: str, path: str) -> None:
    """Rebuild one file of a backup in the root folder of the computer's backups.

    Raises:
        MBError: 4, the backup does not have it; 205, its bytes are missing; 207, the password is wrong.
    """
    try:
        with open_backup(session, source, password) as stored:
            row = stored.manifest.find(domain, path)
            if row is None or row.kind != FILE:
                raise MBError(4, f"File not found: {domain} {path}")
            _rebuild(session, stored, row, source, path.rpartition("/")[2])
    except (Unusable, ValueError) as error:
        raise MBError(205, f"Error reading backup properties: {error}") from error


def _make(session: Session, folder: str, made: set[str]) -> None:
    parts = folder.split("/")
    for depth in range(1, len(parts) + 1):
        path = "/".join(parts[:depth])
        if path not in made:
            made.add(path)
            session.link.create_directory(path)


def _rebuild(session: Session, stored: StoredBackup, row: WrittenRow, source: str, place: str) -> None:
    """Create one file: as a copy, or through the phone if it must be decrypted."""
    origin = f"{source}/{row.file_id[:2]}/{row.file_id}"
    fields = archived(row.record)
    size = number(fields, "Size")
    if not stored.plist.encrypted:
        try:
            session.link.copy(origin, place, size)
        except LinkError as error:
            raise MBError(error.mb_error, f"Error copying {origin}: {error.text}") from error
        return
    key = unwrap(stored.keybag.class_keys, data(fields, "EncryptionKey") or b"")
    with tempfile.TemporaryFile() as file:
        if session.link.download([origin], lambda _: file, size):
            raise MBError(205, "Multiple errors downloading files")
        file.seek(0)
        context = decryptor(key)

        def plain() -> Iterator[Buffer]:
            left = size
            while left and (chunk := file.read(CHUNK)):
                part = context.update(chunk)[:left]
                left -= len(part)
                yield part

        session.store(place, plain(), size)
