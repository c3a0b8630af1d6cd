"""Calendars: one iCalendar file for each."""

from collections.abc import Iterator
from datetime import datetime

from ibackup.apple.backup import Backup
from ibackup.contents.calendar.calendar_reader import PART, Calendars
from ibackup.contents.calendar.event_types import Event, Moment
from ibackup.contents.gaps import Gaps
from ibackup.export.counting import counted
from ibackup.export.export_context import Export, IndexLine
from ibackup.export.export_folder import plain_name
from ibackup.export.formats.ics import calendar_ics


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every event and changed occurrence."""
    calendars = Calendars.of(backup, gaps)
    if calendars is not None:
        with calendars:
            for event in calendars:
                yield event.id


def export(run: Export) -> None:
    """Write a file for each calendar that has events."""
    calendars = Calendars.of(run.backup, run.gaps)
    if calendars is None:
        run.nothing()
        return
    by_calendar: dict[str, list[Event]] = {}
    with calendars:
        for event in calendars:
            if event.start is None:
                run.gaps.add(
                    PART, "an event without a start that a calendar program could show", event.title[:40]
                )
            elif run.wants(event.id, _moment(run, event, event.start)):
                by_calendar.setdefault(event.calendar.id, []).append(event)
    if not by_calendar:
        run.nothing()
        return
    above = run.folder.place((), "Calendars", "folder calendars")
    for calendar, events in by_calendar.items():
        info = events[0].calendar
        name = f"{plain_name(info.title, 'Calendar')}.ics"
        place = run.folder.place(above, name, f"calendar {calendar}")
        run.folder.write(place, calendar_ics(info, events))
        run.index.append(
            IndexLine(f"Calendar: {info.title or 'Calendar'}", place, counted(len(events), "events"))
        )
        run.count("events", len(events))
    run.count("calendars", len(by_calendar))


def _moment(run: Export, event: Event, start: Moment) -> datetime:
    """The time by which an event is chosen; one that repeats counts as long as it may come again."""
    moment = aware(run, start)
    since = run.request.since
    return max(moment, since) if since is not None and event.rules else moment


def aware(run: Export, moment: Moment) -> datetime:
    """A day or a floating time as a moment in the zone in which times are shown."""
    if not isinstance(moment, datetime):
        return datetime.combine(moment, datetime.min.time(), run.request.zone)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=run.request.zone)
