"""What apps put into messages: link previews, polls, payments and the rest, from ``payload_data``.

Nothing here is followed or opened. An app that this code does not know is named, with the texts that it shows.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ibackup.contents.app_database import Cell, blob
from ibackup.contents.decoding.archived_objects import ArchivedObject, plain_plist, unarchive
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.contents.messages.message_types import AppContent, Participant, PollOption

POLLS: Final = "com.apple.messages.Polls"
_NAMES: Final = {
    "URLBalloonProvider": "Link",
    "Handwriting.HandwritingProvider": "Handwriting",
    "HandwritingProvider": "Handwriting",
    "DigitalTouchBalloonProvider": "Digital Touch",
    "PeerPaymentMessagesExtension": "Apple Cash",
    "ActivityMessagesApp.MessagesExtension": "Fitness",
    "PhotosMessagesApp": "Photos",
    "SafetyMonitorApp.SafetyMonitorMessages": "Check In",
    "FindMyMessagesApp": "Find My",
    "messages.business": "Business",
    "Polls": "Polls",
}
"""By a part of the identifier; the app's own name comes first, where it is given."""
_PREFERRED: Final = frozenset({"Link", "Apple Cash"})
_CAPTIONS: Final = (
    "image-title",
    "image-subtitle",
    "caption",
    "subcaption",
    "secondary-subcaption",
    "tertiary-subcaption",
)
_DATA_LINK: Final = "data:"
_MOST_OPTIONS: Final = 1000
_MOST_TEXT: Final = 20_000


@dataclass(frozen=True, slots=True)
class PollChange:
    """What one row says of a poll.

    Attributes:
        title: the question; "" if the row does not say.
        options: its choices as id and text, without votes; None if the row does not say.
        votes: choices by the address of the voter; None if the row does not say.
    """

    title: str = ""
    options: tuple[tuple[str, str], ...] | None = None
    votes: Mapping[str, tuple[str, ...]] | None = None


def bundle_of(balloon: str) -> str:
    """The identifier of an app, without that of what carries it."""
    return balloon.rpartition(":")[2].strip()


def app_content(balloon: str, payload: Cell) -> tuple[AppContent, str]:
    """What an app put into a message, and what is wrong with it, as the end of a sentence; "" if nothing is.

    Args:
        balloon: the column ``balloon_bundle_id``.
        payload: the column ``payload_data``.
    """
    bundle = bundle_of(balloon)
    name = next((shown for part, shown in _NAMES.items() if part in bundle), "")
    packed = blob(payload)
    if not packed or name in {"Handwriting", "Digital Touch"}:  # their payload is a drawing
        return AppContent(name or bundle, bundle), ""
    try:
        found = _unpacked(packed)
    except Undecodable as error:
        return AppContent(name or bundle, bundle), f"what an app put into it cannot be decoded: {error}"
    fields = _fields(found)
    rich = fields.get("richLinkMetadata")
    if rich is not None:
        return _link_preview(bundle, _fields(rich)), ""
    own = _text(fields.get("an"))
    link = _text(fields.get("URL"))
    if bundle == POLLS:
        change = poll_change(payload)
        options = tuple(PollOption(*each) for each in change.options or ())
        return AppContent(own or name, bundle, change.title, options=options), ""
    shown = _fields(fields.get("userInfo"))
    lines = [_text(shown.get(key)) for key in _CAPTIONS]
    title = _text(fields.get("ldtext"))
    return (
        AppContent(
            (name if name in _PREFERRED else "") or own or name or bundle,
            bundle,
            title,
            tuple(line for line in dict.fromkeys(lines) if line and line != title),
            "" if link.startswith((_DATA_LINK, "?")) else link,
        ),
        "",
    )


def _unpacked(packed: bytes) -> object:
    """What is archived, or the property list itself if it is no archive. Raises Undecodable."""
    try:
        return unarchive(packed)
    except Undecodable:
        found = plain_plist(packed)
        if not isinstance(found, dict) or "$objects" in found:
            raise
        return found


