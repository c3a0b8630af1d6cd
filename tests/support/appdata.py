"""Databases and data of real apps, which are beside the repository on some computers and not part of it."""

from pathlib import Path
from typing import Final

import pytest

_FOLDER: Final = Path(__file__).parents[3] / "shared" / "fixtures" / "appdata"


def fixture(*parts: str) -> Path:
    """A file or a folder of real data; the test is skipped where there is none."""
    path = _FOLDER.joinpath(*parts)
    if not path.exists():
        pytest.skip("no fixtures here")
    return path
