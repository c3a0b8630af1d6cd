"""The last thirty nights of each phone, for Home: what became of them, and tonight."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

from ibackup.base.counts import count_text, listed
from ibackup.config.config_schema import Config
from ibackup.jobs.nights.due import night_of, opens
from ibackup.jobs.nights.night_journal import STATE_WORDS, JournalState
from ibackup.view import words
from ibackup.view.known_nights import nights_of
from ibackup.view.shown_phones import ShownPhone

NIGHTS: Final = 30

Look = Literal["made", "idle", "missed", "failed", "none", "before", "next"]
"""How a night is drawn: it has a backup; nothing was due; a phone or a person was missing; the backup failed; ibackup
did not run; before the first that is known of the phone; still to come."""

_LOOKS: Final[dict[JournalState, Look]] = {"done": "made", "not_due": "idle", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class NightMark:
    """One night of a phone; ``label`` says it in words, empty before the first one."""

    look: Look
    label: str


@dataclass(frozen=True, slots=True)
class NightRow:
    """The nights of a phone, oldest first; ``said`` sums them up for those who do not see them."""

    phone: ShownPhone
    marks: tuple[NightMark, ...]
    said: str


@dataclass(frozen=True, slots=True)
class NightStrip:
    """The nights of all phones; the last one is tonight from noon on, and last night before."""

    rows: tuple[NightRow, ...]
    first: date
    last: date
    is_tonight: bool


def night_strip(
    phones: Sequence[tuple[ShownPhone, datetime | None]], config: Config, now: datetime | None = None
) -> NightStrip | None:
    """The strip; None if nothing is known of any phone.

    Args:
        phones: each with the time of its next run, None without one.
        config: has the phones' hours.
        now: the present by default.
    """
    now = now or datetime.now(UTC)
    last = date.fromisoformat(night_of(None, now))
    days = [last - timedelta(days=ago) for ago in reversed(range(NIGHTS))]
    rows = [
        _row(phone, nights_of(phone, config, now), config, days, following, now)
        for phone, following in phones
    ]
    shown = tuple(row for row in rows if any(mark.label for mark in row.marks))
    is_tonight = last == now.astimezone().date()
    return NightStrip(shown, days[0], last, is_tonight) if shown else None


def _row(
    phone: ShownPhone,
    nights: Mapping[date, JournalState],
    config: Config,
    days: Sequence[date],
    following: datetime | None,
    now: datetime,
) -> NightRow:
    window = config.rules(phone.udid).window
    coming = night_of(window, following) if following else ""
    ahead = night_of(window, opens(window, now))
    first = min(nights, default=None)
    marks: list[NightMark] = []
    for day in days:
        state = nights.get(day)
        when = f"{day:%a} {words.short_day(day)}"
        if state is not None:
            marks.append(NightMark(_LOOKS.get(state, "missed"), f"{when}: {STATE_WORDS[state]}"))
        elif following and day.isoformat() == coming:
            marks.append(
                NightMark("next", f"{words.relative_day(following)} from {words.clock(following)}, not yet")
            )
        elif first is None or day < first or day.isoformat() >= ahead:
            marks.append(NightMark("before", ""))
        else:
            marks.append(NightMark("none", f"{when}: ibackup did not run"))
    return NightRow(phone, tuple(marks), _said(phone, marks))


def _said(phone: ShownPhone, marks: Sequence[NightMark]) -> str:
    counted = (
        ("made", "with a backup"),
        ("idle", "when nothing was due"),
        ("missed", "when the phone or someone was missing"),
        ("failed", "when the backup failed"),
        ("none", "when ibackup did not run"),
    )
    looks = [mark.look for mark in marks]
    parts = [f"{count_text(looks.count(look), 'night')} {text}" for look, text in counted if look in looks]
    return f"{phone.name}, the last {NIGHTS} nights: {listed(parts) or 'nothing yet'}"
