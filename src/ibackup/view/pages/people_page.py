"""People: the cards of the address book, linked ones as one person, as the phone shows them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.people.card_types import Account, CalendarDay, Contact, Label, Labeled, PostalAddress
from ibackup.contents.people.contacts import AddressBook
from ibackup.contents.people.linked_cards import LinkedCards, by_person
from ibackup.export.contacts_export import picture_of
from ibackup.export.export_folder import plain_name
from ibackup.export.formats.vcard import MOST_PICTURE, vcard
from ibackup.export.web_links import safe_link
from ibackup.search.sources import words_on_card
from ibackup.view.kinds_shown.entry_times import whole_moment_of
from ibackup.view.kinds_shown.entry_types import (
    Download,
    EntryDetail,
    EntryNotice,
    EntryRow,
    Fact,
    FactLine,
    TakeForm,
    facts,
)
from ibackup.view.kinds_shown.kind_ways import kind_ways
from ibackup.view.kinds_shown.shown_kind import (
    EntryChip,
    EntryLook,
    KindShelf,
    ShownKind,
    comparable,
    initials,
    letter,
)

_SMALL_PICTURE: Final = 48 * 1024
_ALL_PICTURES: Final = 32 * 1024 * 1024  # bytes that are kept of one backup
_PICTURE: Final = "picture"
_NO_NAME: Final = "No name"
_LABELS: Final = {
    "HomePage": "Website",
    "HomeFAX": "Fax at home",
    "WorkFAX": "Fax at work",
    "OtherFAX": "Other fax",
    "iPhone": "iPhone",
}


@dataclass(frozen=True, slots=True)
class ShownPerson:
    """A person.

    Attributes:
        linked: the cards.
        picture: a small one, as the phone stores it; empty if there is none, or if too many are kept already.
        pictured: whether there is one.
    """

    linked: LinkedCards
    picture: bytes
    pictured: bool

    @property
    def card(self) -> Contact:
        """What all the cards say together."""
        return self.linked.whole


class People(ShownKind[ShownPerson]):
    """The kind."""

    page = "people"
    icon = "person"
    title = "People"
    one = "person"
    many = "people"
    find = "Find a person"
    place_word = "groups"
    forms = (TakeForm("vcf", "Take this card out", "All {}, as one file"),)
    chips = (
        EntryChip[ShownPerson]("companies", "Companies", "home", lambda each: each.card.is_company),
        EntryChip[ShownPerson](
            "birthdays", "With a birthday", "calendar", lambda each: bool(each.card.birthday)
        ),
    )

    def read(self, backup: Backup, gaps: Gaps) -> Sequence[ShownPerson]:
        """Everyone, by name; cards with nothing on them are left out."""
        book = AddressBook.of(backup, gaps)
        if book is None:
            return []
        with book:
            linked = by_person(each for each in book if not each.is_empty)
            linked.sort(key=_sorting)
            return list(_with_pictures(linked, book))

    def ident(self, record: ShownPerson) -> str:
        """The id of the card that gives the name."""
        return record.card.id

    def idents(self, record: ShownPerson) -> Sequence[str]:
        """The ids of all the cards."""
        return (record.card.id, *(card.id for card in record.linked.cards))

    def heading(self, record: ShownPerson) -> str:
        """The first letter."""
        return letter(record.card.name)

    def words(self, record: ShownPerson) -> str:
        """Everything on the cards; numbers also without what is between their digits."""
        card = record.card
        digits = ("".join(char for char in each.value if char.isdecimal()) for each in card.phones)
        return "\n".join((card.name, *words_on_card(card), *digits, *card.groups))

    def says(self, record: ShownPerson) -> Sequence[str]:
        """Everything on the cards."""
        card = record.card
        on_card = facts(Fact.of("Name", card.name), Fact.of("Work", _work(card)), *_on_card(card))
        return [f"{fact.name}: {line.text}" for fact in on_card for line in fact.lines]

    def changed(self, record: ShownPerson) -> datetime | None:
        """When one of the cards was changed."""
        return record.card.changed

    def row(self, record: ShownPerson) -> EntryRow:
        """The name, and what says most about them."""
        card = record.card
        about = (
            _work(card) or card.nickname or next((each.value for each in (*card.phones, *card.emails)), "")
        )
        return EntryRow(
            card.name or _NO_NAME,
            about if about != card.name else "",
            initials=initials(card.name),
            picture=_PICTURE if record.picture else "",
        )

    def detail(self, record: ShownPerson, shelf: KindShelf[ShownPerson], look: EntryLook) -> EntryDetail:
        """Everything on the cards."""
        del shelf
        card = record.card
        notices = []
        if not all(each.store_enabled for each in record.linked.cards):
            notices.append(
                EntryNotice(
                    "The phone does not show this card",
                    f"Its account, {card.store or 'which has no name'}, is switched off on the phone.",
                )
            )
        return EntryDetail(
            title=card.name or _NO_NAME,
            subtitle=_work(card) if _work(card) != card.name else "",
            initials=initials(card.name),
            picture=_PICTURE if record.pictured else "",
            notices=tuple(notices),
            facts=facts(
                *_on_card(card),
                _together(card, look) if card.name else None,
                Fact.of("Account", *dict.fromkeys(each.store for each in record.linked.cards)),
                Fact.of("Made", whole_moment_of(card.created)),
                Fact.of("Changed", whole_moment_of(card.changed)),
            ),
            technical=facts(Fact.of("Cards", *(each.id for each in record.linked.cards))),
        )

    def file(self, record: ShownPerson, name: str, backup: Backup) -> bytes | None:
        """The picture: the small one if the list asks, which was read already; else the large one."""
        if name == _PICTURE and record.picture:
            return record.picture
        return _large_picture(record, backup) if name == _PICTURE else None

    def take(self, records: Sequence[ShownPerson], form: str, backup: Backup, *, alone: bool) -> Download:
        """Cards; a single one with the picture in full."""
        del form
        name = plain_name(records[0].card.name, _NO_NAME) if alone and records else self.title
        picture = _large_picture(records[0], backup, MOST_PICTURE) if alone and records else None
        chunks = (vcard(each.card, each.picture if picture is None else picture) for each in records)
        return Download(f"{name}.vcf", "text/vcard; charset=utf-8", chunks)


def _sorting(person: LinkedCards) -> tuple[bool, str, str]:
    name = comparable(person.whole.name)
    return letter(person.whole.name) == "#", name, person.whole.id


def _with_pictures(people: Sequence[LinkedCards], book: AddressBook) -> Iterator[ShownPerson]:
    kept = 0
    for person in people:
        picture = picture_of(book, person, _SMALL_PICTURE)
        fits = len(picture) <= _SMALL_PICTURE and kept + len(picture) <= _ALL_PICTURES
        kept += len(picture) if fits else 0
        yield ShownPerson(person, picture if fits else b"", bool(picture))


def _large_picture(person: ShownPerson, backup: Backup, most: int = 0) -> bytes:
    book = AddressBook.of(backup, Gaps()) if person.pictured else None
    if book is None:
        return b""
    with book:
        return picture_of(book, person.linked, most)


def _together(card: Contact, look: EntryLook) -> Fact:
    """Where else this person is."""
    messages = FactLine("Messages", look.page("messages", name=card.name))
    return Fact("Together", (messages, FactLine("Calls", look.page("calls", q=card.name))))


def _on_card(card: Contact) -> Iterator[Fact]:
    yield from map(_labeled, card.phones)
    yield from map(_labeled, card.emails)
    yield Fact.of("Birthday", _day(card.birthday), card.alternate_birthday)
    yield from (Fact.of(_named(each.label, "Date"), _day(each.day)) for each in card.dates)
    yield from map(_postal, card.addresses)
    yield from map(_labeled, card.urls)
    yield from map(_labeled, card.related)
    yield from map(_account, (*card.messaging, *card.social))
    yield Fact.of("Note", card.note)
    yield from _names(card)
    yield from (Fact.of("Other", each.value) for each in card.others)
    yield Fact.of("Groups", ", ".join(card.groups))


def _work(card: Contact) -> str:
    return ", ".join(filter(None, (card.job_title, card.department, card.organization)))


def _named(label: Label, otherwise: str) -> str:
    if label.built_in:
        return _LABELS.get(label.text, label.text) or otherwise
    return label.text or otherwise


def _labeled(each: Labeled) -> Fact:
    value, link = each.value, ""
    if "@" in value or "://" in value or value.lower().startswith("www."):
        link = safe_link(f"mailto:{value}" if "@" in value and "://" not in value else value)
    otherwise = "E-mail" if link.startswith("mailto:") else "Website" if link else "Number"
    return Fact(_named(each.label, otherwise), (FactLine(value, link),))


def _postal(address: PostalAddress) -> Fact:
    city = " ".join(filter(None, (address.postal_code, address.city)))
    known = (*address.street.split("\n"), city, address.state, address.country, *address.others.values())
    return Fact.of(_named(address.label, "Address"), *known)


def _account(account: Account) -> Fact:
    name = account.service or _named(account.label, "Account")
    return Fact(name, (FactLine(account.user or account.url, safe_link(account.url)),))


def _names(card: Contact) -> Iterator[Fact]:
    yield Fact.of("Nickname", card.nickname)
    yield Fact.of("Title", card.prefix)
    yield Fact.of("After the name", card.suffix)
    yield Fact.of("Name before", card.previous_family_name)
    spoken = (card.first_phonetic, card.middle_phonetic, card.last_phonetic)
    yield Fact.of("Spoken", " ".join(filter(None, spoken)))


def _day(day: CalendarDay | None) -> str:
    if day is None:
        return ""
    # 2000 is a leap year, so that every day without a year is one of its days.
    try:
        month = datetime(2000, day.month, 1).strftime("%B")  # noqa: DTZ001 - only its name
    except ValueError:
        return str(day)
    return f"{day.day} {month}" if day.year is None else f"{day.day} {month} {day.year}"


WAYS = kind_ways(People())
