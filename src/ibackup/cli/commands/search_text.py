"""How `search` shows what it found: texts come from strangers and must not control the terminal."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING

from ibackup.base.counts import count_text
from ibackup.cli.shell.file_text import clean
from ibackup.cli.shell.output import printable, rfc3339, styled, time_text, width, wrap

if TYPE_CHECKING:
    from ibackup.search.documents import When
    from ibackup.search.excerpts import Excerpt
    from ibackup.search.search_gaps import SearchGap
    from ibackup.search.search_hits import Searched, SearchHit

_TITLES = {
    "messages": "Messages",
    "people": "People",
    "notes": "Notes",
    "calendar": "Calendar",
    "reminders": "Reminders",
    "calls": "Calls",
    "files": "Files",
}
_PLACE_ALONE = ("calls", "files")
_Snapshots = Mapping[str, datetime | None]
_Cell = tuple[str, bool]
_MOST_GAPS = 20


def title_line(kind: str, count: int, shown: int) -> str:
    """The heading of a kind, or of a phone."""
    if not count:
        return printable(kind)
    part = f", the newest {shown:,} of them" if shown < count and kind not in ("people", "files") else ""
    part = f", {shown:,} of them" if shown < count and not part else part
    return f"{_TITLES[kind]}: {count_text(count, 'hit')}{part}"


def hit_lines(hit: "SearchHit", snapshots: _Snapshots) -> Iterator[str]:
    """A hit for people: when and where, then the text around the words."""
    head = _cells(f"{shown_when(hit.when)}  " if hit.when is not None else "")
    said = [_marked(hit.title)] if hit.title.text else []
    # A conversation with one person bears that person's name.
    named = hit.place if hit.place != hit.who else ""
    place = hit.place if hit.kind in _PLACE_ALONE else f"in {named}" if named else ""
    said += [_cells(each) for each in (hit.who, "" if hit.kind == "files" else place) if each]
    for number, each in enumerate(said):
        head += _cells(", ") if number else []
        head += each
    where = presence(hit, snapshots)
    yield from _lines(head + _cells(f" ({where})" if where else ""), "  ", "    ")
    if hit.kind == "files":
        yield from _lines(_cells(hit.place), "    ", "    ")
    elif hit.excerpt.text:
        yield from _lines(_marked(hit.excerpt), "    ", "    ")


def presence(hit: "SearchHit", snapshots: _Snapshots) -> str:
    """In which snapshots a hit is; empty for a folder."""
    order = list(snapshots)
    if len(order) == 1:
        return "" if snapshots[order[0]] is None else "in the only snapshot"
    if len(hit.snapshots) == len(order):
        return f"in all {len(order)} snapshots"
    said = []
    if hit.snapshots[0] != order[0]:
        said.append(f"first seen {_day(snapshots[hit.snapshots[0]])}")
    if hit.snapshots[-1] != order[-1]:
        said.append(f"last seen {_day(snapshots[hit.snapshots[-1]])}")
    return ", ".join(said) or f"in {len(hit.snapshots)} of {len(order)} snapshots"


def hit_event(hit: "SearchHit", udid: str, snapshots: _Snapshots) -> dict[str, object]:
    """The ``hit`` event."""
    order = list(snapshots)
    return {
        "event": "hit",
        "kind": hit.kind,
        "id": clean(hit.id),
        "udid": udid or None,
        "title": clean(hit.title.text),
        "text": clean(hit.excerpt.text),
        "marks": [list(each) for each in hit.excerpt.marks],
        "who": clean(hit.who) or None,
        "place": clean(hit.place) or None,
        "time": _machine_time(hit.when),
        "snapshots": len(hit.snapshots),
        "first_snapshot": clean(hit.snapshots[0]),
        "last_snapshot": clean(hit.snapshots[-1]),
        "in_newest": hit.snapshots[-1] == order[-1],
    }


def nothing_text(found: "list[tuple[str, Searched]]") -> str:
    """What to say if there is no hit."""
    count = sum(len(searched.snapshots) for _, searched in found)
    return wrap(f"Nothing was found in {count_text(count, 'backup')}.")


def gap_lines(gaps: "Sequence[SearchGap]", hint: str) -> Iterator[str]:
    """What could not be searched, for people."""
    serious = [gap for gap in gaps if not gap.minor]
    if serious:
        yield "Not searched, or not wholly:"
    for gap in serious[:_MOST_GAPS]:
        yield wrap(printable(f"- {gap.snapshot}: {gap.reason}"), "  ", "    ")
    if len(serious) > _MOST_GAPS:
        yield f"  and {len(serious) - _MOST_GAPS:,} more"
    if serious and hint:
        yield wrap(printable(hint))
    minor = sorted({gap.reason.partition(":")[0] for gap in gaps if gap.minor})
    if minor:
        yield wrap(
            f"Some texts cannot be decoded, and words in them are not found: {printable(', '.join(minor))}. "
            "`ibackup export` names them."
        )


def shown_when(when: "When") -> str:
    """A time for people: a moment in their own zone, a day as it is."""
    if isinstance(when, datetime):
        return when.strftime("%Y-%m-%d %H:%M") if when.tzinfo is None else _local(when)
    return when.isoformat() if isinstance(when, date) else ""


def _local(moment: datetime) -> str:
    try:
        return time_text(moment)
    except (OverflowError, ValueError, OSError):  # a year that this computer's clock does not have
        return moment.strftime("%Y-%m-%d %H:%M")


def _machine_time(when: "When") -> str | None:
    if isinstance(when, datetime) and when.tzinfo is not None:
        return rfc3339(when)
    return when.isoformat() if when is not None else None


def _day(moment: datetime | None) -> str:
    return time_text(moment).partition(" ")[0] if moment is not None else "unknown"


# -- lines --------------------------------------------------------------------------------------------------


def _cells(text: str, *, bold: bool = False) -> list[_Cell]:
    return [(char, bold) for char in printable(text)]


def _marked(excerpt: "Excerpt") -> list[_Cell]:
    """The characters of an excerpt, those of the words in bold."""
    cells: list[_Cell] = []
    place = 0
    for start, end in excerpt.marks:
        cells += _cells(excerpt.text[place:start]) + _cells(excerpt.text[start:end], bold=True)
        place = end
    return cells + _cells(excerpt.text[place:])


def _lines(cells: list[_Cell], indent: str, hanging: str) -> Iterator[str]:
    """The characters on lines that fit the terminal; a word that is longer than a line is cut."""
    room = width() - 1
    line: list[_Cell] = []
    before, used, space = indent, len(indent), -1
    for cell in cells:
        wide = _columns(cell[0])
        if used + wide > room and line:
            keep = line[:space] if space > 0 else line
            rest = line[space + 1 :] if space > 0 else []
            yield before + _styled(keep)
            before, line = hanging, rest
            used, space = len(hanging) + sum(_columns(char) for char, _ in line), -1
            if cell[0] == " " and not line:
                continue
        if cell[0] == " ":
            space = len(line)
        line.append(cell)
        used += wide
    if line:
        yield before + _styled(line)


def _styled(cells: list[_Cell]) -> str:
    said, run, bold = "", "", False
    for char, strong in cells:
        if strong != bold:
            said, run, bold = said + (styled(run, bold=True) if bold and run else run), "", strong
        run += char
    return said + (styled(run, bold=True) if bold and run else run)


def _columns(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
