"""The rows of a manifest, returned folder by folder, in the order of the files on disk."""

import struct
from collections import Counter
from collections.abc import Callable, Iterator

from ibackup.apple.blob_tree import PREFIXES
from ibackup.apple.crypto.aes_and_keys import stored_size
from ibackup.apple.fitting import WHOLE_PHONE
from ibackup.apple.format_errors import FormatError
from ibackup.apple.mbfile import digest as digest_in
from ibackup.apple.mbfile import outline
from ibackup.apple.mbfile_keys import DIGEST_BYTES, KEY
from ibackup.apple.rows import BadRow, Kind, Row, Rows, Settles
from ibackup.apple.verify.findings import Finding
from ibackup.apple.verify.grammar import Grammar

_GLANCE = struct.Struct("<20sQ")  # fileID and stored size
_pack = _GLANCE.pack
_DIGESTED = struct.Struct("<20s20s")  # fileID and Digest
_NEVER = (1 << 64) - 1  # no file has this size
_FINE = _NEVER - 1  # no file is looked up

Sift = Callable[[dict[str, int], dict[str, bytes]], set[str]]
"""Called with the expected sizes of a folder's files, and the Digests of some, by fileID; returns the good files."""


class Ordered:
    """The rows of a manifest in the order of their ids, returned by the ids' first two digits.

    Args:
        rows: the manifest.
        grammar: the rules for its rows.

    Attributes:
        broken: why the rows ended early; None if they did not.
        count: number of rows so far.
    """

    def __init__(self, rows: Rows, grammar: Grammar) -> None:
        self._all = rows
        self._rows = rows.rows_by_id()
        self._grammar = grammar
        self._held: Row | None = None
        self._last = ""
        self.broken: FormatError | None = None
        self.count = 0

    def scan(self) -> Iterator[BadRow | Finding]:
        """What is wrong with the names; unusable rows are returned in their place."""
        return self._grammar.read(self._all)

    def skip(self, prefix: str) -> None:
        """Skip the rows of a folder."""
        for _ in self.take(prefix):
            pass

    def take(self, prefix: str) -> Iterator[Row | BadRow]:
        """The next rows, as long as they belong to ``prefix``."""
        if self._held is not None:
            if self._held.file_id[:2] != prefix:
                return
            yield self._held
            self._held = None
        try:
            for row in self._rows:
                self.count += 1
                if isinstance(row, Row):
                    self._check_order(row.file_id)
                    if row.file_id[:2] != prefix:
                        self._held = row
                        return
                yield row
        except FormatError as error:
            self.broken = error
            self._rows = iter(())

    def _check_order(self, file_id: str) -> None:
        if file_id <= self._last:
            raise _twice(file_id)
        self._last = file_id


class Scanned:
    """The rows of a manifest for a quick verification, which needs almost nothing from them.

    Reading a million rows in the order of their ids makes the disk seek back and forth. So they are read in
    stored order, and 28 bytes of each are kept (40 more for one whose Digest is needed); the few that do not
    match the disk are read again.

    Args:
        rows: a manifest that finds a single row fast.
        grammar: the rules for its rows.
        sift: finds the files of a folder that are as they should be.
        encrypted: whether stored files are padded.
        digests: whether ``sift`` also gets Digests.
    """

    def __init__(
        self, rows: Rows, grammar: Grammar, sift: Sift, *, encrypted: bool, digests: bool = False
    ) -> None:
        self._rows = rows
        self._grammar = grammar
        self._sift = sift
        self._encrypted = encrypted
        self._asks_digests = digests
        self._kept = [bytearray() for _ in PREFIXES]
        self._digests = [bytearray() for _ in PREFIXES]
        self.broken: FormatError | None = None
        self.count = 0

    def scan(self) -> Iterator[BadRow | Finding]:
        """Read all rows; return at once those that cannot be used, and what is wrong with names."""
        try:
            for row in self._rows.rows(settles=self._keeping()):
                if isinstance(row, BadRow):
                    self.count += 1
                    yield row
                else:
                    digest = bytes.fromhex(row.file_id)
                    self._kept[digest[0]] += _pack(digest, _NEVER)
                    yield from self._grammar.names(row)
            yield from self._grammar.whole(self._rows)
        except FormatError as error:
            self.broken = error
        self.count += sum(map(len, self._kept)) // _GLANCE.size

    def skip(self, prefix: str) -> None:
        """Skip the rows of a folder."""

    def take(self, prefix: str) -> Iterator[Row | BadRow]:
        """The rows of a folder that are not good."""
        number = int(prefix, 16)
        kept, self._kept[number] = self._kept[number], bytearray()
        pairs = list(_GLANCE.iter_unpack(kept))
        digests = {name.hex(): sha1 for name, sha1 in _DIGESTED.iter_unpack(self._digests[number])}
        self._digests[number] = bytearray()
        try:
            if len(dict(pairs)) != len(pairs):
                raise _twice(
                    next(
                        name for name, count in Counter(name for name, _ in pairs).items() if count > 1
                    ).hex()
                )
            wanted = {name.hex(): stored for name, stored in pairs if stored != _FINE}
            for file_id in wanted.keys() - self._sift(wanted, digests):
                row = self._rows.row(file_id)
                yield row if row is not None else BadRow(file_id, "", "", "its index does not lead to it")
        except FormatError as error:
            self.broken = error
            self._kept = [bytearray() for _ in PREFIXES]

    def _keeping(self) -> Settles:
        """A function that keeps what is needed from a row and returns True, or leaves the row to others.

        See ``takes``.
        """
        takes, kept, encrypted = self._grammar.taking(), self._kept, self._encrypted
        file, asks_digests = int(Kind.FILE), self._asks_digests

        def keep(digest: bytes, domain: bytes, path: bytes, flags: int, record: bytes) -> bool:
            try:
                size, mode, parts = outline(record)
            except FormatError:
                return False
            if not takes(domain, path, flags, mode, parts, size):
                return False
            if flags != file:
                size = _FINE
            elif not 0 <= size <= WHOLE_PHONE:
                size = _NEVER  # a record may claim any size, even more than 64 bits
            else:
                if encrypted and parts & KEY:
                    size = stored_size(size, encrypted=True)
                if asks_digests:
                    self._keep_digest(digest, record)
            kept[digest[0]] += _pack(digest, size)
            return True

        return keep

    def _keep_digest(self, file_id: bytes, record: bytes) -> None:
        digest = digest_in(record)
        if digest is not None and len(digest) == DIGEST_BYTES:
            self._digests[file_id[0]] += file_id + digest


def flaw_of(ordered: Ordered | Scanned, *, has_content: bool) -> FormatError | None:
    """What is wrong with the rows as a whole, after all were taken.

    Args:
        ordered: the rows.
        has_content: whether any of the phone's files is stored. If there is one but no row, the rows were
            lost, and nothing could be restored.
    """
    if ordered.broken is None and not ordered.count and has_content:
        return FormatError("The manifest", "it lists no files at all")
    return ordered.broken


def _twice(file_id: str) -> FormatError:
    return FormatError("The manifest", f"the row {file_id} is there twice or out of order")
