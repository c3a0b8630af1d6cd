"""WhatsApp: a folder for each chat, as for messages, with pages, records for programs, and the media."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.base.confined import Parts
from ibackup.contents.gaps import Gaps
from ibackup.contents.people.names_of_backup import name_finder, names_of
from ibackup.contents.whatsapp.whatsapp_message import WhatsAppChat, WhatsAppMessage
from ibackup.contents.whatsapp.whatsapp_store import WhatsAppStore
from ibackup.export.chosen_conversations import is_chosen
from ibackup.export.counting import counted
from ibackup.export.export_context import Export, IndexLine
from ibackup.export.export_folder import plain_name
from ibackup.export.formats.csv_rows import csv_lines
from ibackup.export.message_html import calm
from ibackup.export.messages_export import MOST_ON_A_PAGE
from ibackup.export.pages import page
from ibackup.export.tables import json_list
from ibackup.export.whatsapp_files import WhatsAppFiles
from ibackup.export.whatsapp_pages import CSV_HEADS, WhatsAppPages, chat_lines, chat_record, chat_row

_TITLES: Final = {False: "WhatsApp", True: "WhatsApp Business"}
Again = Callable[[], Iterator[WhatsAppMessage]]


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every message."""
    for business in _TITLES:
        store = WhatsAppStore.open(backup, gaps, business=business)
        if store is not None:
            with store:
                for chat in store.chats():
                    for message in store.messages(chat):
                        yield _key(chat, message)


def export(run: Export) -> None:
    """Write each chat that was asked for, and a page that links them."""
    find_name: Callable[[str], str] | None = None
    found = written = False
    for business, title in _TITLES.items():
        with ExitStack() as opened:
            if find_name is None:
                find_name = name_finder(names_of(run.backup))
            store = WhatsAppStore.open(run.backup, run.gaps, business=business, find_name=find_name)
            if store is not None:
                found = True
                written |= _write_all(run, opened.enter_context(store), title)
    if not written:
        run.nothing("no chat is with them" if found and run.request.names else "")


def _key(chat: WhatsAppChat, message: WhatsAppMessage) -> str:
    return f"{chat.id} {message.id}"


@dataclass(frozen=True, slots=True)
class _WrittenChat:
    chat: WhatsAppChat
    folder: Parts
    shown: Parts
    messages: int
    last: str


@dataclass(slots=True)
class _Seen:
    """What is learned while the messages are read for the first time."""

    count: int = 0
    media: int = 0
    years: "Counter[int]" = field(default_factory=Counter)
    answered: set[str] = field(default_factory=set)
    last: str = ""
    year: int = 0


def _write_all(run: Export, store: WhatsAppStore, title: str) -> bool:
    above = run.folder.place((), title, f"folder {title}")
    front = run.folder.place(above, "index.html", f"{title} index")  # before a chat of that name
    listed = run.folder.place(above, "chats.json", f"{title} list")
    done = []
    for chat in store.chats():
        if run.request.talk not in ("", chat.id):
            continue
        if is_chosen(run.request.names, (chat.name, *chat.members), (chat.id, *chat.member_ids)):
            one = _write_chat(run, store, above, chat, title)
            if one is not None:
                done.append(one)
    if not done:
        return False
    run.count("WhatsApp chats", len(done))
    messages = sum(each.messages for each in done)
    run.count("WhatsApp messages", messages)
    records = [
        {
            "id": each.chat.id,
            "name": each.chat.name,
            "group": each.chat.group,
            "members": list(each.chat.members),
            "archived": each.chat.archived,
            "removed": each.chat.removed,
            "messages": each.messages,
            "folder": each.folder[-1],
        }
        for each in done
    ]
    run.folder.write(listed, json_list(records))
    about = f"{counted(len(done), 'chats')}, {counted(messages, 'messages')}"
    if "html" in run.request.formats:
        lines = [
            {
                "title": calm(each.chat.name),
                "about": ", ".join(
                    part
                    for part in (counted(each.messages, "messages"), each.last and f"the last on {each.last}")
                    if part
                ),
                "href": run.folder.link(front, each.shown),
            }
            for each in sorted(done, key=lambda each: each.last, reverse=True)
        ]
        run.folder.write(front, page("index.html", title=title, about=about, lines=lines, gaps=[]))
    run.index.append(IndexLine(title, front if "html" in run.request.formats else listed, about))
    return True


