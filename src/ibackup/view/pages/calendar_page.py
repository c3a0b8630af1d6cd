"""Calendar: the entries of all calendars by day, beginning at the day of the backup."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.base import durations
from ibackup.base.counts import count_text, listed
from ibackup.contents.calendar.calendar_reader import Calendars
from ibackup.contents.calendar.event_types import CalendarInfo, Event, EventAlarm, Guest, Moment
from ibackup.contents.calendar.occurrences import DayBudget, occurrences
from ibackup.contents.gaps import Gaps
from ibackup.export.export_folder import plain_name
from ibackup.export.formats.ics import calendar_ics
from ibackup.export.web_links import safe_link
from ibackup.search.sources import words_in_event
from ibackup.view.kinds_shown.entry_times import (
    clock_of,
    day_heading,
    day_of,
    moment_of,
    short_day_of,
    whole_moment_of,
)
from ibackup.view.kinds_shown.entry_types import (
    Download,
    EntryDetail,
    EntryMark,
    EntryRow,
    Fact,
    FactLine,
    RelatedEntries,
    RelatedEntry,
    TakeForm,
    facts,
)
from ibackup.view.kinds_shown.kind_ways import kind_ways
from ibackup.view.kinds_shown.repetition_words import repetition_words
from ibackup.view.kinds_shown.shown_kind import EntryChip, EntryLook, KindShelf, ShownKind

_MOST_REPEATS: Final = 1000
_UNTITLED: Final = "Without a title"
_ANSWERS: Final = {"needs action": "no answer yet", "tentative": "perhaps"}
_ROLES: Final = {"optional": "may come", "chair": "leads"}
_NEARLY: Final = timedelta(days=1)


class EventList(ShownKind[Event]):
    """The kind."""

    page = "calendar"
    icon = "calendar"
    title = "Calendar"
    one = "entry"
    many = "entries"
    find = "Find in the calendar"
    place_word = "calendars"
    forms = (TakeForm("ics", "Take this entry out", "All {}, as one calendar file"),)
    from_today = True
    dated = True
    chips = (
        EntryChip[Event]("repeats", "Repeating", "repeat", lambda each: bool(each.rules)),
        EntryChip[Event]("invited", "With guests", "person", lambda each: bool(each.attendees)),
    )

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[Event]:
        """Every event and every changed occurrence, by its time."""
        calendars = Calendars.of(backup, gaps)
        if calendars is None:
            return []
        with calendars:
            return sorted(calendars, key=_sorting)

    def summary(self, shelf: KindShelf[Event]) -> str:
        """In how many calendars they are, and where those stand that repeat."""
        said = f"They are in {count_text(len(shelf.groups), 'calendar')}. " if len(shelf.groups) > 1 else ""
        repeats = (
            "An entry that repeats stands at its first time, and at each time in the month that you look at."
        )
        return said + repeats if shelf.counts["repeats"] else said.strip()

    def with_repeats(
        self, shown: Sequence[Event], among: Iterable[Event], since: date, until: date
    ) -> Sequence[Event]:
        """See ``ShownKind``."""
        budget, found = DayBudget(), list[Event]()
        for event in among:
            if event.rules and len(found) < _MOST_REPEATS:
                # Its own calendar may have another day than this computer's.
                again = occurrences(event, since - timedelta(days=1), until + timedelta(days=1), budget)
                found += [each for each in again if since <= (day_of(each.start) or date.min) <= until]
        return sorted((*shown, *found), key=_sorting) if found else shown

    def ident(self, record: Event) -> str:
        """As the phone has it."""
        return record.id

    def heading(self, record: Event) -> str:
        """The day on which it begins."""
        return day_heading(record.start)

    def day(self, record: Event) -> date | None:
        """The day on which it begins."""
        return day_of(record.start)

    def place(self, record: Event) -> str:
        """Its calendar."""
        return record.calendar.title

    def words(self, record: Event) -> str:
        """Title, place, notes, guests."""
        return "\n".join((record.title, *words_in_event(record)))

    def changed(self, record: Event) -> datetime | None:
        """When it was changed."""
        return record.changed

    def says(self, record: Event) -> Sequence[str]:
        """Its title, its time and all the rest."""
        known = facts(Fact.of("Title", record.title), Fact.of("When", _when(record)), *_of_event(record))
        return [f"{fact.name}: {line.text}" for fact in known for line in fact.lines]

    def row(self, record: Event) -> EntryRow:
        """What, when, where."""
        marks = [EntryMark("Repeats", "repeat")] if record.rules else []
        if record.instead_of is not None:
            marks.append(EntryMark("Moved or changed", "edit"))
        about = record.place.shown if record.place is not None else ""
        last = _last_day(record)
        if last is not None and day_of(record.start) != last:
            about = ", ".join(filter(None, (f"until {short_day_of(last)}", about)))
        when = "all day" if record.all_day else clock_of(record.start)
        return EntryRow(record.title or _UNTITLED, about, when, tuple(marks))

    def detail(self, record: Event, shelf: KindShelf[Event], look: EntryLook) -> EntryDetail:
        """Everything of the event, and its changed occurrences."""
        del look
        return EntryDetail(
            title=record.title or _UNTITLED,
            subtitle=". ".join(filter(None, (_when(record), _calendar(record)))),
            facts=facts(
                *_of_event(record),
                Fact.of("Made", whole_moment_of(record.created)),
                Fact.of("Changed", whole_moment_of(record.changed)),
            ),
            related=tuple(_occurrences(record, shelf)),
            technical=facts(
                Fact.of("Id", record.id, record.uid if record.uid != record.id else ""),
                Fact.of("Rules", *record.rules),
            ),
            can_be_taken=record.start is not None,
        )

    def take(self, records: Sequence[Event], form: str, backup: Backup, *, alone: bool) -> Download:
        """One calendar file; a single event comes with its changed occurrences."""
        del form
        info = CalendarInfo(id="", title="", color="", account="")
        name = self.title
        if alone and records:
            info, name = records[0].calendar, plain_name(records[0].title, _UNTITLED)
            uid = records[0].uid
            records = [each for each in self.read(backup, Gaps()) if each.uid == uid]
        return Download(f"{name}.ics", "text/calendar; charset=utf-8", calendar_ics(info, records))


def _of_event(event: Event) -> Iterator[Fact]:
    yield Fact.of("Where", event.place.shown if event.place is not None else "")
    yield Fact.of("Repeats", *(_sentence(repetition_words(rule)) for rule in event.rules))
    yield Fact.of("Not on", listed([moment_of(each) for each in event.except_on[:20]]))
    yield Fact.of("In place of", moment_of(event.instead_of))
    if event.organizer is not None:
        yield Fact("Invited by", (_guest(event.organizer),))
    yield Fact("With", tuple(map(_guest, event.attendees)))
    yield Fact.of("Reminder", *map(_alarm, event.alarms))
    yield Fact.of("Time to get there", _length(event.travel_seconds))
    yield Fact.of("Time zone", _zone(event))
    yield Fact("Link", tuple(FactLine(each, safe_link(each)) for each in _links(event)))
    yield Fact.of("Notes", event.notes)


def _sorting(event: Event) -> tuple[bool, date, bool, float, str]:
    """By day; of a day, what takes all of it first."""
    start = event.start
    on = day_of(start)
    seconds = 0.0
    if isinstance(start, datetime):
        seconds = start.hour * 3600.0 + start.minute * 60 + start.second
        if start.tzinfo is not None:
            local = clock_of(start)
            seconds = int(local[:2]) * 3600.0 + int(local[3:5]) * 60 if len(local) == 5 else seconds
    return on is None, on or date.min, not event.all_day, seconds, event.title


def _last_day(event: Event) -> date | None:
    """The last day that it takes; ends are the first moment after it."""
    end = event.end
    if end is None or event.start is None:
        return None
    try:
        if isinstance(end, datetime):
            return day_of(end - timedelta(seconds=1)) if end > _like(event.start, end) else None
        return end - timedelta(days=1)
    except (OverflowError, TypeError):
        return None


def _like(start: Moment, end: datetime) -> datetime:
    """The start as what its end is."""
    if isinstance(start, datetime):
        return start
    return datetime.combine(start, datetime.min.time(), end.tzinfo)


def _when(event: Event) -> str:
    """Its time in a line: "Fri 27 November, 13:36 to 16:12"."""
    if event.start is None:
        return "Without a date"
    last = _last_day(event)
    first = day_of(event.start)
    said = moment_of(event.start)
    if event.all_day:
        return f"{said} to {moment_of(last)}, all day" if last and last != first else f"{said}, all day"
    if event.end is None or event.end == event.start:
        return said
    return f"{said} to {clock_of(event.end) if last == first else moment_of(event.end)}"


def _calendar(event: Event) -> str:
    if not event.calendar.title:
        return ""
    account = f" ({event.calendar.account})" if event.calendar.account else ""
    return f"Calendar “{event.calendar.title}”{account}"


def _zone(event: Event) -> str:
    if event.all_day:
        return ""
    if event.floating:
        return "None: it is at this time wherever the phone is"
    if not event.zone:
        return "Not known; the time shown is that of this computer"
    there = event.start if isinstance(event.start, datetime) else None
    here = clock_of(there)
    local = f"{there:%H:%M}" if there is not None else ""
    return event.zone if local == here else f"{event.zone}, where it is {local}"


def _guest(guest: Guest) -> FactLine:
    role = _ROLES.get(guest.role, "")
    said = [role, _ANSWERS.get(guest.status, guest.status), guest.address if guest.name else ""]
    name = guest.name or guest.address or "Someone without a name"
    return FactLine(f"{name} (you)" if guest.is_self else name, "", ", ".join(filter(None, said)))


def _alarm(alarm: EventAlarm) -> str:
    if alarm.proximity:
        return "When you arrive" if alarm.proximity == "arriving" else "When you leave"
    if alarm.at is not None:
        return _sentence(moment_of(alarm.at))
    seconds = alarm.seconds or 0
    if not seconds:
        return "At the time"
    return f"{_length(abs(seconds))} {'before' if seconds < 0 else 'after'}"


def _length(seconds: float) -> str:
    if not seconds:
        return ""
    return (
        durations.rough_duration(seconds)
        if seconds >= _NEARLY.total_seconds()
        else durations.duration_words(seconds)
    )


def _links(event: Event) -> Iterator[str]:
    yield from dict.fromkeys(each for each in (event.url, event.conference_url) if each)


def _occurrences(event: Event, shelf: KindShelf[Event]) -> Iterator[RelatedEntries]:
    same = [each for each in shelf.records if each.uid == event.uid and each is not event]
    if same:
        lines = (
            RelatedEntry(
                each.id,
                moment_of(each.start),
                f"in place of {moment_of(each.instead_of)}" if each.instead_of else "the whole series",
                "edit" if each.instead_of else "repeat",
            )
            for each in same[:50]
        )
        heading = "Belongs to" if event.instead_of is not None else "Changed times"
        yield RelatedEntries(heading, tuple(lines))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


WAYS = kind_ways(EventList())
