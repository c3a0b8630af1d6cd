"""Stores to search in."""

from pathlib import Path

import pytest

from support.minted import Mint
from support.search_store import SearchStore


@pytest.fixture
def searched(tmp_path: Path) -> SearchStore:
    """A store with a phone that has no snapshot yet."""
    return SearchStore(tmp_path)


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    """Makes backups."""
    return Mint(tmp_path)
