"""The grammar of a manifest: what a phone can have written and would restore.

The rules for every row: domain and path are names that a phone's file system allows; the folders on the way
have their own rows; its record is possible for a file, a folder or a link. A phone ends a restore with 102 if
it cannot make the folder of a file, and with 205 if it does not accept a row (docs/format.md, "What a list
can hold").
"""

import stat
from array import array
from collections.abc import Callable, Iterator

from ibackup.apple.backup import DATABASE, LEGACY_DATABASE
from ibackup.apple.file_ids import file_id_of
from ibackup.apple.format_errors import FormatError
from ibackup.apple.mbfile import MBFile
from ibackup.apple.mbfile_keys import DIGEST, DIGEST_BYTES, KEY, KEY_BYTES, TARGET
from ibackup.apple.rows import BadRow, Kind, Row, Rows
from ibackup.apple.verify import whole_backup_checks
from ibackup.apple.verify.findings import Finding, Severity
from ibackup.apple.verify.findings import FindingKind as K

_TYPES = {Kind.FILE: stat.S_IFREG, Kind.FOLDER: stat.S_IFDIR, Kind.LINK: stat.S_IFLNK}
_NAMES = {Kind.FILE: "a file", Kind.FOLDER: "a folder", Kind.LINK: "a link"}
_DOT_OR_SLASH = frozenset([b".", b"/"])
_NO_NAMES = frozenset([b"", b".", b".."])
_SHORT = 4  # bytes of the longest of these, the slash before it, and one more
_PARTS = 16
_NAMED = 1000  # folders without a row that are named individually

_FILE, _FOLDER, _LINK = map(int, (Kind.FILE, Kind.FOLDER, Kind.LINK))
_TYPE = 0o170000  # of a mode
# The valid combinations of the flags, the mode's type and the parts of a record.
_PLAIN = {_FILE << 16 | stat.S_IFREG | parts for parts in (0, KEY, DIGEST, KEY | DIGEST)}
_PLAIN |= {_FOLDER << 16 | stat.S_IFDIR, _LINK << 16 | stat.S_IFLNK | TARGET}

Takes = Callable[[bytes, bytes, int, int, int, int], bool]
"""Called with a row's domain, path and valid flags, then mode, parts and size from its record's outline."""


