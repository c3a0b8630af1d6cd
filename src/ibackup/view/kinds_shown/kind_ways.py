"""The pages of a kind: its list with the details of one entry, its files, and what is taken out."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from io import BytesIO
from typing import Final, Generic

from starlette.responses import Response

from ibackup.apple.entry import Entry
from ibackup.apple.format_errors import FormatError, KeyRefused
from ibackup.base.confined import PathRefused
from ibackup.base.errors import IbackupError
from ibackup.export.exporting import gap_text
from ibackup.view import words
from ibackup.view.asked import Asked
from ibackup.view.kinds_shown.entry_choice import GONE, PART, EntryChoice
from ibackup.view.kinds_shown.entry_history import EntryHistory, entry_history
from ibackup.view.kinds_shown.entry_times import day_of
from ibackup.view.kinds_shown.entry_types import EntryDetail, EntryNotice, EntryRow
from ibackup.view.kinds_shown.shown_kind import EntryLook, KindShelf, Record, ShownKind
from ibackup.view.not_shown import NotShown
from ibackup.view.opened.media import media_response, streamed_download
from ibackup.view.opened.opened_backups import OpenedBackup
from ibackup.view.shown_phones import ShownBackup
from ibackup.view.way import Way

_MONTH: Final = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """A row and where it leads.

    Attributes:
        heading: a heading before it; empty for none.
        goes_on: whether the heading is that of the entry before, on the part before.
        picture: the address of its picture.
    """

    row: EntryRow
    href: str
    chosen: bool
    gone: bool
    heading: str
    goes_on: bool
    picture: str


def kind_ways(kind: ShownKind[Record]) -> tuple[Way, ...]:
    """The pages of a kind."""
    pages = _KindPages(kind)
    here = f"/phone/{{phone}}/{kind.page}"
    return (
        Way("GET", here, pages.show),
        Way("GET", f"{here}/take", pages.take, "data"),
        Way("GET", f"{here}/file", pages.file, "data"),
    )


class _KindPages(Generic[Record]):
    def __init__(self, kind: ShownKind[Record]) -> None:
        self._kind = kind

    # -- the list and the details -----------------------------------------------------------------------------

    def show(self, asked: Asked) -> Response:
        """The list, and the details of what was chosen in it."""
        kind, choice = self._kind, EntryChoice.of(asked.query)
        shelf = self._shelf(asked, asked.backup)
        gone = self._gone(asked, shelf)
        found = choice.found(kind, shelf, gone)
        today = day_of(asked.backup.made)
        start = choice.first(kind, shelf, found, today)
        record = shelf.find(choice.ident) if choice.ident else None
        # The thread keeps the rest of an address: someone who moves to another backup has not asked there.
        looking = record is not None and asked.query.get("look") == asked.backup.id
        history = self._history(asked, choice.ident) if looking else None
        is_gone = choice.ident in gone
        values: dict[str, object] = {
            "kind": kind,
            "choice": choice,
            "total": len(shelf.records),
            "left_out": shelf.left_out,
            "found": len(found),
            "entries": list(self._entries(asked, choice, shelf, found, start, gone)),
            "earlier": self._link(asked, choice, start=max(start - PART, 0)) if start else "",
            "later": self._link(asked, choice, start=start + PART) if start + PART < len(found) else "",
            "gone_count": len(gone),
            "places": shelf.groups if len(shelf.groups) > 1 else {},
            "choices": [(chip, shelf.counts[chip.name]) for chip in kind.chips if shelf.counts[chip.name]],
            "summary": kind.summary(shelf) if shelf.records else "",
            "why_none": kind.why_none(shelf),
            "damage": [gap_text(gap) for gap in shelf.gaps if gap.damage],
            "before": self._before(asked),
            "detail": self._detail(asked, record, shelf) if record is not None else None,
            "absent": self._absent(asked, choice) if choice.ident and record is None else None,
            "lost": self._lost(asked, choice, history) if is_gone and record is not None else None,
            "history": history,
            "has_versions": record is not None and kind.changed(record) is not None,
            "look": "" if history else self._link(asked, choice, ident=choice.ident, look=True),
            "chosen": bool(choice.ident),
            "back": self._link(asked, choice, start=choice.start),
            "list_name": kind.title,
            "title": kind.title,
            "page": kind.page.partition("/")[0],
        }
        status = 404 if values["absent"] is not None else 200
        return asked.render("kind.html", status, here=self, **values)

    def chip(self, asked: Asked, choice: EntryChoice, only: str = "") -> str:
        """The address of the list with another choice above it."""
        return asked.link(self._kind.page, **{"q": choice.words, "only": only, "in": choice.place})

    def related(self, asked: Asked, ident: str) -> str:
        """The address of another entry."""
        return asked.link(self._kind.page, id=ident)

    def file_link(self, asked: Asked, ident: str, name: str) -> str:
        """The address of a file of an entry."""
        return asked.link(f"{self._kind.page}/file", id=ident, name=name)

    def take_link(self, asked: Asked, choice: EntryChoice, form: str, ident: str = "") -> str:
        """The address at which one entry, or all that are chosen, are taken out."""
        query = {"id": ident} if ident else choice.query()
        return asked.link(f"{self._kind.page}/take", **query, **{"as": form})

    def at(self, asked: Asked, choice: EntryChoice, backup: ShownBackup) -> str:
        """The address of the chosen entry in another backup."""
        newest = asked.phone.newest
        at = "" if newest is not None and backup.id == newest.id else backup.id
        return asked.link(self._kind.page, id=choice.ident, at=at)

    def _shelf(self, asked: Asked, backup: ShownBackup) -> KindShelf[Record]:
        def read(opened: OpenedBackup) -> KindShelf[Record]:
            shelf = self._kind.shelf(opened.backup)
            opened.numbers[self._kind.page] = len(shelf.records)
            return shelf

        with asked.open_other(backup) as opened:
            return opened.once(("kind", self._kind.page), read)

    def _gone(self, asked: Asked, shelf: KindShelf[Record]) -> frozenset[str]:
        """The ids of the entries that the newest backup does not have; none if nobody can look into it."""
        newest = asked.phone.newest
        if not asked.is_past or newest is None:
            return frozenset()
        with suppress(IbackupError):
            later = self._shelf(asked, newest)
            # What a damaged backup lacks is not gone from the phone.
            if not any(gap.damage for gap in later.gaps):
                return shelf.gone(later)
        return frozenset()

    def _entries(
        self,
        asked: Asked,
        choice: EntryChoice,
        shelf: KindShelf[Record],
        found: Sequence[int],
        start: int,
        gone: frozenset[str],
    ) -> Iterator[ListedEntry]:
        kind = self._kind
        last = kind.heading(shelf.records[found[start - 1]]) if start else ""
        today = day_of(asked.backup.made)
        for number, record in enumerate(self._with_repeats(choice, shelf, found, start, today)):
            heading, ident, row = kind.heading(record), kind.ident(record), kind.row(record)
            yield ListedEntry(
                row=row,
                href=self._link(asked, choice, start=start or choice.start, ident=ident),
                chosen=ident == choice.ident and record is shelf.find(ident),
                gone=ident in gone,
                heading=heading if heading != last or number == 0 else "",
                goes_on=heading == last,
                picture=self.file_link(asked, ident, row.picture) if row.picture else "",
            )
            last = heading

    def _with_repeats(
        self,
        choice: EntryChoice,
        shelf: KindShelf[Record],
        found: Sequence[int],
        start: int,
        today: date | None,
    ) -> Sequence[Record]:
        """The entries of a part of the list; what repeats stands at each of its times in the first month of it."""
        shown = [shelf.records[place] for place in found[start : start + PART]]
        since = choice.day or today
        if choice.start is not None or since is None:
            since = shelf.days[found[start]] if shown else None
        if since is None or choice.words or choice.only or not date.min.year < since.year < date.max.year:
            return shown
        until, rest = since + _MONTH, found[start + PART : start + PART + 1]
        following = shelf.days[rest[0]] if rest else None
        if following is not None and following <= until:
            until = following - timedelta(days=1)
        return self._kind.with_repeats(shown, (shelf.records[each] for each in found), since, until)

    def _link(
        self,
        asked: Asked,
        choice: EntryChoice,
        *,
        start: int | None = None,
        ident: str = "",
        look: bool = False,
    ) -> str:
        query = choice.query() | {"from": start, "id": ident, "look": asked.backup.id if look else None}
        return asked.link(self._kind.page, **query)

    def _detail(self, asked: Asked, record: Record, shelf: KindShelf[Record]) -> EntryDetail:
        ident = self._kind.ident(record)
        with asked.open() as opened:
            look = EntryLook(
                opened.backup,
                link=lambda name: self.file_link(asked, ident, name),
                page=asked.link,
            )
            return self._kind.detail(record, shelf, look)

    def _before(self, asked: Asked) -> list[tuple[str, str]]:
        """From the newest backup, a few older ones in which to look for what is gone: words and address."""
        backups = asked.phone.backups
        if asked.is_past or len(backups) < 2:
            return []
        chosen = {len(backups) - 2: None, len(backups) // 2: None, 0: None}
        return [
            (words.short_day(made), asked.link(self._kind.page, at=backups[place].id, only=GONE))
            for place in sorted(chosen, reverse=True)
            if place < len(backups) - 1 and (made := backups[place].made) is not None
        ]

    # -- other times ------------------------------------------------------------------------------------------

    def _history(self, asked: Asked, ident: str) -> EntryHistory | None:
        def find(backup: ShownBackup) -> Record | None:
            return self._shelf(asked, backup).find(ident)

        return entry_history(self._kind, asked.phone.backups, asked.backup, find)

    def _lost(self, asked: Asked, choice: EntryChoice, history: EntryHistory | None) -> EntryNotice:
        """That an entry is no longer on the phone, and since when."""
        newest = asked.phone.newest
        after, before = asked.backup, newest
        if history is not None and history.after is not None:
            after, before = history.last, history.after
        window = words.window(after.made, before.made if before is not None else None)
        made = asked.backup.made
        text = f"It went {window}."
        if made is not None:
            text += f" Here it is as it was on {words.day(made)}."
        near = history is not None or (len(asked.phone.backups) > 1 and after is asked.phone.backups[-2])
        return EntryNotice(
            "No longer on the phone",
            text,
            "gone",
            "gone",
            "" if near else self._link(asked, choice, ident=choice.ident, look=True),
            "" if near else "Find out more exactly",
        )

    def _absent(self, asked: Asked, choice: EntryChoice) -> EntryNotice:
        """That this backup does not have an entry, and which does."""
        newest, made = asked.phone.newest, asked.backup.made
        on = f" on {words.day(made)}" if made is not None else ""
        record = None
        if asked.is_past and newest is not None:
            with suppress(IbackupError):
                record = self._shelf(asked, newest).find(choice.ident)
        if record is not None and newest is not None:
            return EntryNotice(
                f"This {self._kind.one} did not exist yet{on}",
                "The newest backup has it.",
                "time",
                "gone",
                self.at(asked, choice, newest),
                f"Show the {self._kind.one} in the newest backup",
            )
        return EntryNotice(
            f"This {self._kind.one} is not in this backup",
            "It is gone from the phone, or its address was copied incompletely. Another backup, in the line below, may "
            "have it.",
            "gone",
            "gone",
        )

    # -- files and what is taken out --------------------------------------------------------------------------

    def file(self, asked: Asked) -> Response:
        """A file of an entry: a sound, a picture, something attached."""
        record = self._record(asked)
        try:
            with asked.open() as opened:
                found = self._kind.file(record, asked.query.get("name", ""), opened.backup)
                source = found.open() if isinstance(found, Entry) else BytesIO(found) if found else None
            if source is not None:
                name = found.relative_path.rpartition("/")[2] if isinstance(found, Entry) else "picture"
                return media_response(source, asked.headers, name=name, download="download" in asked.query)
        except (OSError, FormatError, KeyRefused, PathRefused) as error:
            raise NotShown("This file cannot be read.", hint="Another backup may have it whole.") from error
        raise NotShown("There is no such file in this backup.", hint="Another backup may have it.")

    def take(self, asked: Asked) -> Response:
        """One entry, or all that are chosen, in a form that other programs read."""
        kind, choice = self._kind, EntryChoice.of(asked.query)
        form = asked.query.get("as", "")
        if form not in {each.name for each in kind.forms}:
            raise NotShown(f"This is no form in which {kind.many} can be taken out.")
        shelf = self._shelf(asked, asked.backup)
        if choice.ident:
            records = [self._record(asked)]
        else:
            found = choice.found(kind, shelf, self._gone(asked, shelf))
            records = [shelf.records[place] for place in found]
        with asked.open() as opened:
            download = kind.take(records, form, opened.backup, alone=bool(choice.ident))
        chunks = (chunk for chunk in download.chunks if chunk)  # an empty one would end the answer
        return streamed_download(chunks, download.name, download.type)

    def _record(self, asked: Asked) -> Record:
        record = self._shelf(asked, asked.backup).find(asked.query.get("id", ""))
        if record is None:
            raise NotShown(
                f"This {self._kind.one} is not in this backup.", hint="Another backup may have it."
            )
        return record
