"""Bookmarks as the file that browsers export and import ("Netscape bookmark file"), with folders.

It is a page, too, so it carries a policy that lets no bookmark of the kind "javascript:" run from it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from typing import Final

from ibackup.contents.safari import Bookmark

_HEAD: Final = (
    "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n"
    '<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-8">\n'
    '<META HTTP-EQUIV="Content-Security-Policy" CONTENT="default-src \'none\'">\n'
    "<TITLE>Bookmarks</TITLE>\n<H1>Bookmarks</H1>\n"
)
_READING_LIST: Final = "reading list"
BUILT_IN_FOLDERS: Final = {"BookmarksBar": "Favorites", "BookmarksMenu": "Bookmarks Menu"}
"""What people see of the folders that Safari itself made, by their names in its database."""
_DEPTH: Final = 64


def bookmark_file(bookmarks: Sequence[Bookmark]) -> Iterator[str]:
    """The whole file: folders with something in them, in the person's order; without the Reading List."""
    parents = {each.row: each.parent for each in bookmarks if each.is_folder}
    outermost = _outermost(parents)
    below: dict[int | None, list[Bookmark]] = {}
    for each in bookmarks:
        if each.part != _READING_LIST:
            inside = each.parent in parents and not (each.is_folder and each.row in outermost)
            below.setdefault(each.parent if inside else None, []).append(each)
    for listed in below.values():
        listed.sort(key=lambda each: each.order)
    yield _HEAD
    yield from _list(None, below, _with_pages(below))


def _outermost(parents: dict[int, int]) -> set[int]:
    """The folders to show outside of all others, by the folder that each is in.

    Also those in themselves, directly or through others, and those too deep for a browser to import.
    """
    depths: dict[int, int] = {}
    for row in parents:
        path: list[int] = []
        on_path: dict[int, int] = {}
        at = row
        while at in parents and at not in depths and at not in on_path:
            on_path[at] = len(path)
            path.append(at)
            at = parents[at]
        circle = on_path.get(at, len(path))
        for place in reversed(range(len(path))):
            depth = 0 if place >= circle else depths.get(parents[path[place]], -1) + 1
            depths[path[place]] = depth if depth < _DEPTH else 0
    return {row for row, depth in depths.items() if depth == 0}


def _with_pages(below: dict[int | None, list[Bookmark]]) -> set[int]:
    """The folders that hold a page somewhere."""
    above = {each.row: parent for parent, listed in below.items() for each in listed if each.is_folder}
    found: set[int] = set()
    for parent, listed in below.items():
        if any(not each.is_folder for each in listed):
            while parent is not None and parent not in found:
                found.add(parent)
                parent = above.get(parent)  # noqa: PLW2901 - it climbs
    return found


def _list(folder: int | None, below: dict[int | None, list[Bookmark]], filled: set[int]) -> Iterator[str]:
    yield "<DL><p>\n"
    for each in below.get(folder, ()):
        if not each.is_folder:
            href, title = escape(each.url), escape(each.title or each.url)
            yield f'<DT><A HREF="{href}"{_date("ADD_DATE", each.changed)}>{title}</A>\n'
        elif each.row in filled:
            bar = ' PERSONAL_TOOLBAR_FOLDER="true"' if each.title == "BookmarksBar" else ""
            title = escape(BUILT_IN_FOLDERS.get(each.title, each.title))
            yield f"<DT><H3{_date('LAST_MODIFIED', each.changed)}{bar}>{title}</H3>\n"
            yield from _list(each.row, below, filled)
    yield "</DL><p>\n"


def _date(name: str, moment: datetime | None) -> str:
    return f' {name}="{int(moment.timestamp())}"' if moment is not None else ""
