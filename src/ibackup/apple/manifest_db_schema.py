"""The schema of an untrusted ``Manifest.db``: which definitions are allowed.

SQLite evaluates what a schema says (CHECK, DEFAULT, generated columns, expressions in indexes, views,
triggers) whenever it checks or reads the rows. A single call of one of its functions may take hours, and
nothing can stop it meanwhile. A phone's tables and indexes are plain. So only plain ones are accepted: this
grammar knows nothing that could be an expression.
"""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""[ \t\n\f\r]*(?:
        (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<quoted>"(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | '(?:[^']|'')*')
      | (?P<number>[+-]?[0-9]+(?:\.[0-9]+)?)
      | (?P<mark>[(),])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_NOT_NAMES = (
    *("AS", "CHECK", "COLLATE", "CONSTRAINT", "DEFAULT", "DEFERRABLE", "FOREIGN", "GENERATED"),
    *("NOT", "NULL", "ON", "PRIMARY", "REFERENCES", "UNIQUE"),
)
_COLLATIONS = ("BINARY", "NOCASE", "RTRIM")


class UnknownDefinition(Exception):
    """A definition that is not plain."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


class _Definition:
    """The tokens of one statement, taken in order. Every method raises Unknown."""

    def __init__(self, sql: str) -> None:
        self._tokens: list[_Token] = []
        at = 0
        while not self._tokens or self._tokens[-1].kind != "end":
            found = _TOKEN.match(sql, at)
            if found is None or found.lastgroup is None:
                raise UnknownDefinition
            at = found.end()
            self._tokens.append(_Token(found.lastgroup, found[found.lastgroup]))
        self._at = 0

    def take(self, *words: str) -> bool:
        """Skip these words or marks if they come next."""
        coming = self._tokens[self._at : self._at + len(words)]
        if [each.text.upper() for each in coming] != list(words) or any(
            each.kind == "quoted" for each in coming
        ):
            return False
        self._at += len(words)
        return True

    def must(self, *words: str) -> None:
        if not self.take(*words):
            raise UnknownDefinition

    def one_of(self, *kinds: str) -> str:
        token = self._tokens[self._at]
        if token.kind not in kinds:
            raise UnknownDefinition
        self._at += 1
        return token.text

    def name(self) -> str:
        text = self.one_of("word", "quoted")
        if text.upper() in _NOT_NAMES:
            raise UnknownDefinition
        if text[0] not in "\"`['":
            return text.lower()
        return text[1:-1].replace(text[-1] * 2, text[-1]).lower()

    def type_name(self) -> None:
        """Any words, and up to two numbers: ``VARCHAR(255)``."""
        while self._tokens[self._at].kind == "word" and self._tokens[self._at].text.upper() not in _NOT_NAMES:
            self._at += 1
        if self.take("("):
            self.one_of("number")
            if self.take(","):
                self.one_of("number")
            self.must(")")

    def collation(self) -> None:
        if self.name().upper() not in _COLLATIONS:
            raise UnknownDefinition

    def columns(self) -> list[str]:
        """``(a, b COLLATE NOCASE DESC)``."""
        self.must("(")
        names = []
        while True:
            names.append(self.name())
            if self.take("COLLATE"):
                self.collation()
            if not self.take("ASC"):
                self.take("DESC")
            if self.take(")"):
                return names
            self.must(",")

    def end(self) -> None:
        self.one_of("end")


def columns_of_table(sql: str) -> frozenset[str]:
    """The columns of a table, in lower case. Raises Unknown if the table is not plain."""
    given = _Definition(sql)
    given.must("CREATE", "TABLE")
    given.name()
    given.must("(")
    columns: set[str] = set()
    while True:
        if given.take("PRIMARY", "KEY") or given.take("UNIQUE"):
            given.columns()
        else:
            columns.add(given.name())
            given.type_name()
            while _took_constraint(given):
                pass
        if given.take(")"):
            break
        given.must(",")
    while given.take("WITHOUT", "ROWID") or given.take("STRICT") or given.take(","):
        pass
    given.end()
    return frozenset(columns)


def _took_constraint(given: _Definition) -> bool:
    """Skip what a plain column may have besides its type; False if there is nothing."""
    if given.take("PRIMARY", "KEY"):
        if not given.take("ASC"):
            given.take("DESC")
        given.take("AUTOINCREMENT")
        return True
    if given.take("COLLATE"):
        given.collation()
        return True
    if given.take("DEFAULT"):
        if not given.take("NULL"):
            given.one_of("number", "quoted")
        return True
    return given.take("NOT", "NULL") or given.take("NULL") or given.take("UNIQUE")


def index(sql: str) -> tuple[str, frozenset[str]]:
    """The table of an index and its columns, in lower case. Raises Unknown if the index is not plain.

    SQLite takes a quoted name that is not a column of the table for a text, which is an expression; the
    caller checks that.
    """
    given = _Definition(sql)
    given.must("CREATE")
    given.take("UNIQUE")
    given.must("INDEX")
    given.name()
    given.must("ON")
    table = given.name()
    columns = given.columns()
    given.end()
    return table, frozenset(columns)


def unknown(rows: list[tuple[str, str, str | None]]) -> str:
    """The first definition that no phone makes, as "view Files"; empty if all are plain.

    Args:
        rows: type, name and sql of ``sqlite_master``.
    """
    tables: dict[str, frozenset[str]] = {}
    for kind, name, sql in sorted(rows, key=lambda row: row[0] != "table"):
        try:
            if kind == "table":
                tables[name.lower()] = columns_of_table(sql or "")
            elif kind != "index" or (sql is not None and not _is_on(tables, *index(sql))):
                return f"{kind} {name}"
        except UnknownDefinition:
            return f"{kind} {name}"
    return ""


def _is_on(tables: dict[str, frozenset[str]], table: str, columns: frozenset[str]) -> bool:
    return columns <= tables.get(table, frozenset())
