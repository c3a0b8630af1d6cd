"""Which documents are in which snapshots of a phone, and the words in them: a database in memory.

A document has the number of the snapshot in which it was first seen and, once it is gone, that of the first one without
it. So a snapshot in which nothing changed takes no space. Words are in a full-text index of SQLite, without the texts;
those are in ``text_blocks``.
"""

import hashlib
import sqlite3
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from typing import Any, Final, NamedTuple, Self

from ibackup import __version__
from ibackup.base.errors import IbackupError
from ibackup.contents.gaps import Gap
from ibackup.search.documents import KINDS, Document, StoredTime
from ibackup.search.index_container import IndexUnusable
from ibackup.search.text_blocks import Packing, StoredText, TextSink, TextSource, UnpackedBlocks, packed
from ibackup.search.word_folding import TOKENIZER, folded

_SCHEMA: Final = 2
_MADE_BY: Final = f"{_SCHEMA} {__version__} {unicodedata.unidata_version}"
"""Another program may fold or read differently: then the index is built again."""
MOST_DOCUMENTS: Final = 3_000_000
_BATCH: Final = 2000
_MOST_INTERNED: Final = 200_000
_MANY_FREE_PAGES: Final = 4  # one in so many
_TABLES: Final = """
CREATE TABLE about (made_by TEXT);
CREATE TABLE snapshots (number INTEGER PRIMARY KEY, id TEXT, seal TEXT);
CREATE TABLE sources (name TEXT PRIMARY KEY, sums TEXT);
CREATE TABLE gaps (snapshot INTEGER, part TEXT, reason TEXT, count INTEGER, lost INTEGER);
CREATE TABLE names (number INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE blocks (first INTEGER PRIMARY KEY, offset INTEGER, length INTEGER);
CREATE TABLE docs (number INTEGER PRIMARY KEY, kind INTEGER, source INTEGER, first INTEGER, gone INTEGER,
  time INTEGER, meaning INTEGER, who INTEGER, place INTEGER, version INTEGER);
CREATE VIRTUAL TABLE words USING fts5(body, content='', columnsize=0, tokenize="TOKENIZER");
INSERT INTO words (words, rank) VALUES ('hashsize', 4194304);
"""
_MATCHING: Final = (
    "words JOIN docs d ON d.number = words.rowid WHERE words MATCH :words "
    "AND (:at IS NULL OR (d.first <= :at AND (d.gone IS NULL OR d.gone > :at))) "
    "AND (:since IS NULL OR d.time >= :since) AND (:until IS NULL OR d.time < :until)"
)
_FOUND: Final = """
SELECT d.number, d.time, d.meaning, coalesce(w.name, ''), coalesce(p.name, ''), d.version, d.first, d.gone
FROM (SELECT d.* FROM MATCHING AND d.kind = :kind
  ORDER BY d.time IS NOT NULL, d.time DESC, d.version LIMIT :most) d
LEFT JOIN names w ON w.number = d.who LEFT JOIN names p ON p.number = d.place
""".replace("MATCHING", _MATCHING)


class IndexQuery(NamedTuple):
    """What to look for in an index.

    Attributes:
        words: in the language of full-text search.
        snapshot: the number of the only snapshot that counts; None for all.
        since, until: milliseconds since 1970; None for no limit, and then what has no time counts, too.
    """

    words: str
    snapshot: int | None = None
    since: int | None = None
    until: int | None = None

    def at(self, snapshot: int | None) -> "IndexQuery":
        """The same in one snapshot alone."""
        return self._replace(snapshot=snapshot)

    def values(self, **more: object) -> dict[str, object]:
        """As SQL has it."""
        return {"words": self.words, "at": self.snapshot, "since": self.since, "until": self.until} | more


class IndexedSnapshot(NamedTuple):
    """A snapshot that an index knows: its number there, its id and the checksum of its seal."""

    number: int
    id: str
    seal: str


class FoundDocument(NamedTuple):
    """A document that was found, without its text.

    Attributes:
        number: in its index.
        first: number of the first snapshot that has it.
        gone: of the first one after that which has not; None if there is none.
    """

    number: int
    kind: str
    time: StoredTime
    who: str
    place: str
    version: int
    first: int
    gone: int | None


