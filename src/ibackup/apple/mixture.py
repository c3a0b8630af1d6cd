"""What a folder is that has parts of different backups, or that another program decrypted: the one place for its texts.

None of this is damage. But no phone restores such a folder: what one part says is not true for the others.
"""

import contextlib
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ibackup.apple.crypto.decrypted_in_place import Form
from ibackup.apple.format_errors import FormatError
from ibackup.apple.found_folders import MANIFEST
from ibackup.apple.rows import Kind, Row

if TYPE_CHECKING:
    from ibackup.apple.backup import Backup

_LOOKED_AT = 100  # records at the head of a list


class Mixture(NamedTuple):
    """What such a folder is.

    Attributes:
        file: the file of the backup that does not match the others.
        text: what is wrong, as the end of a sentence about that file.
        locked: how many files nothing here can decrypt.
    """

    file: str
    text: str
    locked: int = 0

    @property
    def sentence(self) -> str:
        """The text as a complete sentence."""
        return f"{self.text[:1].upper()}{self.text[1:]}."


def look(backup: "Backup") -> Mixture | None:
    """What an unlocked backup is, after a look at each of its files; None if everything in it belongs together."""
    plain = locked = 0
    with contextlib.suppress(FormatError):  # a damaged manifest is reported elsewhere
        for row in backup.rows.rows():
            if not isinstance(row, Row) or row.kind is not Kind.FILE:
                continue
            with contextlib.suppress(FormatError):  # so is a damaged record
                path = backup.place_of(row.file_id)
                stored = backup.stored_bytes(path)
                record = row.record()
                form = backup.form(path, stored, record) if stored else None
                locked += form is Form.LOCKED
                plain += form is Form.PLAIN and record.has_key
    return of(backup, plain=plain, locked=locked)


def glance(backup: "Backup") -> Mixture | None:
    """What an unlocked backup is, as far as that is known without a look at every file."""
    try:
        return of(backup, plain=0, locked=0, some_locked=backup.signs.mixed)
    except FormatError:
        return None  # there is no manifest, which is reported elsewhere


def of(backup: "Backup", *, plain: int, locked: int, some_locked: bool = False) -> Mixture | None:
    """What a backup is.

    Args:
        backup: unlocked, if it is encrypted.
        plain: how many files are stored plain although their record has a key; some may not be counted.
        locked: how many files are encrypted without a key here.
        some_locked: there are such files, but nobody counted them.
    """
    try:
        said = backup.said_encrypted
    except FormatError:
        said = False
    name = backup.list_name
    if locked or some_locked:
        if said and _has_keys(backup):
            return None  # the list belongs here: a record without its key is damaged, which is reported elsewhere
        return Mixture(*_of_locked(backup, _files(locked), said=said), locked)
    if backup.salvaged:
        return None  # the caller that reads the files reports what is lost
    if backup.decrypted or (not said and _has_keys(backup)):
        if _has_keys(backup) or backup.rows.guessed:
            by = "it is plain: another program has decrypted this backup; what is plain is read as it is"
            return Mixture(name, by)
        of_another = (
            f"it is of an encrypted backup, and nothing here is encrypted: {MANIFEST} may be another backup's"
        )
        return Mixture(MANIFEST, f"{of_another}; what is plain is read as it is")
    if backup.list_decrypted:
        what = f"it, and {plain:,} of the files" if plain else "it, and not all files"
        return Mixture(
            name, f"it is plain: another program has decrypted {what}; what is plain is read as it is"
        )
    if plain:
        are = "files are" if plain > 1 else "file is"
        by = "another program has decrypted them; they are read as they are"
        return Mixture(name, f"{plain:,} {are} plain: {by}")
    if said and not backup.manifest.is_encrypted:
        turned = (
            "it says that nothing is encrypted, but has the key to an encrypted list of files: another "
            "program changed it"
        )
        return Mixture(MANIFEST, turned)
    return None


def _of_locked(backup: "Backup", files: str, *, said: bool) -> tuple[str, str]:
    if backup.salvaged:
        return MANIFEST, f"{files} cannot be read: the keys to them are lost with {MANIFEST}"
    name = backup.list_name
    if backup.rows.guessed:
        return name, (
            f"{files} cannot be read: the keys to them were in the list of files of an encrypted backup"
        )
    if not said and _has_keys(backup):
        without = f"{files} cannot be read without the one that belongs to them"
        return MANIFEST, f"it is from another backup, which is not encrypted: {without}"
    of = "the list of files is from another backup, which is not encrypted"
    if not said:
        of = "the list of files is from a backup that is not encrypted, and not all files here belong to it"
    return name, (
        f"{of}: {files} cannot be read, because the keys to them are in the list of files that belongs to "
        "them"
    )


def _has_keys(backup: "Backup") -> bool:
    """Whether the records of its files have keys; the first ones decide, since all have one or none has."""
    with contextlib.suppress(FormatError):  # the caller that reads the list reports its damage
        files = (row for row in backup.rows.rows() if isinstance(row, Row) and row.kind is Kind.FILE)
        for row in islice(files, _LOOKED_AT):
            with contextlib.suppress(FormatError):
                if row.record().has_key:
                    return True
    return False


def _files(count: int) -> str:
    if not count:
        return "its encrypted files"
    return f"{count:,} encrypted files" if count > 1 else "an encrypted file"
