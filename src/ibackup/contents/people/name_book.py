"""Who is behind a number or an e-mail address."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ibackup.contents.people.addresses import (
    AddressKind,
    AddressReader,
    ContactAddress,
    national_tail,
    without_country,
)

_SHORTEST_TAIL: Final = 8  # digits; fewer are shared by too many numbers
_LONGEST_TAIL: Final = 10
_SHORTEST_ABROAD: Final = 9  # digits without a country code that two countries hardly share by chance
_MOST_ANSWERS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class NamedCard:
    """One card of the address book, as far as its name goes.

    Attributes:
        contact_id: the id of its contact.
        name: what to call the person.
        person: equal for all cards that the phone shows as one ("linked"), such as one from iCloud and one from
            a company's server; None for a card on its own.
        preferred: whether the person chose this card's name for all of them.
    """

    contact_id: str
    name: str
    person: str | None = None
    preferred: bool = False


@dataclass(frozen=True, slots=True)
class WhoItIs:
    """The people that an address may belong to.

    Attributes:
        text: the address as given.
        address: the same in a form that compares; None if it is no address.
        people: one card for each person, in the address book's order; several if two people share the number.
        certain: False if the country was missing, and only the end of the number agrees.
    """

    text: str
    address: ContactAddress | None
    people: tuple[NamedCard, ...] = ()
    certain: bool = True

    @property
    def shown(self) -> str:
        """The name; all of them if several people have the number; the address itself if nobody has it."""
        return " or ".join(dict.fromkeys(card.name for card in self.people)) or self.text


class NameBook:
    """Finds names for addresses. Fill it with ``add``, then ask ``who``.

    Args:
        reader: compares the addresses; it knows the phone's country.

    Attributes:
        reader: the same.
    """

    def __init__(self, reader: AddressReader) -> None:
        self.reader = reader
        self._cards: dict[ContactAddress, list[NamedCard]] = {}
        self._tails: dict[str, list[ContactAddress]] = {}
        self._national: dict[str, list[ContactAddress]] = {}
        self._found: dict[tuple[str, str | None], WhoItIs] = {}

    def add(self, card: NamedCard, addresses: Iterable[str]) -> None:
        """Remember a card's numbers and e-mail addresses. A card without a name is not worth remembering."""
        if not card.name:
            return
        self._found.clear()
        for text in addresses:
            address = self.reader.read(text)
            if address is None:
                continue
            cards = self._cards.setdefault(address, [])
            if len(national := without_country(address)) >= _SHORTEST_ABROAD:
                self._national.setdefault(national, []).append(address)
            if not cards and len(tail := _tail(address)) >= _SHORTEST_TAIL:
                self._tails.setdefault(tail[-_SHORTEST_TAIL:], []).append(address)
            if card not in cards:
                cards.append(card)

    def who(self, text: str, country: str | None = None) -> WhoItIs:
        """The people behind an address.

        Args:
            text: a number, an e-mail address or a short code.
            country: what the phone noted beside it, such as "de".
        """
        asked = (text, country)
        if asked not in self._found:
            if len(self._found) >= _MOST_ANSWERS:
                self._found.clear()
            self._found[asked] = self._look_up(text, country)
        return self._found[asked]

    def _look_up(self, text: str, country: str | None) -> WhoItIs:
        address = self.reader.read(text, country)
        if address is None:
            return WhoItIs(text, None)
        cards = self._cards.get(address)
        if cards:
            return WhoItIs(text, address, tuple(_one_a_person(cards)))
        similar = list(self._ends_alike(address))
        people = list(_one_a_person([card for each in similar for card in self._cards[each]]))
        if len(people) == 1 or len({national_tail(each) for each in similar}) == 1:
            return WhoItIs(text, address, tuple(people), certain=False)
        if len(abroad := list(_one_a_person(self._in_another_country(address)))) == 1:
            return WhoItIs(text, address, tuple(abroad), certain=False)
        return WhoItIs(text, address)

    def _in_another_country(self, address: ContactAddress) -> Iterator[NamedCard]:
        """Cards with the same digits, if the country of one of the two numbers was guessed: it may be this one."""
        for other in self._national.get(without_country(address), ()):
            if address.guessed or other.guessed:
                yield from self._cards[other]

    def _ends_alike(self, address: ContactAddress) -> Iterator[ContactAddress]:
        """The numbers with the same end, if one of the two lacks its country."""
        tail = _tail(address)
        for other in self._tails.get(tail[-_SHORTEST_TAIL:], ()) if len(tail) >= _SHORTEST_TAIL else ():
            if address.international and other.international:
                continue
            theirs = _tail(other)
            length = min(_LONGEST_TAIL, len(tail), len(theirs))
            if tail[-length:] == theirs[-length:]:
                yield other


def _tail(address: ContactAddress) -> str:
    return national_tail(address) if address.kind is AddressKind.PHONE else ""


def _one_a_person(cards: Iterable[NamedCard]) -> Iterator[NamedCard]:
    """Of linked cards the one with the chosen name, else the fullest; of equal names the first."""
    people: dict[str, list[NamedCard]] = {}
    for card in cards:
        people.setdefault(card.person or f"\0{card.contact_id}", []).append(card)
    names = set()
    for linked in people.values():
        best = max(linked, key=lambda card: (card.preferred, len(card.name.split()), len(card.name)))
        if best.name not in names:
            names.add(best.name)
            yield best
