"""Contacts, calls and voicemail, against what the makers' tables say of each and the databases of others."""

import sqlite3
from pathlib import Path

import pytest

from ibackup.contents.calls import Call, CallLog
from ibackup.contents.gaps import Gaps
from ibackup.contents.only_encrypted import NOT_ENCRYPTED
from ibackup.contents.people.addresses import AddressReader
from ibackup.contents.people.card_types import Contact
from ibackup.contents.people.contacts import AddressBook
from ibackup.contents.people.names_of_backup import names_of
from ibackup.contents.voicemail import Voicemail, VoicemailBox
from ibackup.simulator.life.calls_db import CALLS, CALLS_PATH, call_stores
from ibackup.simulator.life.contacts_db import (
    BOOK,
    CONTACTS,
    PHONE,
    PNG,
    MadeContact,
    MadeValue,
    address_book,
)
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import with_torn_pages
from ibackup.simulator.life.voicemail_db import SOUND, VOICEMAILS, voicemail_box
from support.appdata import fixture
from support.lives import backup_of, disagreements
from support.minted import Mint

PASSWORD = "Kurzhaar-Wisent 7"


def contacts_of(
    mint: Mint, files: tuple[LifeFile, ...], gaps: Gaps
) -> tuple[list[Contact], dict[str, bytes]]:
    with backup_of(mint, files) as backup:
        book = AddressBook.of(backup, gaps)
        assert book is not None
        with book:
            cards = list(book)
            return cards, {card.id: book.picture(card) for card in cards}


@pytest.mark.parametrize(("ios", "utf16"), [(12, False), (17, False), (26, True)])
def test_contacts_are_as_the_maker_says(mint: Mint, ios: int, utf16: bool) -> None:
    gaps = Gaps()
    cards, pictures = contacts_of(mint, address_book(ios=ios, utf16=utf16), gaps)
    assert [card.id for card in cards] == [made.case for made in CONTACTS]
    for card, made in zip(cards, CONTACTS, strict=True):
        says = {name: each for name, each in made.says.items() if name != "picture"}
        if ios == 12:
            says.pop("previous_family_name", None)  # no such column: that field is lost, and nothing else
        assert disagreements(card, says) == [], made.case
        assert pictures[card.id] == made.says.get("picture", b""), made.case
    assert {gap.reason: gap.count for gap in gaps} == {
        "birthdays that are not dates": 1,
        "times that are no dates": 1,
    }
    (address,) = cards[0].addresses
    assert (address.street, address.postal_code, address.country_code) == (
        "12 St James's Square\nFlat 3",
        "SW1Y 4JH",
        "gb",
    )
    assert [each.user for each in (*cards[0].messaging, *cards[0].social)] == ["ada", "ada"]
    assert cards[0].social[0].url == "http://twitter.com/ada"


def test_names_for_numbers_come_from_the_cards(mint: Mint) -> None:
    with backup_of(mint, address_book()) as backup:
        book = AddressBook.of(backup, Gaps())
        assert book is not None
        with book:
            names = book.name_book(AddressReader(["GB"]))
    assert names.who("+12025550101").shown == "Amazing Grace"  # linked: the name that the person chose
    assert names.who("+441632960006").shown == "Alan Turing or Joan Clarke"
    assert names.who("+441632960005").shown == "+441632960005"  # a card without a name


@pytest.mark.parametrize(("own", "certain"), [("+49301234567", True), ("+12025550143", False)])
def test_the_phones_country_makes_national_numbers_comparable(mint: Mint, own: str, certain: bool) -> None:
    card = MadeContact(
        case="national", columns={"First": "Nat"}, values=(MadeValue(PHONE, None, "030 7654321"),)
    )
    with backup_of(mint, address_book((card,))) as backup:
        who = names_of(backup, [own]).who("+49307654321")
    assert (who.shown, who.certain) == ("Nat", certain)


def test_contacts_past_a_torn_page(mint: Mint) -> None:
    many = tuple(MadeContact(case=f"card {n}", columns={"First": f"N{n}" + "x" * 200}) for n in range(400))
    book, pictures = address_book(many)
    torn = with_torn_pages(book.data, 30, 31)
    gaps = Gaps()
    cards, _ = contacts_of(mint, (LifeFile(*BOOK, torn, 0), pictures), gaps)
    assert 300 < len(cards) < 400
    assert gaps.damaged