def _write_chat(
    run: Export, store: WhatsAppStore, above: Parts, chat: WhatsAppChat, title: str
) -> _WrittenChat | None:
    def read() -> Iterator[WhatsAppMessage]:
        return (each for each in store.messages(chat) if run.wants(_key(chat, each), each.time))

    folder: Parts | None = None
    seen = _Seen()
    kept: list[WhatsAppMessage] | None = []
    files = WhatsAppFiles(run, store.domain, (), "")
    for message in read():
        if folder is None:
            # Two chats of one name are two folders: the address in WhatsApp tells them apart.
            folder = run.folder.place(above, plain_name(chat.name, "Chat"), f"{title} chat {chat.id}")
            files = WhatsAppFiles(run, store.domain, folder, chat.id)
        _note(run, seen, files, message)
        if kept is not None:
            kept.append(message)
            if len(kept) > MOST_ON_A_PAGE:
                kept = None
    if folder is None:
        return None
    run.count("WhatsApp files", seen.media)
    fewer = kept
    again: Again = read if fewer is None else lambda: iter(fewer)
    shown = _write_formats(run, folder, chat, files, seen, again)
    return _WrittenChat(chat, folder, shown, seen.count, seen.last)


def _note(run: Export, seen: _Seen, files: WhatsAppFiles, message: WhatsAppMessage) -> None:
    seen.count += 1
    if message.time is not None:
        local = run.local(message.time)
        seen.year = max(seen.year, local.year)
        if local.year >= 1000 and (run.can_be(message.time) or not seen.last):
            seen.last = f"{local:%Y-%m-%d}"
    seen.years[seen.year] += 1
    if message.reply_to:
        seen.answered.add(message.reply_to)
    seen.media += files.copy(message)


def _write_formats(
    run: Export, folder: Parts, chat: WhatsAppChat, files: WhatsAppFiles, seen: _Seen, again: Again
) -> Parts:
    """Write the formats of one chat; return the place that people open first."""
    formats = run.request.formats
    shown: Parts | None = None
    if "html" in formats:
        pages = WhatsAppPages(run, folder, chat, files, seen.answered)
        shown = pages.front
        if seen.count <= MOST_ON_A_PAGE:
            run.folder.write(pages.front, pages.made(again(), seen.count))
        else:
            for year, those in _by_year(run, again()):
                run.folder.write(
                    pages.of_year(year), pages.made(those, seen.years[year], year, sorted(seen.years))
                )
            run.folder.write(pages.front, pages.years(seen.years))
    writers: dict[str, Callable[[Iterable[WhatsAppMessage]], Iterator[str]]] = {
        "json": lambda found: json_list(chat_record(each, files) for each in found),
        "csv": lambda found: csv_lines(CSV_HEADS, (chat_row(run, each, files) for each in found)),
        "txt": lambda found: chat_lines(run, chat, found, files),
    }
    for ending, write in writers.items():
        if ending in formats:
            place = (*folder, f"messages.{ending}")
            run.folder.write(place, write(again()))
            shown = shown or place
    return shown or folder


def _by_year(
    run: Export, messages: Iterator[WhatsAppMessage]
) -> Iterator[tuple[int, Iterator[WhatsAppMessage]]]:
    """The messages in the order of their years; one without a time belongs to the year before it."""
    current = 0

    def year(message: WhatsAppMessage) -> int:
        nonlocal current
        if message.time is not None:
            current = max(current, run.local(message.time).year)
        return current

    return groupby(messages, key=year)
