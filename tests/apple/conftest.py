"""Backups made without a line of the product, see tests/support/minted.py."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.minted import Mint, Tree, tree_of


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    """Makes backups; see ``Mint``."""
    return Mint(tmp_path)


@pytest.fixture
def untouched() -> Iterator[Callable[[Path], None]]:
    """Give it folders; at the end of the test each must be as it was."""
    before: dict[Path, Tree] = {}

    def watch(folder: Path) -> None:
        before[folder] = tree_of(folder)

    yield watch
    for folder, tree in before.items():
        assert tree_of(folder) == tree
