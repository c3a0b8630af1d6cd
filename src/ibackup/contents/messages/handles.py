"""The people behind the numbers of Messages: rows of ``handle``, and which of them are one person."""

from dataclasses import dataclass

from ibackup.contents.app_database import AppDatabase, number, text
from ibackup.contents.messages.message_types import ME, UNKNOWN_SENDER, Participant
from ibackup.contents.people.addresses import shown_address
from ibackup.contents.people.name_book import NameBook

OWNER = Participant("", ME)
UNKNOWN = Participant("", UNKNOWN_SENDER)


class Unions:
    """Sets of keys that were found to mean the same."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def root(self, key: str) -> str:
        """The key that stands for the set of a key."""
        above = self._above
        root = key
        while (higher := above.get(root, root)) != root:
            root = higher
        while key != root:
            above[key], key = root, above.get(key, key)
        return root

    def join(self, one: str, other: str) -> None:
        """Both mean the same from now on."""
        first, second = self.root(one), self.root(other)
        if first != second:
            self._above[second] = first


@dataclass(frozen=True, slots=True)
class _Handle:
    participant: Participant
    key: str


class Handles:
    """Every row of ``handle``. One person has several: a row for each address and service.

    Args:
        database: of Messages.
        names: knows the contacts.
    """

    def __init__(self, database: AppDatabase, names: NameBook) -> None:
        self._names = names
        self._same = Unions()
        self._rows: dict[int, _Handle] = {}
        table = database.table("handle")
        if table is None:
            return
        for row, address, country, person in table.select("id", "country", "person_centric_id"):
            if type(row) is not int:
                continue
            place = f"handle {row}"
            found = self._named(text(address), text(country) or None, place)
            self._rows[row] = _Handle(found, place)
            if person:  # the phone's own word for "the same person"
                self._same.join(f"person {text(person)}", place)

    def __contains__(self, row: int) -> bool:
        return row in self._rows

    def participant(self, row: int) -> Participant:
        """Whose row it is; someone unknown if there is no such row."""
        found = self._rows.get(row)
        return found.participant if found else UNKNOWN

    def of(self, address: str) -> Participant:
        """Who has an address that another column names."""
        return self._named(address, None, None)

    def person(self, row: int) -> str:
        """A key that is equal for all rows of one person."""
        return self._same.root(f"handle {row}")

    def person_of(self, address: str) -> str:
        """The same for an address."""
        place = f"address {address}"
        self._named(address, None, place)
        return self._same.root(place)

    def _named(self, address: str, country: str | None, place: str | None) -> Participant:
        plain = shown_address(address)
        who = self._names.who(plain, country)
        if place is not None and who.address is None and plain:
            self._same.join(f"as written {plain}", place)  # the "urn:" of a business
        if place is not None and who.address is not None:
            self._same.join(f"{who.address.kind} {who.address.key}", place)
            if len(who.people) == 1 and who.certain:
                card = who.people[0]
                self._same.join(f"contact {card.person or card.contact_id}", place)
        return Participant(plain, who.shown) if plain else UNKNOWN


def sender_row(cell: object) -> int:
    """The number of a row of ``handle`` in another table; 0 for none."""
    return number(cell) if isinstance(cell, int | str | float) else 0
