"""The apps whose conversations there are pages of, and their conversations in an opened backup."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ibackup.base.errors import IbackupError
from ibackup.base.how_far import HowFar, untold
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.message_keys import numbered_keys
from ibackup.view.conversations.gone_messages import GoneMessages, MessageKeys, gone_messages
from ibackup.view.conversations.message_talks import MessageTalks
from ibackup.view.conversations.shown_conversations import Talks
from ibackup.view.conversations.whatsapp_talks import WhatsAppTalks
from ibackup.view.first_readings import FirstReading, read_first

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
        keys: gives the row and the key of each of its messages.
    """

    page: str
    title: str
    kind: str
    read: "Callable[[Backup, datetime | None, HowFar], Talks | None]"
    keys: "Callable[[Backup, HowFar], Iterator[tuple[int, str]]]"

    @property
    def talks_key(self) -> Hashable:
        """Of ``OpenedBackup.once``, for its conversations."""
        return self.page, "talks"


def _whatsapp(backup: "Backup", made: datetime | None, _how_far: HowFar = untold) -> Talks | None:
    return WhatsAppTalks.of(backup, made) or WhatsAppTalks.of(backup, made, business=True)


def _whatsapp_keys(backup: "Backup", _how_far: HowFar) -> Iterator[tuple[int, str]]:
    talks = _whatsapp(backup, None)
    if talks is not None:
        with closing(talks):
            yield from talks.all_keys()


MESSAGES: Final = TalkApp(
    "messages",
    "Messages",
    "messages",
    MessageTalks.of,
    lambda backup, how_far: numbered_keys(backup, Gaps(), how_far),
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
        StillReading: they are being read, or compared with the newest backup.
        PasswordNeeded: it is locked.
        IbackupError: it cannot be read.
    """
    made, newest = asked.backup.made, asked.phone.backups[-1]
    reading = FirstReading(
        app.talks_key,
        f"Reading the conversations of {app.title}",
        app.page,
        lambda backup, how_far: app.read(backup, made, how_far),
        _move,
    )
    read_first(asked, asked.backup, reading)
    gone = _gone(asked, app) if asked.is_past else None
    with asked.open() as opened:
        talks = opened.once(app.talks_key, lambda each: app.read(each.backup, made, untold))
        if talks is not None:
            opened.numbers[app.page] = len(talks.conversations)
        if talks is not None and gone is not None and talks.compared_with != newest.id:
            talks.compare(gone, newest.id)
        yield OpenedTalks(opened, talks, not asked.is_past or gone is not None)


def _move(talks: Talks | None, backup: "Backup") -> None:
    if talks is not None:
        talks.move_to(backup)


def _gone(asked: "Asked", app: TalkApp) -> GoneMessages | None:
    """What the newest backup does not have any more; None if nobody can tell what it has."""
    newest, made = asked.phone.backups[-1], asked.backup.made
    keys_key, gone_key = (app.page, "keys"), (app.page, "gone", newest.id)

    def keys(backup: "Backup", how_far: HowFar) -> MessageKeys:
        return MessageKeys(key for _, key in app.keys(backup, how_far))

    try:
        read_first(
            asked, newest, FirstReading(keys_key, "Reading what the newest backup still has", app.page, keys)
        )
        with asked.open_other(newest) as opened:
            known = opened.once(keys_key, lambda each: keys(each.backup, untold))
    except IbackupError:
        return None  # what was asked for can be shown without it
    if not len(known):
        return None

    def compare(backup: "Backup", how_far: HowFar) -> GoneMessages:
        return gone_messages(app.keys(backup, how_far), known, made, newest.made)

    comparing = FirstReading(gone_key, "Comparing the messages with the newest backup", app.page, compare)
    read_first(asked, asked.backup, comparing)
    with asked.open() as opened:
        return opened.once(gone_key, lambda each: compare(each.backup, untold))
