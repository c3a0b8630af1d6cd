"""Phone numbers and e-mail addresses in a form in which two spellings of one address are equal.

A card says "0170 1234567", a message "+491701234567", a blocked sender "56249(smsfp)". Each becomes an
``ContactAddress`` whose key compares. A national number becomes international if its country is known: ``region_of``
says how to find out.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

_MOST_CHARACTERS: Final = 320  # an e-mail address has at most 254
_CACHED: Final = 1 << 16  # parsing a number takes 32 µs, and a phone repeats a few thousand
SHORTEST_NUMBER: Final = 7  # digits; below are service numbers, which no country code belongs to
_FILTERED: Final = re.compile(r"\([a-z][a-z_]*\)$")  # what iOS puts behind a sender that it filtered
_SCHEME: Final = re.compile(r"^(?:tel|sms|mailto|facetime(?:-audio)?):(?://)?", re.IGNORECASE)
_PAUSE: Final = re.compile(
    r"[,;]|(?<=\d)\s*[pw](?=\s*[\d#*])", re.IGNORECASE
)  # dialled after the call connects
_EXTENSION: Final = re.compile(r"(?<=\d)\s*(?:extension|ext\.?|x)\s*\d{1,7}$", re.IGNORECASE)
_WHATSAPP: Final = "@s.whatsapp.net"
_MEXICO, _OLD_MOBILE = 52, re.compile(r"1\d{10}")  # until 2019 a 1 stood before the number of a mobile phone
_UNSEEN: Final = frozenset({"Cf", "Cc"})  # marks of direction and the like, which copied numbers bring along


class AddressKind(StrEnum):
    """What an address is."""

    PHONE = "phone"
    SHORT = "short"
    EMAIL = "email"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ContactAddress:
    """An address in a form that compares.

    Attributes:
        kind: what it is.
        key: equal for equal addresses. For a phone number, E.164 ("+491701234567") or, if the country is
            unknown, its digits alone; for a short code its digits; for e-mail the address in lower case; for
            the rest the text itself.
        guessed: whether the text lacks the country, which is then that of the phone or of the call.
    """

    kind: AddressKind
    key: str
    guessed: bool = field(default=False, compare=False)

    @property
    def international(self) -> bool:
        """Whether it is a phone number with its country code."""
        return self.kind is AddressKind.PHONE and self.key.startswith("+")


class AddressReader:
    """Turns texts into addresses; it remembers those that it has seen.

    Args:
        regions: two-letter countries, the likeliest first, in which a number without country code may be.
    """

    def __init__(self, regions: Sequence[str] = ()) -> None:
        self.regions = tuple(dict.fromkeys(region for each in regions if (region := known_region(each))))
        self._read = lru_cache(maxsize=_CACHED)(self._read_new)

    def read(self, text: str, country: str | None = None) -> ContactAddress | None:
        """The address that a text is; None if it has none: an empty text, or a "urn:" of a business.

        Args:
            text: as the phone or a person wrote it.
            country: what the phone noted beside it, such as "de"; asked after the reader's own regions.
        """
        return self._read(text[: _MOST_CHARACTERS + 1], country)

    def _read_new(self, text: str, country: str | None) -> ContactAddress | None:
        text = "".join(each for each in text if unicodedata.category(each) not in _UNSEEN).strip()
        text = _FILTERED.sub("", _SCHEME.sub("", text)).strip()
        if not text or len(text) > _MOST_CHARACTERS or text.lower().startswith("urn:"):
            return None
        if text.endswith(_WHATSAPP):
            text = "+" + text.removesuffix(_WHATSAPP)
        if "@" in text:
            return ContactAddress(AddressKind.EMAIL, text.lower())
        number = _dialled(text)
        digits = _digits(number)
        if number.startswith(("*", "#")):
            return ContactAddress(
                AddressKind.SHORT, "".join(each for each in number if each in "*#0123456789")
            )
        if any(each.isalpha() for each in number):
            spelled = _spelled_out(number)
            return (
                ContactAddress(AddressKind.PHONE, spelled)
                if spelled
                else ContactAddress(AddressKind.OTHER, text)
            )
        if not digits:
            return ContactAddress(AddressKind.OTHER, text)
        if len(digits) < SHORTEST_NUMBER:
            return ContactAddress(AddressKind.SHORT, digits)
        guessed = not number.startswith(("+", "00"))
        return ContactAddress(AddressKind.PHONE, self._international(number, country) or digits, guessed)

    def _international(self, number: str, country: str | None) -> str | None:
        """A number in E.164, or None if its country is unknown."""
        if number.startswith("+"):
            parsed = _parsed(number, None)
            # One that no country has is still equal to itself.
            return _e164(parsed) if parsed else f"+{_digits(number)}"
        here = known_region(country)
        for region in dict.fromkeys((*self.regions, *((here,) if here else ()))):
            parsed = _parsed(number, region)
            if parsed is not None and phonenumbers.is_valid_number(parsed):
                return _e164(parsed)
        if _digits(number).startswith("00"):
            parsed = _parsed("+" + _digits(number)[2:], None)  # the commonest way to dial abroad
            if parsed and phonenumbers.is_valid_number(parsed):
                return _e164(parsed)
        # A number that no country has may lack its area; its end can still be compared.
        return None


def known_region(country: str | None) -> str | None:
    """A country's two letters in capitals, if there are phone numbers in it."""
    upper = (country or "").strip().upper()
    return upper if upper in phonenumbers.SUPPORTED_REGIONS else None


