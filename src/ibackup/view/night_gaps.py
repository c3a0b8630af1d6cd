"""The nights that a phone missed, for the thread and the plots. The history of nights is read again when it changed."""

import threading
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from ibackup.jobs.nights.missed_nights import missed_nights
from ibackup.jobs.nights.night_log import History
from ibackup.view import thread_beads

if TYPE_CHECKING:
    from ibackup.view.asked import Asked

_lock = threading.Lock()
_read: tuple[tuple[int, ...], list[dict[str, object]]] = ((), [])


def missed_by(asked: "Asked") -> frozenset[date]:
    """The nights that the phone in the address missed; none for a folder of another program."""
    phone = asked.phone
    if phone.folder is None:
        return frozenset()
    made = [each.made for each in phone.backups if each.made]
    return missed_nights(_turns(), phone.udid, made, asked.house.config.rules(phone.udid).window)


def thread_of(asked: "Asked") -> list[thread_beads.ThreadItem]:
    """The thread of the phone in the address."""
    return thread_beads.thread_of(asked.phone, missed_by(asked), datetime.now(UTC).astimezone())


def _turns() -> list[dict[str, object]]:
    global _read  # noqa: PLW0603 - one history for each user of the computer
    history = History()
    mark = history.mark
    with _lock:
        if _read[0] != mark:
            _read = (mark, history.read())
        return _read[1]
