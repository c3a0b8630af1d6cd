"""What ``ibackup status`` shows to people: one line per phone, and below it what someone should know or do."""

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ibackup.base.counts import count_text
from ibackup.base.durations import long_duration
from ibackup.base.exit_codes import ExitCode
from ibackup.base.sizes import size_text
from ibackup.cli.shell.output import printable, styled, time_text, whole, wrap

if TYPE_CHECKING:
    from ibackup.jobs.overview.store_overview import Overview, PhoneStatus

_WIDTH = 80
_GAP = "  "
_SHORTEST_NAME = 5
_NAMED = 3  # damaged snapshots
_HEAD = ("PHONE", "NEWEST GOOD", "PROVEN", "RESTORE TEST", "NEXT RUN", "LAST ICLOUD BACKUP")
_DONE = {"quick": "sizes", "full": "read", "deep": "opened"}
"""What a verification did, in one short word."""


def headline(overview: "Overview") -> tuple[str, str]:
    """What is wrong and what to do about it, for the result; both empty if all is well."""
    if overview.code is ExitCode.DAMAGE:
        if all(phone.is_unknown for phone in overview.phones if phone.damage):
            first = next(phone for phone in overview.phones if phone.damage)
            return (
                f"Nobody knows whether the newest backup is good: {first.name}.",
                f"Run `ibackup verify {first.damaged_snapshot}`.",
            )
        names = ", ".join(phone.name for phone in overview.phones if phone.damage)
        heals = (phone.healing for phone in overview.phones if phone.damage and phone.healing)
        return (
            f"The newest backup is damaged: {names}.",
            next(heals, "Make a new one with `ibackup now`: the phone sends the damaged files again."),
        )
    if overview.code is ExitCode.STALE:
        names = ", ".join(phone.name for phone in overview.phones if phone.is_stale)
        said = f"No good backup within the limit: {names}." if names else "No phone has a backup here yet."
        return said, "Connect the phone, unlock it and run `ibackup now`."
    return "", ""


def text(overview: "Overview", now: datetime, width: int | None = _WIDTH) -> str:
    """The table and the remarks about it. With None as the width no name is shortened, however wide the table is."""
    if not overview.phones:
        return wrap(f"No backup yet in '{overview.store}'. Make one with `ibackup now`.")
    rows = [_HEAD, *(_cells(phone, overview, now) for phone in overview.phones)]
    remarks = [line for phone in overview.phones for line in _remarks(phone)]
    enough = f", enough for {long_duration(overview.enough_for)}" if overview.enough_for else ""
    room = wrap(
        f"Free on the disk of '{printable(overview.store)}': {size_text(overview.free_bytes)}{enough}."
    )
    wide = sys.maxsize if width is None else width
    table = list(_table(rows, wide))
    if wide < max(_WIDTH, *map(_wide, table)):
        table = list(_one_below_the_other(*rows))
    return "\n".join([*map(_striking, table), "", *remarks, room])


def age_text(age: timedelta) -> str:
    """An age in one unit: ``40 min``, ``9 h``, ``12 d``."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


# -- the table ----------------------------------------------------------------------------------------------


def _cells(phone: "PhoneStatus", overview: "Overview", now: datetime) -> tuple[str, ...]:
    word = (
        "UNPROVEN"
        if phone.is_unknown
        else "DAMAGED"
        if phone.damage
        else "STALE"
        if phone.is_stale
        else "ago"
    )
    age = "none" if phone.age is None else age_text(phone.age)
    newest = age if age == "none" and word == "ago" else f"{age} {word}"
    return (
        printable(phone.name),
        newest,
        f"{_DONE.get(phone.proof.level, '')} {_ago(phone.proof.when, now)}".strip()
        if phone.proof
        else "not yet",
        _ago(phone.rehearsed, now) if phone.rehearsed else "none",
        _next(overview, now),
        _cloud(phone, now),
    )


def _ago(moment: datetime, now: datetime) -> str:
    return f"{age_text(max(now - moment, timedelta()))} ago"


def _next(overview: "Overview", now: datetime) -> str:
    if overview.next_run is None:
        return "watched" if overview.watched else "unsure" if overview.unsure else "none"
    local = overview.next_run.astimezone()
    return f"{local:%H:%M}" if local.date() == now.astimezone().date() else f"{_day(local)} {local:%H:%M}"


def _day(local: datetime) -> str:
    return ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[local.weekday()]


def _cloud(phone: "PhoneStatus", now: datetime) -> str:
    cloud = phone.cloud
    if cloud.last is None or cloud.told is None:
        return "off" if cloud.enabled is False else "unknown"
    if cloud.enabled is False:
        return f"off, {_date(cloud.last, now)}"
    return f"{_date(cloud.last, now)} ({_date(cloud.told, now)})"


def _date(moment: datetime, now: datetime) -> str:
    """The day, with the year if it is not this one."""
    local = moment.astimezone()
    return f"{local:%m-%d}" if local.year == now.astimezone().year else f"{local:%Y-%m-%d}"


def _table(rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Columns as wide as their contents; names, then gaps, shrink until a line fits the width."""
    widths = [max(map(_wide, column)) for column in zip(*rows, strict=True)]
    gaps = len(widths) - 1
    rest = sum(widths[1:])
    gap = _GAP if rest + len(_GAP) * gaps + _SHORTEST_NAME <= width else " "
    widths[0] = max(min(widths[0], width - rest - len(gap) * gaps), _SHORTEST_NAME)
    for row in rows:
        cells = [_fitted(row[0], widths[0]), *row[1:]]
        yield gap.join(
            cell + " " * (column - _wide(cell)) for cell, column in zip(cells, widths, strict=True)
        ).rstrip()


