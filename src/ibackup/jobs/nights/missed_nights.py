"""The nights in which a backup was due and none was made, as far as this computer's history of nights tells."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, tzinfo
from typing import Final

from ibackup.base.udids import same_udid
from ibackup.config.value_kinds import HoursWindow
from ibackup.jobs.nights import due

_TRIED: Final = frozenset(["absent", "unanswered", "no_power", "failed"])
"""States of a turn in which a backup was due; a phone that waits for another one still has its turn."""


def missed_nights(
    turns: Iterable[Mapping[str, object]],
    udid: str,
    made: Iterable[datetime],
    window: HoursWindow | None,
    now: datetime | None = None,
    zone: tzinfo | None = None,
) -> frozenset[date]:
    """The nights that a phone missed, each by the day on which it began; one that is not over does not count.

    A backup that was removed later still counts as made: the history names those that nights made, and each turn
    says how old the newest backup was then.

    Args:
        turns: ``History.read``.
        udid: of the phone.
        made: when the backups that are still there were made.
        window: the phone's hours.
        now: the present by default.
        zone: this computer's by default.
    """
    tried: set[str] = set()
    known = {due.night_of(window, each, zone) for each in made}
    for turn in turns:
        if not same_udid(str(turn.get("udid", "")), udid):
            continue
        ended, newest = _moment(turn.get("ended")), _moment(turn.get("newest"))
        if newest:
            known.add(due.night_of(window, newest, zone))
        if ended and turn.get("state") == "done":
            known.add(due.night_of(window, ended, zone))
        elif ended and turn.get("state") in _TRIED:
            tried.add(due.night_of(window, ended, zone))
    now = now or datetime.now(UTC)
    if due.is_open(window, now, zone):
        tried.discard(due.night_of(window, now, zone))
    return frozenset(date.fromisoformat(each) for each in tried - known)


def _moment(text: object) -> datetime | None:
    with suppress(ValueError):
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
    return None
