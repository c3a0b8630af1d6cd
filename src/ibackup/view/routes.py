"""The table of all pages."""

from collections.abc import Iterator

from ibackup.view.pages import (
    home_page,
    photo_files_page,
    photo_page,
    photos_page,
    static_page,
    take_out_page,
    timeline_page,
    unlock_page,
)
from ibackup.view.way import Way

_PAGES = (
    home_page,
    photo_files_page,
    photo_page,
    photos_page,
    static_page,
    take_out_page,
    timeline_page,
    unlock_page,
)


def ways() -> Iterator[Way]:
    """Every way. Two never fit one address and method; a test sees to that."""
    for page in _PAGES:
        yield from page.WAYS
