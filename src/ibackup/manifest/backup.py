"""A backup folder, made by any tool: its plists, its files, its password. Nothing is ever written to it.

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
import sys
import threading
from collections.abc import Callable, Iterator
from fnmatch import translate
from functools import cached_property
from types import TracebackType
from typing import BinaryIO, Self

from ibackup.confined import Confined, PathRefused, parse
from ibackup.errors import NotABackup, PasswordNeeded
from ibackup.manifest import crypto, plaintext
from ibackup.manifest.database import MAGIC, MEMORY_LIMIT, ManifestDb
from ibackup.manifest.flaws import FormatError, KeyRefused
from ibackup.manifest.keybag import ClassKeys, Keybag
from ibackup.manifest.mbfile import MBFile
from ibackup.manifest.plists import MAX_BYTES, InfoPlist, ManifestPlist, StatusPlist
from ibackup.manifest.rows import BadRow, Kind, Row, Rows, blob_path, file_id_of

INFO, STATUS, MANIFEST = "Info.plist", "Status.plist", "Manifest.plist"
DATABASE, LEGACY_DATABASE = "Manifest.db", "Manifest.mbdb"
PLISTS = (INFO, STATUS, MANIFEST)

BadRowHandler = Callable[[BadRow], None]


class Entry:
    """One file, folder or link of a backup.

    Attributes:
        file_id: its name in the backup, 40 hex digits.
        domain: as in "HomeDomain" or "AppDomain-com.example.app".
        relative_path: below the domain, with forward slashes; not safe to use as a path on this computer.
        kind: file, folder or link.
    """

    __slots__ = ("_backup", "_record", "_row", "domain", "file_id", "kind", "relative_path")

    def __init__(self, backup: "Backup", row: Row) -> None:
        self._backup = backup
        self._row = row
        self._record: MBFile | None = None
        self.file_id = row.file_id
        self.domain = row.domain
        self.relative_path = row.relative_path
        self.kind = row.kind

    def __repr__(self) -> str:
        return f"Entry({self.kind.name}, {self.domain}, {self.relative_path})"

    @property
    def record(self) -> MBFile:
        """What the manifest says of it. Raises FormatError when its record is damaged."""
        if self._record is None:
            self._record = self._row.record()
        return self._record

    @property
    def size(self) -> int:
        """Bytes by its record; a database in use while it was backed up may have more or fewer."""
        return self.record.size

    @property
    def mode(self) -> int:
        """``st_mode`` with the file type."""
        return self.record.mode

    @property
    def mtime(self) -> int:
        """When it was last changed, seconds since 1970."""
        return self.record.modified

    @property
    def blob_path(self) -> str:
        """Where a file lies below the backup's folder."""
        return blob_path(self.file_id, flat=self._backup.flat)

    def open(self) -> BinaryIO:
        """Open a file's content, decrypted, for reading and seeking.

        Raises:
            FileNotFoundError: it is not in the backup, or is a folder or a link.
            PathRefused: a link stands where the file should be.
            PasswordNeeded: the backup is locked.
            KeyRefused: its key is damaged.
            OSError: it cannot be read.
        """
        if self.kind is not Kind.FILE:
            raise FileNotFoundError(f"{self.domain} {self.relative_path} is no file")
        return self._backup.open_blob(self.blob_path, self.record)


