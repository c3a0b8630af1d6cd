"""Which stores this user has used before, so that an unmounted disk is not taken for an empty store."""

import os

from ibackup.store.disk import durable
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.disk.system_lock import changing

_NAME = "stores.json"
_SCHEMA = 1


def state_dir() -> str:
    """This user's state: ``$IBACKUP_STATE_DIR``, or the system's folder for such data."""
    given = os.environ.get("IBACKUP_STATE_DIR")
    if given:
        return os.path.abspath(given)
    import platformdirs

    return platformdirs.user_state_dir("ibackup", appauthor=False)


class KnownStores:
    """The ids of the stores that were used at each path.

    Args:
        folder: where they are stored; created when needed.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._folder = state_dir() if folder is None else folder
        self._path = os.path.join(self._folder, _NAME)

    def at(self, path: str) -> tuple[str, ...]:
        """The ids of the stores that were used at a path, the newest last."""
        return self._read().get(path, ())

    def remember(self, path: str, store_id: str) -> bool:
        """Remember that a store was used; False if that cannot be written, which is no reason to stop."""
        if self.at(path)[-1:] == (store_id,):
            return True
        try:
            durable.make_dir(self._folder, parents=True)
            with changing(self._path):
                known = self._read()
                known[path] = (*(each for each in known.get(path, ()) if each != store_id), store_id)
                members: dict[str, object] = {each: list(ids) for each, ids in known.items()}
                durable.write_file(self._path, JsonRecord({"schema": _SCHEMA, "stores": members}).render())
        except OSError:
            return False
        return True

    def _read(self) -> dict[str, tuple[str, ...]]:
        """Everything known; a damaged or missing file counts as nothing, and is written again."""
        try:
            stores = JsonRecord.read(self._path).record("stores")
            return {path: stores.texts(path) for path in stores.names()}
        except (OSError, RecordFlaw):
            return {}
