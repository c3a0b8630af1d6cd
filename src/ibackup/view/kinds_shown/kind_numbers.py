"""How many entries of each kind a backup has, for the navigation: only of what was read already."""

from typing import Final

from ibackup.view.asked import Asked
from ibackup.view.kinds_shown.shown_kind import KindShelf

_PAGES: Final = (
    "people",
    "calls",
    "voicemail",
    "notes",
    "calendar",
    "reminders",
    "memos",
    "safari",
    "health",
)


def shelf_key(page: str) -> tuple[str, str]:
    """Under which an opened backup keeps the entries of a kind."""
    return "kind", page


def numbers(asked: Asked) -> dict[str, int]:
    """The numbers by page, of the backup that was chosen."""
    opened = asked.peek()
    if opened is None:
        return {}
    shelves = ((page, opened.peek(shelf_key(page))) for page in _PAGES)
    return {page: len(shelf.records) for page, shelf in shelves if isinstance(shelf, KindShelf)}
