"""The keys that identify known phones: ``<UDID>/key.json`` in the store, and the same in the user's state.

Anything that pairs with the phone (usbmuxd on Linux does so automatically) replaces the pair record, so that
record proves nothing about earlier pairings. An impostor who knows the UDID would be shown the existing
backup.
"""

import contextlib
import os
from collections.abc import Callable, Iterator

from ibackup.base.errors import IbackupError
from ibackup.base.udids import plain_udid
from ibackup.store.disk import durable
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.records.used_stores import state_dir
from ibackup.store.store import Store

_NAME = "key.json"
_SCHEMA = 1


Vouch = Callable[[IbackupError], bool]
"""Asks whether it is the right phone after all; the error says why that is in doubt."""


def nobody(_error: IbackupError) -> bool:
    """Answers no, because nobody can be asked."""
    return False


class Keys:
    """What the user's state and one store know about phones' keys (``device.recognition``).

    Args:
        store: None if there is none (yet); then only the user's state is used.
        vouches: asked if a phone has another key.
    """

    def __init__(self, store: Store | None, vouches: Vouch = nobody) -> None:
        self._store = store
        self._vouches = vouches

    def known(self, udid: str) -> frozenset[str]:
        """The keys (SHA-256, hex digits) of a known phone; empty for an unknown one."""
        return frozenset(key for place in self._places(udid) if (key := _read(place)) is not None)

    def remember(self, udid: str, key: str) -> None:
        """Remember this key of the phone; if one place cannot be written, the other is enough."""
        text = JsonRecord({"schema": _SCHEMA, "sha256": key}).render()
        with contextlib.suppress(OSError):
            durable.make_dir(own_folder(udid), parents=True)
        for place in self._places(udid):
            if _read(place) == key:
                continue
            with contextlib.suppress(OSError):
                durable.write_file(os.path.join(place, _NAME), text)

    def vouches(self, error: IbackupError) -> bool:
        """Ask whether it is the right phone."""
        return self._vouches(error)

    def _places(self, udid: str) -> Iterator[str]:
        """The phone's folder in the store, if it exists, and its folder in the user's state."""
        if self._store is not None:
            folder = self._store.phone(udid, told_by_phone=True).path
            if os.path.isdir(folder):
                yield folder
        yield own_folder(udid)


def _read(folder: str) -> str | None:
    try:
        return JsonRecord.read(os.path.join(folder, _NAME)).text("sha256")
    except (OSError, RecordFlaw):
        return None


def own_folder(udid: str) -> str:
    """The folder in the user's state for what is known of a phone."""
    # One place for all spellings: dashes and case of the UDID do not matter.
    return os.path.join(state_dir(), "phones", plain_udid(udid))
