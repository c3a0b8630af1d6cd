"""The apps whose conversations there are pages of, and their conversations in an opened backup."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ibackup.base.errors import IbackupError
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.message_keys import message_ids
from ibackup.view.conversations.gone_messages import MessageKeys, gone_messages
from ibackup.view.conversations.message_talks import MessageTalks
from ibackup.view.conversations.shown_conversations import Talks
from ibackup.view.conversations.whatsapp_talks import WhatsAppTalks

if TYPE_CHECKING:
    from ibackup.apple.backup import Backup
    from ibackup.view.asked import Asked
    from ibackup.view.opened.opened_backups import OpenedBackup


@dataclass(frozen=True)
class TalkApp:
    """An app.

    Attributes:
        page: of its pages, below the phone's, and its name in the navigation.
        title: for people.
        kind: of its export.
        read: opens its conversations; None if the backup has none.
        keys: gives the keys of all its messages.
    """

    page: str
    title: str
    kind: str
    read: "Callable[[Backup, datetime | None], Talks | None]"
    keys: "Callable[[Backup], Iterator[str]]"


def _whatsapp(backup: "Backup", made: datetime | None) -> Talks | None:
    return WhatsAppTalks.of(backup, made) or WhatsAppTalks.of(backup, made, business=True)


def _whatsapp_keys(backup: "Backup") -> Iterator[str]:
    talks = _whatsapp(backup, None)
    if talks is not None:
        try:
            for _, key in talks.all_keys():
                yield key
        finally:
            talks.close()


MESSAGES: Final = TalkApp(
    "messages", "Messages", "messages", MessageTalks.of, lambda backup: message_ids(backup, Gaps())
)
WHATSAPP: Final = TalkApp("whatsapp", "WhatsApp", "whatsapp", _whatsapp, _whatsapp_keys)


@dataclass(frozen=True, slots=True)
class OpenedTalks:
    """The conversations of the backup that was asked for.

    Attributes:
        opened: the backup.
        talks: they; None if it has none.
        compared: whether they are of the newest backup, or were compared with it.
    """

    opened: "OpenedBackup"
    talks: Talks | None
    compared: bool


@contextmanager
def opened_talks(asked: "Asked", app: TalkApp) -> Iterator[OpenedTalks]:
    """Open the backup that was asked for and its conversations, for a short ``with`` block.

    Raises:
        PasswordNeeded: it is locked.
        IbackupError: it cannot be read.
    """
    newest = _newest_keys(asked, app) if asked.is_past else None
    with asked.open() as opened:
        made = asked.backup.made
        talks = opened.once((app.page, "talks"), lambda each: app.read(each.backup, made))
        if talks is not None:
            opened.numbers[app.page] = len(talks.conversations)
        if talks is not None and newest is not None and talks.compared_with != asked.phone.backups[-1].id:
            talks.compare(
                gone_messages(talks.all_keys(), newest, made, asked.phone.backups[-1].made),
                asked.phone.backups[-1].id,
            )
        yield OpenedTalks(opened, talks, not asked.is_past or newest is not None)


def _newest_keys(asked: "Asked", app: TalkApp) -> MessageKeys | None:
    """The keys of the newest backup's messages; None if nobody can tell what it has."""
    try:
        with asked.open_other(asked.phone.backups[-1]) as newest:
            found = newest.once((app.page, "keys"), lambda each: MessageKeys(app.keys(each.backup)))
    except IbackupError:
        return None  # what was asked for can be shown without it
    return found if len(found) else None
