"""A backup made by any tool: its plists, its files, its password. This code never writes to it.

::

    with Backup.open("…/MobileSync/Backup/00008101-…") as backup:
        if not backup.unlocked:
            backup.unlock(password)
        for entry in backup.entries("HomeDomain", like="Library/SMS/*"):
            with entry.open() as source:
                ...
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from functools import cached_property
from typing import BinaryIO, Self

from ibackup.apple import found_folders, whereabouts
from ibackup.apple.backup_folder import BackupFolder
from ibackup.apple.blob_tree import BlobTree
from ibackup.apple.crypto import aes_and_keys, decrypted_in_place, plaintext, telling_files
from ibackup.apple.crypto.keybag import ClassKeys, Keybag
from ibackup.apple.entry import Entry
from ibackup.apple.file_ids import file_id_of
from ibackup.apple.fitting import digest_of
from ibackup.apple.format_errors import FormatError, KeyRefused, OfAnother
from ibackup.apple.found_folders import find, folder_error
from ibackup.apple.mbfile import MBFile
from ibackup.apple.plists import MAX_BYTES, InfoPlist, ManifestPlist, StatusPlist
from ibackup.apple.readable_rows import readable_rows
from ibackup.apple.rearranged import Rearranged
from ibackup.apple.rows import BadRow, Row, Rows
from ibackup.apple.stored_list import StoredList
from ibackup.apple.whereabouts import Whereabouts
from ibackup.base.closeable import Closeable
from ibackup.base.confined import Confined, PathRefused
from ibackup.base.errors import PasswordNeeded

INFO, STATUS, MANIFEST = found_folders.INFO, found_folders.STATUS, found_folders.MANIFEST
DATABASE, LEGACY_DATABASE = found_folders.DATABASE, found_folders.LEGACY_DATABASE
PLISTS = (INFO, STATUS, MANIFEST)

BadRowHandler = Callable[[BadRow], None]


class Backup(Closeable):
    """An existing backup, from ``Backup.open``. Use it in one thread at a time; its open files can be used anywhere.

    Attributes:
        path: the folder that contains the plists and the files.
        salvaged: see ``salvage``.
        list_lost: what ``go_without_list`` found wrong with the manifest; None if that can be read.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.salvaged = False
        self.list_lost: FormatError | None = None
        self._keys: ClassKeys | None = None
        self._rows: Rows | None = None
        self._signs: decrypted_in_place.Signs | None = None
        self._password = ""
        self._folder = BackupFolder(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, known: bool = False) -> Self:
        """Open a backup folder, or a folder that contains exactly one.

        Args:
            path: the folder.
            known: it is known to be the backup itself, however damaged; otherwise it must look like one.

        Raises:
            NotABackup: it is not a backup, cannot be read, or contains several.
        """
        folder = os.fspath(path)
        return cls(folder if known else find(folder, cls))

    def close(self) -> None:
        """Close everything; files from ``Entry.open`` stay open."""
        if self._rows is not None:
            self._rows.close()
            self._rows = None
        self._keys = self._signs = None
        self._password = ""
        self._folder.close()

    # -- the plists -------------------------------------------------------------------------------------------

    @cached_property
    def info(self) -> InfoPlist:
        """What the computer wrote. Raises FormatError."""
        return InfoPlist.parse(self.read(INFO))

    @cached_property
    def status(self) -> StatusPlist:
        """What the phone says about the run. Raises FormatError."""
        return StatusPlist.parse(self.read(STATUS))

    @cached_property
    def manifest(self) -> ManifestPlist:
        """What the phone says about the backup. Raises FormatError."""
        return ManifestPlist.parse(self.read(self.where.plist_path))

    @property
    def udid(self) -> str:
        """The phone's identifier, from the plists or else from the folder's name."""
        # verify reports an unreadable plist; the next source may have the identifier.
        with contextlib.suppress(FormatError):
            if self.manifest.lockdown.unique_device_id:
                return self.manifest.lockdown.unique_device_id
        with contextlib.suppress(FormatError):
            if self.info.target_identifier:
                return self.info.target_identifier
        return os.path.basename(os.path.abspath(self.path))

    @property
    def is_encrypted(self) -> bool:
        """Whether a password is needed. Raises FormatError."""
        return not self.salvaged and self.said_encrypted and not self.decrypted

    @property
    def said_encrypted(self) -> bool:
        """Whether its plist is from an encrypted backup, no matter what is on the disk. Raises FormatError.

        Programs that decrypt a backup in place reset the plist's flag, but leave the key of the manifest in
        it.
        """
        return self.manifest.is_encrypted or self.manifest.manifest_key is not None

    @property
    def has_plain_list(self) -> bool:
        """Whether the manifest can be read without Manifest.plist: on the disk it is not encrypted."""
        plain = self._list.has_plain_database() if not self.where.list_path else self._list.is_plain
        return self.flat or plain

    def salvage(self) -> bool:
        """Continue without a readable Manifest.plist if the manifest is not encrypted.

        Files that have a key stay closed then, because the class keys are in Manifest.plist.

        Returns:
            Whether that was necessary.

        Raises:
            FormatError: Manifest.plist is damaged, and the manifest is damaged too, or encrypted.
        """
        try:
            _ = self.manifest
        except FormatError:
            if not self.has_plain_list:
                raise
            self.salvaged = True
        return self.salvaged

    @cached_property
    def where(self) -> Whereabouts:
        """Where its manifest and its files are: a cancelled run leaves them in two places."""
        try:
            return whereabouts.look(self._folder.confined, self._state())
        except OSError as error:
            raise folder_error(self.path, error) from error

    @cached_property
    def _list(self) -> StoredList:
        return StoredList(self._folder, self.where)

    def _state(self) -> str:
        """How far the run got, from Status.plist; empty if it cannot be read."""
        try:
            return self.status.snapshot_state
        except FormatError:
            return ""

    @property
    def flat(self) -> bool:
        """Whether it is from iOS 9 or older, with all files in one folder."""
        return self.where.flat

    @property
    def list_name(self) -> str:
        """The name of the manifest file. Its first bytes, not its name, show its format."""
        return self._list.name

    def place_of(self, file_id: str) -> str:
        """The path of a file below the backup's folder. Raises FormatError if `file_id` is not a fileID."""
        return self._list.place_of(file_id)

    @property
    def rearranged(self) -> Rearranged | None:
        """The stored files that another program moved or renamed; None if there are none."""
        return self._list.rearranged

    def tree(self, confined: Confined) -> BlobTree:
        """Its stored files, and everything else in its folder, which ``confined`` is. Raises OSError."""
        return self._list.tree(confined)

    @cached_property
    def list_decrypted(self) -> bool:
        """Whether another program decrypted the manifest although its plist has a key for it."""
        with contextlib.suppress(FormatError):
            return self.manifest.manifest_key is not None and self._list.is_plain
        return False

    @cached_property
    def decrypted(self) -> bool:
        """Whether another program decrypted the backup: its plist says encrypted, but its files are plain."""
        with contextlib.suppress(FormatError):
            if not self.said_encrypted:
                return False
            if not self.where.list_path:
                return self._list.has_plain_database()
            if self.manifest.manifest_key is None or self.list_decrypted:
                with contextlib.closing(self._plain_rows()) as rows:
                    remains = telling_files.has_ciphertext(
                        rows, lambda file_id: self.stored_bytes(self.place_of(file_id))
                    )
                return self.list_decrypted if remains is None else not remains
        return False

    @property
    def signs(self) -> decrypted_in_place.Signs:
        """What is known about the whole backup, for files whose own bytes do not show how they are stored.

        Raises:
            PasswordNeeded: it is locked.
            FormatError: it has no readable manifest.
        """
        if self._signs is None:
            said = opens = False
            with contextlib.suppress(FormatError):  # otherwise it is salvaged and has no keys
                said, opens = self.said_encrypted, self.is_encrypted
            touched = self.list_decrypted or (opens and self._list.has_plain_database())
            mixed = telling_files.has_foreign(
                self.rows,
                lambda file_id: self.stored_bytes(self.place_of(file_id)),
                lambda file_id: self._head(self.place_of(file_id)),
                opens=opens,
                all_of_it=self.rows.guessed or (said and not opens),
            )
            self._signs = decrypted_in_place.Signs(opens, touched, mixed)
        return self._signs

    def form(self, path: str, stored: int, record: MBFile) -> decrypted_in_place.Form:
        """How a file is really stored. Raises the same errors as ``signs``."""
        return decrypted_in_place.form_of(
            stored,
            record.size,
            has_key=record.encryption_key is not None,
            signs=self.signs,
            head=lambda: self._head(path),
            same=lambda: self._agrees(path, record),
        )

    @property
    def why_locked(self) -> str:
        """Why a file that is encrypted without a key cannot be read, as the end of a sentence about it."""
        return (
            f"its key is lost with {MANIFEST}"
            if self.salvaged
            else "it is encrypted, and its key is not here"
        )

    def _agrees(self, path: str, record: MBFile) -> bool:
        """Whether a stored file matches the phone's checksum; False if it has none."""
        try:
            with open(self._folder.open(path), "rb") as source:
                return decrypted_in_place.agrees(source, digest_of(record))
        except (OSError, PathRefused):
            return False

    def _head(self, path: str) -> bytes:
        return self._folder.head(path, decrypted_in_place.HEAD)

    # -- the password -----------------------------------------------------------------------------------------

    @property
    def unlocked(self) -> bool:
        """Whether file names and contents can be read. Raises FormatError."""
        return self._keys is not None or not self.is_encrypted

    @cached_property
    def keybag(self) -> Keybag:
        """The backup's keybag. Raises FormatError."""
        if self.manifest.keybag is None:
            raise FormatError(MANIFEST, "it has no BackupKeyBag")
        return Keybag.parse(self.manifest.keybag)

    def unlock(self, password: str | None) -> None:
        """Open an encrypted backup; an unencrypted one needs no password and ignores it. It takes about a second.

        Raises:
            PasswordNeeded: the password is missing, or (PasswordWrong) it is wrong.
            FormatError: the keybag is damaged.
        """
        if self.is_encrypted:
            if password is None:
                raise self._locked()
            self._keys = self.keybag.unlock(password)
            self._password = password

    def unlock_with_key(self, key: bytes, password: str = "") -> None:
        """Open it with a key that its keybag's ``derive`` returned for this password. Raises PasswordWrong."""
        self._keys = self.keybag.unlock_with_key(key)
        self._password = password

    def unlock_like(self, other: "Backup") -> bool:
        """Open it with the keys of another backup with the same keybag, if there is one. Raises FormatError."""
        if not self.unlocked and other.is_encrypted and self.manifest.keybag == other.manifest.keybag:
            self._keys, self._password = other.keys, other._password  # noqa: SLF001 - its own kind
        return self.unlocked

    @property
    def key_is_enough(self) -> bool:
        """Whether the derived key opens everything; iOS 10.0 also needs the password. Raises FormatError."""
        return self.flat or self.manifest.manifest_key is not None

    def choose_kdf(self) -> None:
        """Find the fastest way to derive a key, before ``unlock`` does. Raises FormatError."""
        aes_and_keys.sha256_kdf(self.keybag.double_rounds)

    @property
    def keys(self) -> ClassKeys:
        """The class keys; those of an unencrypted backup open with the empty password.

        Raises:
            PasswordNeeded: the backup is locked.
            FormatError: the keybag is damaged or missing.
        """
        if self._keys is None:
            if self.is_encrypted:
                raise self._locked()
            self._keys = self.keybag.unlock("")
        return self._keys

    @staticmethod
    def _locked() -> PasswordNeeded:
        hint = "Give the password that was set for encrypted backups."
        return PasswordNeeded("This backup is encrypted.", hint=hint)

    # -- the files --------------------------------------------------------------------------------------------

    @property
    def rows(self) -> Rows:
        """The manifest's rows, opened when first needed.

        Raises:
            PasswordNeeded: the backup is locked.
            FormatError: the manifest is missing or damaged.
            KeyRefused: the manifest's key is damaged.
        """
        if self._rows is None:
            self._rows = self._open_manifest()
        return self._rows

    def go_without_list(self) -> FormatError | None:
        """If there is no readable manifest, continue with what can be read of it.

        If that is nothing, the files that have the same name on every phone remain.

        Returns:
            What is wrong with the manifest, and how much could be read; None if it can be read.

        Raises:
            FormatError: there is no such file, or it is encrypted and its key was in the manifest.
        """
        try:
            _ = self.rows
        except FormatError as error:
            self.list_lost = error
            if (found := self._recovered()) is not None:
                self._rows, self.list_lost = found, self._list.covered(error, found)
                return self.list_lost
            locked = isinstance(error, OfAnother) and not self._list.has_plain_database()
            known = None if self.is_encrypted and not self.salvaged else self._list.well_known()
            if not known or locked:  # the files with well-known names are encrypted too
                raise
            self._rows = known
        return self.list_lost

    def _recovered(self) -> Rows | None:
        """What can be read of a damaged manifest, page by page; None if that is nothing."""
        with contextlib.suppress(FormatError, KeyRefused):
            if not self.is_encrypted or self.list_decrypted:
                return self._list.recover(None)
            if self.manifest.manifest_key is not None:  # iOS 10.0 encrypts each record instead
                return self._list.recover(self.keys.unwrap(self.manifest.manifest_key))
        return None

    def plain_rows(self) -> Rows:
        """The rows of an unencrypted manifest, no matter what the plists say. Raises FormatError."""
        if self._rows is None:
            self._rows = self._plain_rows()
        return self._rows

    def entries(
        self, domain: str | None = None, like: str | None = None, *, bad: BadRowHandler | None = None
    ) -> Iterator[Entry]:
        """Iterate over the files, folders and links.

        Args:
            domain: only those of this domain.
            like: only those whose path below the domain matches this pattern; ``*`` also matches slashes.
            bad: called with the unusable rows, and with what is lost if the manifest is damaged; without it,
                the first of these is an error.

        Raises:
            FormatError: the manifest is damaged beyond reading, or without ``bad`` at all.
            PasswordNeeded: the backup is locked.
        """
        matches = re.compile(translate(like)).match if like is not None else None
        for row in (
            self.rows.rows(domain) if bad is None else readable_rows(self.rows, domain, self._recovered)
        ):
            if isinstance(row, BadRow):
                if bad is None:
                    raise FormatError("The manifest", f"the row {row.file_id} cannot be used: {row.flaw}")
                bad(row)
            elif matches is None or matches(row.relative_path):
                yield Entry(self, row)

    def entry(self, domain: str, relative_path: str) -> Entry | None:
        """One file, folder or link; None if the backup has none of that name. Raises the same errors as ``entries``."""
        row = self.rows.row(file_id_of(domain, relative_path))
        return Entry(self, row) if isinstance(row, Row) else None

    def open_blob(self, path: str, record: MBFile) -> BinaryIO:
        """Open a stored file as its plaintext; see ``Entry.open``."""
        form = self.form(path, self.stored_bytes(path), record)
        if form is decrypted_in_place.Form.LOCKED:
            raise KeyRefused("A file cannot be decrypted.", why=f"I{self.why_locked[1:]}.")
        key = self.file_key(record) if form is decrypted_in_place.Form.KEYED else None
        return plaintext.open_stored(self._folder.open(path), key, record.size, path)

    def file_key(self, record: MBFile) -> bytes | None:
        """The key of a file; None if it is stored plain. Raises PasswordNeeded, KeyRefused."""
        if self.salvaged and record.encryption_key is not None:
            raise KeyRefused("A file's key cannot be opened.", why=f"{MANIFEST} is damaged.")
        if not self.is_encrypted or record.encryption_key is None:
            return None
        return self.keys.unwrap(record.encryption_key)

    def has(self, name: str) -> bool:
        """Whether the folder contains a file of this name; links are not followed."""
        return self._folder.has(name)

    def stored_bytes(self, path: str) -> int:
        """Size in bytes of a stored file; 0 if it is missing."""
        return self._folder.stored_bytes(path)

    def read(self, name: str, limit: int = MAX_BYTES) -> bytes:
        """The content of one of the few files at the top of the folder. Raises FormatError."""
        return self._folder.read(name, limit)

    def refuse_without_list(self) -> None:
        """Raise FormatError if there is no manifest; then no password helps with an encrypted backup."""
        if self.where.list_path:
            return
        encrypted = not self.salvaged
        with contextlib.suppress(FormatError):
            encrypted = self.is_encrypted
        raise self._list.lost(self._state(), encrypted=encrypted)

    def _open_manifest(self) -> Rows:
        self.refuse_without_list()
        if self.flat:
            return self._plain_rows()
        if self.list_decrypted:
            return self._list.plain_database()
        wrapped = self.manifest.manifest_key if self.is_encrypted else None
        if wrapped is None and self.is_encrypted:
            # In iOS 10.0 and 10.1 the database is plain, but its records may not be.
            if self._keys is None:
                raise self._locked()
            database = self._list.plain_database()
            database.decode_blobs_with(self._password)
            return database
        if wrapped is None:
            return self._list.plain_or_refused(lambda: self.manifest.manifest_key is not None)
        try:
            key = self.keys.unwrap(wrapped)
        except KeyRefused as error:
            raise KeyRefused("The backup's list of files cannot be opened.", why=error.why) from None
        return self._list.encrypted_database(key)

    def _plain_rows(self) -> Rows:
        self.refuse_without_list()
        return self._list.plain_rows()