class SnapshotIndex:
    """The index of the snapshots of one phone that have the same keys; close it when done.

    Args:
        image: from an earlier index; None for an empty one.
        blocks: the texts of the earlier index.

    Attributes:
        documents: how many it has.

    Raises:
        IndexUnusable: the image is damaged or was made by another version.
        IbackupError: this Python cannot search.
    """

    def __init__(self, image: bytearray | None = None, blocks: TextSource | None = None) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._blocks = UnpackedBlocks(blocks) if blocks is not None else None
        self._sink: TextSink | None = None
        self._packing = Packing()
        self._interned: dict[str, int] = {}
        try:
            if image is not None:
                self._connection.deserialize(image)
            for pragma in (
                "journal_mode = OFF",
                "temp_store = MEMORY",
                "secure_delete = ON",
                "trusted_schema = OFF",
            ):
                self._connection.execute(f"PRAGMA {pragma}").close()
            if image is None:
                self._begin()
            self._check()
        except sqlite3.Error as error:
            self.close()
            if image is None:
                raise
            raise IndexUnusable from error
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        try:
            self._connection.executescript(_TABLES.replace("TOKENIZER", TOKENIZER))
        except sqlite3.OperationalError as error:
            if "fts5" not in str(error):
                raise
            raise IbackupError(
                "This Python cannot search texts.",
                why="Its SQLite was built without FTS5.",
                hint="Use another build of Python, such as the one from python.org or from your system.",
            ) from None
        self._connection.execute("INSERT INTO about VALUES (?)", (_MADE_BY,))

    def _check(self) -> None:
        row = self._connection.execute("SELECT made_by FROM about").fetchone()
        if row is None or row[0] != _MADE_BY:
            raise IndexUnusable
        found = self._connection.execute("SELECT coalesce(max(number), 0), count(*) FROM docs").fetchone()
        self._last, self.documents = (int(each) for each in found)

    @staticmethod
    def can_be_kept() -> bool:
        """Whether this Python can take a database out of memory, and back."""
        return hasattr(sqlite3.Connection, "serialize")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the memory back."""
        self._connection.close()

    # -- what it knows ----------------------------------------------------------------------------------------

    @property
    def snapshots(self) -> list[IndexedSnapshot]:
        """The snapshots in it, oldest first. Raises IndexUnusable."""
        rows = self._rows("SELECT number, id, seal FROM snapshots ORDER BY number")
        return [IndexedSnapshot(*row) for row in rows]

    @property
    def gaps(self) -> list[tuple[int, Gap, bool]]:
        """What could not be read: the number of the snapshot, what, and whether whole documents may be lost."""
        rows = self._rows("SELECT snapshot, part, reason, count, lost FROM gaps ORDER BY snapshot, rowid")
        return [(row[0], Gap(row[1], row[2], row[3], damage=True), bool(row[4])) for row in rows]

    def sums(self, source: str) -> str:
        """The checksum of what a source was last read from; empty if unknown."""
        rows = self._rows("SELECT sums FROM sources WHERE name = ?", (source,))
        return str(next(rows, ("",))[0])

    def counts(self, query: IndexQuery, kinds: Collection[str]) -> dict[str, int]:
        """How many documents of these kinds match, by kind."""
        sql = f"SELECT d.kind, count(*) FROM {_MATCHING} GROUP BY d.kind"  # noqa: S608 - our own text
        found = {KINDS[kind]: count for kind, count in self._rows(sql, query.values())}
        return {kind: count for kind, count in found.items() if kind in kinds}

    def span(self, query: IndexQuery, kinds: Collection[str]) -> tuple[int, int] | None:
        """The first and the last time of those that match, in milliseconds; None if none has one."""
        sql = f"SELECT d.kind, min(d.time), max(d.time) FROM {_MATCHING} GROUP BY d.kind"  # noqa: S608 - our own
        rows = [
            row for row in self._rows(sql, query.values()) if KINDS[row[0]] in kinds and row[1] is not None
        ]
        return (min(row[1] for row in rows), max(row[2] for row in rows)) if rows else None

    def spread(
        self, query: IndexQuery, kinds: Collection[str], span: tuple[int, int], parts: int
    ) -> Iterator[tuple[int, int]]:
        """How many of those that match are in each of the equal parts of a span: the part's number, and how many."""
        sql = (
            "SELECT d.kind, min((d.time - :start) * :parts / :length, :parts - 1) AS part, count(*) "  # noqa: S608
            f"FROM {_MATCHING} AND d.time IS NOT NULL GROUP BY d.kind, part"
        )
        more = {"start": span[0], "length": max(span[1] - span[0], 1), "parts": parts}
        for kind, part, count in self._rows(sql, query.values(**more)):
            if KINDS[kind] in kinds and 0 <= part < parts:
                yield part, count

    def versions(self, query: IndexQuery, kind: str) -> Iterator[int]:
        """The versions of all documents of a kind that match."""
        sql = f"SELECT d.version FROM {_MATCHING} AND d.kind = :kind"  # noqa: S608 - our own text
        return (row[0] for row in self._rows(sql, query.values(kind=KINDS.index(kind))))

    def found(self, query: IndexQuery, kind: str, most: int | None) -> Iterator[FoundDocument]:
        """The documents of a kind that match: those without a time, then the newest. Raises IndexUnusable."""
        values = query.values(kind=KINDS.index(kind), most=-1 if most is None else most)
        for number, time, meaning, who, place, version, first, gone in self._rows(_FOUND, values):
            yield FoundDocument(number, kind, StoredTime(time, meaning), who, place, version, first, gone)

    def text(self, number: int) -> StoredText:
        """The text of a document. Raises IndexUnusable, OSError."""
        row = next(
            self._rows(
                "SELECT first, offset, length FROM blocks WHERE first <= ? ORDER BY first DESC", (number,)
            ),
            None,
        )
        if row is None or self._blocks is None:
            raise IndexUnusable
        first: int = row[0]
        texts = self._blocks.texts(*row)
        if not 0 <= number - first < len(texts):
            raise IndexUnusable
        return texts[number - first]

    def _rows(
        self, query: str, values: "dict[str, object] | tuple[object, ...]" = ()
    ) -> Iterator[tuple[Any, ...]]:
        try:
            with closing(self._connection.execute(query, values)) as cursor:
                yield from cursor
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise IndexUnusable from error

    # -- changing it ------------------------------------------------------------------------------------------

    def write_to(self, sink: TextSink) -> None:
        """Move the texts to a new place, and put there what is added from now on. Raises IndexUnusable, OSError."""
        for first, offset, length in list(
            self._rows("SELECT first, offset, length FROM blocks ORDER BY first")
        ):
            if self._blocks is None:
                raise IndexUnusable
            texts = self._blocks.texts(first, offset, length)
            place = sink.add_block(first, packed(self._without_removed(first, texts)))
            self._connection.execute(
                "UPDATE blocks SET offset = ?, length = ? WHERE first = ?", (*place, first)
            )
        self._sink = sink

    def _without_removed(self, first: int, texts: list[StoredText]) -> list[StoredText]:
        rows = self._rows(
            "SELECT number FROM docs WHERE number BETWEEN ? AND ?", (first, first + len(texts) - 1)
        )
        there = {row[0] for row in rows}
        return [
            each if first + place in there else StoredText("", "", "", "") for place, each in enumerate(texts)
        ]

    def drop(self, numbers: Collection[int]) -> None:
        """Forget snapshots, and the documents that no other snapshot has. Raises IndexUnusable, OSError."""
        execute = self._connection.execute
        for number in numbers:
            execute("DELETE FROM snapshots WHERE number = ?", (number,))
            execute("DELETE FROM gaps WHERE snapshot = ?", (number,))
        left = [each.number for each in self.snapshots]
        spans = execute("SELECT DISTINCT first, gone FROM docs").fetchall()
        for first, gone in spans:
            place = bisect_left(left, first)
            if place < len(left) and (gone is None or left[place] < gone):
                continue
            going = execute("SELECT number FROM docs WHERE first = ? AND gone IS ?", (first, gone)).fetchall()
            for (number,) in going:
                stored = self.text(number)
                body = folded(stored.body)
                execute("INSERT INTO words (words, rowid, body) VALUES ('delete', ?, ?)", (number, body))
                execute("DELETE FROM docs WHERE number = ?", (number,))
                self.documents -= 1
        execute("INSERT INTO words (words) VALUES ('optimize')")  # else the words stay until they are merged

    def add_snapshot(self, ident: str, seal: str) -> int:
        """Begin a snapshot, newer than all others; its number. What was in the one before counts as in this one."""
        used = [
            self._connection.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()[0]  # noqa: S608
            for column, table in (("number", "snapshots"), ("first", "docs"), ("gone", "docs"))
        ]
        number = int(max(used)) + 1
        self._connection.execute("INSERT INTO snapshots VALUES (?, ?, ?)", (number, ident, seal))
        return number

    def add_gaps(self, snapshot: int, gaps: Iterable[Gap], *, lost: bool) -> None:
        """Note what of a source in a snapshot could not be read, and whether whole documents may be lost."""
        self._connection.executemany(
            "INSERT INTO gaps VALUES (?, ?, ?, ?, ?)",
            [(snapshot, gap.part, gap.reason, gap.count, lost) for gap in gaps if gap.damage],
        )

    def reading(self, source: str, snapshot: int) -> "SourceReading":
        """Begin to read a source of the newest snapshot."""
        return SourceReading(self, source, snapshot)

    def image(self) -> bytes:
        """The database; the texts are all written."""
        self.end_block()
        pages, free = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count")
        )
        if free * _MANY_FREE_PAGES > pages:
            self._connection.execute("VACUUM")
        return self._connection.serialize()

    def prove_texts(self) -> None:
        """Find out whether all texts can be read. Raises IndexUnusable, OSError."""
        for row in self._rows("SELECT first, offset, length FROM blocks"):
            if self._blocks is None:
                raise IndexUnusable
            self._blocks.texts(*row)

    def read_from(self, blocks: TextSource) -> None:
        """Where the texts are now."""
        self._blocks = UnpackedBlocks(blocks)

    def next_number(self, document: Document) -> int:
        """Put the text of a document into a block; its number."""
        self._last += 1
        self.documents += 1
        if not len(self._packing):
            self._first = self._last
        if self._packing.add(document):
            self.end_block()
        return self._last

    def end_block(self) -> None:
        """Write the texts that wait for more."""
        if len(self._packing) and self._sink is not None:
            place = self._sink.add_block(self._first, self._packing.packed())
            self._connection.execute("INSERT INTO blocks VALUES (?, ?, ?)", (self._first, *place))

    def interned(self, name: str) -> int | None:
        """The number of a name; None for an empty one."""
        if not name:
            return None
        if not self._interned:
            rows = self._rows("SELECT name, number FROM names LIMIT ?", (_MOST_INTERNED,))
            self._interned = dict(rows)
        number = self._interned.get(name)
        if number is None:
            number = self._connection.execute("INSERT INTO names (name) VALUES (?)", (name,)).lastrowid
            if len(self._interned) < _MOST_INTERNED:
                self._interned[name] = int(number or 0)
        return number


