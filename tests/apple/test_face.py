"""The package itself: every public name is there, and importing it is cheap and knows no phone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ibackup.apple
from support.minted import Mint


@pytest.mark.parametrize("name", ibackup.apple.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ibackup.apple, name)


def test_names_that_are_not_there() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = ibackup.apple.nonsense  # type: ignore[attr-defined]


def test_importing_it_loads_next_to_nothing() -> None:
    code = (
        "import sys, ibackup.apple; loaded = set(sys.modules)\n"
        "heavy = {'cryptography', 'sqlite3', 'plistlib', 'hashlib', 'pymobiledevice3', 'Crypto'}\n"
        "print(sorted(heavy & loaded))\n"
        "import ibackup.apple.verify.verification\n"
        "print('pymobiledevice3' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[:2] == ["[]", "False"]


@pytest.mark.parametrize("password", [None, "geheim"])
def test_the_example_in_the_documentation_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], password: str | None
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto-python.md").read_text(encoding="utf-8")
    made = Mint(tmp_path)(password)
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, {"folder": made.folder, "password": password})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Ann's iPhone 2026-11-22 02:00:04+00:00"
    assert lines[1].startswith("Library/SMS/sms.db ")
    assert lines[1].endswith("b'SQLite format 3\\x00'")
    assert lines[2:] == ["True 4 4"]