class Grammar:
    """Reads the rows of one manifest, each once.

    Args:
        encrypted: whether the backup is encrypted.
        flat: whether the manifest is a Manifest.mbdb.
        sealed: whether the manifest is unchanged since it was sealed, so that the phone itself wrote its
            rows.
    """

    def __init__(self, *, encrypted: bool, flat: bool, sealed: bool) -> None:
        self._keyed = encrypted and not flat
        self._severity = Severity.FLAW if sealed else Severity.DAMAGE
        # From the previous row: its domain, the position of the last slash, and the folder with it.
        self._domain, self._cut, self._parent = b"", -2, b""
        # The folders that have rows, and the folders of rows, by hashes that nobody outside can predict.
        self._folders = [array("q") for _ in range(_PARTS)]
        self._needed = [array("q") for _ in range(_PARTS)]

    def taking(self) -> Takes:
        """A function that says at a glance whether a row is possible, and records its place among the others.

        It is called a million times, so what nearly all rows need is inline, in local variables; ``names``
        and ``record`` look closer at rows that it does not accept.
        """
        at, before, parent, enters = (
            -2,
            b"",
            b"",
            False,
        )  # the values that ``_note`` keeps from the previous row
        folders, keyed, plain, types = self._folders, self._keyed, _PLAIN, _TYPE
        enter, file, no_names = self._enter, _FILE, _NO_NAMES

        def takes(domain: bytes, path: bytes, flags: int, mode: int, parts: int, size: int) -> bool:
            nonlocal at, before, parent, enters
            cut = path.rfind(b"/")
            if cut != at or domain != before or not path.startswith(parent):
                enters = enter(domain, path, cut)
                at, before, parent = cut, domain, path[: cut + 1]
            if flags == _FOLDER:
                place = hash(b"%b\0%b" % (domain, path))
                folders[place % _PARTS].append(place)
            # Finding a byte by its number is ten times as fast as finding it as a byte string.
            if not enters or 0 in path or (not path.isascii() and name_flaw(domain, path)):
                return False
            if len(path) - cut < _SHORT and path[cut + 1 :] in no_names and (path or flags != _FOLDER):
                return False
            if flags << 16 | mode & types | parts not in plain:
                return False
            if flags == file:
                return not keyed or parts & KEY != 0
            return not size

        return takes

    def read(self, rows: Rows) -> Iterator[Finding]:
        """What is wrong with the names in a manifest; the records are checked with each file."""
        try:
            for row in rows.rows():
                if isinstance(row, Row):
                    yield from self.names(row)
        except FormatError:
            return  # a separate finding reports the manifest itself
        yield from self.whole(rows)

    def names(self, row: Row) -> Iterator[Finding]:
        """What is wrong with one row's names; records its place among the others."""
        domain, path = _bytes(row.domain), _bytes(row.relative_path)
        self._note(domain, path, row.kind)
        if row.file_id != row.true_id:
            return  # has its own finding; nobody knows whose names these are
        flaw = name_flaw(domain, path)
        if not flaw and not path and row.kind is not Kind.FOLDER:
            flaw = f"the root of its domain is {_NAMES[row.kind]}"
        if flaw:
            yield self._finding(row, flaw)

    def record(self, row: Row, record: MBFile) -> Iterator[Finding]:
        """What is wrong with one row's record."""
        flaw = record_flaw(row.kind, record, keyed=self._keyed)
        if flaw:
            yield self._finding(row, flaw)

    def whole(self, rows: Rows) -> Iterator[Finding]:
        """What is wrong with the manifest as a whole, after all rows."""
        for row in rows.texts_as_bytes():
            if isinstance(row, Row) and row.file_id == row.true_id:
                yield self._finding(row, "its names are stored as bytes instead of text")
        yield from self._orphans(rows)

    def _orphans(self, rows: Rows) -> Iterator[Finding]:
        """Folders that contain rows but have no row of their own."""
        missing: set[int] = set()
        for needed, folders in zip(self._needed, self._folders, strict=True):
            missing |= set(needed) - set(folders)
        if not missing:
            return
        children: dict[int, tuple[str, str]] = {}
        instead: dict[int, Kind] = {}
        more: set[int] = set()
        for row in rows.rows():
            if isinstance(row, BadRow) or row.file_id != row.true_id:
                continue
            place = _hash(_bytes(row.domain), _bytes(row.relative_path))
            if place in missing and len(instead) < _NAMED:
                instead[place] = row.kind
            parent = _hash(_bytes(row.domain), _bytes(row.relative_path.rpartition("/")[0]))
            if row.relative_path and parent in missing:
                if len(children) < _NAMED:
                    children.setdefault(parent, (row.domain, row.relative_path))
                elif parent not in children:
                    more.add(parent)
        for place, (domain, path) in children.items():
            yield self._orphan(domain, path, instead.get(place))
        if more:
            found = f"{len(more):,} more folders have none"
            file = LEGACY_DATABASE if rows.flat else DATABASE
            yield Finding(
                K.ROW_IMPOSSIBLE, self._severity, file, expected="a row for each folder", found=found
            )

    def _orphan(self, domain: str, path: str, instead: Kind | None) -> Finding:
        folder, _, name = path.rpartition("/")
        there = "no row" if instead is None else _NAMES[instead]
        return Finding(
            K.ROW_IMPOSSIBLE,
            self._severity,
            file_id=file_id_of(domain, folder),
            domain=domain,
            path=folder,
            expected=f"a folder, because it contains {name!a}",
            found=f"{there}: a phone cannot create what is in it",
        )

    def _finding(self, row: Row, flaw: str) -> Finding:
        wanted = "a row that a phone can have written"
        return whole_backup_checks.about(
            row, K.ROW_IMPOSSIBLE, expected=wanted, found=flaw, severity=self._severity
        )

    def _note(self, domain: bytes, path: bytes, kind: Kind) -> None:
        cut = path.rfind(b"/")
        if cut != self._cut or domain != self._domain or not path.startswith(self._parent):
            self._domain, self._cut, self._parent = domain, cut, path[: cut + 1]
            self._enter(domain, path, cut)
        if kind is Kind.FOLDER:
            place = _hash(domain, path)
            self._folders[place % _PARTS].append(place)

    def _enter(self, domain: bytes, path: bytes, cut: int) -> bool:
        """Record a folder that contains rows, when the previous row was in another.

        Return whether such a folder is possible.
        """
        parent = path[: max(cut, 0)]
        if parent:  # the root of a domain exists on the phone, with or without a row
            place = _hash(domain, parent)
            self._needed[place % _PARTS].append(place)
        return bool(cut) and not name_flaw(domain, parent)


def name_flaw(domain: bytes, path: bytes) -> str:
    """Why no phone can have a file of this name; empty if it can."""
    if not domain.isascii() or not path.isascii():
        flaw = _not_text(domain, path)
        if flaw:
            return flaw
    if b"/" in domain or domain in _NO_NAMES:
        return "its domain is not a valid name"
    if b"\0" in path or b"\0" in domain:
        return "its name has a NUL in it"
    if path and _has_no_name(path):
        return "its path has a part that is not a valid name"
    return ""


def _has_no_name(path: bytes) -> bool:
    if b"/." not in path and b"//" not in path and path[:1] not in _DOT_OR_SLASH and path[-1:] != b"/":
        return False
    return any(part in _NO_NAMES for part in path.split(b"/"))


def _not_text(domain: bytes, path: bytes) -> str:
    try:
        domain.decode()
        path.decode()
    except UnicodeDecodeError:
        return "its name is not UTF-8 text"
    return ""


def record_flaw(kind: Kind, record: MBFile, *, keyed: bool) -> str:
    """Why no phone writes such a record for a row of this kind; empty if one can.

    Args:
        kind: kind of the row.
        record: its record.
        keyed: whether each file must have a key.
    """
    if record.odd_mode or stat.S_IFMT(record.mode) != _TYPES[kind]:
        return f"its flags say {_NAMES[kind]}, but its mode is {record.mode:o}"
    if kind is not Kind.FILE:
        if record.size or record.digest is not None or record.encryption_key is not None:
            return f"it is {_NAMES[kind]}, but has a size, a Digest or a key"
        if kind is Kind.LINK and not record.target:
            return "it is a link that leads nowhere"
        return ""
    if record.digest is not None and len(record.digest) != DIGEST_BYTES:
        return f"its Digest has {len(record.digest)} bytes, not {DIGEST_BYTES}"
    if record.encryption_key is not None and not record.has_key:
        return f"its key has {len(record.encryption_key)} bytes, not {KEY_BYTES}"
    if keyed and record.encryption_key is None:
        return "it has no key, and the backup is encrypted"
    return ""


def _hash(domain: bytes, path: bytes) -> int:
    return hash(b"%b\0%b" % (domain, path))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
