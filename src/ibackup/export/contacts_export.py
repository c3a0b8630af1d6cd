"""Contacts: one file of vCards, and the pictures that are too large for it."""

from collections.abc import Iterator

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.people.card_types import Contact
from ibackup.contents.people.contacts import AddressBook
from ibackup.contents.people.linked_cards import LinkedCards, by_person
from ibackup.export.counting import counted
from ibackup.export.export_context import Export, IndexLine
from ibackup.export.export_folder import plain_name
from ibackup.export.formats.vcard import MOST_PICTURE, picture_kind, vcard

_ENDINGS = {"JPEG": "jpg", "PNG": "png", "GIF": "gif"}


def ids(backup: Backup, gaps: Gaps) -> Iterator[str]:
    """The id of every card."""
    book = AddressBook.of(backup, gaps)
    if book is not None:
        with book:
            for contact in book:
                yield contact.id


def export(run: Export) -> None:
    """Write a card for each person, as the phone shows them: with what all their linked cards say."""
    book = AddressBook.of(run.backup, run.gaps)
    if book is None:
        run.nothing()
        return
    with book:
        wanted = by_person(_wanted(run, book))
        if not wanted:
            run.nothing()
            return
        above = run.folder.place((), "Contacts", "folder contacts")
        cards = run.folder.place(above, "Contacts.vcf", "contacts")
        run.folder.write(cards, (_card(run, book, each) for each in wanted))
        for person in wanted:
            _large_picture(run, book, person)
    run.count("contacts", len(wanted))
    run.index.append(IndexLine("Contacts", cards, counted(len(wanted), "cards")))


def _wanted(run: Export, book: AddressBook) -> Iterator[Contact]:
    """The cards to export. By the dates, a person's cards stay together: the newest change of one counts for all."""
    for person in by_person(each for each in book if not each.is_empty):
        for card in person.cards:
            if run.wants(card.id, person.whole.changed or person.whole.created):
                yield card


def _card(run: Export, book: AddressBook, person: LinkedCards) -> bytes:
    return vcard(person.whole, picture_of(book, person, MOST_PICTURE), run.request.vcard)


def picture_of(book: AddressBook, person: LinkedCards, most: int = 0) -> bytes:
    """The picture that was chosen for a person, else the first one on their cards; empty for none.

    Args:
        book: open.
        person: whose.
        most: as of ``AddressBook.picture``.
    """
    cards = sorted(person.cards, key=lambda card: not card.pictures_the_person)
    return next((found for card in cards if (found := book.picture(card, most))), b"")


def _large_picture(run: Export, book: AddressBook, person: LinkedCards) -> None:
    """Write a picture that the card has only in small."""
    picture = picture_of(book, person)
    kind = picture_kind(picture)
    if len(picture) <= MOST_PICTURE or not kind:
        return
    contact = person.whole
    above = run.folder.place((), "Contacts", "folder contacts")
    name = f"{plain_name(contact.name, 'No name')}.{_ENDINGS[kind]}"
    place = run.folder.place((*above, "Pictures"), name, f"contact picture {contact.id}")
    run.folder.write(place, [picture], contact.changed.timestamp() if contact.changed else None)
