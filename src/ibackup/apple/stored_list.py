"""The list of files as a backup's folder has it: plain, encrypted, under its old name, or lost."""

import os
from collections.abc import Callable
from functools import cached_property

from ibackup.apple import rearranged, recognising, recovered_list, well_known_files, whereabouts
from ibackup.apple.backup_folder import BackupFolder
from ibackup.apple.blob_tree import BlobTree
from ibackup.apple.crypto import aes_and_keys, plaintext
from ibackup.apple.crypto.decrypted_in_place import HEAD
from ibackup.apple.database_extent import MAGIC
from ibackup.apple.file_ids import file_id_of
from ibackup.apple.foreign_database import MEMORY_LIMIT, NO_DATABASE
from ibackup.apple.format_errors import NOT_DAMAGED, FormatError, OfAnother
from ibackup.apple.found_folders import DATABASE, MANIFEST
from ibackup.apple.manifest_db import ManifestDb
from ibackup.apple.rearranged import Rearranged
from ibackup.apple.rows import Rows, blob_path
from ibackup.apple.well_known_files import DATABASES, WellKnown
from ibackup.apple.whereabouts import Whereabouts
from ibackup.base.confined import Confined, parse

_HEAD_BYTES = 112  # bytes of Manifest.db
_MOST_LIST = 16 << 30  # bytes; with a million files it has about 1 GiB


