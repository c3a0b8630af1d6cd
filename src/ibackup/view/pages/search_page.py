"""Search: over everything, all phones and all backups; what is gone from a phone is found as well."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from starlette.responses import Response

from ibackup.base.errors import UsageError
from ibackup.search.documents import KINDS
from ibackup.search.search_hits import HitTimes, SearchRequest
from ibackup.search.search_words import SearchWords
from ibackup.view.asked import Asked
from ibackup.view.searching.found_rows import FoundRow, found_rows
from ibackup.view.searching.search_room import (
    PARTS,
    PhoneFound,
    PhoneToSearch,
    SearchProgress,
    SearchQuestion,
)
from ibackup.view.shown_phones import ShownPhone
from ibackup.view.way import Way

SHORTEST: Final = 2
"""Letters from which a search begins by itself."""
_PATIENCE_S: Final = 1.0  # then the page says how far it is
_LONGEST: Final = 400
_FEW, _MORE, _MOST = 6, 100, 1000
_TITLES: Final = {
    "messages": "Messages",
    "people": "People",
    "notes": "Notes",
    "calendar": "Calendar",
    "reminders": "Reminders",
    "calls": "Calls",
    "files": "Files",
}


@dataclass(frozen=True)
class SearchChoice:
    """What a form asks for; what is wrong with it stands beside its field."""

    text: str
    kinds: tuple[str, ...]
    phones: tuple[ShownPhone, ...]
    since: str
    until: str
    gone: bool
    most: int
    wrong: dict[str, str]

    @classmethod
    def of(cls, asked: Asked) -> "SearchChoice":
        """From a query."""
        query = asked.query
        wrong = {
            name: "Write a day as year, month and day: 2026-11-28."
            for name in ("since", "until")
            if query.get(name) and _day(query[name]) is None
        }
        most = query.get("n", "")
        return cls(
            query.get("q", "")[:_LONGEST].strip(),
            tuple(each for each in KINDS if query.get(f"kind-{each}")),
            tuple(each for each in asked.phones if query.get(f"phone-{each.slug}")),
            query.get("since", "")[:40],
            query.get("until", "")[:40],
            bool(query.get("gone")),
            min(int(most), _MOST) if most.isascii() and most.isdigit() and len(most) < 6 else 0,
            wrong,
        )

    def request(self) -> SearchRequest | None:
        """What to search for; None if there is nothing yet. Raises UsageError."""
        if len(self.text) < SHORTEST and not any(ord(char) > 0x2E7F for char in self.text):
            return None
        until = _day(self.until)
        return SearchRequest(
            SearchWords.parse(tuple(_arguments(self.text))),
            self.kinds or KINDS,
            max(self.most, 1) if self.most else _MORE if len(self.kinds) == 1 else _FEW,
            _day(self.since),
            until + timedelta(days=1) if until is not None else None,
            self.gone,
        )


def _arguments(text: str) -> list[str]:
    """Words as a command line has them, where quotes make one of several."""
    return [text] if '"' in text or "“" in text else text.split()


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(datetime.strptime(text, "%Y-%m-%d").date(), time()).astimezone()  # noqa: DTZ007
    except (ValueError, OverflowError, OSError):
        return None


@dataclass(frozen=True)
class FoundKind:
    """The hits of a kind in all phones, and the address of more of them."""

    kind: str
    title: str
    count: int
    rows: tuple[FoundRow, ...]
    more: str


@dataclass(frozen=True)
class LockedPhone:
    """A phone of which some backups could not be searched."""

    phone: ShownPhone
    backups: int
    is_whole: bool


@dataclass(frozen=True)
class TimeBar:
    """A bar of the picture that shows when hits are from."""

    x: int
    height: int


# -- the page -----------------------------------------------------------------------------------------------


def search(asked: Asked) -> Response:
    """The form, and what it finds."""
    choice = SearchChoice.of(asked)
    values: dict[str, object] = {"choice": choice, "kinds": [(each, _TITLES[each]) for each in KINDS]}
    values |= {"title": f"{choice.text}, search" if choice.text else "Search", "page": "search"}
    values |= {"progress": None, "groups": [], "asked_for": False, "wrong": "", "found": 0, "gone": 0}
    values |= {"locked": [], "damaged": [], "times": None, "bars": [], "backups": 0, "again": ""}
    try:
        request = choice.request()
    except UsageError as error:
        return asked.render("search.html", 200, **values | {"wrong": error.message})
    if request is None or choice.wrong or not asked.phones:
        return asked.render("search.html", 200, **values)
    phones = choice.phones or asked.phones
    question = SearchQuestion(request, tuple(_to_search(asked, each) for each in phones if each.backups))
    room = asked.house.searches.of(asked.session)
    answer = room.ask(question, _PATIENCE_S)
    values["asked_for"] = True
    if isinstance(answer, SearchProgress):
        values |= {"progress": answer, "again": asked.url}
    else:
        values |= _shown(asked, choice, {each.udid: each for each in phones}, answer)
    return asked.render("search.html", 200, **values)


def _to_search(asked: Asked, phone: ShownPhone) -> PhoneToSearch:
    return PhoneToSearch(
        phone.udid,
        tuple(each.id for each in phone.backups),
        phone.udid in asked.session.unlocked,
        asked.house.store().id if phone.folder is not None else "",
        phone.backups[-1].path if phone.folder is None else "",
        phone.folder,
        asked.session.unlocker_for(phone.udid),
    )


def _shown(
    asked: Asked, choice: SearchChoice, phones: dict[str, ShownPhone], answer: tuple[PhoneFound, ...]
) -> dict[str, object]:
    groups: list[FoundKind] = []
    for kind in KINDS:
        count = sum(each.counts.get(kind, 0) for each in answer)
        rows = tuple(row for each in answer for row in found_rows(phones[each.udid], each, kind))
        if count:
            groups.append(
                FoundKind(kind, _TITLES[kind], count, rows, _more(asked, choice, kind, count, len(rows)))
            )
    times = _joined([each.times for each in answer if each.times is not None])
    locked = [
        LockedPhone(phones[each.udid], count, count == len(phones[each.udid].backups))
        for each in answer
        if (count := sum(gap.locked for gap in each.gaps))
    ]
    damaged = [
        (phones[each.udid], gap.snapshot)
        for each in answer
        for gap in each.gaps
        if not gap.locked and not gap.minor
    ]
    return {
        "groups": groups,
        "found": sum(each.count for each in groups),
        "gone": sum(each.gone for each in answer),
        "times": times,
        "bars": _bars(times) if times is not None else [],
        "locked": locked,
        "damaged": damaged,
        "backups": sum(len(each.snapshots) for each in answer),
    }


def _more(asked: Asked, choice: SearchChoice, kind: str, count: int, shown: int) -> str:
    """The address of more hits of a kind; empty if all are shown, or no more are."""
    if shown >= count or shown >= _MOST:
        return ""
    query = {name: value for name, value in asked.query.items() if not name.startswith("kind-")}
    most = _MORE if choice.kinds != (kind,) else min(max(choice.most, _MORE) * 3, _MOST)
    return asked.link("/search", **query | {f"kind-{kind}": "on", "n": str(most)})


def _joined(spans: list[HitTimes]) -> HitTimes | None:
    """The times of all phones as one."""
    if not spans:
        return None
    first, last = min(each.first for each in spans), max(each.last for each in spans)
    counts = [0] * PARTS
    whole = max((last - first).total_seconds(), 1.0)
    for span in spans:
        part = (span.last - span.first) / len(span.counts)
        for number, count in enumerate(span.counts):
            middle = (span.first + part * (number + 0.5) - first).total_seconds()
            counts[min(int(middle / whole * PARTS), PARTS - 1)] += count
    return HitTimes(first, last, tuple(counts))


def _bars(times: HitTimes) -> list[TimeBar]:
    """Heights from 2 to 56."""
    highest = max(times.counts, default=0) or 1
    return [
        TimeBar(20 * number + 2, max(round(54 * count / highest), 6) if count else 2)
        for number, count in enumerate(times.counts)
    ]


WAYS = (Way("GET", "/search", search),)
