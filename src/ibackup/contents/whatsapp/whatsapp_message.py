"""What WhatsApp's database says of each chat and message."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

ME: Final = "Me"


@dataclass(frozen=True, slots=True)
class WhatsAppReaction:
    """A reaction. `sender` is empty where the database does not say whether it was "Me" or the partner."""

    sender: str
    emoji: str
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class WhatsAppMessage:
    """A message. `file` is a path of the backup's list, below the domain of its store.

    Attributes:
        id: stable from snapshot to snapshot.
        time: when it was sent.
        sender: whom it is from, in words.
        sender_id: the sender's address in WhatsApp.
        from_me: whether the phone's owner sent it.
        kind: "text", "image", "video", "voice", "contact", "location", "group event", "link", "document", "system",
            "gif", "deleted", "sticker", "view once", "poll", "call", "poll vote", or "type N" for others.
        text: the text, or the caption of a picture.
        event: the number of a group event; what the numbers mean is not known.
        reply_to: the id of the message that it answers; that may be gone.
        starred: as it says.
        reactions: the latest of each person.
        file: what it carries; empty if it carries none, or if the backup lacks it.
        missing: whether it carries a file that the backup lacks.
        file_name: what a document is called.
        mime: type of the file.
        duration_s: seconds of a film or a voice message.
        place: latitude and longitude in degrees.
        number: its row in the database.
    """

    id: str
    time: datetime | None
    sender: str
    sender_id: str
    from_me: bool
    kind: str
    text: str
    event: int = 0
    reply_to: str = ""
    starred: bool = False
    reactions: tuple[WhatsAppReaction, ...] = ()
    file: str = ""
    missing: bool = False
    file_name: str = ""
    mime: str = ""
    duration_s: int = 0
    place: tuple[float, float] | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class WhatsAppChat:
    """A chat.

    Attributes:
        id: its address in WhatsApp, stable from snapshot to snapshot.
        row: its number in this database.
        name: what to call it.
        group: whether it is a group.
        archived: as it says.
        removed: whether it was deleted from the list of chats.
        members: the names of those in a group.
        member_ids: their addresses, in the same order.
        messages: how many it has.
        first: when the first of them was sent.
        last: when the last of them was sent.
    """

    id: str
    row: int
    name: str
    group: bool
    archived: bool
    removed: bool
    members: tuple[str, ...]
    member_ids: tuple[str, ...]
    messages: int
    first: datetime | None = None
    last: datetime | None = None
