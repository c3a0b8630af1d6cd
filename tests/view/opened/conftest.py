from pathlib import Path

import pytest

from support.minted import Mint


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    """Makes backups."""
    return Mint(tmp_path)
