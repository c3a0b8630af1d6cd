"""The table of exit codes is the one in the code."""

import re
from pathlib import Path

from ibackup.cli.main import EPILOG
from ibackup.errors import ExitCode


def test_table_equals_the_enum(root: Path) -> None:
    text = (root / "docs" / "reference-exit-codes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ([A-Z_]+) \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    assert [(int(code), name) for code, name, *_ in rows] == [(code.value, code.name) for code in ExitCode]


def test_codes_shown_by_help_exist() -> None:
    shown = {int(code) for code in re.findall(r"(?:^|[ \n])(\d{1,3}) (?=[a-z])", EPILOG)}
    assert shown == {code.value for code in ExitCode}
