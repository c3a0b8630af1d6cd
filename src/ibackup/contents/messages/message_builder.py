"""Builds one message from its row, with what other rows say of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from ibackup.contents.app_database import AppDatabase, Cell, number, text
from ibackup.contents.app_times import from_messages, rfc3339
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.balloons import POLLS, PollChange, app_content, poll_change, with_votes
from ibackup.contents.messages.bodies import LOST_TEXT, EditHistory, MessageBody, body_of, history_of
from ibackup.contents.messages.deleted_parts import DeletedParts
from ibackup.contents.messages.group_events import MEMBER, group_event
from ibackup.contents.messages.handles import OWNER, UNKNOWN, Handles, sender_row
from ibackup.contents.messages.message_attachments import NEVER_SAVED, NO_ROW, NOT_HERE, MessageFiles
from ibackup.contents.messages.message_index import PART, MessageIndex
from ibackup.contents.messages.message_types import (
    AppContent,
    Attachment,
    GroupEvent,
    Participant,
    Reaction,
    ReplyTo,
    TextMessage,
    TextPiece,
)
from ibackup.contents.messages.reactions import ReactionRow, applied, is_folded, reaction_kind, target_of

_EFFECTS: Final = {
    "com.apple.MobileSMS.expressivesend.gentle": "gentle",
    "com.apple.MobileSMS.expressivesend.impact": "slam",
    "com.apple.MobileSMS.expressivesend.invisibleink": "invisible ink",
    "com.apple.MobileSMS.expressivesend.loud": "loud",
    "com.apple.messages.effect.CKConfettiEffect": "confetti",
    "com.apple.messages.effect.CKEchoEffect": "echo",
    "com.apple.messages.effect.CKFireworksEffect": "fireworks",
    "com.apple.messages.effect.CKHappyBirthdayEffect": "balloons",
    "com.apple.messages.effect.CKHeartEffect": "heart",
    "com.apple.messages.effect.CKLasersEffect": "lasers",
    "com.apple.messages.effect.CKShootingStarEffect": "shooting star",
    "com.apple.messages.effect.CKSparklesEffect": "celebration",
    "com.apple.messages.effect.CKSpotlightEffect": "spotlight",
}
_FILTERS: Final = {2: "junk", 3: "promotion", 4: "transaction"}
_COLUMNS: Final = (
    *("guid", "text", "attributedBody", "subject", "handle_id", "is_from_me", "service", "date"),
    *(
        "date_read",
        "date_delivered",
        "date_played",
        "destination_caller_id",
        "item_type",
        "group_action_type",
    ),
    *("group_title", "other_handle", "share_status", "associated_message_guid", "associated_message_type"),
    *("associated_message_emoji", "balloon_bundle_id", "payload_data", "message_summary_info"),
    *("expressive_send_style_id", "thread_originator_guid", "thread_originator_part", "date_edited"),
    *(
        "date_retracted",
        "part_count",
        "is_audio_message",
        "error",
        "schedule_type",
        "schedule_state",
        "is_sent",
    ),
    *("is_spam", "filter_action"),
)
_LIGHT: Final = (
    *("handle_id", "is_from_me", "date", "associated_message_guid", "associated_message_type"),
    *("associated_message_emoji", "balloon_bundle_id", "payload_data", "guid"),
)
_REASONS: Final = {
    LOST_TEXT: "a message whose text cannot be decoded",
    "its edits": "a message whose earlier texts cannot be decoded",
    "an earlier text": "a message whose earlier texts cannot be decoded",
    "what an app": "a message with an app's content that is not understood",
}
"""Of gaps, by the beginning of a flaw."""
_ABSENT: Final = {
    NOT_HERE: "a file that is not in this backup",
    NEVER_SAVED: "a file that the phone never saved",
    NO_ROW: "an attachment of which the phone no longer knows the file",
}
_MOST_FOLDED: Final = 10_000
_NO_HISTORY: Final = EditHistory()

Cells = Mapping[str, Cell]
"""The cells of a row that are not empty, by column."""


class MessageBuilder:
    """Builds messages.

    Args:
        database: of Messages.
        handles: its people.
        files: its attachments.
        index: where its messages are.
        gaps: takes what cannot be read.
    """

    def __init__(
        self, database: AppDatabase, handles: Handles, files: MessageFiles, index: MessageIndex, gaps: Gaps
    ) -> None:
        self._handles = handles
        self._files = files
        self._index = index
        self._gaps = gaps
        table = database.table("message")
        self._rows = table.select(*_COLUMNS) if table is not None else None
        self._light = table.select(*_LIGHT) if table is not None else None
        self._deleted_parts = DeletedParts(database)

    def at(self, row: int, other: Participant | None, most_files: int | None = None) -> TextMessage | None:
        """The message of a row; None, with a gap, if it cannot be read.

        Args:
            row: its number.
            other: who else is in the conversation, if there is only one: a sender whose row of ``handle`` is gone.
            most_files: how many of its attachments to look up; None for all.
        """
        cells = self._rows.at(row) if self._rows is not None else None
        if cells is None:
            return None
        # Nearly all cells of nearly all messages are empty, and there are millions of messages.
        return self._built(
            row,
            {name: value for name, value in zip(_COLUMNS, cells[1:], strict=True) if value},
            other,
            most_files,
        )

    def has_deleted_parts(self, row: int) -> bool:
        """Whether parts of a message are in Recently Deleted."""
        return bool(self._deleted_parts.of(row))

    def _built(self, row: int, cell: Cells, other: Participant | None, most_files: int | None) -> TextMessage:
        guid = _words(cell, "guid")
        mine = _flag(cell, "is_from_me")
        handle = sender_row(cell.get("handle_id"))
        sender = OWNER if mine else self._sender(handle, other)
        body = body_of(cell.get("attributedBody"), cell.get("text"))
        history = history_of(cell["message_summary_info"]) if "message_summary_info" in cell else _NO_HISTORY
        flaws = [*body.flaws, *history.flaws]
        attachments = tuple(self._with_transcript(each, body) for each in self._files.of(row, most_files))
        changes = self._changes(row, guid) if guid else []
        reaction = self._alone(row, cell, sender, mine=mine, attachments=attachments)
        event = self._event(cell, sender, handle, body)
        app = None if reaction or event else self._app(cell, changes, flaws)
        parts = self._deleted_parts.of(row)
        deleted = row in self._index.deleted
        shown = body.text or "\n".join(history.last)
        if deleted and not shown:
            shown, parts = "\n".join(each.text for each in parts), ()
        all_unsent = self._all_unsent(cell, history, shown, attachments)
        when = _moment(cell, "date")
        self._report(when, sender, flaws, attachments)
        return TextMessage(
            guid or f"row {row}",
            row,
            when,
            sender,
            mine,
            _words(cell, "destination_caller_id"),
            _words(cell, "service"),
            "" if reaction or event else shown,
            () if reaction or event else body.pieces or _one_piece(shown),
            _words(cell, "subject").strip(),
            () if reaction else attachments,
            applied(each for each, _, _ in changes if each is not None) if changes else (),
            history.edits,
            bool(history.edits) or (_flag(cell, "date_edited") and not history.unsent and not all_unsent),
            history.unsent,
            all_unsent,
            _reply_to(cell) if "thread_originator_guid" in cell else None,
            _effect(_words(cell, "expressive_send_style_id")),
            app,
            event,
            reaction,
            _moment(cell, "date_delivered"),
            _moment(cell, "date_read"),
            _moment(cell, "date_played"),
            _flag(cell, "is_audio_message"),
            mine and _flag(cell, "error"),
            _flag(cell, "schedule_type") and _flag(cell, "schedule_state") and not _flag(cell, "is_sent"),
            "junk" if _flag(cell, "is_spam") else _FILTERS.get(number(cell.get("filter_action", 0)), ""),
            deleted,
            from_messages(self._index.deleted[row]) if deleted else None,
            () if deleted else parts,
            tuple(flaws),
        )

    def _report(
        self,
        when: datetime | None,
        sender: Participant,
        flaws: list[str],
        attachments: tuple[Attachment, ...],
    ) -> None:
        for flaw in flaws:
            # What an app packs, and how the phone notes edits, may be of a kind that is not known yet.
            lost = flaw.startswith(LOST_TEXT)
            reason = next((reason for begin, reason in _REASONS.items() if flaw.startswith(begin)), flaw)
            self._gaps.add(PART, reason, f"{rfc3339(when) or 'no time'}, {sender.name}", damage=lost)
        for each in attachments:
            if each.absent and not each.hidden:
                self._gaps.add("attachments", _ABSENT.get(each.absent, each.absent), each.name or each.path)

    def _sender(self, handle: int, other: Participant | None) -> Participant:
        if handle in self._handles:
            return self._handles.participant(handle)
        return other or UNKNOWN

    @staticmethod
    def _with_transcript(attachment: Attachment, body: MessageBody) -> Attachment:
        heard = body.transcripts.get(attachment.id)
        if not heard:
            return attachment
        return attachment._replace(transcript=heard)

    @staticmethod
    def _all_unsent(
        cell: Cells, history: EditHistory, shown: str, attachments: tuple[Attachment, ...]
    ) -> bool:
        if shown or attachments:
            return False
        return bool(history.unsent) or _flag(cell, "date_retracted")

    # -- what is not text -----------------------------------------------------------------------------------

    def _event(self, cell: Cells, sender: Participant, handle: int, body: MessageBody) -> GroupEvent | None:
        item = number(cell["item_type"]) if "item_type" in cell else 0
        if not item or (item > 6 and body.text):
            return None
        whom = sender_row(cell.get("other_handle"))
        return group_event(
            item,
            number(cell.get("group_action_type")),
            actor=sender,
            subject=self._handles.participant(whom) if whom in self._handles else None,
            same=item == MEMBER and whom != 0 and whom == handle,
            name=_words(cell, "group_title").strip(),
            stopped=_flag(cell, "share_status"),
        )

    def _app(
        self,
        cell: Cells,
        changes: "list[tuple[ReactionRow | None, Participant, PollChange | None]]",
        flaws: list[str],
    ) -> AppContent | None:
        balloon, payload = _words(cell, "balloon_bundle_id"), cell.get("payload_data")
        if not balloon and not payload:
            return None
        content, flaw = self._decoded_app(balloon, payload)
        if not balloon and (flaw or not content.name):
            return None  # seen for link previews; anything else without the name of an app is nothing to show
        if flaw:
            flaws.append(flaw)
        if content.bundle == POLLS and not flaw:
            polls = [(sender, change) for _, sender, change in changes if change is not None]
            content = with_votes(content, polls, self._handles.of)
        return content

    @staticmethod
    def _decoded_app(balloon: str, payload: Cell) -> tuple[AppContent, str]:
        try:
            return app_content(balloon, payload)
        except Undecodable as error:
            return app_content(balloon, None)[0], f"what an app put into it cannot be decoded: {error}"

    # -- rows that point here -------------------------------------------------------------------------------

    def _changes(
        self, own: int, guid: str
    ) -> "list[tuple[ReactionRow | None, Participant, PollChange | None]]":
        """The reactions to a message and the changes of a poll, oldest first."""
        found: list[tuple[ReactionRow | None, Participant, PollChange | None]] = []
        for row in self._index.folded(guid)[:_MOST_FOLDED]:
            cells = self._light.at(row) if self._light is not None and row != own else None
            if cells is None:
                continue
            _, handle, mine, date, associated, kind, emoji, balloon, payload, itself = cells
            target, part = target_of(text(associated))
            if target != guid or text(itself) == guid:
                continue
            from_me = bool(number(mine))
            sender = OWNER if from_me else self._sender(sender_row(handle), None)
            code = number(kind)
            change = self._poll_change(payload, text(itself)) if balloon and payload else None
            reaction = None
            if is_folded(code) and change is None:
                sticker = next(iter(self._files.of(row)), None) if code % 1000 in (0, 7) else None
                name, shown = reaction_kind(code, text(emoji))
                reaction = ReactionRow(
                    code,
                    "" if from_me else self._handles.person(sender_row(handle)),
                    Reaction(name, shown, sender, from_me, part, from_messages(date), sticker),
                )
            found.append((reaction, sender, change))
        return found

    def _poll_change(self, payload: Cell, guid: str) -> PollChange | None:
        try:
            change = poll_change(payload)
        except Undecodable:
            self._gaps.add(PART, "a vote in a poll cannot be decoded", guid)
            return None
        return change if change.options is not None or change.votes is not None else None

    def _alone(
        self,
        row: int,
        cell: Cells,
        sender: Participant,
        *,
        mine: bool,
        attachments: tuple[Attachment, ...],
    ) -> Reaction | None:
        """The reaction that a row is, if its target is not there."""
        if row not in self._index.alone:
            return None
        name, shown = reaction_kind(
            number(cell.get("associated_message_type")), _words(cell, "associated_message_emoji")
        )
        part = target_of(_words(cell, "associated_message_guid"))[1]
        return Reaction(name, shown, sender, mine, part, _moment(cell, "date"), next(iter(attachments), None))


def _words(cell: Cells, name: str) -> str:
    return text(cell[name]) if name in cell else ""


def _flag(cell: Cells, name: str) -> bool:
    return name in cell and bool(number(cell[name]))


def _moment(cell: Cells, name: str) -> datetime | None:
    return from_messages(cell[name]) if name in cell else None


def _one_piece(shown: str) -> tuple[TextPiece, ...]:
    return (TextPiece(shown),) if shown else ()


def _reply_to(cell: Cells) -> ReplyTo | None:
    guid = _words(cell, "thread_originator_guid")
    part = _words(cell, "thread_originator_part").partition(":")[0]
    if not guid:
        return None
    return ReplyTo(guid, int(part) if part.isascii() and part.isdigit() and len(part) < 6 else 0)


def _effect(style: str) -> str:
    return _EFFECTS.get(style, style.rpartition(".")[2])
