"""The cards of the phone's address book, with everything that people keep on them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from ibackup.apple.app_places import CONTACT_PICTURES, CONTACTS
from ibackup.apple.backup import Backup
from ibackup.contents.app_database import AppDatabase, Cell, blob, number, text
from ibackup.contents.app_times import from_apple
from ibackup.contents.gaps import Gaps
from ibackup.contents.odd_values import OddValues
from ibackup.contents.people.addresses import AddressReader
from ibackup.contents.people.card_types import (
    Account,
    CalendarDay,
    Contact,
    Label,
    Labeled,
    LabeledDay,
    PostalAddress,
)
from ibackup.contents.people.name_book import NameBook, NamedCard

PART: Final = "contacts"
_BUILT_IN: Final = re.compile(r"_\$!<(.*)>!\$_")
_NO_YEAR: Final = 1604  # what Apple stores for a birthday without a year; it has a 29 February
_ISO_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})$")
_MOST_VALUES: Final = 2_000_000  # of all cards together; a hostile book must not fill the memory
_MOST_ON_A_CARD: Final = 10_000
_PHONE, _MAIL, _POSTAL, _DATE, _MESSAGING, _URL, _RELATED, _SOCIAL = 3, 4, 5, 12, 13, 22, 23, 46
_EAST_ASIAN: Final = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]")  # family names come first


@dataclass(slots=True)
class _Value:
    """A row of ABMultiValue with its parts."""

    kind: int
    label: Label
    value: str
    parts: dict[str, str] = field(default_factory=dict)


_PLAIN: Final = {_PHONE: "phones", _MAIL: "emails", _URL: "urls", _RELATED: "related"}


@dataclass(slots=True)
class _Listed:
    """The values of a card, by kind."""

    plain: dict[str, list[Labeled]] = field(default_factory=lambda: {name: [] for name in _PLAIN.values()})
    addresses: list[PostalAddress] = field(default_factory=list)
    messaging: list[Account] = field(default_factory=list)
    social: list[Account] = field(default_factory=list)
    dates: list[LabeledDay] = field(default_factory=list)
    others: list[Labeled] = field(default_factory=list)


_NAMES: Final = {
    "prefix": "Prefix",
    "first": "First",
    "middle": "Middle",
    "last": "Last",
    "suffix": "Suffix",
    "nickname": "Nickname",
    "previous_family_name": "PreviousFamilyName",
    "first_phonetic": "FirstPhonetic",
    "middle_phonetic": "MiddlePhonetic",
    "last_phonetic": "LastPhonetic",
    "organization": "Organization",
    "department": "Department",
    "job_title": "JobTitle",
    "note": "Note",
    "alternate_birthday": "AlternateBirthday",
}
_FURTHER: Final = (
    "guid",
    "Kind",
    "Birthday",
    "CreationDate",
    "ModificationDate",
    "StoreID",
    "PersonLink",
    "DisplayName",
)


class AddressBook:
    """A backup's address book; iterate over it for the cards. Close it when done.

    The cards' values are kept in memory (some 1 KiB a card); pictures are read one by one.
    """

    def __init__(self, book: AppDatabase, pictures: AppDatabase | None, gaps: Gaps) -> None:
        self._book = book
        self._pictures = pictures
        self._gaps = gaps
        self._odd = OddValues(PART, gaps)
        self._images: dict[str, dict[int, int]] | None = None

    @classmethod
    def of(cls, backup: Backup, gaps: Gaps) -> Self | None:
        """Open it; None if the backup has none or, with a gap, if it cannot be read. Raises NoRoom, FormatError."""
        book = AppDatabase.of(backup, [CONTACTS], PART, gaps)
        if book is None:
            return None
        try:
            return cls(book, AppDatabase.of(backup, [CONTACT_PICTURES], PART, gaps), gaps)
        except BaseException:
            book.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its databases."""
        self._book.close()
        if self._pictures is not None:
            self._pictures.close()

    def __iter__(self) -> Iterator[Contact]:
        """Every card, in the order in which they were made; cards of accounts that are switched off, too."""
        people = self._book.table("ABPerson")
        if people is None:
            self._gaps.add(PART, "the database has no table of cards", damage=True)
            return
        values = self._values()
        groups = self._groups()
        stores = self._stores()
        chosen = self._chosen_cards()
        seen: set[str] = set()
        for cell, *cells in people.select(*_NAMES.values(), *_FURTHER):
            row = number(cell)
            names = {key: text(each).strip() for key, each in zip(_NAMES, cells, strict=False)}
            guid, kind, birthday, created, changed, store, link, display = cells[len(_NAMES) :]
            contact_id = text(guid) or f"row {row}"
            if contact_id in seen:
                contact_id = f"{contact_id} row {row}"
            seen.add(contact_id)
            linked = number(link)
            of_store = stores.get(number(store), ("", True))
            listed = self._listed(values.pop(row, ()))
            yield Contact(
                id=contact_id,
                row=row,
                name=_name(names, text(display).strip(), listed),
                **names,
                is_company=number(kind) == 1,
                birthday=self._day(birthday, "birthdays"),
                phones=tuple(listed.plain["phones"]),
                emails=tuple(listed.plain["emails"]),
                urls=tuple(listed.plain["urls"]),
                related=tuple(listed.plain["related"]),
                dates=tuple(listed.dates),
                addresses=tuple(listed.addresses),
                messaging=tuple(listed.messaging),
                social=tuple(listed.social),
                others=tuple(listed.others),
                groups=tuple(sorted(groups.get(row, ()))),
                person=str(linked) if linked > 0 else None,
                names_the_person=chosen.get(linked, (0, 0))[0] == row,
                pictures_the_person=chosen.get(linked, (0, 0))[1] == row,
                store=of_store[0],
                store_enabled=of_store[1],
                created=self._odd.time(created),
                changed=self._odd.time(changed),
            )

    def picture(self, contact: Contact, most: int = 0) -> bytes:
        """A card's picture as the phone stores it, JPEG or PNG; empty if it has none.

        Args:
            contact: the card.
            most: bytes; if the picture in full has more, the small one is taken. 0: no limit.
        """
        smallest = b""
        if self._pictures is None:
            return smallest
        if self._images is None:
            self._images = self._find_images(self._pictures)
        for table, rows in self._images.items():
            found = self._pictures.table(table)
            if contact.row in rows and found is not None:
                cells = found.select("data").at(rows[contact.row])
                data = blob(cells[1]) if cells is not None else b""
                if data and (not most or len(data) <= most):
                    return data
                smallest = data or smallest
        return smallest

    def name_book(self, reader: AddressReader) -> NameBook:
        """Who is behind the numbers and e-mail addresses on the cards."""
        book = NameBook(reader)
        for contact in self:
            addresses = [each.value for each in (*contact.phones, *contact.emails)]
            # A card that has only a number gives no name to it.
            if contact.name and contact.name not in addresses:
                card = NamedCard(contact.id, contact.name, contact.person, contact.names_the_person)
                book.add(card, addresses)
        return book

    # -- what the cards refer to ------------------------------------------------------------------------------

    def _values(self) -> dict[int, list[_Value]]:
        """What all cards list, by the number of the card."""
        labels = self._texts("ABMultiValueLabel")
        found: dict[int, list[_Value]] = {}
        by_id: dict[int, _Value] = {}
        table = self._book.table("ABMultiValue")
        for row, card, kind, label, value in (
            table.select("record_id", "property", "label", "value") if table else ()
        ):
            if len(by_id) >= _MOST_VALUES:
                self._gaps.add(PART, "the cards list more values than any phone holds", damage=True)
                break
            listed = found.setdefault(number(card), [])
            if len(listed) < _MOST_ON_A_CARD:
                by_id[number(row)] = value_of = _Value(
                    number(kind), _label(labels.get(number(label), "")), text(value)
                )
                listed.append(value_of)
        keys = self._texts("ABMultiValueEntryKey")
        table = self._book.table("ABMultiValueEntry")
        for _, parent, key, value in table.select("parent_id", "key", "value") if table else ():
            owner = by_id.get(number(parent))
            name = keys.get(number(key), "")
            if owner is not None and name and len(owner.parts) < _MOST_ON_A_CARD:
                owner.parts[name.lower()] = text(value)
        return found

    def _texts(self, table: str) -> dict[int, str]:
        """The texts that rows refer to by number."""
        found = self._book.table(table)
        return {number(row): text(value) for row, value in found.select("value")} if found else {}

    def _groups(self) -> dict[int, set[str]]:
        """The names of the groups that each card is in."""
        table, members = self._book.table("ABGroup"), self._book.table("ABGroupMembers")
        if table is None or members is None:
            return {}
        names = {number(row): text(name) for row, name in table.select("Name")}
        found: dict[int, set[str]] = {}
        for _, group, kind, member in members.select("group_id", "member_type", "member_id"):
            if number(kind) == 0 and names.get(number(group)):
                found.setdefault(number(member), set()).add(names[number(group)])
        return found

    def _stores(self) -> dict[int, tuple[str, bool]]:
        """The name of each account, and whether the phone shows its cards."""
        table = self._book.table("ABStore")
        return {
            number(row): (text(name), enabled is None or number(enabled) != 0)
            for row, name, enabled in (table.select("Name", "Enabled") if table else ())
        }

    def _chosen_cards(self) -> dict[int, tuple[int, int]]:
        """For each linked person the cards whose name and whose picture were chosen."""
        table = self._book.table("ABPersonLink")
        chosen = table.select("PreferredNamePersonID", "PreferredImagePersonID") if table else ()
        return {number(row): (number(named), number(pictured)) for row, named, pictured in chosen}

    @staticmethod
    def _find_images(pictures: AppDatabase) -> dict[str, dict[int, int]]:
        """The row of each card's picture, by table, the better pictures first."""
        found: dict[str, dict[int, int]] = {}
        for name in ("ABFullSizeImage", "ABThumbnailImage"):
            table = pictures.table(name)
            rows = found.setdefault(name, {})
            best: dict[int, int] = {}
            for row, card, quality in table.select("record_id", "format") if table else ():
                if number(card) not in best or number(quality) > best[number(card)]:
                    rows[number(card)], best[number(card)] = number(row), number(quality)
        return found

    # -- the values of one card -------------------------------------------------------------------------------

    def _listed(self, values: Iterable[_Value]) -> _Listed:
        found = _Listed()
        for each in values:
            if each.kind in _PLAIN:
                if value := each.value.strip():
                    found.plain[_PLAIN[each.kind]].append(Labeled(each.label, value))
            elif each.kind == _POSTAL:
                found.addresses.append(_postal(each))
            elif each.kind in (_MESSAGING, _SOCIAL):
                user = each.parts.get("username", "") or each.value
                account = Account(each.label, each.parts.get("service", ""), user, each.parts.get("url", ""))
                (found.messaging if each.kind == _MESSAGING else found.social).append(account)
            elif each.kind == _DATE and (day := self._day(each.value, "dates")) is not None:
                found.dates.append(LabeledDay(each.label, day))
            elif shown := each.value or ", ".join(each.parts.values()):
                label = each.label if each.label.text else Label(str(each.kind))
                found.others.append(Labeled(label, shown))
        return found

    def _day(self, cell: Cell, what: str) -> CalendarDay | None:
        """A day that is stored as text: seconds since 2001 to noon of that day, in UTC."""
        stored = text(cell).strip()
        if not stored:
            return None
        if iso := _ISO_DATE.match(stored):
            year, month, day = (int(part) for part in iso.groups())
            if 1 <= month <= 12 and 1 <= day <= 31:
                return CalendarDay(year if year != _NO_YEAR else None, month, day)
        try:
            seconds = float(stored)
        except ValueError:
            seconds = 0.0 if stored in ("0", "0.0") else float("nan")
        # 0 is a day here: 1 January 2001.
        moment = from_apple(seconds or 1.0)
        if moment is None:
            self._gaps.add(PART, f"{what} that are not dates", stored[:40])
            return None
        return CalendarDay(moment.year if moment.year != _NO_YEAR else None, moment.month, moment.day)


def _label(stored: str) -> Label:
    found = _BUILT_IN.fullmatch(stored)
    return Label(found[1], built_in=True) if found else Label(stored)


def _postal(value: _Value) -> PostalAddress:
    parts = dict(value.parts)
    return PostalAddress(
        value.label,
        street=parts.pop("street", ""),
        city=parts.pop("city", ""),
        state=parts.pop("state", ""),
        postal_code=parts.pop("zip", ""),
        country=parts.pop("country", ""),
        country_code=parts.pop("countrycode", ""),
        others=parts,
    )


def _name(names: dict[str, str], display: str, listed: _Listed) -> str:
    order = ("last", "first", "middle") if _is_east_asian(names) else ("first", "middle", "last")
    whole = " ".join(names[part] for part in order if names[part])
    numbers = [each.value for each in (*listed.plain["phones"], *listed.plain["emails"])]
    return whole or names["organization"] or names["nickname"] or display or next(iter(numbers), "")


def _is_east_asian(names: dict[str, str]) -> bool:
    return bool(_EAST_ASIAN.match(names["last"]) and _EAST_ASIAN.match(names["first"]))
