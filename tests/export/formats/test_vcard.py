"""vCards, read by vobject, which others wrote; the folding and escaping also byte by byte."""

import base64
import re

import pytest
import vobject

from ibackup.contents.people.card_types import Account, CalendarDay, Contact, Label, Labeled, PostalAddress
from ibackup.export.formats.vcard import vcard
from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.life.contacts_db import PNG

JPEG = mosaic("face")[0]
HOSTILE = 'x\r\nEND:VCARD\r\nBEGIN:VCARD\nTEL:1;,\\:"\0\x0b\u2028\u0085=cmd'
FULL = Contact(
    id="A;B",
    row=1,
    name="Ada King Lovelace",
    prefix="Dr.",
    first="Ada",
    middle="King",
    last="Lovelace",
    suffix="Jr.",
    nickname="Countess",
    organization="Analytical; Engines, Ltd.",
    department="Programs",
    job_title="Mathematician",
    note="Likes horses,\nand \\ numbers; " + "ä" * 200,
    birthday=CalendarDay(1815, 12, 10),
    phones=(
        Labeled(Label("Mobile", True), "+44 1632 960001"),
        Labeled(Label('Boat; the "blue" one'), "01632 960002"),
        Labeled(Label(), "+44 1632 960003"),
    ),
    emails=(Labeled(Label("Home", True), "ada@example.org"),),
    urls=(Labeled(Label("HomePage", True), "https://ada.example.org/?a=1,2;b"),),
    related=(Labeled(Label("Mother", True), "Anne Isabella"),),
    addresses=(
        PostalAddress(
            Label("Home", True), "12 Square\nFlat 3", "London", "", "SW1Y", "United Kingdom", "gb", {}
        ),
    ),
    messaging=(Account(Label(), "Jabber", "ada"),),
    social=(Account(Label("Twitter"), "twitter", 'a"da;', "http://twitter.com/ada"),),
    others=(Labeled(Label("99"), "from the future"),),
    groups=("Friends", "Engines, all"),
)


def parsed(data: bytes) -> "vobject.base.Component":
    (card,) = vobject.readComponents(data.decode())
    return card


def test_vobject_reads_everything() -> None:
    card = parsed(vcard(FULL, JPEG))
    name = card.n.value
    assert (name.family, name.given, name.additional, name.prefix, name.suffix) == (
        "Lovelace",
        "Ada",
        "King",
        "Dr.",
        "Jr.",
    )
    assert card.fn.value == "Dr. Ada King Lovelace Jr."
    assert card.org.value == ["Analytical; Engines, Ltd.", "Programs"]
    assert card.note.value == FULL.note + "\n99: from the future"
    assert card.bday.value == "1815-12-10"
    assert [tel.value for tel in card.tel_list] == [phone.value for phone in FULL.phones]
    assert card.tel_list[0].params["TYPE"] == ["CELL"]
    boat = card.tel_list[1]
    (label,) = [each for each in card.contents["x-ablabel"] if each.group == boat.group]
    assert label.value == 'Boat; the "blue" one'
    address = card.adr.value
    assert (address.street, address.city, address.code, address.country) == (
        "12 Square\nFlat 3",
        "London",
        "SW1Y",
        "United Kingdom",
    )
    assert card.url.value == "https://ada.example.org/?a=1,2;b"
    assert card.photo.value == JPEG
    assert card.categories.value == ["Friends", "Engines, all"]
    assert card.uid.value == "A;B"


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_every_line_is_at_most_75_bytes_and_whole_characters(version: str) -> None:
    data = vcard(FULL, JPEG, version)
    lines = data.split(b"\r\n")
    assert lines[-1] == b""
    assert max(map(len, lines)) <= 75
    for line in lines:
        line.decode()
        assert b"\n" not in line
        assert b"\r" not in line


def test_a_birthday_without_year() -> None:
    card = Contact(id="1", row=1, name="Leap", first="Leap", birthday=CalendarDay(None, 2, 29))
    line = parsed(vcard(card)).bday
    assert line.value == "1604-02-29"
    assert line.params["X-APPLE-OMIT-YEAR"] == ["1604"]
    assert b"\r\nBDAY:--0229\r\n" in vcard(card, version="4.0")


def test_version_4_has_its_own_words() -> None:
    company = Contact(id="1", row=1, name="Acme", organization="Acme", is_company=True)
    assert b"\r\nKIND:org\r\n" in vcard(company, version="4.0")
    assert b"\r\nX-ABShowAs:COMPANY\r\n" in vcard(company)
    unfolded = vcard(FULL, PNG, "4.0").replace(b"\r\n ", b"")
    assert b"\r\nPHOTO:data:image/png;base64," + base64.b64encode(PNG) + b"\r\n" in unfolded
    assert b"\r\nTEL;TYPE=cell:+44 1632 960001\r\n" in unfolded
    assert b"\r\nRELATED;VALUE=text:" not in unfolded
    assert re.search(rb"\r\nitem\d+\.RELATED;VALUE=text:Anne Isabella\r\n", unfolded)


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_hostile_texts_stay_where_they_belong(version: str) -> None:
    label = Label(HOSTILE)
    hostile = Contact(
        id=HOSTILE,
        row=1,
        name=HOSTILE,
        first=HOSTILE,
        last=HOSTILE,
        nickname=HOSTILE,
        organization=HOSTILE,
        note=HOSTILE,
        phones=(Labeled(label, HOSTILE),),
        emails=(Labeled(label, HOSTILE),),
        urls=(Labeled(label, HOSTILE),),
        related=(Labeled(label, HOSTILE),),
        addresses=(PostalAddress(label, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        messaging=(Account(label, HOSTILE, HOSTILE, HOSTILE),),
        social=(Account(label, HOSTILE, HOSTILE, HOSTILE),),
        others=(Labeled(label, HOSTILE),),
        groups=(HOSTILE,),
    )
    data = vcard(hostile, b"not a picture", version)
    unfolded = data.replace(b"\r\n ", b"").decode()
    names = [line.partition(":")[0].partition(";")[0] for line in unfolded.split("\r\n")]
    assert names.count("END") == names.count("BEGIN") == 1
    assert "TEL" not in names  # it is in a group, with its label
    assert not set(unfolded) & set("\0\x0b\u2028\u0085")
    if version == "3.0":
        card = parsed(data)
        kept = 'x\nEND:VCARD\nBEGIN:VCARD\nTEL:1;,\\:"=cmd'
        assert card.nickname.value == kept
        assert card.tel.value == kept
        assert "photo" not in card.contents


def test_a_card_without_a_name_can_be_imported() -> None:
    assert parsed(vcard(Contact(id="1", row=1, name=""))).fn.value == "No name"


def test_an_east_asian_name_keeps_its_order() -> None:
    card = Contact(id="1", row=1, name="山田 花子", first="花子", last="山田", suffix="様")
    assert parsed(vcard(card)).fn.value == "山田 花子"