class StoredList:
    """The list of files of one backup, and the files that it names.

    Attributes:
        where: where the list and the files are.
    """

    def __init__(self, folder: BackupFolder, where: Whereabouts) -> None:
        self.where = where
        self._folder = folder

    @property
    def name(self) -> str:
        """The name of the manifest file. Its first bytes, not its name, show its format."""
        return self.where.list_path or DATABASE

    def place_of(self, file_id: str) -> str:
        """The path of a file below the backup's folder. Raises FormatError if `file_id` is not a fileID."""
        if not self.where.both:
            path = blob_path(file_id, flat=self.where.flat)
            moved = self.rearranged.path(file_id) if self.rearranged is not None else None
            return path if moved is None or whereabouts.item_at(self._folder.confined, path) else moved
        return whereabouts.place_of(self._folder.confined, self.where, file_id)

    @cached_property
    def rearranged(self) -> Rearranged | None:
        """The stored files that another program moved or renamed; None if there are none."""
        return None if self.where.both else rearranged.look(self._folder.confined, flat=self.where.flat)

    def tree(self, confined: Confined | None = None) -> BlobTree:
        """The stored files, and everything else in the folder; ``confined`` is the folder, opened once more.

        Raises OSError.
        """
        own = confined if confined is not None else self._folder.confined
        return BlobTree(own, flat=self.where.flat, both=self.where.both, elsewhere=self.rearranged)

    @property
    def is_plain(self) -> bool:
        """Whether it begins like a database."""
        return self._folder.begins(self.name, MAGIC)

    @property
    def is_locked(self) -> bool:
        """Whether it is probably ciphertext: it could be, and a database that every phone has is."""
        if self._folder.stored_bytes(self.name) % aes_and_keys.BLOCK or self.has_plain_database():
            return False
        sizes = (self._folder.stored_bytes(place) for place in self._databases())
        return any(size and not size % aes_and_keys.BLOCK for size in sizes)

    def has_plain_database(self) -> bool:
        """Whether a database that every phone has is stored plain; used if no manifest lists the files."""
        return any(self._folder.begins(place, MAGIC) for place in self._databases())

    def _databases(self) -> list[str]:
        return [self.place_of(file_id_of(*name)) for name in DATABASES]

    def refuse_zeros(self) -> None:
        """Raise FormatError for a list that begins with zeros, which neither a database nor ciphertext does.

        A copy that broke, and a disk that lost power, leave files of the right size with nothing in them.
        """
        head = self._folder.head(self.name, HEAD)
        if head and not any(head):
            raise FormatError(
                DATABASE,
                "it holds zeros where a list begins: a copy of it did not finish, or the disk lost it",
            )

    def plain_rows(self) -> Rows:
        """The rows of a plain list in either format. Raises FormatError."""
        if self.where.flat:
            from ibackup.apple import manifest_mbdb  # iOS 9 and older: rarely needed

            data = self._folder.read(self.name, manifest_mbdb.MAX_BYTES)
            return manifest_mbdb.ManifestMbdb(data)
        return self.plain_database()

    def plain_database(self) -> ManifestDb:
        """A plain Manifest.db. Raises FormatError."""
        with open(self._folder.open_own(self.name), "rb", buffering=0) as source:
            size = plaintext.size_of(source.fileno(), _MOST_LIST, DATABASE)
            recovered_list.refuse_cut(source.read(_HEAD_BYTES), size)
            source.seek(0)
            if size <= MEMORY_LIMIT:
                return ManifestDb.open_plaintext(iter(lambda: source.read(aes_and_keys.CHUNK), b""), size)
        # We just saw that it is a plain file below the folder. Someone who now replaces it by a link makes us
        # read another database, which is no worse than a hostile database in its place.
        return ManifestDb.open_path(os.path.join(self._folder.path, *self.name.split("/")))

    def plain_or_refused(self, has_key: Callable[[], bool]) -> ManifestDb:
        """The list as a plain database, or the reason why it is none.

        Args:
            has_key: whether the manifest plist, which may be lost, has a key for the list; asked if it is no database.

        Raises:
            FormatError: it is damaged, packed or empty, or (OfAnother) belongs to another backup.
        """
        try:
            return self.plain_database()
        except FormatError as error:
            if error.flaw != NO_DATABASE or has_key():
                raise
            self.refuse_zeros()
            self.refuse_packed()
            if self.is_locked:
                flaw = f"it is encrypted, and {MANIFEST} has no key for it: they belong to different backups"
                raise OfAnother(DATABASE, flaw) from None
            flaw = f"{error.flaw}: it is damaged, or encrypted and from another backup than {MANIFEST}"
            raise FormatError(DATABASE, flaw) from None

    def encrypted_database(self, key: bytes) -> ManifestDb:
        """An encrypted Manifest.db.

        Raises:
            OfAnother: it does not belong to this key.
            FormatError: it is damaged.
        """
        with open(self._folder.open_own(self.name), "rb", buffering=0) as source:
            size = plaintext.size_of(source.fileno(), _MOST_LIST, DATABASE)
            head = aes_and_keys.cbc_decryptor(key).update(source.read(_HEAD_BYTES))
            if len(head) == _HEAD_BYTES and not head.startswith(MAGIC) and any(head[72:92]):
                self.refuse_zeros()
                # Damage leaves the zeros that every database has at that place; a wrong key does not.
                flaw = f"the key in {MANIFEST} is not its key: they belong to different backups"
                raise OfAnother(DATABASE, flaw)
            recovered_list.refuse_cut(head, size)
            source.seek(0)
            return ManifestDb.open_plaintext(aes_and_keys.decrypt_blocks(source, key), size)

    def well_known(self) -> WellKnown:
        """The files that have the same name on every phone, found without a list."""
        return WellKnown(
            self.tree(), lambda file_id: self._folder.confined.item(parse(self.place_of(file_id)))
        )

    def refuse_packed(self) -> None:
        """Raise FormatError for a list that is in an archive."""
        packed = recognising.archive(self._folder.head(self.name, recognising.HEAD_BYTES))
        if packed:
            flaw = f"it is {packed}: unpack it in a copy of the folder"
            raise FormatError(DATABASE, flaw, hint=NOT_DAMAGED)

    def recover(self, key: bytes | None) -> ManifestDb | None:
        """What can still be read of a damaged Manifest.db; None if that is nothing. ``key``: None if it is plain."""
        if self.where.flat or not self.where.list_path:
            return None
        try:
            with open(self._folder.open_own(self.name), "rb") as source:
                size = plaintext.size_of(source.fileno(), _MOST_LIST, DATABASE)
                return recovered_list.recover(recovered_list.reader(source, key), size)
        except (FormatError, OSError):
            return None

    def lost(self, state: str, *, encrypted: bool) -> FormatError:
        """The error for a list that is not there; ``state``: how far the run got, empty if unknown."""
        flaw = self.where.flaw
        if maybe := recognising.renamed_list(self._folder.path):
            flaw = f"{flaw} ({maybe})"
        return well_known_files.lost(flaw, state, encrypted=encrypted, found=self.has_plain_database())

    def covered(self, error: FormatError, found: Rows) -> FormatError:
        """An error of the list, with how much of it could be read after all."""
        entries, named, here = recovered_list.coverage(found, self.tree())
        could = (
            f"{entries:,} of its entries can still be read; they name {named:,} of the {here:,} files here"
        )
        return FormatError(error.part, f"{error.flaw}; {could}", hint=error.hint)
