"""CSV, read by Python's own reader; and what a spreadsheet would run of it."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.export.formats.csv_rows import MARK, csv_line, csv_lines

FORMULA = re.compile(r"\s*[=@]|\s*[+-](?!\d+(\.\d+)?$)")


def test_a_file_is_what_rfc_4180_says() -> None:
    text = "".join(csv_lines(["Name", "Note"], [['a"b', "x,y\nz"], [None, 3], [True, False]]))
    assert text.startswith(MARK)
    rows = list(csv.reader(io.StringIO(text.removeprefix(MARK), newline="")))
    assert rows == [["Name", "Note"], ['a"b', "x,y\nz"], ["", "3"], ["yes", "no"]]
    assert text.count("\r\n") == 4


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("=1+1", "'=1+1"),
        ("2024-03-01 10:00:00 -05:00", "2024-03-01 10:00:00 -05:00"),
        ("9E45FF14-5552-4965", "9E45FF14-5552-4965"),
        ("+4915550000001", "+4915550000001"),
        ("+49155-1", "'+49155-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        (" \t=1+1", "' \t'=1+1"),
        ("\u200b=1+1", "'\u200b=1+1"),
        ("\N{FULLWIDTH EQUALS SIGN}1", "'\N{FULLWIDTH EQUALS SIGN}1"),
        ("+491701234567", "+491701234567"),
        ("-12.5", "-12.5"),
        ("see you ;-)", "see you ;-)"),
        ("a = b", "a = b"),
        ("1 - 2", "1 - 2"),
        ("x;=cmd()", "x;'=cmd()"),
        ("x\n=cmd()", "x\n'=cmd()"),
        ("x;+cmd|'/C calc'!A0", "x;'+cmd|'/C calc'!A0"),
        ("a\0b", "a\ufffdb"),
    ],
)
def test_no_cell_is_a_formula(text: str, kept: str) -> None:
    (row,) = csv.reader(io.StringIO(csv_line([text]), newline=""))
    assert row == [kept]


@given(st.lists(st.text(alphabet=st.sampled_from("=+-@;,\t\n\r\"' a1(!|")), min_size=1, max_size=4))
def test_whatever_separates_cells_none_begins_as_a_formula(cells: list[str]) -> None:
    line = csv_line(cells)
    (row,) = csv.reader(io.StringIO(line, newline=""))
    assert not [cell for cell in row if FORMULA.match(cell)]
    for delimiter in ";\t":
        for other in csv.reader(io.StringIO(line, newline=""), delimiter=delimiter):
            assert not [cell for cell in other if re.match(r"\s*[=@]", cell)]