def _one_below_the_other(head: Sequence[str], *rows: Sequence[str]) -> Iterator[str]:
    """The same for a terminal on which no table fits."""
    for name, *cells in rows:
        yield from wrap(name).splitlines()
        for title, cell in zip(head[1:], cells, strict=True):
            yield f"  {title.capitalize().replace('icloud', 'iCloud'):<20}{cell}"


def _wide(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(char) in "WF"
        else 1
        for char in text
    )


def _fitted(name: str, width: int) -> str:
    if _wide(name) <= width:
        return name
    while _wide(name) > width - 1:
        name = name[:-1]
    return f"{name}…"


def _striking(line: str) -> str:
    for word in ("STALE", "DAMAGED"):
        line = line.replace(f" {word}", f" {styled(word, fg='red', bold=True)}", 1)
    return line


# -- below it -----------------------------------------------------------------------------------------------


def _remarks(phone: "PhoneStatus") -> Iterator[str]:
    name = printable(phone.name)
    said = [*_problems(phone), *_left(phone)]
    yield from (wrap(f"{name}: {sentence}", "", "  ") for sentence in said)


def _problems(phone: "PhoneStatus") -> Iterator[str]:
    limit = age_text(phone.max_age)
    if phone.is_unknown:
        yield printable(phone.damage)
    elif phone.damage:
        yield (
            f"the newest snapshot is damaged. {printable(phone.damage)} "
            f"{phone.healing or 'Run `ibackup now`: the phone sends the damaged files again.'}"
        )
    if phone.damaged_older:
        ids = phone.damaged_older
        count = count_text(len(ids), "older snapshot is", "older snapshots are")
        yield (
            f"{count} damaged: {', '.join(ids[-_NAMED:])}{' and others' if len(ids) > _NAMED else ''}. "
            f"`ibackup verify {ids[-1]}` says what is wrong."
        )
    if phone.is_stale and phone.newest is None:
        yield "stale: there is no good backup yet. Connect the phone, unlock it and run `ibackup now`."
    elif phone.is_stale and phone.is_ahead and phone.made is not None:
        yield (
            f"stale: the newest backup is dated {time_text(phone.made)}, which is in the future. Is this "
            f"computer's clock right?"
        )
    elif phone.is_stale and phone.made is not None:
        yield (
            f"stale: the newest good backup is from {time_text(phone.made)}, and the limit is {limit}. "
            "Connect the phone, unlock it and run `ibackup now`."
        )
    if phone.by_cloud and phone.cloud.last is not None:
        yield f"the iCloud backup from {time_text(phone.cloud.last)} counts; the one here is older than {limit}."
    if phone.newest is not None and phone.flawed:
        yield f"some files of the newest backup are flawed; `ibackup show {phone.newest.id}` names them."
    if phone.newest is not None and phone.newest.meta.photos and (said := phone.newest.meta.photos.said):
        yield f"{said}."
    if phone.newest is not None and phone.proof is None and phone.rehearsed is None:
        ident = phone.newest.id
        yield f"to re-read every byte of snapshot {ident}: `ibackup verify {ident}`."


def _left(phone: "PhoneStatus") -> Iterator[str]:
    if phone.running is not None:
        where = f"process {phone.running.pid} on {printable(phone.running.host)}"
        yield f"a backup has been running since {time_text(phone.running.started)} ({where})."
    if len(phone.left) > 3:
        yield f"{count_text(len(phone.left), 'thing')} left over from interrupted runs; `ibackup list` names them."
        return
    for left in phone.left:
        yield f"left over from an interrupted run: {whole(printable(left.path))}. {left.plan}"
