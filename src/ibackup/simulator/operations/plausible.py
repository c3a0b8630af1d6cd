"""What a phone checks in the rows of a manifest before it fetches the first file, folder by folder."""

import stat

from ibackup.apple import mbfile
from ibackup.apple.file_ids import file_id_of
from ibackup.apple.format_errors import FormatError
from ibackup.simulator.content import DIRECTORY, FILE, LINK
from ibackup.simulator.operations.operation_session import MBError
from ibackup.simulator.written_manifest_db import ManifestReader, WrittenRow

_MODES = {FILE: stat.S_ISREG, DIRECTORY: stat.S_ISDIR, LINK: stat.S_ISLNK}
_WRAPPED = 44
_SHA1 = 20


def refuse_impossible(manifest: ManifestReader, *, encrypted: bool) -> None:
    """Go through a manifest like a phone that is about to create its folders, links and files.

    Raises:
        MBError: 205, no phone could accept a row; 102, the folder of a row cannot be created.
    """
    for row in manifest.rows():
        flaw = _flaw(row, encrypted=encrypted)
        if flaw:
            raise MBError(205, f"{flaw}: {row.domain}:/{row.path}")
    homeless = manifest.homeless()
    if homeless is not None:
        domain, path = homeless
        folder = path.rpartition("/")[0]
        raise MBError(102, f"mkdir error: No such file or directory (2): {domain} {folder}")


def _flaw(row: WrittenRow, *, encrypted: bool) -> str:
    domain: object = row.domain  # nothing forces a table's values to match its column types
    path: object = row.path
    kind = row.kind
    if not isinstance(domain, str) or not isinstance(path, str) or kind not in _MODES:
        return "Invalid row"
    if not domain or domain in (".", "..") or "/" in domain or "\0" in domain:
        return "Domain name is invalid"
    if path and ("\0" in path or any(part in ("", ".", "..") for part in path.split("/"))):
        return "File path is invalid"
    if not path and kind != DIRECTORY:
        return "Domain root is not a directory"
    if row.file_id != file_id_of(domain, path):
        return "File ID is invalid"
    packed: object = row.record
    if not isinstance(packed, bytes):
        return "Missing record"
    try:
        record = mbfile.decode(packed)
    except FormatError as error:
        return f"Error reading the record ({error})"
    return _record_flaw(record, kind, encrypted=encrypted)


def _record_flaw(record: mbfile.MBFile, kind: int, *, encrypted: bool) -> str:
    if record.odd_mode or not _MODES[kind](record.mode & 0xFFFF):
        return "Invalid file type: 00" if record.odd_mode else f"Invalid file type: {record.mode:o}"
    if kind != FILE:
        if record.size or record.digest is not None or record.encryption_key is not None:
            return "Unexpected content"
        return "" if kind == DIRECTORY or record.target else "Missing link target"
    if record.size < 0 or (record.digest is not None and len(record.digest) != _SHA1):
        return "Invalid size or digest"
    if record.encryption_key is not None:
        return "" if len(record.encryption_key) == _WRAPPED else "Invalid encryption key"
    return "Missing encryption key" if encrypted else ""
