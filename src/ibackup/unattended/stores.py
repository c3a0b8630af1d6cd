"""Opens the store without anybody who would notice that it is the wrong one."""

import os

from ibackup.errors import StoreMissing
from ibackup.events import Observer
from ibackup.store import Store
from ibackup.store.known import KnownStores


class _Wary(KnownStores):
    """What was used before; a store that was never seen where another one was is a wrong disk."""

    def remember(self, path: str, store_id: str) -> bool:
        known = self.at(path)
        if known and store_id not in known:
            raise StoreMissing(
                f"Another store than before is mounted at {path!r}.",
                why="Its store.json has an id that was never used there; it may be the wrong disk.",
                hint="Mount the right one. If this one is right, run `ibackup now` once: from then on it is known.",
            )
        return super().remember(path, store_id)


def open_store(path: str | os.PathLike[str], observer: Observer) -> Store:
    """Open the store, or make it where none ever was.

    Raises:
        StoreMissing: it is not mounted, or another one is.
        IbackupError: as ``Store.open``.
    """
    return Store.open(path, create=True, known=_Wary(), observer=observer)
