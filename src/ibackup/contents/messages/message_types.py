"""What a reader of messages gives: conversations, messages, and what belongs to them.

Every text is as the sender wrote it, with anything in it that a stranger can type. Escape it before you show it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from ibackup.apple.entry import Entry

ME: Final = "Me"
"""The owner's name: no database of messages has it."""
UNKNOWN_SENDER: Final = "Unknown sender"


class Participant(NamedTuple):
    """Someone in a conversation.

    Attributes:
        address: number, e-mail address or short code as the phone stores it; "" for the phone's owner, and for a
            sender who is no longer in the database.
        name: what to call them: from the contacts, else the address; "Me" for the owner.
    """

    address: str
    name: str


class ConversationKind(StrEnum):
    """What kind of conversation it is."""

    DIRECT = "direct"
    GROUP = "group"
    UNFILED = "unfiled"
    """Messages that are in the database, but in no conversation of the app."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as people think of it: the app's several threads with the same people are one.

    Attributes:
        id: equal in every snapshot.
        title: the group's name, or else the names of the people in it.
        group_name: the name that its members gave it; "" if they gave none.
        participants: without the owner; empty for notes to oneself, and for a group that all others left.
        former: people who wrote in it, but are not in it now.
        services: of its threads and messages: "iMessage", "SMS", "RCS", …
        guids: of the app's threads that it is made of.
        filtered: how the phone sorted it: "", "unknown sender", "spam", "promotion or transaction".
        archived: whether it is archived.
        messages: how many messages and events it has. Reactions do not count.
        first: when the first of them was sent.
        last: when the last of them was sent.
        picture: of the group.
    """

    id: str
    kind: ConversationKind
    title: str
    group_name: str = ""
    participants: tuple[Participant, ...] = ()
    former: tuple[Participant, ...] = ()
    services: tuple[str, ...] = ()
    guids: tuple[str, ...] = ()
    filtered: str = ""
    archived: bool = False
    messages: int = 0
    first: datetime | None = None
    last: datetime | None = None
    picture: "Attachment | None" = None


class Attachment(NamedTuple):
    """A file that came with a message.

    Attributes:
        id: its guid, equal in every snapshot.
        name: as its sender called it; not safe as a file name.
        mime: its type as the phone notes it; may be wrong.
        uti: Apple's name for its type.
        size: bytes, as the phone notes it; None if it does not.
        created: when it came.
        domain: where it should be in the backup, with ``path``.
        path: below the domain; "" if the phone never saved it.
        entry: the file, or a folder for a bundle; None if it is not in this backup.
        absent: why not, as the end of a sentence: "it is not in this backup"; "" if it is there.
        sticker: whether it is a sticker or an emoji made by the phone.
        description: what a made emoji shows, in words.
        hidden: whether it is only part of something else, such as the picture of a link.
        transcript: of a voice message, as the phone heard it.
        number: its row in the database.
    """

    id: str
    name: str
    mime: str = ""
    uti: str = ""
    size: int | None = None
    created: datetime | None = None
    domain: str = ""
    path: str = ""
    entry: Entry | None = None
    absent: str = ""
    sticker: bool = False
    description: str = ""
    hidden: bool = False
    transcript: str = ""
    number: int = 0


class TextPiece(NamedTuple):
    """A piece of a message's text with one look, or the place of an attachment.

    Attributes:
        text: "" at the place of an attachment.
        part: number of the part of the message, at which reactions and replies point.
        styles: some of "bold", "italic", "underline", "strikethrough", and the name of an animation.
        link: where it leads, if the sender's phone found a link, a number or an e-mail address.
        mention: address of the person who is mentioned.
        attachment: id of the attachment that is here.
    """

    text: str
    part: int = 0
    styles: tuple[str, ...] = ()
    link: str = ""
    mention: str = ""
    attachment: str = ""


class Reaction(NamedTuple):
    """A reaction that is still there.

    Attributes:
        kind: "love", "like", "dislike", "laugh", "emphasis", "question", "emoji", "sticker" or "placed sticker".
        emoji: what to show for it; "" for a sticker.
        sender: who reacted.
        from_me: whether the owner did.
        part: of which part of the message; None for the whole.
        time: when.
        sticker: the picture.
    """

    kind: str
    emoji: str
    sender: Participant
    from_me: bool = False
    part: int | None = None
    time: datetime | None = None
    sticker: Attachment | None = None


