"""Reminders: one iCalendar file for each list, with a task for each reminder."""

from collections.abc import Iterator

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.reminders import Reminder, Reminders
from ibackup.export.calendar_export import aware
from ibackup.export.counting import counted
from ibackup.export.export_context import Export, IndexLine
from ibackup.export.export_folder import plain_name
from ibackup.export.formats.ics import reminders_ics


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every reminder."""
    reminders = Reminders.of(backup, gaps)
    if reminders is not None:
        with reminders:
            for reminder in reminders:
                yield reminder.id


def export(run: Export) -> None:
    """Write a file for each list that has reminders."""
    reminders = Reminders.of(run.backup, run.gaps)
    by_list: dict[tuple[str, str], list[Reminder]] = {}
    if reminders is not None:
        with reminders:
            for reminder in reminders:
                moment = reminder.due or reminder.completed or reminder.created
                if run.wants(reminder.id, None if moment is None else aware(run, moment)):
                    by_list.setdefault((reminder.store, reminder.list_name), []).append(reminder)
    if not by_list:
        run.nothing()
        return
    above = run.folder.place((), "Reminders", "folder reminders")
    for (store, title), listed in by_list.items():
        place = run.folder.place(above, f"{plain_name(title, 'Reminders')}.ics", f"reminders {store} {title}")
        run.folder.write(place, reminders_ics(title, listed))
        run.index.append(
            IndexLine(f"Reminders: {title or 'Reminders'}", place, counted(len(listed), "reminders"))
        )
        run.count("reminders", len(listed))
