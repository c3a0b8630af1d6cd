"""Asks a backup's photo library how many originals are only in iCloud. Nothing that goes wrong here ends a backup."""

import logging
import time

from ibackup.apple.backup import Backup
from ibackup.store.records.photo_originals import PhotoOriginals

_log = logging.getLogger(__name__)


def count_originals(backup: Backup) -> PhotoOriginals | None:
    """The count of an unlocked backup; None if there is no library, or if it cannot be read.

    The library comes from a phone and may be damaged in any way. The backup is more important than the number.
    """
    from ibackup.contents.photos.only_in_icloud import OnlyInICloud

    began = time.monotonic()
    try:
        found = OnlyInICloud.of(backup)
    except Exception as error:  # noqa: BLE001 - whatever a hostile database does costs only the number
        _log.debug("the photos could not be counted: %s", type(error).__name__)
        return None
    _log.debug("counted the photos in %.1f s", time.monotonic() - began)
    if found is None:
        return None
    return PhotoOriginals(found.photos, found.only_in_icloud, found.stand_ins, found.lost)
