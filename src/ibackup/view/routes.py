"""The table of all pages."""

from collections.abc import Iterator

from ibackup.view.pages import (
    calendar_page,
    calls_page,
    doctor_page,
    encryption_page,
    files_page,
    first_page,
    fleet_page,
    health_page,
    home_page,
    memos_page,
    messages_page,
    notes_page,
    people_page,
    photo_files_page,
    photo_page,
    photos_page,
    reminders_page,
    restore_page,
    safari_page,
    search_page,
    settings_page,
    static_page,
    take_out_page,
    timeline_page,
    unlock_page,
    voicemail_page,
    whatsapp_page,
)
from ibackup.view.way import Way

_PAGES = (
    calendar_page,
    calls_page,
    doctor_page,
    encryption_page,
    files_page,
    first_page,
    fleet_page,
    health_page,
    home_page,
    memos_page,
    messages_page,
    notes_page,
    people_page,
    photo_files_page,
    photo_page,
    photos_page,
    reminders_page,
    restore_page,
    safari_page,
    search_page,
    settings_page,
    static_page,
    take_out_page,
    timeline_page,
    unlock_page,
    voicemail_page,
    whatsapp_page,
)


def ways() -> Iterator[Way]:
    """Every way. Two never fit one address and method; a test sees to that."""
    for page in _PAGES:
        yield from page.WAYS
