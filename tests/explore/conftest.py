"""Backups made without a line of the product (tests/support/minted.py), and what was told while they were read."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from explore.taking import Take, Taken
from ibackup.apple.backup import Backup
from ibackup.explore.extraction import Notice, Wanted, extract
from ibackup.explore.file_writer import Trouble
from ibackup.explore.selection import Selection
from ibackup.explore.target_names import Renamed
from support.minted import Mint, Minted, tree_of


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    """Makes backups; each must be as it was at the end of the test."""
    return Mint(tmp_path)


@pytest.fixture
def opened() -> Iterator[Callable[[Minted], Backup]]:
    """Opens and unlocks minted backups; at the end they are closed and must not have changed."""
    with ExitStack() as stack:
        before = {}

        def open_one(minted: Minted) -> Backup:
            before[minted.folder] = tree_of(minted.folder)
            backup = stack.enter_context(Backup.open(minted.folder))
            if minted.password is not None:
                backup.unlock(minted.password)
            return backup

        yield open_one
    for folder, tree in before.items():
        assert tree_of(folder) == tree


@pytest.fixture
def take(opened: Callable[[Minted], Backup]) -> Take:
    """Takes files out of a minted backup; nothing of ours may be left in the target."""

    def run(
        minted: Minted,
        to: Path,
        selection: Selection | None = None,
        *,
        links: bool = False,
        overwrite: bool = False,
        portable: bool = False,
        photo_dates: bool = False,
        writers: int | None = None,
    ) -> Taken:
        told: list[Notice] = []
        wanted = Wanted(
            selection or Selection(),
            str(to),
            links=links,
            overwrite=overwrite,
            portable=portable,
            photo_dates=photo_dates,
            writers=writers,
        )
        done = extract(opened(minted), wanted, told.append)
        assert not (to / ".ibackup-part").exists()
        return Taken(
            done,
            [notice for notice in told if isinstance(notice, Trouble)],
            [notice for notice in told if isinstance(notice, Renamed)],
        )

    return run
