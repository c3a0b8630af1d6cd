"""The formats of a conversation, all written in one pass over its messages."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ibackup.base.confined import Parts
from ibackup.contents.messages.message_types import Conversation, TextMessage
from ibackup.export.conversation_files import ConversationFiles
from ibackup.export.conversation_pages import ConversationPages
from ibackup.export.export_context import Export
from ibackup.export.formats.csv_rows import MARK, csv_line
from ibackup.export.message_records import CSV_HEADS, csv_row, message_record, text_of

if TYPE_CHECKING:
    from ibackup.export.export_target import TextDraft

_RECORDS: Final = ("json", "csv", "txt")
_json: Final = json.JSONEncoder(ensure_ascii=False).encode


class ConversationWriters:
    """Writes one conversation in every format that was asked for. Leave its context to finish the files.

    Args:
        run: the export.
        conversation: it.
        files: its attachments.
        pages: its pages.
        by_year: whether each year has a page of its own.
    """

    def __init__(
        self,
        run: Export,
        conversation: Conversation,
        files: ConversationFiles,
        pages: ConversationPages,
        *,
        by_year: bool,
    ) -> None:
        self._run = run
        self._title = conversation.title
        self._files = files
        self._pages = pages
        self._by_year = by_year
        self._years: Counter[int] = Counter()
        self._year: int | None = None
        self._stack = ExitStack()
        self._page: TextDraft | None = None
        self._page_end = ""
        self._drafts: dict[str, TextDraft] = {}
        self._count = 0
        formats = run.request.formats
        self._html = "html" in formats
        self._wanted = [each for each in _RECORDS if each in formats]

    @property
    def shown(self) -> Parts:
        """The place that people open first."""
        if self._html:
            return self._pages.front
        folder = self._files.folder
        return (*folder, f"messages.{self._wanted[0]}") if self._wanted else folder

    def __enter__(self) -> Self:
        for each in self._wanted:
            place = (*self._files.folder, f"messages.{each}")
            self._drafts[each] = self._stack.enter_context(self._run.folder.draft(place))
        self._write("csv", lambda: MARK + csv_line(CSV_HEADS))
        self._write("txt", lambda: f"{self._title}\n\n")
        return self

    def write(self, message: TextMessage) -> None:
        """Add the next message."""
        run, files = self._run, self._files
        if self._html:
            self._write_page(message)
        before = ",\n" if self._count else "[\n"
        self._write("json", lambda: before + _json(message_record(message, files)))
        self._write("csv", lambda: csv_line(csv_row(run, message, files)))
        self._write("txt", lambda: text_of(run, message, files))
        self._count += 1

    def _write(self, form: str, made: Callable[[], str]) -> None:
        draft = self._drafts.get(form)
        if draft is not None:
            draft.write(made())

    def _write_page(self, message: TextMessage) -> None:
        year = None
        if self._by_year:
            # One without a time is with the one before it.
            year = self._year or 0
            if message.time is not None:
                year = max(year, self._run.local(message.time).year)
            self._years[year] += 1
        if self._page is None or year != self._year:
            self._end_page()
            self._year = year
            before, self._page_end = self._pages.begin(year)
            place = self._pages.front if year is None else self._pages.of_year(year)
            self._page = self._run.folder.draft(place).__enter__()
            self._page.write(before)
        self._page.write(self._pages.message(message))

    def _end_page(self) -> None:
        page, self._page = self._page, None
        if page is not None:
            page.write(self._page_end)
            page.__exit__(None, None, None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write("json", lambda: "\n]\n" if self._count else "[]\n")
                self._end_page()
                if self._html and self._by_year:
                    self._run.folder.write(self._pages.front, self._pages.years(self._years))
            elif self._page is not None:
                self._page.__exit__(kind, error, trace)
        finally:
            self._stack.__exit__(kind, error, trace)
