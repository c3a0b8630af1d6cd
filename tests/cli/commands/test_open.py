"""``ibackup open``: the icon it can make. What it serves: tests/view."""

import sys
from pathlib import Path

import pytest

from cli.conftest import Cli

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the Start menu of who runs this is left alone"
)


def test_an_icon_opens_the_same_store(ibackup: Cli, tmp_path: Path) -> None:
    done = ibackup("open", "--install-icon", "--store", str(tmp_path / "my store"), "--json")
    files = done.result["files"]
    assert isinstance(files, list)
    texts = [Path(file).read_text("utf-8", "replace") for file in files]
    assert any(str(tmp_path / "my store") in text for text in texts)
    assert any("--ends-itself" in text for text in texts)


def test_an_icon_says_where_it_is(ibackup: Cli) -> None:
    assert "ibackup is now in" in ibackup("open", "--install-icon").out