def region_of(numbers: Iterable[str]) -> str | None:
    """The country of a phone's own numbers: of the commonest, or None if none has a country code.

    ``Phone Number`` in Info.plist is the best source; next comes the number that messages went to.
    """
    seen: dict[str, int] = {}
    for number in numbers:
        plain = _dialled(number[:_MOST_CHARACTERS])
        parsed = _parsed(plain, None) if plain.startswith("+") else None
        region = phonenumbers.region_code_for_number(parsed) if parsed else None
        if region and known_region(region):
            seen[region] = seen.get(region, 0) + 1
    return max(seen, key=lambda region: (seen[region], region), default=None)


def shown_address(text: str) -> str:
    """An address as people write it, without what iOS puts behind a sender that it filtered."""
    return _FILTERED.sub("", text.strip())


def without_country(address: ContactAddress) -> str:
    """The digits of an international number behind its country code; "" for anything else."""
    parsed = _parsed(address.key, None) if address.international else None
    return str(parsed.national_number) if parsed is not None else ""


def national_tail(address: ContactAddress) -> str:
    """A phone number's digits without leading zeros: what two spellings share when one lacks the country."""
    return _digits(address.key).lstrip("0")


def _dialled(text: str) -> str:
    """A number as it is dialled, without what follows once the call connects: an extension, a pause."""
    number = _PAUSE.split(_plain_digits(text), maxsplit=1)[0]
    return _EXTENSION.sub("", number).lstrip(" (")


def _spelled_out(text: str) -> str | None:
    """A number with letters, as "1-800-FLOWERS", in E.164; only North America has them.

    None for a name in place of a number: a shop that sends messages as "DHL-2024".
    """
    parsed = _parsed(text, "US") if text[:1].isdecimal() else None
    return _e164(parsed) if parsed and phonenumbers.is_valid_number(parsed) else None


def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    if number.country_code == _MEXICO and _OLD_MOBILE.fullmatch(str(number.national_number)):
        return f"+{number.country_code}{str(number.national_number)[1:]}"
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def _plain_digits(text: str) -> str:
    """The text with the digits of any script as ASCII, and a wide plus as a plus."""
    if text.isascii():
        return text
    found = []
    for each in text:
        value = unicodedata.digit(each, None)
        found.append(str(value) if value is not None and unicodedata.category(each) == "Nd" else each)
    return "".join(found).replace("\N{FULLWIDTH PLUS SIGN}", "+")


def _digits(text: str) -> str:
    return "".join(each for each in text if each in "0123456789")