@dataclass(frozen=True, slots=True)
class MessageEdit:
    """An earlier text of a part of a message, and when it was written."""

    part: int
    text: str
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeletedPart:
    """A part that is in Recently Deleted while the rest of the message is not."""

    part: int
    text: str
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Which message, and which part of it, a message answers. It may be gone."""

    id: str
    part: int = 0


class GroupEventKind(StrEnum):
    """What happened in a conversation without anyone writing."""

    ADDED = "added"
    REMOVED = "removed"
    LEFT = "left"
    NUMBER_CHANGED = "number changed"
    RENAMED = "renamed"
    PICTURE_CHANGED = "picture changed"
    PICTURE_REMOVED = "picture removed"
    BACKGROUND_CHANGED = "background changed"
    BACKGROUND_REMOVED = "background removed"
    LOCATION_SHARED = "location shared"
    LOCATION_STOPPED = "location no longer shared"
    AUDIO_KEPT = "audio kept"
    SHAREPLAY = "SharePlay"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class GroupEvent:
    """What happened.

    Attributes:
        kind: what it was.
        actor: who did it.
        subject: whom it was done to: the member who was added or removed.
        name: the new name.
        code: of one that this code does not know, the phone's numbers.
    """

    kind: GroupEventKind
    actor: Participant
    subject: Participant | None = None
    name: str = ""
    code: str = ""

    @property
    def text(self) -> str:
        """It in a sentence."""
        who = "You" if self.actor == Participant("", ME) else self.actor.name
        whom = self.subject.name if self.subject else "someone"
        return {
            GroupEventKind.ADDED: f"{who} added {whom} to the conversation",
            GroupEventKind.REMOVED: f"{who} removed {whom} from the conversation",
            GroupEventKind.LEFT: f"{who} left the conversation",
            GroupEventKind.NUMBER_CHANGED: f"{who} changed their phone number",
            GroupEventKind.RENAMED: (
                f"{who} named the conversation “{self.name}”"
                if self.name
                else f"{who} removed the name from the conversation"
            ),
            GroupEventKind.PICTURE_CHANGED: f"{who} changed the group photo",
            GroupEventKind.PICTURE_REMOVED: f"{who} removed the group photo",
            GroupEventKind.BACKGROUND_CHANGED: f"{who} changed the background",
            GroupEventKind.BACKGROUND_REMOVED: f"{who} removed the background",
            GroupEventKind.LOCATION_SHARED: f"{who} started sharing a location",
            GroupEventKind.LOCATION_STOPPED: f"{who} stopped sharing a location",
            GroupEventKind.AUDIO_KEPT: f"{who} kept an audio message",
            GroupEventKind.SHAREPLAY: f"{who} started SharePlay",
            GroupEventKind.OTHER: f"{who}: event {self.code}",
        }[self.kind]


@dataclass(frozen=True, slots=True)
class PollOption:
    """A choice of a poll, and who chose it at last."""

    id: str
    text: str
    voters: tuple[Participant, ...] = ()


@dataclass(frozen=True, slots=True)
class AppContent:
    """What an app put into a message.

    Attributes:
        name: of the app or the kind: "Polls", "Apple Cash", "Link", "Digital Touch".
        bundle: Apple's identifier of it.
        title: what it shows first.
        lines: what else it shows.
        link: where it leads; never opened.
        options: of a poll.
    """

    name: str
    bundle: str
    title: str = ""
    lines: tuple[str, ...] = ()
    link: str = ""
    options: tuple[PollOption, ...] = ()

    @property
    def text(self) -> str:
        """All of it in words."""
        options = (
            f"{option.text} ({', '.join(voter.name for voter in option.voters)})"
            if option.voters
            else option.text
            for option in self.options
        )
        parts = (self.name, self.title, *self.lines, *options, self.link)
        return "\n".join(dict.fromkeys(part for part in parts if part))


class TextMessage(NamedTuple):
    """A message or an event of a conversation.

    Attributes:
        id: its guid, equal in every snapshot.
        number: its row in the database.
        time: when it was sent; None if the phone does not know.
        sender: who sent it.
        from_me: whether the owner did.
        own_address: the owner's number or address that it was sent to or from; "" if not noted.
        service: "iMessage", "SMS" (MMS too), "RCS", "iMessageLite" (satellite); "" if not noted.
        text: the current text without the places of attachments; "" if there is none.
        pieces: the same with its looks, and the places of attachments.
        subject: line above it.
        attachments: in the order of the text.
        reactions: those that are still there, oldest first.
        edits: earlier texts, oldest first.
        edited: whether it was edited, also when no earlier text is known.
        unsent: parts that the sender took back; their texts are gone.
        all_unsent: whether nothing else is left.
        reply_to: the message that it answers.
        effect: with which it came: "slam", "confetti", …
        app: what an app put into it.
        event: what happened, if it is an event.
        reaction: a reaction whose target is not in the database; it has no text of its own.
        delivered: when.
        read: when; of a message from the owner, only if the other side tells.
        played: when, for a voice message.
        voice: whether it is a voice message.
        failed: whether sending it failed.
        scheduled: whether it was not sent yet when the backup was made.
        filtered: how the phone sorted it: "", "junk", "promotion", "transaction".
        is_deleted: whether it is in Recently Deleted.
        deleted: since when, if known.
        deleted_parts: parts that were.
        flaws: what could not be read of it, each as the end of a sentence about it.
    """

    id: str
    number: int
    time: datetime | None
    sender: Participant
    from_me: bool = False
    own_address: str = ""
    service: str = ""
    text: str = ""
    pieces: tuple[TextPiece, ...] = ()
    subject: str = ""
    attachments: tuple[Attachment, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    edits: tuple[MessageEdit, ...] = ()
    edited: bool = False
    unsent: tuple[int, ...] = ()
    all_unsent: bool = False
    reply_to: ReplyTo | None = None
    effect: str = ""
    app: AppContent | None = None
    event: GroupEvent | None = None
    reaction: Reaction | None = None
    delivered: datetime | None = None
    read: datetime | None = None
    played: datetime | None = None
    voice: bool = False
    failed: bool = False
    scheduled: bool = False
    filtered: str = ""
    is_deleted: bool = False
    deleted: datetime | None = None
    deleted_parts: tuple[DeletedPart, ...] = ()
    flaws: tuple[str, ...] = ()

    @property
    def loose_attachments(self) -> tuple[Attachment, ...]:
        """The attachments that have no place in the text, without those that are only part of something else."""
        placed = {piece.attachment for piece in self.pieces}
        return tuple(each for each in self.attachments if each.id not in placed and not each.hidden)

    @property
    def key(self) -> str:
        """What to compare two backups by: the id, and whether anything is left of it, since unsending keeps the row."""
        left = self.text or self.attachments or self.app or self.event or self.reaction
        return message_key(self.id, empty=not left)


def message_key(guid: str, *, empty: bool) -> str:
    """See ``TextMessage.key``."""
    return f"empty {guid}" if empty else guid
