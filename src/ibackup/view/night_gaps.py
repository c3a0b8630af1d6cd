"""The nights that a phone missed, for the thread and the plots. The history of nights is read again when it changed."""

import threading
from datetime import UTC, date, datetime

from ibackup.config.config_schema import Config
from ibackup.jobs.nights.missed_nights import missed_nights
from ibackup.jobs.nights.night_log import History
from ibackup.view import thread_beads
from ibackup.view.shown_phones import ShownPhone

_lock = threading.Lock()
_read: tuple[tuple[int, ...], list[dict[str, object]]] = ((), [])


def missed_by(phone: ShownPhone, config: Config) -> frozenset[date]:
    """The nights that a phone missed; none for a folder of another program."""
    if phone.folder is None:
        return frozenset()
    made = [each.made for each in phone.backups if each.made]
    return missed_nights(_turns(), phone.udid, made, config.rules(phone.udid).window)


def thread_of(phone: ShownPhone, config: Config) -> list[thread_beads.ThreadItem]:
    """The thread of a phone."""
    return thread_beads.thread_of(phone, missed_by(phone, config), datetime.now(UTC).astimezone())


def _turns() -> list[dict[str, object]]:
    global _read  # noqa: PLW0603 - one history for each user of the computer
    history = History()
    mark = history.mark
    with _lock:
        if _read[0] != mark:
            _read = (mark, history.read())
        return _read[1]
