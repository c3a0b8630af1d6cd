"""The text of a message, from its attributed body or else its column ``text``; its edits and what was unsent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from ibackup.contents.app_database import Cell, blob, text
from ibackup.contents.app_times import from_apple
from ibackup.contents.decoding.archived_objects import plain_plist
from ibackup.contents.decoding.typedstream import AttributedText, AttributeValue, attributed_text
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.contents.messages.message_types import MessageEdit, TextPiece

_ATTACHMENT: Final = "\ufffc"
_APP: Final = "\ufffd"
_PART: Final = "__kIMMessagePartAttributeName"
_FILE: Final = "__kIMFileTransferGUIDAttributeName"
_LINK: Final = "__kIMLinkAttributeName"
_MENTION: Final = "__kIMMentionConfirmedMention"
_TRANSCRIPT: Final = "IMAudioTranscription"
_EFFECT: Final = "__kIMTextEffectAttributeName"
_STYLES: Final = {
    "__kIMTextBoldAttributeName": "bold",
    "__kIMTextItalicAttributeName": "italic",
    "__kIMTextUnderlineAttributeName": "underline",
    "__kIMTextStrikethroughAttributeName": "strikethrough",
}
_EFFECTS: Final = {
    4: "ripple",
    5: "big",
    6: "bloom",
    8: "nod",
    9: "shake",
    10: "jitter",
    11: "small",
    12: "explode",
}
LOST_TEXT: Final = "its text cannot be decoded"
"""Begins the flaws of messages that lack some of their text."""
_MOST_EDITS: Final = 1000
_MOST_PARTS: Final = 10_000


class MessageBody(NamedTuple):
    """What a message says.

    Attributes:
        text: without the places of attachments.
        pieces: together they are the text.
        transcripts: of voice messages, by the id of the attachment.
        flaws: what could not be read, each as the end of a sentence about the message.
    """

    text: str = ""
    pieces: tuple[TextPiece, ...] = ()
    transcripts: Mapping[str, str] = MappingProxyType({})
    flaws: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EditHistory:
    """What became of the parts of a message; ``last`` are the newest texts, by part."""

    edits: tuple[MessageEdit, ...] = ()
    last: tuple[str, ...] = ()
    unsent: tuple[int, ...] = ()
    flaws: tuple[str, ...] = ()


def body_of(attributed: Cell, plain: Cell) -> MessageBody:
    """The text of a message.

    Args:
        attributed: the column ``attributedBody``. It counts: ``text`` is often empty and may be stale.
        plain: the column ``text``.
    """
    packed = blob(attributed)
    simple = text(plain)
    if not packed:
        return _plain(simple)
    try:
        decoded = attributed_text(packed)
    except Undecodable as error:
        return _plain(simple, f"{LOST_TEXT}: {error}")
    if decoded.flaw and len(simple) > len(decoded.text):
        return _plain(simple, f"the looks of its text cannot be decoded: {decoded.flaw}")
    if not decoded.text and simple:
        return _plain(simple)
    body = _attributed(decoded)
    if not decoded.flaw:
        return body
    return MessageBody(body.text, body.pieces, body.transcripts, (f"{LOST_TEXT} to its end: {decoded.flaw}",))


def _plain(simple: str, *flaws: str) -> MessageBody:
    shown = _cleaned(simple)
    return MessageBody(shown, (TextPiece(shown),) if shown else (), flaws=flaws)


def _cleaned(piece: str) -> str:
    """A text without the marks of attachments and apps, with line ends as everywhere."""
    if piece == _APP:
        return ""
    piece = piece.replace("\r\n", "\n").replace("\r", "\n") if "\r" in piece else piece
    return piece.replace(_ATTACHMENT, "").replace("\0", _APP)


def _attributed(decoded: AttributedText) -> MessageBody:
    pieces: list[TextPiece] = []
    transcripts: dict[str, str] = {}
    for piece, attributes in decoded.pieces():
        shown = _cleaned(piece)
        part = _number(attributes.get(_PART))
        file = attributes.get(_FILE)
        if isinstance(file, str) and file:
            pieces.append(TextPiece("", part, attachment=file))
            heard = attributes.get(_TRANSCRIPT)
            if isinstance(heard, str) and heard:
                transcripts[file] = heard
        if shown:
            pieces.append(_piece(shown, part, attributes))
    return MessageBody("".join(each.text for each in pieces), tuple(pieces), transcripts)


def _piece(shown: str, part: int, attributes: Mapping[str, AttributeValue]) -> TextPiece:
    if len(attributes) == 1 and _PART in attributes:
        return TextPiece(shown, part)
    styles = [style for key, style in _STYLES.items() if attributes.get(key)]
    effect = _EFFECTS.get(_number(attributes.get(_EFFECT)))
    link, mention = attributes.get(_LINK), attributes.get(_MENTION)
    return TextPiece(
        shown,
        part,
        (*styles, effect) if effect else tuple(styles),
        link if isinstance(link, str) else "",
        mention if isinstance(mention, str) else "",
    )


def _number(value: object) -> int:
    """A part's number or an effect's; 0 if it is none."""
    return value if isinstance(value, int) and 0 <= value < _MOST_PARTS else 0


# -- edits ----------------------------------------------------------------------------------------------------------


def history_of(summary: Cell) -> EditHistory:
    """The earlier texts of a message and its unsent parts, from the column ``message_summary_info``."""
    packed = blob(summary)
    if not packed:
        return EditHistory()
    try:
        found = plain_plist(packed)
    except Undecodable as error:
        return EditHistory(flaws=(f"its edits cannot be decoded: {error}",))
    if not isinstance(found, dict):
        return EditHistory()
    retracted = found.get("rp")
    listed = retracted if isinstance(retracted, list) else []
    unsent = sorted(
        {each for each in listed[:_MOST_PARTS] if isinstance(each, int) and 0 <= each < _MOST_PARTS}
    )
    edits: list[MessageEdit] = []
    last: list[str] = []
    flaws: set[str] = set()
    content = found.get("ec")
    for part, versions in _parts(content if isinstance(content, dict) else {}):
        texts = [_version(part, each, flaws) for each in versions[:_MOST_EDITS]]
        if part not in unsent and texts:
            last.append(texts[-1].text)
            texts.pop()
        edits += [each for each in texts if each.text]
    edits = sorted(edits[:_MOST_EDITS], key=lambda edit: edit.time or _NEVER)
    return EditHistory(tuple(edits), tuple(last), tuple(unsent), tuple(sorted(flaws)))


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


def _parts(content: Mapping[object, object]) -> list[tuple[int, list[object]]]:
    """The versions by part, in the order of the parts: their keys are numbers written as text."""
    found = []
    for key, versions in content.items():
        if (
            isinstance(key, str)
            and key.isascii()
            and key.isdigit()
            and len(key) < 6
            and isinstance(versions, list)
        ):
            found.append((int(key), versions))
    return sorted(found)[:_MOST_PARTS]


def _version(part: int, version: object, flaws: set[str]) -> MessageEdit:
    """One version of a part; its text is empty if it cannot be decoded."""
    stored = version if isinstance(version, dict) else {}
    packed, when = stored.get("t"), stored.get("d")
    time = when.replace(tzinfo=UTC) if isinstance(when, datetime) else from_apple(when)
    if not isinstance(packed, bytes):
        return MessageEdit(part, _cleaned(packed) if isinstance(packed, str) else "", time)
    try:
        return MessageEdit(part, _attributed(attributed_text(packed)).text, time)
    except Undecodable as error:
        flaws.add(f"an earlier text cannot be decoded: {error}")
        return MessageEdit(part, "", time)
