"""Reminders, from every store that the phone keeps them in."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Self

from ibackup.apple.app_places import CALENDARS, REMINDER_FOLDERS
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import AppDatabase, AppTable, Cell, blob, number, text
from ibackup.contents.app_times import from_apple
from ibackup.contents.calendar.calendar_reader import REMINDER
from ibackup.contents.calendar.repetition import REMINDER_FREQUENCIES, reminder_parts, rule
from ibackup.contents.gaps import Gaps
from ibackup.contents.odd_values import OddValues
from ibackup.contents.time_zones import known_zone

PART: Final = "reminders"
_COLUMNS: Final = (
    "ZIDENTIFIER",
    ("ZNOTES", "ZNOTES1"),
    "ZDUEDATE",
    "ZSTARTDATE",
    "ZALLDAY",
    "ZTIMEZONE",
    "ZCOMPLETED",
    "ZCOMPLETIONDATE",
    "ZFLAGGED",
    "ZPRIORITY",
    "ZPARENTREMINDER",
    "ZCREATIONDATE",
    "ZLASTMODIFIEDDATE",
    "ZMARKEDFORDELETION",
    "Z_ENT",
)
_RULE: Final = ("ZFREQUENCY", "ZINTERVAL", "ZOCCURRENCECOUNT", "ZENDDATE")
_RULE_LISTS: Final = {
    "D": "ZDAYSOFTHEWEEK",
    "M": "ZDAYSOFTHEMONTH",
    "O": "ZMONTHSOFTHEYEAR",
    "Y": "ZDAYSOFTHEYEAR",
    "W": "ZWEEKSOFTHEYEAR",
    "S": "ZSETPOSITIONS",
}
_PRIORITIES: Final = range(10)
_OLD_COLUMNS: Final = (
    "UUID",
    "summary",
    "description",
    "due_date",
    "due_tz",
    "due_all_day",
    "completion_date",
    "priority",
    "calendar_id",
    "creation_date",
    "last_modified",
    "entity_type",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reminder:
    """A reminder.

    Attributes:
        id: the same in every snapshot.
        store: the file it is in; each account has its own.
        due: a date if it has no time; else aware, in UTC or in its zone.
        zone: the name of the time zone it was made in; may be empty.
        all_day: whether it is due on a day without time.
        done: whether it is completed; completed: when.
        priority: 1 is the highest, 9 the lowest, 0 none.
        list_name: the list it is in.
        parent: the id of the reminder that it is a part of; empty for none.
        rules: how it repeats, each as the value of an RRULE (RFC 5545).
    """

    id: str
    store: str
    title: str
    notes: str
    due: date | datetime | None
    start: datetime | None
    zone: str
    all_day: bool
    done: bool
    completed: datetime | None
    flagged: bool
    priority: int
    list_name: str
    parent: str
    rules: tuple[str, ...]
    created: datetime | None
    changed: datetime | None


class Reminders:
    """A backup's reminders; iterate over it. Close it when done."""

    def __init__(
        self, stores: list[AppDatabase], old: AppDatabase | None, gaps: Gaps, stack: ExitStack
    ) -> None:
        self._stores = stores
        self._old = old
        self._odd = OddValues(PART, gaps)
        self._stack = stack

    @classmethod
    def of(cls, backup: Backup, gaps: Gaps) -> Self | None:
        """Open them; None if the backup has none or, with a gap, if they cannot be read. Raises NoRoom, FormatError."""
        with ExitStack() as stack:
            stores = []
            for domain, folder in REMINDER_FOLDERS:
                found = backup.entries(domain, f"{folder}/*.sqlite", bad=lambda _: None)
                for path in sorted({entry.relative_path for entry in found}):
                    store = AppDatabase.of(backup, [(domain, path)], PART, gaps)
                    if store is not None:
                        stores.append(stack.enter_context(store))
            old = AppDatabase.of(backup, CALENDARS, PART, gaps) if not stores else None
            if old is not None:
                stack.enter_context(old)
            return cls(stores, old, gaps, stack.pop_all()) if stores or old is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its databases."""
        self._stack.close()

    def __iter__(self) -> Iterator[Reminder]:
        """Every reminder of every store once; without what the person deleted."""
        seen: set[str] = set()
        for store in self._stores:
            for reminder in self._store(store):
                if reminder.id not in seen:
                    seen.add(reminder.id)
                    yield reminder
        if self._old is not None:
            yield from self._before_ios_13(self._old)

    def _store(self, store: AppDatabase) -> Iterator[Reminder]:
        classes = _classes(store)
        table = store.table("ZREMCDREMINDER", "ZREMCDOBJECT")
        if table is None:
            return
        shared = table.name.upper() == "ZREMCDOBJECT"
        wanted = classes.get("REMCDReminder")
        lists = _lists(store, classes)
        rules = self._rules(store, classes)
        ids: dict[int, str] = {}
        titles, list_columns = _alike(table, "ZTITLE"), _alike(table, "ZLIST")
        columns = (*_COLUMNS, *titles, *list_columns)
        for row, *cells in table.select("ZIDENTIFIER", "Z_ENT"):
            if not shared or wanted is None or number(cells[1]) == wanted:
                ids[number(row)] = _identifier(cells[0]) or f"{store.part} {number(row)}"
        for row, *cells in table.select(*columns):
            own, rest = cells[: len(_COLUMNS)], cells[len(_COLUMNS) :]
            title = next((text(each) for each in rest[: len(titles)] if text(each)), "")
            of_class = wanted is None or number(own[-1]) == wanted
            if number(own[-2]) or (shared and not (of_class and (title or wanted is not None))):
                continue
            listed = next((lists[number(each)] for each in rest[len(titles) :] if number(each) in lists), "")
            yield self._reminder(
                store.part, number(row), own, (title, listed), ids, rules.get(number(row), ())
            )

    def _reminder(
        self,
        store: str,
        row: int,
        cells: list[Cell],
        names: tuple[str, str],
        ids: dict[int, str],
        rules: tuple[str, ...],
    ) -> Reminder:
        (
            _,
            notes,
            due,
            start,
            all_day,
            zone,
            done,
            completed,
            flagged,
            priority,
            parent,
            created,
            changed,
            *_,
        ) = cells
        day_only = bool(self._odd.flag(all_day))
        importance = self._odd.whole(priority) or 0
        return Reminder(
            id=ids[row],
            store=store,
            title=names[0],
            notes=text(notes),
            due=self._due(due, text(zone), day_only=day_only),
            start=self._odd.time(start),
            zone=text(zone) if known_zone(text(zone)) else "",
            all_day=day_only,
            done=bool(self._odd.flag(done)),
            completed=self._odd.time(completed),
            flagged=bool(self._odd.flag(flagged)),
            priority=importance if importance in _PRIORITIES else 0,
            list_name=names[1],
            parent=ids.get(number(parent), ""),
            rules=rules,
            created=self._odd.time(created),
            changed=self._odd.time(changed),
        )

    def _due(self, cell: Cell, zone: str, *, day_only: bool) -> date | datetime | None:
        moment = self._odd.time(cell)
        if moment is None:
            return None
        if day_only:
            # Midnight of that day, in UTC or in the phone's zone: nobody has said which. Its noon is in that day.
            return (moment + timedelta(hours=12)).astimezone(UTC).date()
        known = known_zone(zone)
        return moment.astimezone(known) if known else moment

    def _rules(self, store: AppDatabase, classes: dict[str, int]) -> dict[int, tuple[str, ...]]:
        """How each reminder repeats, by its number. The column that points at it has a number that changes."""
        table = store.table("ZREMCDOBJECT")
        wanted = classes.get("REMCDRecurrenceRule")
        if table is None or wanted is None or "ZFREQUENCY" not in table:
            return {}
        pointers = _alike(table, "ZREMINDER")
        columns = ("Z_ENT", "ZMARKEDFORDELETION", *_RULE, *_RULE_LISTS.values(), *pointers)
        found: dict[int, tuple[str, ...]] = {}
        for _, kind, deleted, frequency, interval, count, until, *rest in table.select(*columns):
            if number(kind) != wanted or number(deleted):
                continue
            name = REMINDER_FREQUENCIES.get(number(frequency)) if frequency is not None else None
            if name is None:
                self._odd.odd("repetitions that cannot be read", frequency)
                continue
            lists = dict(zip(_RULE_LISTS, map(_json, rest), strict=False))
            parts = reminder_parts(lists, lambda part: self._odd.odd("repetitions that cannot be read", part))
            made = rule(name, number(interval), number(count), from_apple(until), parts)
            for pointer in rest[len(_RULE_LISTS) :]:
                if pointer:
                    found[number(pointer)] = (*found.get(number(pointer), ()), made)
                    break
        return found

    def _before_ios_13(self, calendar: AppDatabase) -> Iterator[Reminder]:
        table, lists = calendar.table("CalendarItem"), calendar.table("Calendar")
        if table is None:
            return
        names = {number(row): text(title) for row, title in lists.select("title")} if lists else {}
        for row, *cells in table.select(*_OLD_COLUMNS):
            unique, title, notes, due, zone, all_day, completed, priority, listed, created, changed, kind = (
                cells
            )
            if number(kind) != REMINDER:
                continue
            day_only = bool(self._odd.flag(all_day))
            done = self._odd.time(completed)
            importance = self._odd.whole(priority) or 0
            yield Reminder(
                id=text(unique) or f"{calendar.part} {number(row)}",
                store=calendar.part,
                title=text(title),
                notes=text(notes),
                due=self._due(due, text(zone), day_only=day_only),
                start=None,
                zone=text(zone) if known_zone(text(zone)) else "",
                all_day=day_only,
                done=done is not None,
                completed=done,
                flagged=False,
                priority=importance if importance in _PRIORITIES else 0,
                list_name=names.get(number(listed), ""),
                parent="",
                rules=(),
                created=self._odd.time(created),
                changed=self._odd.time(changed),
            )


def _classes(store: AppDatabase) -> dict[str, int]:
    """The number of each class in this store; every store has its own."""
    table = store.table("Z_PRIMARYKEY")
    return {text(name): number(kind) for _, kind, name in table.select("Z_ENT", "Z_NAME")} if table else {}


def _lists(store: AppDatabase, classes: dict[str, int]) -> dict[int, str]:
    """The name of each list."""
    table = store.table("ZREMCDBASELIST")
    if table is not None:
        return {number(row): text(name) for row, name in table.select("ZNAME")}
    table = store.table("ZREMCDOBJECT")
    wanted = classes.get("REMCDList")
    if table is None or wanted is None:
        return {}
    found = {}
    for row, kind, *names in table.select("Z_ENT", *_alike(table, "ZNAME")):
        if number(kind) == wanted:
            found[number(row)] = next((text(each) for each in names if text(each)), "")
    return found


def _alike(table: AppTable, name: str) -> list[str]:
    """The columns of that name, with any number behind it: which one is used changes from model to model."""
    return [each for each in table.columns if each.upper().rstrip("0123456789") == name]


def _identifier(cell: Cell) -> str:
    data = blob(cell)
    if len(data) == 16:
        return str(uuid.UUID(bytes=data)).upper()
    return text(cell)[:64] if data else ""


def _json(cell: Cell) -> str:
    return text(cell) if isinstance(cell, (str, bytes)) else ""
