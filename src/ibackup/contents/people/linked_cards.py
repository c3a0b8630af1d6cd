"""The cards that the phone shows as one, because they are "linked": one from iCloud, say, and one from a company."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ibackup.contents.people.card_types import Contact, Labeled

_ADDRESSES: Final = ("phones", "emails", "urls")
_LISTS: Final = ("related", "dates", "addresses", "messaging", "social", "others", "groups")
_FIRST_FOUND: Final = (
    *("nickname", "organization", "department", "job_title", "birthday", "alternate_birthday"),
)


@dataclass(frozen=True, slots=True)
class LinkedCards:
    """One person.

    Attributes:
        whole: what all cards say together: names and id of the first one, and the values of all.
        cards: the one that gives the name, then the one that gives the picture, then the others.
    """

    whole: Contact
    cards: tuple[Contact, ...]


def by_person(cards: Iterable[Contact]) -> list[LinkedCards]:
    """The cards of each person together, in the order of the first one of each."""
    people: dict[str, list[Contact]] = {}
    for card in cards:
        people.setdefault(card.person or f"\0{card.id}", []).append(card)
    return [_together(linked) for linked in people.values()]


def _together(linked: Sequence[Contact]) -> LinkedCards:
    first = max(linked, key=lambda card: (card.names_the_person, len(card.name.split()), len(card.name)))
    others = sorted(
        (card for card in linked if card is not first), key=lambda card: not card.pictures_the_person
    )
    cards = (first, *others)
    if not others:
        return LinkedCards(first, cards)
    changes: dict[str, object] = {
        name: next((found for card in cards if (found := getattr(card, name))), getattr(first, name))
        for name in _FIRST_FOUND
    }
    for name in (*_ADDRESSES, *_LISTS):
        # A number is listed once, even if each card calls it something else.
        key = _value if name in _ADDRESSES else repr
        changes[name] = _distinct((each for card in cards for each in getattr(card, name)), key)
    changes["note"] = "\n".join(dict.fromkeys(card.note for card in cards if card.note))
    changes["created"] = min((card.created for card in cards if card.created), default=None)
    changes["changed"] = max((card.changed for card in cards if card.changed), default=None)
    return LinkedCards(replace(first, **changes), cards)  # type: ignore[arg-type]


def _value(labeled: Labeled) -> str:
    return labeled.value


def _distinct(values: Iterable[object], key: Callable[[Any], Hashable]) -> tuple[object, ...]:
    found: dict[Hashable, object] = {}
    for each in values:
        found.setdefault(key(each), each)
    return tuple(found.values())
