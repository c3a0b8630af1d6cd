"""Opens the store when nobody is there to notice that it is the wrong one."""

import os

from ibackup.base.errors import StoreMissing
from ibackup.base.events import Observer
from ibackup.store.records.used_stores import KnownStores
from ibackup.store.store import STORE_NAME, Store


class _Wary(KnownStores):
    """The stores used before; an unknown store in a known place is the wrong disk."""

    def remember(self, path: str, store_id: str) -> bool:
        known = self.at(path)
        if known and store_id not in known:
            raise StoreMissing(
                f"A different store than before is mounted at {path!r}.",
                why="Its store.json has an id that was never used there; it may be the wrong disk.",
                hint="Mount the right one. If this is the right one, run `ibackup now` once, so that ibackup knows it.",
            )
        return super().remember(path, store_id)


def open_store(path: str | os.PathLike[str], observer: Observer) -> Store:
    """Open the store, or create it if there never was one.

    Raises:
        StoreMissing: it is not mounted, or a different one is.
        IbackupError: as ``Store.open``.
    """
    return Store.open(path, create=True, known=_Wary(), observer=observer)


def to_make(path: str | os.PathLike[str]) -> str:
    """The store that ``open_store`` would create; empty if there is one, or one was used there before."""
    full = os.path.realpath(path)
    there = os.path.lexists(os.path.join(full, STORE_NAME)) or KnownStores().at(full)
    return "" if there else full
