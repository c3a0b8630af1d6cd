"""What is on a card of the phone's address book."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Label:
    """What a value on a card is called.

    Attributes:
        text: "Home", or the person's own words; empty if it has none.
        built_in: whether it is one that the phone translates.
    """

    text: str = ""
    built_in: bool = False


@dataclass(frozen=True, slots=True)
class Labeled:
    """A value on a card, such as a phone number."""

    label: Label
    value: str


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """A postal address. `others` are parts that iOS knows and vCards do not, by their names on the phone."""

    label: Label
    street: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    country_code: str = ""
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """An account at a messenger or a social network."""

    label: Label
    service: str = ""
    user: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A date, perhaps without year: ``str`` gives 1815-12-10 or --12-10."""

    year: int | None
    month: int
    day: int

    def __str__(self) -> str:
        return f"{f'{self.year:04d}' if self.year is not None else '-'}-{self.month:02d}-{self.day:02d}"


@dataclass(frozen=True, slots=True)
class LabeledDay:
    """A date on a card, such as an anniversary."""

    label: Label
    day: CalendarDay


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """One card.

    Attributes:
        id: the card's own identifier, the same in every snapshot.
        row: its number in this database.
        name: what to call it: the name, else the company, the nickname, the first number or e-mail address.
        is_company: whether the card is of a company.
        birthday: from the card; alternate_birthday: in another calendar, as the phone stores it.
        others: values of kinds that we do not know: the kind's number as their label.
        person: equal for the cards that the phone shows as one; None for a card on its own.
        names_the_person: whether its name is the one chosen for all cards of the person.
        pictures_the_person: whether its picture is the one chosen for all cards of the person.
        store: the account it is in; empty for the phone itself.
        store_enabled: False if the phone hides that account's cards.
        created, changed: None if the phone did not note them.
    """

    id: str
    row: int
    name: str
    prefix: str = ""
    first: str = ""
    middle: str = ""
    last: str = ""
    suffix: str = ""
    nickname: str = ""
    previous_family_name: str = ""
    first_phonetic: str = ""
    middle_phonetic: str = ""
    last_phonetic: str = ""
    organization: str = ""
    department: str = ""
    job_title: str = ""
    is_company: bool = False
    note: str = ""
    birthday: CalendarDay | None = None
    alternate_birthday: str = ""
    phones: tuple[Labeled, ...] = ()
    emails: tuple[Labeled, ...] = ()
    urls: tuple[Labeled, ...] = ()
    related: tuple[Labeled, ...] = ()
    dates: tuple[LabeledDay, ...] = ()
    addresses: tuple[PostalAddress, ...] = ()
    messaging: tuple[Account, ...] = ()
    social: tuple[Account, ...] = ()
    others: tuple[Labeled, ...] = ()
    groups: tuple[str, ...] = ()
    person: str | None = None
    names_the_person: bool = False
    pictures_the_person: bool = False
    store: str = ""
    store_enabled: bool = True
    created: datetime | None = None
    changed: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all is on it."""
        return not (self.name or self.note or self.birthday or self.addresses or self.urls or self.social)
