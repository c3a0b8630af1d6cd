"""Names for numbers: two spellings of one address are equal, and nobody is called by another's name."""

import pytest

from ibackup.contents.people.addresses import AddressKind, AddressReader, ContactAddress, region_of
from ibackup.contents.people.name_book import NameBook, NamedCard

WIDE = "\N{FULLWIDTH PLUS SIGN}" + "".join(chr(0xFF10 + int(digit)) for digit in "49301234567")
PHONE, SHORT, EMAIL, OTHER = AddressKind.PHONE, AddressKind.SHORT, AddressKind.EMAIL, AddressKind.OTHER


@pytest.mark.parametrize(
    "text",
    [
        "+49 (0)30 1234567",
        "+49301234567",
        "0049 30 1234567",
        "030 / 123 45 67",
        "(030) 1234567",
        "٠٣٠ ١٢٣٤٥٦٧",
        WIDE,
        "tel:+49-30-1234567",
        "\u202a+49 30 1234567\u202c",
        "+49 30 1234567,,123#",
        "030 1234567 x12",
        "030 1234567 ext. 12",
        "+49301234567(smsft)",
        "49301234567@s.whatsapp.net",
    ],
)
def test_spellings_of_one_number_are_equal(text: str) -> None:
    assert AddressReader(["de"]).read(text) == ContactAddress(PHONE, "+49301234567")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("  Anna@Example.ORG ", ContactAddress(EMAIL, "anna@example.org")),
        ("mailto:anna@example.org", ContactAddress(EMAIL, "anna@example.org")),
        ("56249(smsfp)", ContactAddress(SHORT, "56249")),
        ("53849(smsft_fi)", ContactAddress(SHORT, "53849")),
        ("*100#", ContactAddress(SHORT, "*100#")),
        ("1-800-FLOWERS", ContactAddress(PHONE, "+18003569377")),
        ("Vodafone", ContactAddress(OTHER, "Vodafone")),
        ("DHL-2024", ContactAddress(OTHER, "DHL-2024")),
        ("123Reg", ContactAddress(OTHER, "123Reg")),
        ("+1 555 0100", ContactAddress(PHONE, "+15550100")),
        ("+999 12345678", ContactAddress(PHONE, "+99912345678")),
        ("urn:biz:abc", None),
        ("", None),
        ("\0", None),
        ("9" * 5000, None),
    ],
)
def test_what_an_address_is(text: str, address: ContactAddress | None) -> None:
    assert AddressReader().read(text) == address


def test_a_national_number_takes_the_phones_country_before_the_one_noted_beside_it() -> None:
    both = "07911 123456"  # a mobile in Great Britain, and a number that Germany could have
    assert AddressReader(["GB"]).read(both, "de") == ContactAddress(PHONE, "+447911123456")
    assert AddressReader().read(both, "gb") == ContactAddress(PHONE, "+447911123456")
    assert AddressReader().read(both) == ContactAddress(PHONE, "07911123456")
    assert AddressReader(["US"]).read("555-0100") == ContactAddress(
        PHONE, "5550100"
    )  # without its area: no country


def test_the_phones_country_is_that_of_most_of_its_numbers() -> None:
    assert region_of(["+49301234567", "anna@example.org", "+447911123456", "+49 170 1234567"]) == "DE"
    assert region_of(["030 1234567", ""]) is None


def book(*cards: tuple[NamedCard, list[str]], region: str = "DE") -> NameBook:
    made = NameBook(AddressReader([region] if region else []))
    for card, addresses in cards:
        made.add(card, addresses)
    return made


def test_two_contacts_with_one_number_are_both_shown() -> None:
    names = book(
        (NamedCard("1", "Anna Berg"), ["030 1234567", "anna@example.org"]),
        (NamedCard("2", "Practice Berg"), ["+49 30 1234567"]),
        (NamedCard("3", "Anna Berg"), ["+49 30 1234567"]),  # the same person in a second account
    )
    who = names.who("+49301234567")
    assert who.shown == "Anna Berg or Practice Berg"
    assert [card.contact_id for card in who.people] == ["1", "2"]
    assert names.who("ANNA@example.org").shown == "Anna Berg"
    assert names.who("+49309999999").shown == "+49309999999"


def test_linked_cards_are_one_person_with_one_name() -> None:
    number = ["+49301234567"]
    names = book(
        (NamedCard("1", "Dr. Anna Maria Berg", "7"), number),
        (NamedCard("2", "Mum", "7", preferred=True), number),
    )
    assert names.who(number[0]).shown == "Mum"
    fuller = book((NamedCard("1", "Anna", "7"), number), (NamedCard("2", "Anna Berg", "7"), number))
    assert fuller.who(number[0]).shown == "Anna Berg"


def test_a_number_without_its_country_is_found_by_its_end_only_if_one_person_has_it() -> None:
    names = book((NamedCard("1", "Anna"), ["0151 23456789"]), region="")
    who = names.who("+4915123456789")
    assert (who.shown, who.certain) == ("Anna", False)
    two = book(
        (NamedCard("1", "Anna"), ["0151 23456789"]), (NamedCard("2", "Ben"), ["0681 23456789"]), region=""
    )
    assert two.who("+4915123456789").shown == "Anna"  # ten digits agree with hers alone
    assert two.who("23456789").people == ()


@pytest.mark.parametrize(
    ("card", "asked"),
    [
        ("(415) 555-0123", "+14155550123"),
        ("0412 345 678", "+61412345678"),
        ("06 1234 5678", "+390612345678"),
        ("+52 55 1234 5678", "+5215512345678"),
        ("+1 415 555 0123", "4155550123"),
    ],
)
def test_a_card_from_another_country_is_found_by_its_national_number(card: str, asked: str) -> None:
    ann, bob = NamedCard("1", "Ann"), NamedCard("2", "Bob")
    assert book((ann, [card])).who(asked).shown == "Ann"
    # With its own country code, a number is that of no other country.
    if not card.startswith("+"):
        assert book((ann, [card]), (bob, [asked])).who(asked).shown == "Bob"
        digits = "".join(filter(str.isdecimal, card)).lstrip("0")
        assert book((bob, [f"+81{digits}"])).who(asked).people == ()


def test_two_countries_with_the_same_end_stay_two_people() -> None:
    names = book((NamedCard("1", "Anna"), ["+49 151 23456789"]))
    assert names.who("+43 151 23456789").people == ()


def test_a_short_code_is_only_itself() -> None:
    names = book((NamedCard("1", "Bank"), ["56249"]))
    assert names.who("56249(smsfp)").shown == "Bank"
    assert names.who("156249").people == ()
    assert names.who("+49 30 56249").people == ()


def test_a_card_without_a_name_names_nobody() -> None:
    assert book((NamedCard("1", ""), ["+49301234567"])).who("+49301234567").people == ()
