"""Calls: the phone's list, by day."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.base import durations
from ibackup.base.counts import count_text
from ibackup.contents.calls import PART, Call, CallLog
from ibackup.contents.gaps import Gaps
from ibackup.contents.only_encrypted import why_none
from ibackup.contents.people.name_book import NameBook, WhoItIs
from ibackup.contents.people.names_of_backup import names_of
from ibackup.contents.time_zones import local_zone
from ibackup.export.calls_export import CALL_HEADS, call_record, people_of
from ibackup.export.tables import csv_table
from ibackup.search.sources import other_spellings
from ibackup.view.kinds_shown.entry_times import clock_of, day_heading, day_of, moment_of
from ibackup.view.kinds_shown.entry_types import (
    Download,
    EntryDetail,
    EntryMark,
    EntryRow,
    Fact,
    RelatedEntries,
    RelatedEntry,
    TakeForm,
    dated,
    facts,
)
from ibackup.view.kinds_shown.kind_ways import kind_ways
from ibackup.view.kinds_shown.shown_kind import EntryChip, EntryLook, KindShelf, ShownKind, initials

_WITHHELD: Final = "No number shown"
_WAYS: Final = {
    "phone": "Mobile network",
    "facetime-video": "FaceTime video",
    "facetime-audio": "FaceTime audio",
}
_MOST_RELATED: Final = 12


@dataclass(frozen=True, slots=True)
class ShownCall:
    """A call and who it was with.

    Attributes:
        people: one for each address.
        names: how the list calls them.
        partners: what calls with the same people share.
        spellings: the numbers as people may type them.
    """

    call: Call
    people: tuple[WhoItIs, ...]
    names: str
    partners: frozenset[str]
    spellings: str


class Calls(ShownKind[ShownCall]):
    """The kind."""

    page = "calls"
    icon = "call"
    title = "Calls"
    one = "call"
    many = "calls"
    find = "Find a name or number"
    forms = (TakeForm("csv", "", "All {} as a table (CSV)"),)
    dated = True
    chips = (
        EntryChip[ShownCall]("missed", "Missed", "missed", lambda each: each.call.missed),
        EntryChip[ShownCall]("out", "Called", "outgoing", lambda each: each.call.incoming is False),
        EntryChip[ShownCall](
            "facetime", "FaceTime", "video", lambda each: each.call.kind.startswith("facetime")
        ),
    )

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[ShownCall]:
        """Every call, the newest first."""
        log = CallLog.of(backup, gaps)
        if log is None:
            return []
        names = names_of(backup)
        with log:
            callers = _Callers(names)
            found = [callers.shown(call) for call in log]
        found.sort(key=lambda each: dated(each.call.time), reverse=True)
        return found

    def why_none(self, shelf: KindShelf[ShownCall]) -> str:
        """Only encrypted backups have calls."""
        if why_none(shelf.gaps, PART):
            return (
                "There are no calls in this backup, because it is not encrypted: a phone puts its list of calls only "
                "into encrypted backups. Turn on encryption in Settings here, and the next backup has them."
            )
        return super().why_none(shelf)

    def summary(self, shelf: KindShelf[ShownCall]) -> str:
        """How many were missed."""
        missed = sum(each.call.missed for each in shelf.records)
        return f"{count_text(missed, 'was', 'were')} missed." if missed else ""

    def ident(self, record: ShownCall) -> str:
        """As the phone has it."""
        return record.call.id

    def heading(self, record: ShownCall) -> str:
        """The day."""
        return day_heading(record.call.time)

    def day(self, record: ShownCall) -> date | None:
        """The day."""
        return day_of(record.call.time)

    def words(self, record: ShownCall) -> str:
        """Names, numbers, the place."""
        call = record.call
        return "\n".join((record.names, *call.addresses, call.place, record.spellings))

    def row(self, record: ShownCall) -> EntryRow:
        """Who, when, and what came of it."""
        mark, length = _direction(record.call), _length(record.call)
        return EntryRow(
            record.names,
            length or ("not answered" if record.call.answered is False else ""),
            clock_of(record.call.time),
            (mark,) if mark else (),
        )

    def detail(self, record: ShownCall, shelf: KindShelf[ShownCall], look: EntryLook) -> EntryDetail:
        """What the phone noted, and the calls with the same people."""
        del look
        call = record.call
        same = [each for each in shelf.records if each.partners == record.partners] if call.addresses else []
        mark = _direction(call)
        said = [mark.word if mark else "", moment_of(call.time), _length(call)]
        return EntryDetail(
            title=record.names,
            subtitle=". ".join(filter(None, said)),
            initials=initials(record.names),
            facts=facts(
                Fact.of("Number", *call.addresses) if call.addresses else Fact.of("Number", _WITHHELD),
                Fact.of("Way", _WAYS.get(call.kind, "") or call.service),
                Fact.of("Lasted", durations.duration_words(call.seconds) if call.seconds else ""),
                Fact.of("Noted name", call.name_then if call.name_then != record.names else ""),
                Fact.of("Number from", ", ".join(filter(None, (call.place, call.country.upper())))),
                Fact.of("Unwanted", "The phone took it for an unwanted call" if call.junk else ""),
                Fact.of("All calls", _together(same)),
            ),
            related=tuple(_related(same, record)),
            technical=facts(
                Fact.of("Id", call.id),
                Fact.of("Kind", call.kind, call.service),
                Fact.of("Ending code", "" if call.cause is None else str(call.cause)),
                Fact.of(
                    "Number code", "" if call.number_availability is None else str(call.number_availability)
                ),
            ),
        )

    def take(self, records: Sequence[ShownCall], form: str, backup: Backup, *, alone: bool) -> Download:
        """The table that an export writes."""
        del form, backup, alone
        rows = (call_record(each.call, each.people) for each in records)
        lines = csv_table(CALL_HEADS, rows, local_zone())
        return Download("Calls.csv", "text/csv; charset=utf-8", (line.encode() for line in lines))


class _Callers:
    """Finds who calls were with; it works out each number once, since a phone's calls are with the same few people."""

    def __init__(self, names: NameBook) -> None:
        self._names = names
        self._known: dict[tuple[WhoItIs, ...], tuple[str, frozenset[str], str]] = {}

    def shown(self, call: Call) -> ShownCall:
        people = people_of(call, self._names)
        known = self._known.get(people)
        if known is None:
            named = ", ".join(dict.fromkeys(who.shown for who in people))
            partners = frozenset(who.address.key if who.address else who.text for who in people)
            spellings = "\n".join(spelling for who in people for spelling in other_spellings(who))
            known = self._known[people] = (named, partners, spellings)
        named, partners, spellings = known
        if call.name_then and not any(who.people for who in people):
            named = call.name_then
        return ShownCall(call, people, named or _WITHHELD, partners, spellings)


def _direction(call: Call) -> EntryMark | None:
    if call.missed:
        return EntryMark("Missed", "missed", "bad")
    if call.incoming is None:
        return None
    return EntryMark("Came in", "incoming") if call.incoming else EntryMark("Called", "outgoing")


def _length(call: Call) -> str:
    return durations.duration_words(call.seconds) if call.seconds else ""


def _together(same: Sequence[ShownCall]) -> str:
    if len(same) < 2:
        return ""
    seconds = sum(each.call.seconds or 0 for each in same)
    talked = f", {durations.duration_words(seconds)} in all" if seconds else ""
    return f"{count_text(len(same), 'call')}{talked}"


def _related(same: Sequence[ShownCall], record: ShownCall) -> Iterator[RelatedEntries]:
    others = [each for each in same if each is not record][:_MOST_RELATED]
    if others:
        yield RelatedEntries("The last ones", tuple(map(_other, others)))


def _other(each: ShownCall) -> RelatedEntry:
    mark = _direction(each.call)
    about = ", ".join(filter(None, (mark.word if mark else "", _length(each.call))))
    return RelatedEntry(each.call.id, moment_of(each.call.time), about, mark.icon if mark else "")


WAYS = kind_ways(Calls())
