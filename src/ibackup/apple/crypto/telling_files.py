"""What the files of a backup show about how it is stored: whether some were decrypted, or come from another backup."""

from collections.abc import Callable
from itertools import islice

from ibackup.apple import well_known_files
from ibackup.apple.crypto.aes_and_keys import BLOCK, stored_size
from ibackup.apple.crypto.decrypted_in_place import is_known
from ibackup.apple.format_errors import FormatError
from ibackup.apple.rows import Kind, Row, Rows

_LOOKED_AT = 1000  # rows at the beginning of a manifest


def has_foreign(
    rows: Rows, stored: Callable[[str], int], head: Callable[[str], bytes], *, opens: bool, all_of_it: bool
) -> bool:
    """Whether any file of a backup is certainly encrypted and has no key here.

    Args:
        rows: the backup's manifest.
        stored: returns the bytes of a stored file, 0 if it is missing.
        head: returns its first bytes.
        opens: whether the keys in the records are used.
        all_of_it: look at the whole manifest; otherwise only at its beginning, unless something else suggests
            it.
    """
    try:
        for row in islice(rows.rows(), None if all_of_it else _LOOKED_AT):
            if not isinstance(row, Row) or row.kind is not Kind.FILE:
                continue
            try:
                size, has_key = row.glance()
            except FormatError:
                continue
            there = 0 if has_key and opens else stored(row.file_id)
            if not there or there % BLOCK:
                continue
            sure = there == stored_size(size, encrypted=True) or _is_database(row)
            if sure and not is_known(head(row.file_id)):
                return True
    except FormatError:
        pass  # the code that reads the manifest reports that
    return False


def _is_database(row: Row) -> bool:
    return (row.domain, row.relative_path) in well_known_files.DATABASES


def has_ciphertext(rows: Rows, stored: Callable[[str], int]) -> bool | None:
    """Whether any file of a backup is still encrypted, judged by size; None if nothing shows it.

    Args:
        rows: the backup's manifest.
        stored: returns the bytes of a stored file, 0 if it is missing.
    """
    found = None
    try:
        for row in rows.rows():
            if not isinstance(row, Row) or row.kind is not Kind.FILE:
                continue
            try:
                size, has_key = row.glance()
            except FormatError:
                continue  # iOS 10.0 encrypts records
            there = stored(row.file_id) if has_key else 0
            if there and there == stored_size(size, encrypted=True):
                return True
            found = False if there and there == size else found
    except FormatError:
        return None
    return found
