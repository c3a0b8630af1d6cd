"""The table of all pages."""

from collections.abc import Iterator

from ibackup.view.pages import home_page, static_page, take_out_page, timeline_page, unlock_page
from ibackup.view.way import Way


def ways() -> Iterator[Way]:
    """Every way, the first that fits wins."""
    yield from home_page.WAYS
    yield from static_page.WAYS
    yield from take_out_page.WAYS
    yield from timeline_page.WAYS
    yield from unlock_page.WAYS