class Backup:
    """An existing backup; use ``Backup.open``. An instance is for one thread at a time, its open files are not.

    Attributes:
        path: the folder that holds the plists and the files.
        salvaged: see ``salvage``.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.salvaged = False
        self._keys: ClassKeys | None = None
        self._rows: Rows | None = None
        self._password = ""
        self._lock = threading.Lock()
        self._confined = _opened(path)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, known: bool = False) -> Self:
        """Open a backup folder, or a folder that holds exactly one.

        Args:
            path: the folder.
            known: it is known to be the backup itself, however damaged; otherwise it must look like one.

        Raises:
            NotABackup: it is none, cannot be read, or holds several.
        """
        folder = os.fspath(path)
        return cls(folder if known else _find(folder))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything; what ``Entry.open`` gave stays open."""
        if self._rows is not None:
            self._rows.close()
            self._rows = None
        self._keys = None
        self._password = ""
        self._confined.close()

    # -- the plists -------------------------------------------------------------------------------------------

    @cached_property
    def info(self) -> InfoPlist:
        """What the computer wrote. Raises FormatError."""
        return InfoPlist.parse(self.read(INFO))

    @cached_property
    def status(self) -> StatusPlist:
        """What the phone says of the run. Raises FormatError."""
        return StatusPlist.parse(self.read(STATUS))

    @cached_property
    def manifest(self) -> ManifestPlist:
        """What the phone says of the backup. Raises FormatError."""
        return ManifestPlist.parse(self.read(MANIFEST))

    @property
    def udid(self) -> str:
        """The phone's identifier, from the plists, else the folder's name."""
        # An unreadable plist is verify's to report; the next source may do.
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
        return not self.salvaged and self.manifest.is_encrypted

    def salvage(self) -> bool:
        """Go on without a readable Manifest.plist where the list of files is not encrypted.

        Files that have a key stay closed then, as theirs is in Manifest.plist.

        Returns:
            Whether that was necessary.

        Raises:
            FormatError: Manifest.plist is damaged, and so is the list of files, or it is encrypted.
        """
        try:
            _ = self.manifest
        except FormatError:
            if not self.flat:
                with open(self._open_top(DATABASE), "rb") as source:
                    if source.read(len(MAGIC)) != MAGIC:
                        raise
            self.salvaged = True
        return self.salvaged

    @cached_property
    def flat(self) -> bool:
        """Whether it is of iOS 9 or older, with all files side by side."""
        return not self.has(DATABASE) and self.has(LEGACY_DATABASE)

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

    def unlock(self, password: str) -> None:
        """Open an encrypted backup; an unencrypted one needs no password and ignores it. A second of work.

        Raises:
            PasswordWrong: it is another password.
            FormatError: the keybag is damaged.
        """
        if self.is_encrypted:
            self._keys = self.keybag.unlock(password)
            self._password = password

    def unlock_with_key(self, key: bytes) -> None:
        """Open it with a key that its keybag's ``derive`` gave before. Raises PasswordWrong."""
        self._keys = self.keybag.unlock_with_key(key)

    @property
    def key_is_enough(self) -> bool:
        """Whether the derived key opens it all: iOS 10.0 encrypts records with the password. Raises FormatError."""
        return self.flat or self.manifest.manifest_key is not None

    def choose_kdf(self) -> None:
        """Find the fastest way to derive a key, before ``unlock`` does. Raises FormatError."""
        crypto.sha256_kdf(self.keybag.double_rounds)

    @property
    def keys(self) -> ClassKeys:
        """The class keys; those of an unencrypted backup open with the empty password.

        Raises:
            PasswordNeeded: the backup is locked.
            FormatError: the keybag is damaged or not there.
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
        """The manifest's rows, opened when first asked for.

        Raises:
            PasswordNeeded: the backup is locked.
            FormatError: the manifest is missing or damaged.
            KeyRefused: the manifest's key is damaged.
        """
        if self._rows is None:
            self._rows = self._open_manifest()
        return self._rows

    def plain_rows(self) -> Rows:
        """The rows of a manifest that is not encrypted, whatever the plists say. Raises FormatError."""
        if self._rows is None:
            self._rows = self._plain_rows()
        return self._rows

    def entries(
        self, domain: str | None = None, like: str | None = None, *, bad: BadRowHandler | None = None
    ) -> Iterator[Entry]:
        """The files, folders and links, one after the other.

        Args:
            domain: only those of this domain.
            like: only those whose path below the domain matches this pattern; ``*`` also matches slashes.
            bad: is given the rows that cannot be used, and what is lost where the manifest is damaged; without it the
                first of them is an error.

        Raises:
            FormatError: the manifest is damaged beyond reading, or without ``bad`` at all.
            PasswordNeeded: the backup is locked.
        """
        matches = re.compile(translate(like)).match if like is not None else None
        for row in self.rows.rows(domain) if bad is None else self._readable_rows(domain):
            if isinstance(row, BadRow):
                if bad is None:
                    raise FormatError("The manifest", f"the row {row.file_id} cannot be used: {row.flaw}")
                bad(row)
            elif matches is None or matches(row.relative_path):
                yield Entry(self, row)

    def _readable_rows(self, domain: str | None) -> Iterator[Row | BadRow]:
        """All rows; of a damaged manifest those that can be read."""
        count = 0
        try:
            for row in self.rows.rows(domain):
                count += 1
                yield row
        except FormatError:
            for row in self.rows.salvaged_rows(domain):
                if isinstance(row, BadRow) and not row.file_id:
                    yield row  # what is lost
                elif count:
                    count -= 1
                else:
                    yield row

    def entry(self, domain: str, relative_path: str) -> Entry | None:
        """One file, folder or link; None when the backup has none of that name. Raises as ``entries``."""
        row = self.rows.row(file_id_of(domain, relative_path))
        return Entry(self, row) if isinstance(row, Row) else None

    def open_blob(self, path: str, record: MBFile) -> BinaryIO:
        """Open a stored file as its plaintext; see ``Entry.open``."""
        key = self.file_key(record)
        fd = self._open(path)
        return plaintext.open_plain(fd) if key is None else plaintext.open_encrypted(fd, key, record.size)

    def file_key(self, record: MBFile) -> bytes | None:
        """The key of a file; None when it is stored plain. Raises PasswordNeeded, KeyRefused."""
        if self.salvaged and record.encryption_key is not None:
            raise KeyRefused("A file's key cannot be opened.", why=f"{MANIFEST} is damaged.")
        if not self.is_encrypted or record.encryption_key is None:
            return None
        return self.keys.unwrap(record.encryption_key)

    def has(self, name: str) -> bool:
        """Whether a file of this name lies in the folder, links not followed."""
        try:
            return self._confined.item((name,)).kind == "file"
        except OSError:
            return False

    def stored_bytes(self, path: str) -> int:
        """Bytes of a stored file; 0 when it is not there."""
        try:
            return self._confined.item(parse(path)).size
        except (OSError, PathRefused):
            return 0

    def read(self, name: str, limit: int = MAX_BYTES) -> bytes:
        """The content of one of the few files at the top. Raises FormatError."""
        with open(self._open_top(name), "rb") as source:
            # Of so many bytes as are asked for, room is made before the first is read.
            data = source.read(min(os.fstat(source.fileno()).st_size, limit) + 1)
        if len(data) > limit:
            raise FormatError(name, f"it has more than {limit:,} bytes")
        return data

    def _open(self, path: str) -> int:
        with self._lock:
            return self._confined.open_file(parse(path))

    def _open_top(self, name: str) -> int:
        try:
            return self._open(name)
        except FileNotFoundError:
            raise FormatError(name, "it is missing") from None
        except PathRefused:
            raise FormatError(name, "it is a link, which no phone makes") from None
        except PermissionError as error:
            raise folder_error(self.path, error) from error
        except OSError as error:
            raise FormatError(name, error.strerror or "the computer cannot read it") from error

    def _open_manifest(self) -> Rows:
        if self.flat:
            return self._plain_rows()
        wrapped = self.manifest.manifest_key if self.is_encrypted else None
        if wrapped is None and self.is_encrypted:
            # iOS 10.0 and 10.1: the database is plain, its records may not be.
            if self._keys is None:
                raise self._locked()
            database = self._plain_database()
            database.decode_blobs_with(self._password)
            return database
        if wrapped is None:
            try:
                return self._plain_database()
            except FormatError as error:
                if self.manifest.manifest_key is None:
                    raise
                flaw = f"{error.flaw}; {MANIFEST} has a key for it, and yet says that nothing is encrypted"
                raise FormatError(DATABASE, flaw) from None
        try:
            key = self.keys.unwrap(wrapped)
        except KeyRefused as error:
            raise KeyRefused("The backup's list of files cannot be opened.", why=error.why) from None
        with open(self._open_top(DATABASE), "rb", buffering=0) as source:
            size = os.fstat(source.fileno()).st_size
            return ManifestDb.open_plaintext(crypto.decrypt_blocks(source, key), size)

    def _plain_rows(self) -> Rows:
        if self.flat:
            from ibackup.manifest import legacy  # iOS 9 and older: hardly ever asked for

            return legacy.ManifestMbdb(self.read(LEGACY_DATABASE, legacy.MAX_BYTES))
        return self._plain_database()

    def _plain_database(self) -> ManifestDb:
        with open(self._open_top(DATABASE), "rb", buffering=0) as source:
            size = os.fstat(source.fileno()).st_size
            if size <= MEMORY_LIMIT:
                return ManifestDb.open_plaintext(iter(lambda: source.read(crypto.CHUNK), b""), size)
        # It was just seen to be a plain file below the folder. Whoever replaces it by a link meanwhile has us
        # read another database, which is no worse than a hostile one in its place.
        return ManifestDb.open_path(os.path.join(self.path, DATABASE))


# -- finding it ---------------------------------------------------------------------------------------------


def _find(folder: str) -> str:
    """The backup folder that is meant: the one given, or the only one in it."""
    try:
        if _looks_like_one(folder):
            return folder
        with os.scandir(folder) as listing:
            inside = sorted(entry.path for entry in listing if entry.is_dir())
        found = [path for path in inside if _looks_like_one(path)]
    except OSError as error:
        raise folder_error(folder, error) from None
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(os.path.basename(path) for path in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise NotABackup(
            f"{folder} holds {len(found)} backups.", why=f"They are {names}{more}.", hint="Name one of them."
        )
    raise NotABackup(
        f"{folder} is not a backup.",
        why="It has no Manifest.plist and no Manifest.db, nor has a folder in it.",
        hint="A backup is a folder named by the phone's identifier, with Info.plist, Manifest.plist, Manifest.db and "
        "up to 256 folders named 00 to ff. Finder keeps them in ~/Library/Application Support/MobileSync/Backup.",
    )


def _looks_like_one(folder: str) -> bool:
    names = set(os.listdir(folder))
    return not names.isdisjoint((MANIFEST, DATABASE, LEGACY_DATABASE)) or names.issuperset((INFO, STATUS))


def _opened(path: str) -> Confined:
    try:
        return Confined(path)
    except OSError as error:
        raise folder_error(path, error) from error


def folder_error(path: str, error: OSError, platform: str = sys.platform) -> NotABackup:
    """The error for a folder that cannot be read, with the way out where there is one."""
    if isinstance(error, FileNotFoundError):
        return NotABackup(f"There is no folder {path}.", hint="Check the path; is the disk connected?")
    if isinstance(error, NotADirectoryError):
        return NotABackup(f"{path} is not a folder.", hint="Name the folder that holds Manifest.plist.")
    if isinstance(error, PermissionError) and platform == "darwin":
        return NotABackup(
            f"macOS does not let this program read {path}.",
            why="Programs need Full Disk Access to see the backups that Finder makes.",
            hint="Open System Settings, Privacy & Security, Full Disk Access, allow the terminal that you use, quit "
            "the terminal and open it again.",
        )
    if isinstance(error, PermissionError):
        return NotABackup(
            f"{path} cannot be read.",
            why="Another user owns it, or its permissions keep this one out.",
            hint="Run this as the user who made the backup.",
        )
    return NotABackup(f"{path} cannot be read.", why=f"{error.strerror or error}.", hint="Check the disk.")
