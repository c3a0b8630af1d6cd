"""Contacts as vCards: 3.0 (RFC 2426), which every importer takes with pictures, or 4.0 (RFC 6350).

What vCards have no word for is written as iPhones and Macs write it: own labels and built-in ones without a type as
``X-ABLabel``, a birthday without year with ``X-APPLE-OMIT-YEAR`` (3.0), accounts as ``X-SOCIALPROFILE``.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

from ibackup.contents.people.card_types import Account, CalendarDay, Contact, Label, PostalAddress

VERSIONS: Final = ("3.0", "4.0")
MOST_PICTURE: Final = 200 * 1024
"""Bytes of a picture that importers take."""
_LINE: Final = 75  # bytes; longer ones are folded
_OMITTED_YEAR: Final = 1604
_NO_NAME: Final = "No name"
_TYPES: Final = {
    "Home": ("HOME",),
    "Work": ("WORK",),
    "Mobile": ("CELL",),
    "iPhone": ("IPHONE", "CELL"),
    "Main": ("MAIN",),
    "HomeFAX": ("HOME", "FAX"),
    "WorkFAX": ("WORK", "FAX"),
    "OtherFAX": ("OTHER", "FAX"),
    "Pager": ("PAGER",),
    "Other": ("OTHER",),
}
_KNOWN_TO_4: Final = frozenset({"HOME", "WORK", "CELL", "FAX", "PAGER"})
_SCHEMES: Final = {
    "aiminstant": "aim",
    "aim": "aim",
    "gadugadu": "gg",
    "googletalk": "xmpp",
    "icq": "icq",
    "jabber": "xmpp",
    "msn": "msnim",
    "qq": "qq",
    "skype": "skype",
    "yahoo": "ymsgr",
}
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u0085\u2028\u2029]")
_NOT_IN_A_PARAMETER: Final = re.compile(r'[\x00-\x1f\x7f\u0085\u2028\u2029"]')
_PLAIN_PARAMETER: Final = re.compile(r"[^\s,;:]+")
_PICTURES: Final = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"), (b"GIF8", "GIF"))


def vcard(contact: Contact, picture: bytes = b"", version: str = "3.0") -> bytes:
    """One card, with its line ends.

    Args:
        contact: the card.
        picture: JPEG, PNG or GIF; anything else is left out.
        version: one of ``VERSIONS``.
    """
    return _Card(contact, version).text(picture)


class _Card:
    def __init__(self, contact: Contact, version: str) -> None:
        self._contact = contact
        self._new = version == "4.0"
        self._version = version
        self._lines: list[bytes] = []
        self._items = 0

    def text(self, picture: bytes) -> bytes:
        each = self._contact
        self._add("BEGIN", "VCARD")
        self._add("VERSION", self._version)
        self._add("PRODID", "-//ibackup//export//EN")
        self._add("UID", _escaped(each.id))
        self._names()
        for phone in each.phones:
            self._labeled("TEL", _escaped(phone.value), phone.label)
        for mail in each.emails:
            first = () if self._new else ("TYPE=INTERNET",)
            self._labeled("EMAIL", _escaped(mail.value), mail.label, first)
        for address in each.addresses:
            self._postal(address)
        for url in each.urls:
            self._labeled("URL", _link(url.value), url.label)
        for account in each.messaging:
            self._messaging(account)
        for account in each.social:
            self._social(account)
        for person in each.related:
            name = "RELATED" if self._new else "X-ABRELATEDNAMES"
            self._labeled(name, _escaped(person.value), person.label, ("VALUE=text",) if self._new else ())
        self._days()
        notes = [each.note, *(f"{other.label.text}: {other.value}" for other in each.others)]
        if note := "\n".join(filter(None, notes)):
            self._add("NOTE", _escaped(note))
        if each.groups:
            self._add("CATEGORIES", ",".join(_escaped(group) for group in each.groups))
        self._picture(picture)
        if each.changed is not None:
            stamp = "%Y%m%dT%H%M%SZ" if self._new else "%Y-%m-%dT%H:%M:%SZ"
            self._add("REV", each.changed.strftime(stamp))
        self._add("END", "VCARD")
        return b"".join(self._lines)

    def _names(self) -> None:
        each = self._contact
        parts = (each.last, each.first, each.middle, each.prefix, each.suffix)
        self._add("N", ";".join(_escaped(part) for part in parts))
        western = each.name.startswith(each.first) and each.first
        whole = " ".join(filter(None, (each.prefix, each.name, each.suffix))) if western else each.name
        self._add("FN", _escaped(whole or _NO_NAME))
        if each.nickname:
            self._add("NICKNAME", _escaped(each.nickname))
        if each.organization or each.department:
            named = [each.organization, *filter(None, [each.department])]
            self._add("ORG", ";".join(_escaped(part) for part in named))
        if each.job_title:
            self._add("TITLE", _escaped(each.job_title))
        if each.is_company:
            self._add("KIND" if self._new else "X-ABShowAs", "org" if self._new else "COMPANY")
        further = {
            "X-PHONETIC-FIRST-NAME": each.first_phonetic,
            "X-PHONETIC-MIDDLE-NAME": each.middle_phonetic,
            "X-PHONETIC-LAST-NAME": each.last_phonetic,
            "X-MAIDENNAME": each.previous_family_name,
        }
        for name, value in further.items():
            if value:
                self._add(name, _escaped(value))

    def _postal(self, address: PostalAddress) -> None:
        parts = (
            "",
            "",
            address.street,
            address.city,
            address.state,
            address.postal_code,
            address.country,
        )
        value = ";".join(_escaped(part) for part in parts)
        code = address.country_code.strip().lower()
        country = (("X-ABADR", code),) if re.fullmatch(r"[a-z]{2}", code) else ()
        self._labeled("ADR", value, address.label, beside=country)

    def _messaging(self, account: Account) -> None:
        service = account.service or account.label.text
        scheme = _SCHEMES.get(re.sub(r"[^a-z]", "", service.lower()).removesuffix("instant"), "x-apple")
        user = account.user or account.url
        if user:
            named = (f"X-SERVICE-TYPE={_parameter(service)}",) if service else ()
            self._labeled("IMPP", f"{scheme}:{quote(user, safe='@.+-_')}", account.label, named)

    def _social(self, account: Account) -> None:
        service = account.service or account.label.text
        if not (account.url or account.user):
            return
        parameters = [f"TYPE={_parameter(service)}"] if service else []
        if account.user:
            parameters.append(f"X-USER={_parameter(account.user)}")
        value = _link(account.url) or f"x-apple:{quote(account.user, safe='@.+-_')}"
        self._add(";".join(["X-SOCIALPROFILE", *parameters]), value)

    def _days(self) -> None:
        each = self._contact
        if each.birthday is not None:
            self._add(*self._day("BDAY", each.birthday))
        for dated in each.dates:
            if self._new and dated.label.text == "Anniversary" and dated.label.built_in:
                self._add(*self._day("ANNIVERSARY", dated.day))
            else:
                name, value = self._day("X-ABDATE", dated.day)
                self._labeled(name, value, dated.label)

    def _day(self, name: str, day: CalendarDay) -> tuple[str, str]:
        if self._new:
            head = f"{day.year:04d}" if day.year is not None else "--"
            return name, f"{head}{day.month:02d}{day.day:02d}"
        if day.year is None:
            date = f"{_OMITTED_YEAR}-{day.month:02d}-{day.day:02d}"
            return f"{name};VALUE=date;X-APPLE-OMIT-YEAR={_OMITTED_YEAR}", date
        return f"{name};VALUE=date", str(day)

    def _picture(self, picture: bytes) -> None:
        kind = picture_kind(picture)
        if not kind:
            return
        data = base64.b64encode(picture).decode("ascii")
        if self._new:
            self._add("PHOTO", f"data:image/{kind.lower()};base64,{data}")
        else:
            self._add(f"PHOTO;ENCODING=b;TYPE={kind}", data)

    def _labeled(
        self,
        name: str,
        value: str,
        label: Label,
        parameters: Iterable[str] = (),
        *,
        beside: Iterable[tuple[str, str]] = (),
    ) -> None:
        """A property with its label, as a type or as X-ABLabel, and with properties that belong to it."""
        types = _TYPES.get(label.text, ()) if label.built_in else ()
        if self._new:
            types = tuple(each.lower() for each in types if each in _KNOWN_TO_4)
        listed = [name, *parameters, *(f"TYPE={each}" for each in types)]
        further = list(beside)
        if label.text and not types:
            further.append(("X-ABLabel", _escaped(f"_$!<{label.text}>!$_" if label.built_in else label.text)))
        if not further:
            self._add(";".join(listed), value)
            return
        self._items += 1
        group = f"item{self._items}."
        self._add(group + ";".join(listed), value)
        for other, text in further:
            self._add(group + other, text)

    def _add(self, name: str, value: str) -> None:
        self._lines += _folded(f"{name}:{value}")


def picture_kind(picture: bytes) -> str:
    """JPEG, PNG or GIF; empty for anything else."""
    return next((kind for head, kind in _PICTURES if picture.startswith(head)), "")


def _link(text: str) -> str:
    """A link, on one line. Importers undo the escapes of texts in links, too, and split at a comma without one."""
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    """A text as a property's value, or as one part of it: unescaped commas and semicolons separate parts."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROLS.sub("", text)
    for char, escape in (("\\", "\\\\"), ("\n", "\\n"), (",", "\\,"), (";", "\\;")):
        text = text.replace(char, escape)
    return text


def _parameter(text: str) -> str:
    """A text as a parameter's value, which has no escapes."""
    text = _NOT_IN_A_PARAMETER.sub("", text)
    return text if _PLAIN_PARAMETER.fullmatch(text) else f'"{text}"'


def _folded(line: str) -> Iterator[bytes]:
    """A line with its end, folded after at most 75 bytes, never within a character."""
    data = line.encode("utf-8", "replace")
    at, room = 0, _LINE
    while len(data) - at > room:
        end = at + room
        while data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[at:end] + b"\r\n "
        at, room = end, _LINE - 1
    yield data[at:] + b"\r\n"
