"""The names behind the numbers in a backup, from its contacts, read as the phone's own country writes numbers."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from typing import Final

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.contents.gaps import Gaps
from ibackup.contents.people.addresses import AddressReader, region_of
from ibackup.contents.people.contacts import AddressBook
from ibackup.contents.people.name_book import NameBook

_SAMPLE: Final = 500  # numbers


def names_of(backup: Backup, own_numbers: Iterable[str] = ()) -> NameBook:
    """A book of names; an empty one if the backup's contacts cannot be read.

    Args:
        backup: unlocked.
        own_numbers: numbers and addresses of the phone itself, for its country if Info.plist does not name one:
            those that its messages were sent to. If they do not say either, the country that most contacts' numbers
            name is taken.

    Raises:
        NoRoom, FormatError: as for ``AddressBook.of``.
    """
    region = None
    with suppress(FormatError):
        region = region_of([backup.info.phone_number])
    region = region or region_of(own_numbers)
    # What cannot be read of the contacts is said where they are exported.
    book = AddressBook.of(backup, Gaps())
    if book is None:
        return NameBook(AddressReader([region] if region else []))
    with book:
        if region is None:
            numbers = (phone.value for contact in book for phone in contact.phones)
            region = region_of(islice(numbers, _SAMPLE))
        return book.name_book(AddressReader([region] if region else []))


def name_finder(book: NameBook) -> Callable[[str], str]:
    """Gives the name of a number's owner; "" if nobody is known, where ``NameBook.who`` shows the number."""

    def find(number: str) -> str:
        who = book.who(number)
        return who.shown if who.people else ""

    return find