class SourceReading:
    """One source of the newest snapshot, as it is read: compares with what is known, and adds what is new."""

    def __init__(self, index: SnapshotIndex, source: str, snapshot: int) -> None:
        self._index = index
        self._connection = index._connection  # noqa: SLF001 - its other half
        self._source, self._snapshot = source, snapshot
        self._code = int.from_bytes(hashlib.blake2b(source.encode(), digest_size=4).digest(), "big")
        self._versions, self._numbers = array("q"), array("q")
        self._who, self._places = array("q"), array("q")
        rows = self._connection.execute(
            "SELECT version, number, coalesce(who, 0), coalesce(place, 0) FROM docs "
            "WHERE source = ? AND gone IS NULL ORDER BY version",
            (self._code,),
        )
        for version, number, who, place in rows:
            self._versions.append(version)
            self._numbers.append(number)
            self._who.append(who)
            self._places.append(place)
        self._seen = bytearray(len(self._versions))
        self._new: list[tuple[object, ...]] = []
        self._bodies: list[tuple[int, str]] = []
        self._renamed: list[tuple[int | None, int | None, int]] = []
        self.full = False

    def add(self, document: Document) -> None:
        """Take a document."""
        document = document.limited()
        time = StoredTime.of(document.when)
        index, version = self._index, document.version(time)
        who, place = index.interned(document.who), index.interned(document.place)
        at = bisect_left(self._versions, version)
        known = at < len(self._versions) and self._versions[at] == version
        while at < len(self._versions) and self._versions[at] == version:
            self._seen[at] = 1
            if self._who[at] != (who or 0) or self._places[at] != (place or 0):
                self._renamed.append((who, place, self._numbers[at]))
            at += 1
        if known:
            if len(self._renamed) >= _BATCH:
                self._flush()
            return
        if index.documents >= MOST_DOCUMENTS:
            self.full = True
            return
        number = index.next_number(document)
        self._new.append(
            (number, KINDS.index(document.kind), self._code, self._snapshot, *time, who, place, version)
        )
        self._bodies.append((number, folded(document.body)))
        if len(self._new) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        self._connection.execute("BEGIN")
        self._connection.executemany(
            "INSERT INTO docs (number, kind, source, first, time, meaning, who, place, version) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self._new,
        )
        self._connection.executemany("INSERT INTO words (rowid, body) VALUES (?, ?)", self._bodies)
        self._connection.executemany("UPDATE docs SET who = ?, place = ? WHERE number = ?", self._renamed)
        for batch in (self._new, self._bodies, self._renamed):
            batch.clear()
        self._connection.execute("COMMIT")

    def finish(self, sums: str, *, whole: bool) -> None:
        """End it.

        Args:
            sums: the checksum of what was read; empty if unknown.
            whole: everything could be read; otherwise what was not seen may still be there.
        """
        self._flush()
        execute = self._connection.execute
        execute("BEGIN")
        if whole and not self.full:
            gone = ((self._snapshot, self._numbers[at]) for at, seen in enumerate(self._seen) if not seen)
            self._connection.executemany("UPDATE docs SET gone = ? WHERE number = ?", gone)
        execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (self._source, sums if whole else ""))
        execute("COMMIT")
