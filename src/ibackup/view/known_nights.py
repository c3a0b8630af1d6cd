"""What became of a phone's nights, and its thread. The history of nights is read again when it changed."""

import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime

from ibackup.config.config_schema import Config
from ibackup.config.value_kinds import HoursWindow
from ibackup.jobs.nights import due
from ibackup.jobs.nights.night_journal import JournalState
from ibackup.jobs.nights.night_log import History
from ibackup.jobs.nights.past_nights import missed, past_nights
from ibackup.view import thread_beads
from ibackup.view.shown_phones import ShownPhone

_Key = tuple[tuple[int, ...], tuple[datetime, ...], HoursWindow | None, str]

_lock = threading.Lock()
_read: tuple[tuple[int, ...], list[dict[str, object]]] = ((), [])
_found: dict[str, tuple[_Key, Mapping[date, JournalState]]] = {}


def nights_of(phone: ShownPhone, config: Config, now: datetime | None = None) -> Mapping[date, JournalState]:
    """What became of a phone's nights, see ``past_nights``; nothing for a folder of another program."""
    if phone.folder is None:
        return {}
    now, window = now or datetime.now(UTC), config.rules(phone.udid).window
    made = tuple(each.made for each in phone.backups if each.made)
    mark, turns = _turns()
    key = (mark, made, window, due.night_of(window, due.opens(window, now)))
    kept = _found.get(phone.udid)
    if kept is None or kept[0] != key:
        kept = _found[phone.udid] = (key, past_nights(turns, phone.udid, made, window, now))
    return kept[1]


def missed_by(phone: ShownPhone, config: Config) -> frozenset[date]:
    """The nights in which a backup was due and none was made."""
    return missed(nights_of(phone, config))


def thread_of(phone: ShownPhone, config: Config, starts: datetime | None) -> list[thread_beads.ThreadItem]:
    """The thread of a phone.

    Args:
        phone: whose backups.
        config: names its hours.
        starts: when the nights start next; None if nothing starts them.
    """
    now = datetime.now(UTC)
    good = (
        each.made for each in reversed(phone.backups) if each.known and not each.known.proofs.known_damaged
    )
    following = (
        due.next_turn(config.rules(phone.udid), next(good, None), starts, now) if phone.folder else None
    )
    return thread_beads.thread_of(phone, missed_by(phone, config), now.astimezone(), following)


def _turns() -> tuple[tuple[int, ...], list[dict[str, object]]]:
    global _read  # noqa: PLW0603 - one history for each user of the computer
    history = History()
    mark = history.mark
    with _lock:
        if _read[0] != mark:
            _read = (mark, history.read())
        return _read
