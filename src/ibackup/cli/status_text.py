"""What ``ibackup status`` shows to people: a line a phone, and below it what somebody should know or do."""

import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ibackup.cli.output import count_text, printable, size_text, styled, time_text, whole, wrap
from ibackup.errors import ExitCode

if TYPE_CHECKING:
    from ibackup.overview import Overview, PhoneStatus

_WIDTH = 80
_GAP = "  "
_SHORTEST_NAME = 5
_HEAD = ("PHONE", "NEWEST GOOD", "PROVEN", "NEXT RUN", "ROOM", "ICLOUD (TOLD)")


def headline(overview: "Overview") -> tuple[str, str]:
    """What is wrong and what to do about it, for the result; both empty when all is well."""
    if overview.code is ExitCode.DAMAGE:
        names = ", ".join(phone.name for phone in overview.phones if phone.damage)
        return (
            f"The newest backup is damaged: {names}.",
            "Make a new one with `ibackup now`: the phone sends again what is damaged.",
        )
    if overview.code is ExitCode.STALE:
        names = ", ".join(phone.name for phone in overview.phones if phone.is_stale)
        said = f"No good backup within the limit: {names}." if names else "No phone has a backup here yet."
        return said, "Connect the phone, unlock it and run `ibackup now`."
    return "", ""


def text(overview: "Overview", now: datetime) -> str:
    """The table and what is to be said about it."""
    if not overview.phones:
        return wrap(f"STALE: no phone has a backup in '{overview.store}' yet. Make one with `ibackup now`.")
    rows = [_HEAD, *(_cells(phone, overview, now) for phone in overview.phones)]
    remarks = [line for phone in overview.phones for line in _remarks(phone)]
    return "\n".join([*map(_striking, _table(rows)), *([""] if remarks else []), *remarks])


def age_text(age: timedelta) -> str:
    """An age in one unit: ``40 min``, ``9 h``, ``12 d``."""
    minutes = int(age.total_seconds() // 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


# -- the table ----------------------------------------------------------------------------------------------


def _cells(phone: "PhoneStatus", overview: "Overview", now: datetime) -> tuple[str, ...]:
    newest = "none" if phone.age is None else age_text(phone.age)
    word = " DAMAGED" if phone.damage else " STALE" if phone.is_stale else ""
    return (
        printable(phone.name),
        newest + word,
        _proven(phone, now),
        _next(overview, now),
        size_text(overview.free_bytes),
        _cloud(phone, now),
    )


def _proven(phone: "PhoneStatus", now: datetime) -> str:
    if phone.newest is None:
        return "-"
    parts = [f"{phone.proof.level} {_ago(phone.proof.when, now)}"] if phone.proof else []
    if phone.rehearsed:
        parts.append(f"drill {_ago(phone.rehearsed, now)}")
    return ", ".join(parts) or "not yet"


def _ago(moment: datetime, now: datetime) -> str:
    return age_text(max(now - moment, timedelta())).replace(" ", "")


def _next(overview: "Overview", now: datetime) -> str:
    if overview.next_run is None:
        return "watched" if overview.watched else "none"
    local = overview.next_run.astimezone()
    return f"{local:%H:%M}" if local.date() == now.astimezone().date() else f"{_day(local)} {local:%H:%M}"


def _day(local: datetime) -> str:
    return ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[local.weekday()]


def _cloud(phone: "PhoneStatus", now: datetime) -> str:
    cloud = phone.cloud
    if cloud.last is None or cloud.told is None:
        return "off" if cloud.enabled is False else "not told"
    if cloud.enabled is False:
        return f"off, {_date(cloud.last, now)}"
    return f"{_date(cloud.last, now)} ({_date(cloud.told, now)})"


def _date(moment: datetime, now: datetime) -> str:
    """The day, with its year when that is another one."""
    local = moment.astimezone()
    return f"{local:%m-%d}" if local.year == now.astimezone().year else f"{local:%Y-%m-%d}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as what is in them; the names, then the gaps give way until a line has 80."""
    widths = [max(map(_wide, column)) for column in zip(*rows, strict=True)]
    gaps = len(widths) - 1
    rest = sum(widths[1:])
    gap = _GAP if rest + len(_GAP) * gaps + _SHORTEST_NAME <= _WIDTH else " "
    widths[0] = max(min(widths[0], _WIDTH - rest - len(gap) * gaps), _SHORTEST_NAME)
    for row in rows:
        cells = [_fitted(row[0], widths[0]), *row[1:]]
        yield gap.join(
            cell + " " * (width - _wide(cell)) for cell, width in zip(cells, widths, strict=True)
        ).rstrip()


def _wide(text: str) -> int:
    """Columns that a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
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
    if phone.damage:
        yield (
            f"the newest snapshot is damaged. {printable(phone.damage)} Run `ibackup now`: the phone sends again what "
            "is damaged."
        )
    if phone.is_stale and phone.newest is None:
        yield "stale: there is no good backup yet. Connect the phone, unlock it and run `ibackup now`."
    elif phone.is_stale and phone.is_ahead and phone.newest is not None:
        yield (
            f"stale: the newest backup is dated {time_text(phone.newest.meta.data_from)}, which has not come yet. Is "
            "this computer's clock right?"
        )
    elif phone.is_stale and phone.newest is not None:
        yield (
            f"stale: the newest good backup is of {time_text(phone.newest.meta.data_from)}, and the limit is {limit}. "
            "Connect the phone, unlock it and run `ibackup now`."
        )
    if phone.by_cloud and phone.cloud.last is not None:
        yield f"iCloud's backup of {time_text(phone.cloud.last)} counts; the one here is older than {limit}."
    if phone.newest is not None and phone.proof is None and phone.rehearsed is None:
        ident = phone.newest.id
        yield f"snapshot {ident} has not been verified yet; `ibackup verify {ident}` does."


def _left(phone: "PhoneStatus") -> Iterator[str]:
    if phone.running is not None:
        where = f"process {phone.running.pid} on {printable(phone.running.host)}"
        yield f"a backup is under way since {time_text(phone.running.started)} ({where})."
    if len(phone.left) > 3:
        yield f"{count_text(len(phone.left), 'thing')} left over from runs that broke; `ibackup list` names them."
        return
    for left in phone.left:
        yield f"left over from a run that broke: {whole(printable(left.path))}. {left.plan}"
