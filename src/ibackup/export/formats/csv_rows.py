"""Tables as CSV (RFC 4180) that spreadsheets show and do not run.

UTF-8 with a byte order mark, without which Excel reads another encoding; CRLF; every cell in quotes.

A spreadsheet takes a cell that begins with =, +, - or @ for a formula, and formulas can start programs or send data
away. Such a cell gets an apostrophe in front, except plain numbers such as -12.5 and +491701234567. A spreadsheet
that separates cells by semicolons or tabs, as Excel does in many countries, sees other cells in the same line:
what would begin a formula there gets an apostrophe, too.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

MARK: Final = "\ufeff"
"""The byte order mark; once, before everything."""
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?")
_FORMULA: Final = re.compile(
    "^[\\s\ufeff\u200b-\u200f\u202a-\u202e\u2060-\u2069]*[=+\\-@\uff1d\uff0b\uff0d\uff20]"
)
_WITHIN: Final = re.compile(
    "([;\\t\\r\\n|][\\s\"']*)(?=[=@\uff1d\uff20]|[+\\-\uff0b\uff0d][^;\\t\\r\\n|]*[(!|])"
)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HARMLESS: Final = re.compile(r"[\w ,.!?'\u2019():/\n]*|\w[\w ,.:+\-]*|\+\d+")
"""None of what the others look for: texts, then times, ids and numbers; most cells by far."""

CsvCell = str | int | float | bool | None


def csv_lines(heads: Iterable[str], rows: Iterable[Iterable[CsvCell]]) -> Iterator[str]:
    """The whole file, line by line: the byte order mark, the heads, the rows."""
    yield MARK + csv_line(heads)
    for row in rows:
        yield csv_line(row)


def csv_line(cells: Iterable[CsvCell]) -> str:
    """One line with its end. None is an empty cell, true and false are "yes" and "no"."""
    found = [each if type(each) is str and _HARMLESS.fullmatch(each) else _cell(each) for each in cells]
    return '"' + '","'.join(found) + '"\r\n' if found else "\r\n"


def _cell(value: CsvCell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return str(value)
    text = _CONTROLS.sub("\ufffd", value)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return _WITHIN.sub(r"\1'", text).replace('"', '""')
