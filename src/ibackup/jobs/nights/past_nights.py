"""What became of each night of a phone, as far as this computer's history of nights tells."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, tzinfo
from typing import Final

from ibackup.base.udids import same_udid
from ibackup.config.value_kinds import HoursWindow
from ibackup.jobs.nights import due
from ibackup.jobs.nights.night_journal import JournalState

_TELLING: Final[tuple[JournalState, ...]] = ("not_due", "absent", "no_power", "unanswered", "failed", "done")
"""Of several turns in a night, the one that comes last here says what became of it. A phone that waits for another
one still has its turn, so ``waiting`` says nothing."""
_MISSED: Final = frozenset(["absent", "no_power", "unanswered", "failed"])
"""States of a turn in which a backup was due and none was made."""


def past_nights(
    turns: Iterable[Mapping[str, object]],
    udid: str,
    made: Iterable[datetime],
    window: HoursWindow | None,
    now: datetime | None = None,
    zone: tzinfo | None = None,
) -> Mapping[date, JournalState]:
    """What became of a phone's nights, each by the day on which it began; no run told of a night that is missing.

    A night that is not over counts only if it has its backup already. A backup that was removed later still counts as
    made: the history names those that nights made, and each turn says how old the newest backup was then.

    Args:
        turns: ``History.read``.
        udid: of the phone.
        made: when the backups that are still there were made.
        window: the phone's hours.
        now: the present by default.
        zone: this computer's by default.
    """
    found: dict[str, JournalState] = {due.night_of(window, each, zone): "done" for each in made}
    for turn in turns:
        if not same_udid(str(turn.get("udid", "")), udid):
            continue
        ended, newest = _moment(turn.get("ended")), _moment(turn.get("newest"))
        if newest:
            found[due.night_of(window, newest, zone)] = "done"
        state = next((known for known in _TELLING if known == turn.get("state")), None)
        if ended and state:
            night = due.night_of(window, ended, zone)
            found[night] = max(found.get(night, state), state, key=_TELLING.index)
    now = now or datetime.now(UTC)
    ahead = due.night_of(window, due.opens(window, now, zone), zone)
    if found.get(ahead) != "done":
        found.pop(ahead, None)
    return {date.fromisoformat(night): state for night, state in found.items()}


def missed(nights: Mapping[date, JournalState]) -> frozenset[date]:
    """Of these nights those in which a backup was due and none was made."""
    return frozenset(night for night, state in nights.items() if state in _MISSED)


def _moment(text: object) -> datetime | None:
    with suppress(ValueError):
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
    return None
