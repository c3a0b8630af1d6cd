"""A life of hard cases: everything that readers of a phone's databases get wrong, on one phone.

The tables of cases say what a correct reader must say of each.
"""

from dataclasses import replace

from ibackup.simulator.life import health_db, note_cases, photo_cases, whatsapp_cases
from ibackup.simulator.life.calendar_db import EVENTS
from ibackup.simulator.life.calls_db import CALLS
from ibackup.simulator.life.contacts_db import CONTACTS, MAIL, PHONE, MadeContact, MadeValue
from ibackup.simulator.life.made_life import MadeLife
from ibackup.simulator.life.memos_db import MEMOS
from ibackup.simulator.life.messages_db import MadeMessages, MadeText
from ibackup.simulator.life.reminders_db import REMINDERS
from ibackup.simulator.life.safari_db import BOOKMARKS, VISITS
from ibackup.simulator.life.thread_cases import CARDS, MADE_MESSAGES
from ibackup.simulator.life.voicemail_db import VOICEMAILS

DELETED_MESSAGE = "note to myself"
"""The case of the message that the first change deletes."""
DELETED_PHOTO = "screenshot"
"""The case of the picture that goes with it."""
NEW_TEXT = "New since change {}"
"""The message that comes with each change."""


def hard_life(changes: int = 0) -> MadeLife:
    """The cases of all tables, after the phone was used that many times."""
    gone = (DELETED_MESSAGE, DELETED_PHOTO) if changes else ()
    return MadeLife(
        messages=_messages(gone, changes),
        contacts=CONTACTS + tuple(_card(*card) for card in CARDS),
        calls=CALLS,
        events=EVENTS,
        reminders=REMINDERS,
        memos=MEMOS,
        voicemails=VOICEMAILS,
        assets=tuple(asset for asset in photo_cases.ASSETS if asset.case not in gone),
        albums=photo_cases.ALBUMS,
        loose=photo_cases.LOOSE,
        notes=note_cases.NOTES,
        folders=note_cases.FOLDERS,
        whatsapp=whatsapp_cases.MADE,
        samples=health_db.SAMPLES,
        bookmarks=BOOKMARKS,
        visits=VISITS,
    )


def _messages(gone: tuple[str, ...], changes: int) -> MadeMessages:
    first = 60 * len(MADE_MESSAGES.texts)
    kept = tuple(
        text if text.at is not None else replace(text, at=60 * number)
        for number, text in enumerate(MADE_MESSAGES.texts)
        if text.case not in gone
    )
    new = tuple(
        MadeText(case=(said := NEW_TEXT.format(number)), text=said, sender="ada", at=first + 60 * number)
        for number in range(1, changes + 1)
    )
    return replace(MADE_MESSAGES, texts=(*kept, *new))


def _card(number: str, name: str, addresses: tuple[str, ...]) -> MadeContact:
    """One of those who write the messages."""
    values = tuple(MadeValue(MAIL if "@" in each else PHONE, None, each) for each in addresses)
    return MadeContact(case=number, columns={"First": name}, values=values)
