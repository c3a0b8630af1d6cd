"""Reminders: list by list, what is open first."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.base.counts import count_text
from ibackup.contents.gaps import Gaps
from ibackup.contents.reminders import Reminder, Reminders
from ibackup.export.export_folder import plain_name
from ibackup.export.formats.ics import reminders_ics
from ibackup.view.kinds_shown.entry_times import day_of, moment_of, short_day_of, whole_moment_of
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
from ibackup.view.kinds_shown.repetition_words import repetition_words
from ibackup.view.kinds_shown.shown_kind import EntryChip, EntryLook, KindShelf, ShownKind, comparable

_UNTITLED: Final = "Without a title"
_NO_LIST: Final = "Without a list"
_HIGH, _MEDIUM = 4, 5  # RFC 5545: 1 to 4 is high, 5 is medium


class ReminderLists(ShownKind[Reminder]):
    """The kind."""

    page = "reminders"
    icon = "reminder"
    title = "Reminders"
    one = "reminder"
    many = "reminders"
    find = "Find a reminder"
    place_word = "lists"
    forms = (TakeForm("ics", "Take this reminder out", "All {}, as one file of tasks"),)
    chips = (
        EntryChip[Reminder]("open", "Open", "ring", lambda each: not each.done),
        EntryChip[Reminder]("done", "Done", "ok", lambda each: each.done),
        EntryChip[Reminder]("flagged", "Flagged", "flag", lambda each: each.flagged),
    )

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[Reminder]:
        """Every reminder: by list, then what is open, then what is due first."""
        reminders = Reminders.of(backup, gaps)
        if reminders is None:
            return []
        with reminders:
            return sorted(reminders, key=_sorting)

    def summary(self, shelf: KindShelf[Reminder]) -> str:
        """How many are open."""
        left = sum(not each.done for each in shelf.records)
        return f"{count_text(left, 'is', 'are')} open." if left else "All are done."

    def ident(self, record: Reminder) -> str:
        """As the phone has it."""
        return record.id

    def heading(self, record: Reminder) -> str:
        """Its list."""
        return record.list_name or _NO_LIST

    def place(self, record: Reminder) -> str:
        """Its list."""
        return record.list_name

    def words(self, record: Reminder) -> str:
        """Title and notes."""
        return f"{record.title}\n{record.notes}\n{record.list_name}"

    def changed(self, record: Reminder) -> datetime | None:
        """When it was changed."""
        return record.changed

    def row(self, record: Reminder) -> EntryRow:
        """What, and until when."""
        marks = [EntryMark("Flagged", "flag", "wait")] if record.flagged else []
        marks += [EntryMark("Repeats", "repeat")] if record.rules else []
        marks += [EntryMark("Done", "ok", "good")] if record.done else []
        line = record.notes.strip().partition("\n")[0]
        return EntryRow(
            record.title or _UNTITLED, line[:120], short_day_of(record.due), tuple(marks), done=record.done
        )

    def detail(self, record: Reminder, shelf: KindShelf[Reminder], look: EntryLook) -> EntryDetail:
        """Everything of it, and what belongs to it."""
        del look
        state = "Done" if record.done else "Open"
        when = whole_moment_of(record.completed)
        return EntryDetail(
            title=record.title or _UNTITLED,
            subtitle=f"{state}. List “{record.list_name}”" if record.list_name else state,
            facts=facts(
                Fact.of("Due", moment_of(record.due)),
                Fact.of("From", moment_of(record.start)),
                Fact.of("Time zone", record.zone if isinstance(record.due, datetime) else ""),
                Fact.of("Repeats", *(_sentence(repetition_words(rule)) for rule in record.rules)),
                Fact.of("Priority", _priority(record.priority)),
                Fact.of("Flag", "Flagged" if record.flagged else ""),
                Fact.of("Notes", record.notes),
                Fact.of("Done", when),
                Fact.of("Made", whole_moment_of(record.created)),
                Fact.of("Changed", whole_moment_of(record.changed)),
            ),
            related=tuple(_family(record, shelf)),
            technical=facts(Fact.of("Id", record.id), Fact.of("Store", record.store)),
        )

    def take(self, records: Sequence[Reminder], form: str, backup: Backup, *, alone: bool) -> Download:
        """One file of tasks."""
        del form, backup
        only = records[0] if alone and records else None
        name = plain_name(only.title, _UNTITLED) if only is not None else self.title
        title = only.list_name if only is not None else self.title
        return Download(f"{name}.ics", "text/calendar; charset=utf-8", reminders_ics(title, records))


def _sorting(reminder: Reminder) -> tuple[bool, str, bool, date, float, str]:
    at = reminder.due if isinstance(reminder.due, datetime) else None
    return (
        not reminder.list_name,
        comparable(reminder.list_name),
        reminder.done,
        day_of(reminder.due) or date.max,
        dated(at),
        comparable(reminder.title),
    )


def _priority(priority: int) -> str:
    if not priority:
        return ""
    return "High" if priority <= _HIGH else "Medium" if priority == _MEDIUM else "Low"


def _family(reminder: Reminder, shelf: KindShelf[Reminder]) -> Iterator[RelatedEntries]:
    parent = shelf.find(reminder.parent) if reminder.parent else None
    if parent is not None:
        yield RelatedEntries("Part of", (_other(parent),))
    parts = tuple(_other(each) for each in shelf.records if each.parent == reminder.id)
    if parts:
        yield RelatedEntries("Its parts", parts)


def _other(each: Reminder) -> RelatedEntry:
    return RelatedEntry(
        each.id, each.title or _UNTITLED, "done" if each.done else "", "ok" if each.done else "ring"
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


WAYS = kind_ways(ReminderLists())