def test_contacts_of_a_hostile_book(mint: Mint, tmp_path: Path) -> None:
    """Circles of links, cards that refer to nothing, two with one identifier, a table that is a view."""
    path = tmp_path / "hostile.db"
    book, pictures = address_book()
    path.write_bytes(book.data)
    with sqlite3.connect(path) as made:
        made.execute("UPDATE ABPerson SET guid = 'same', StoreID = 99, PersonLink = 7 WHERE ROWID < 4")
        made.execute("UPDATE ABMultiValueEntry SET key = 77")
        made.execute("DROP TABLE ABMultiValueLabel")
        made.execute("CREATE VIEW ABMultiValueLabel AS SELECT 'x' AS value")
    made.close()
    cards, _ = contacts_of(mint, (LifeFile(*BOOK, path.read_bytes(), 0), pictures), Gaps())
    assert len({card.id for card in cards}) == len(cards) == len(CONTACTS)
    assert {label.label.text for card in cards for label in card.phones} == {""}


def test_contacts_of_another_tools_database(mint: Mint) -> None:
    data = fixture("novkostya-contacts", "contacts.1.AddressBook.sqlitedb").read_bytes()
    cards, _ = contacts_of(mint, (LifeFile(*BOOK, data, 0),), Gaps())
    assert [card.name for card in cards] == ["Alex Quinn Fixture", "Broken Label", "Acme Synthetics", "Solo"]
    first = cards[0]
    assert [(each.label.text, each.value) for each in first.phones][:2] == [
        ("Home", "+1 555 0100"),
        ("Work", "+1 555 0101"),
    ]
    assert first.addresses[0].city == "Faketown"
    assert first.addresses[0].postal_code == "00001"
    assert first.groups == ("Fixture Friends",)
    assert str(first.birthday) == "1990-04-01"
    assert first.store == "Fixture Store"
    assert cards[2].is_company


def calls_of(mint: Mint, files: tuple[LifeFile, ...], gaps: Gaps) -> list[Call]:
    with backup_of(mint, files, PASSWORD) as backup:
        log = CallLog.of(backup, gaps)
        assert log is not None
        with log:
            return list(log)


@pytest.mark.parametrize("ios", [12, 17, 26])
def test_calls_are_as_the_maker_says(mint: Mint, ios: int) -> None:
    gaps = Gaps()
    calls = {call.id: call for call in calls_of(mint, call_stores(ios=ios), gaps)}
    assert sorted(calls) == sorted(made.case for made in CALLS)
    for made in CALLS:
        assert disagreements(calls[made.case], made.says) == [], made.case
    assert {gap.reason: gap.count for gap in gaps} == {
        "times that are no dates": 1,
        "durations that are no numbers of seconds": 1,
    }


def test_calls_of_another_tools_database(mint: Mint) -> None:
    data = fixture("novkostya-calls", "calls.1.CallHistory.storedata").read_bytes()
    calls = calls_of(mint, (LifeFile(*CALLS_PATH, data, 0),), Gaps())
    assert [call.incoming for call in calls] == [False, True, False, True, True]
    assert [call.missed for call in calls] == [False, True, False, False, False]
    assert calls[0].seconds == 65.5
    assert calls[0].name_then == "Alex Fixture"
    assert (calls[2].kind, calls[2].addresses) == ("facetime-video", ("+1 555 0300", "+1 555 0301"))
    assert calls[3].addresses == ("+1 555 0166",)  # its participant's row is missing
    assert calls[1].junk == 2


@pytest.mark.parametrize(("password", "reasons"), [(None, [NOT_ENCRYPTED]), (PASSWORD, [])])
def test_no_calls_says_why(mint: Mint, password: str | None, reasons: list[str]) -> None:
    gaps = Gaps()
    with backup_of(mint, address_book(), password) as backup:
        assert CallLog.of(backup, gaps) is None
    assert [gap.reason for gap in gaps] == reasons
    assert not gaps.damaged


def test_voicemail_is_as_the_maker_says(mint: Mint) -> None:
    gaps = Gaps()
    with backup_of(mint, voicemail_box()) as backup:
        box = VoicemailBox.of(backup, gaps)
        assert box is not None
        with box:
            messages: list[Voicemail] = list(box)
            entry = box.recording(messages[0])
            assert entry is not None
            with entry.open() as source:
                assert source.read() == SOUND
            assert box.recording(messages[3]) is None
    for message, made in zip(messages, VOICEMAILS, strict=True):
        assert disagreements(message, made.says) == [], made.case
    assert {gap.reason for gap in gaps} >= {"the recording is not in the backup"}


def test_a_transcript_that_cannot_be_read_costs_only_itself(mint: Mint) -> None:
    files = [
        LifeFile(file.domain, file.path, b"bplist00 and no more", 0)
        if file.path.endswith(".transcript")
        else file
        for file in voicemail_box()
    ]
    gaps = Gaps()
    with backup_of(mint, files) as backup:
        box = VoicemailBox.of(backup, gaps)
        assert box is not None
        with box:
            messages = list(box)
    assert len(messages) == len(VOICEMAILS)
    assert messages[0].transcript == ""
    assert "the transcript cannot be read" in {gap.reason for gap in gaps}


def test_a_picture_is_what_the_phone_stored() -> None:
    assert PNG.startswith(b"\x89PNG")