def _link_preview(bundle: str, rich: Mapping[str, object]) -> AppContent:
    link = _text(rich.get("originalURL")) or _text(rich.get("URL"))
    lines = [_text(rich.get(key)) for key in ("summary", "siteName")]
    return AppContent("Link", bundle, _text(rich.get("title")), tuple(line for line in lines if line), link)


def _fields(value: object) -> Mapping[str, object]:
    if isinstance(value, ArchivedObject):
        return value.fields
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """A text that an app shows; a link is archived as an object with the link in it."""
    if isinstance(value, ArchivedObject):
        value = value.fields.get("NS.string") or value.fields.get("URL")
    if not isinstance(value, str):
        return ""
    whole = value[:_MOST_TEXT].encode("utf-8", "replace").decode()  # JSON can hold half of a character
    return whole.replace("\0", "\ufffd").strip()


# -- polls ----------------------------------------------------------------------------------------------------------


def poll_change(payload: Cell) -> PollChange:
    """What a row says of a poll: its choices, or votes. Raises Undecodable."""
    fields = _fields(_unpacked(blob(payload)))
    item = _json_item(_text_whole(fields.get("URL")))
    options = item.get("orderedPollOptions")
    votes = item.get("votes")
    return PollChange(
        _text(item.get("title")),
        tuple(_options(options)) if isinstance(options, list) else None,
        _votes(votes) if isinstance(votes, list) else None,
    )


def _text_whole(value: object) -> str:
    return value if isinstance(value, str) else ""


def _json_item(link: str) -> Mapping[str, object]:
    """The poll in a link of the form "data:,BASE64URL-OF-JSON"."""
    _, comma, packed = link.partition(",")
    if not link.startswith(_DATA_LINK) or not comma:
        return {}
    packed = packed.partition("?")[0].rstrip("=")
    try:
        data = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
        found: object = json.loads(data)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise Undecodable("its poll is damaged") from error
    item = found.get("item") if isinstance(found, dict) else None
    return item if isinstance(item, dict) else {}


def _options(listed: list[object]) -> Iterator[tuple[str, str]]:
    for each in listed[:_MOST_OPTIONS]:
        if isinstance(each, dict):
            yield _text(each.get("optionIdentifier")), _text(each.get("text"))


def _votes(listed: list[object]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for each in listed[: _MOST_OPTIONS * 10]:
        if isinstance(each, dict):
            voter, choice = _text(each.get("participantHandle")), _text(each.get("voteOptionIdentifier"))
            if voter and choice:
                found.setdefault(voter, []).append(choice)
    return {voter: tuple(dict.fromkeys(choices)) for voter, choices in found.items()}


def with_votes(
    content: AppContent,
    changes: Iterable[tuple[Participant, PollChange]],
    named: Callable[[str], Participant],
) -> AppContent:
    """A poll after all changes.

    Args:
        content: the poll as it was sent.
        changes: who sent each change, and what it says, oldest first. The newest vote of a person counts.
        named: who has an address.
    """
    title = content.title
    options = [(each.id, each.text) for each in content.options]
    chosen: dict[Participant, tuple[str, ...]] = {}
    for sender, change in changes:
        title = change.title or title
        options = list(change.options or options)
        if change.votes is not None:
            chosen.pop(sender, None)
            for address, choices in change.votes.items():
                chosen[_voter(address, sender, len(change.votes), named)] = choices
    voted = tuple(
        PollOption(number, text, tuple(who for who, choices in chosen.items() if number in choices))
        for number, text in options
    )
    return AppContent(content.name, content.bundle, title, content.lines, content.link, voted)


def _voter(address: str, sender: Participant, votes: int, named: Callable[[str], Participant]) -> Participant:
    """Who voted. The owner's own address has no name, but a row with one voter was sent by that voter."""
    return sender if votes == 1 else named(address)
