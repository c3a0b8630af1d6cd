"""The backup that is already on the computer, as far as the phone can read it."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ibackup.simulator import keybags
from ibackup.simulator.ciphers import unwrap
from ibackup.simulator.devicelink import LinkError
from ibackup.simulator.hostfiles import WrittenManifestPlist, WrittenStatusPlist
from ibackup.simulator.keybags import PhoneKeybag
from ibackup.simulator.operations.operation_session import MBError, Session
from ibackup.simulator.written_manifest_db import ManifestReader

_FOLDER = re.compile("[0-9a-f]{2}")


class Unusable(Exception):
    """The backup on the computer cannot be continued; the text says why."""


class UnreadableProperties(Unusable):
    """There is a Manifest.plist, but it does not parse."""


@dataclass(frozen=True)
class StoredBackup:
    """A backup on the computer, with its manifest fetched and open."""

    plist: WrittenManifestPlist
    keybag: PhoneKeybag
    manifest: ManifestReader


def read_status(session: Session, folder: str) -> WrittenStatusPlist | None:
    """Status.plist of a backup; None if it is missing or does not parse."""
    data = session.fetch(f"{folder}/Status.plist")
    if data is None:
        return None
    with suppress(ValueError):
        return WrittenStatusPlist.parse(data)
    return None


def read_manifest_plist(session: Session, folder: str) -> WrittenManifestPlist:
    """Manifest.plist of a backup.

    Raises:
        Unusable: there is none, or it does not parse.
    """
    data = session.fetch(f"{folder}/Manifest.plist")
    if data is None:
        raise Unusable("there is no Manifest.plist")
    try:
        return WrittenManifestPlist.parse(data)
    except ValueError as error:
        raise UnreadableProperties(f"Manifest.plist: {error}") from error


def open_keybag(plist: WrittenManifestPlist, password: str | None) -> PhoneKeybag:
    """The keybag of a backup, opened.

    Raises:
        Unusable: it does not parse.
        MBError: 207, the password is wrong.
    """
    if plist.encrypted and password is None:
        raise _wrong_password()
    try:
        keybag = keybags.unlock(plist.keybag, password or "" if plist.encrypted else "")
    except ValueError as error:
        if plist.encrypted:
            raise Unusable(f"BackupKeyBag: {error}") from error
        keybag = None
    if keybag is None:
        if plist.encrypted:
            raise _wrong_password()
        return PhoneKeybag(plist.keybag, {})  # nothing in a plain backup needs a key
    return keybag


def _wrong_password() -> MBError:
    """What phones report for a wrong or missing password, in every operation."""
    why = "Underlying error: MKBKeyBagUnlock error (-3) (MBErrorDomain/207)."
    return MBError(207, f"Invalid password when restoring encrypted backup (MBErrorDomain/207). {why}")


Unlock = Callable[[WrittenManifestPlist, str | None], PhoneKeybag]


@contextmanager
def open_backup(
    session: Session, folder: str, password: str | None, unlock: Unlock = open_keybag
) -> Iterator[StoredBackup]:
    """Fetch the manifests of a backup and keep them open.

    Args:
        session: the operation.
        folder: where Manifest.plist and Manifest.db are on the computer.
        password: the backup password.
        unlock: opens the keybag.

    Raises:
        Unusable: they are missing or cannot be read.
        MBError: 207, the password is wrong.
    """
    plist = read_manifest_plist(session, folder)
    keybag = unlock(plist, password)
    path = session.memory.fresh_path()
    try:
        with _open_manifest(session, folder, plist, keybag, path) as manifest:
            yield StoredBackup(plist, keybag, manifest)
    except sqlite3.DatabaseError as error:
        raise Unusable(f"Manifest.db: {error}") from error
    finally:
        session.memory.discard(path)


def _open_manifest(
    session: Session, folder: str, plist: WrittenManifestPlist, keybag: PhoneKeybag, path: str
) -> ManifestReader:
    try:
        key = unwrap(keybag.class_keys, plist.manifest_key) if plist.manifest_key else None
        if plist.encrypted and key is None:
            raise Unusable("Manifest.plist has no ManifestKey")
        if not session.fetch_to(f"{folder}/Manifest.db", path, key):
            raise Unusable("there is no Manifest.db")
        return ManifestReader(path)
    except ValueError as error:
        raise Unusable(str(error)) from error


def list_files(session: Session, folder: str) -> dict[str, int]:
    """The stored files below a folder on the computer: file ID to size.

    Only folders that appear in the listing above them are requested, because some computers cannot answer
    for others.

    Raises:
        MBError: 100 or the like, the computer cannot list them.
    """
    found: dict[str, int] = {}
    try:
        top = session.link.contents(folder) or {}
        for name in sorted(top):
            if top[name].directory and _FOLDER.fullmatch(name):
                entries = session.link.contents(f"{folder}/{name}") or {}
                found |= {file: listed.size for file, listed in entries.items() if listed.regular}
    except LinkError as error:
        raise MBError(error.mb_error, f"Error listing {folder}: {error.text}") from error
    return found


def entries_of(session: Session, folder: str) -> set[str]:
    """The names in a folder on the computer; empty if it does not exist."""
    return set(session.link.contents(folder) or {})
