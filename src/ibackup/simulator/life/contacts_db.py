"""An address book made by code: `AddressBook.sqlitedb` and its pictures, with what a correct reader says of each card.

Tables and columns: seen in real address books of iOS 15 and 16. Property 12 (dates) and the columns of iOS 26 are
unconfirmed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, stamp

BOOK = ("HomeDomain", "Library/AddressBook/AddressBook.sqlitedb")
PICTURES = ("HomeDomain", "Library/AddressBook/AddressBookImages.sqlitedb")
_CHANGED = 1_700_000_000
PHONE, MAIL, POSTAL, DATE, MESSAGING, URL, RELATED, SOCIAL = 3, 4, 5, 12, 13, 22, 23, 46
HOME, WORK, MOBILE = "_$!<Home>!$_", "_$!<Work>!$_", "_$!<Mobile>!$_"
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\b\0\0\0\0:~\x9bU"
    b"\0\0\0\nIDATx\x9cc`\0\0\0\2\0\1H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82"
)
"""A picture of one black dot."""

_PERSON = """ROWID INTEGER PRIMARY KEY AUTOINCREMENT, First TEXT, Last TEXT, Middle TEXT, FirstPhonetic TEXT,
 MiddlePhonetic TEXT, LastPhonetic TEXT, Organization TEXT, Department TEXT, Note TEXT, Kind INTEGER, Birthday TEXT,
 JobTitle TEXT, Nickname TEXT, Prefix TEXT, Suffix TEXT, CreationDate INTEGER, ModificationDate INTEGER,
 StoreID INTEGER, DisplayName TEXT, PersonLink INTEGER DEFAULT -1, guid TEXT, AlternateBirthday TEXT"""
_NEWER = {17: ", PreviousFamilyName TEXT", 26: ", PreviousFamilyName TEXT, WallpaperMetadata BLOB"}
_TABLES = {
    "ABMultiValue": "UID INTEGER PRIMARY KEY, record_id INTEGER, property INTEGER, identifier INTEGER, label INTEGER,"
    " value TEXT, guid TEXT",
    "ABMultiValueLabel": "value TEXT, UNIQUE (value)",
    "ABMultiValueEntry": "parent_id INTEGER, key INTEGER, value TEXT",
    "ABMultiValueEntryKey": "value TEXT, UNIQUE (value)",
    "ABStore": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, Name TEXT, Type INTEGER, AccountID INTEGER DEFAULT -1,"
    " Enabled INTEGER DEFAULT 1, guid TEXT",
    "ABAccount": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, AccountIdentifier TEXT",
    "ABGroup": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, Name TEXT, StoreID INTEGER, guid TEXT",
    "ABGroupMembers": "UID INTEGER PRIMARY KEY, group_id INTEGER, member_type INTEGER, member_id INTEGER",
    "ABPersonLink": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT, PreferredImagePersonID INTEGER,"
    " PreferredNamePersonID INTEGER",
}
_IMAGE_TABLES = {
    "ABThumbnailImage": "record_id INTEGER, format INTEGER, derived_from_format INTEGER, data BLOB",
    "ABFullSizeImage": "ROWID INTEGER PRIMARY KEY AUTOINCREMENT, record_id INTEGER, crop_x INTEGER, crop_y INTEGER,"
    " crop_width INTEGER, data BLOB",
}


@dataclass(frozen=True, slots=True)
class MadeValue:
    """A number, address or the like on a card: its property, its label as stored, its text or its parts."""

    kind: int
    label: str | None
    value: str | Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class MadeContact:
    """A card.

    Attributes:
        case: what is special about it; also its guid.
        columns: of its row in ABPerson.
        values: what the card lists.
        groups: names of the groups it is in.
        store: the account it is in: 1 on the phone (not enabled), 2 iCloud, 3 a company's server.
        link: the number of the person it is linked to others by; -1: none.
        names_the_person: whether its name is the one chosen for all linked cards.
        picture: its picture in full; thumbnail: only the small one.
        says: what a correct reader says of it, by the names of its fields.
    """

    case: str
    columns: Mapping[str, object] = field(default_factory=dict)
    values: tuple[MadeValue, ...] = ()
    groups: tuple[str, ...] = ()
    store: int = 2
    link: int = -1
    names_the_person: bool = False
    picture: bytes = b""
    thumbnail: bytes = b""
    says: Mapping[str, object] = field(default_factory=dict)


_FACE = mosaic("face")[0]
CONTACTS: tuple[MadeContact, ...] = (
    MadeContact(
        case="everything",
        columns={
            "Prefix": "Dr.",
            "First": "Ada",
            "Middle": "King",
            "Last": "Lovelace",
            "Suffix": "Jr.",
            "Nickname": "Countess",
            "FirstPhonetic": "ayda",
            "Organization": "Analytical; Engines, Ltd.",
            "Department": "Programs",
            "JobTitle": "Mathematician",
            "PreviousFamilyName": "Byron",
            "Note": "Likes horses,\nand \\ numbers; no “poetry”.",
            "Birthday": str(stamp(-4_870_022_400 + 43_200)),
            "CreationDate": stamp(_CHANGED),
            "ModificationDate": stamp(_CHANGED + 60),
        },
        values=(
            MadeValue(PHONE, MOBILE, "+44 1632 960001"),
            MadeValue(PHONE, 'Boat; the "blue" one', "01632 960002"),
            MadeValue(PHONE, None, "+44 1632 960003"),
            MadeValue(MAIL, HOME, "Ada.Lovelace@Example.org"),
            MadeValue(
                POSTAL,
                HOME,
                {
                    "Street": "12 St James's Square\nFlat 3",
                    "City": "London",
                    "ZIP": "SW1Y 4JH",
                    "Country": "United Kingdom",
                    "CountryCode": "gb",
                },
            ),
            MadeValue(MESSAGING, None, {"service": "Jabber", "username": "ada"}),
            MadeValue(
                SOCIAL, "Twitter", {"service": "twitter", "username": "ada", "url": "http://twitter.com/ada"}
            ),
            MadeValue(URL, "_$!<HomePage>!$_", "https://ada.example.org/?a=1,2;b"),
            MadeValue(RELATED, "_$!<Mother>!$_", "Anne Isabella"),
            MadeValue(DATE, "_$!<Anniversary>!$_", str(stamp(-4_243_968_000 + 43_200))),
            MadeValue(99, None, "from the future"),
        ),
        groups=("Friends", "Engines, all"),
        picture=_FACE,
        says={
            "name": "Ada King Lovelace",
            "prefix": "Dr.",
            "suffix": "Jr.",
            "nickname": "Countess",
            "previous_family_name": "Byron",
            "organization": "Analytical; Engines, Ltd.",
            "birthday": "1815-09-05",
            "phones": [
                ("Mobile", "+44 1632 960001"),
                ('Boat; the "blue" one', "01632 960002"),
                ("", "+44 1632 960003"),
            ],
            "emails": [("Home", "Ada.Lovelace@Example.org")],
            "urls": [("HomePage", "https://ada.example.org/?a=1,2;b")],
            "related": [("Mother", "Anne Isabella")],
            "dates": [("Anniversary", "1835-07-08")],
            "others": [("99", "from the future")],
            "groups": ("Engines, all", "Friends"),
            "created": "2023-11-14T22:13:20+00:00",
            "picture": _FACE,
        },
    ),
    MadeContact(
        case="company only",
        columns={"Organization": "Acme", "Kind": 1},
        values=(MadeValue(PHONE, WORK, "+44 1632 960004"),),
        says={"name": "Acme", "is_company": True, "phones": [("Work", "+44 1632 960004")]},
    ),
    MadeContact(case="empty", says={"name": "", "phones": []}),
    MadeContact(
        case="only a number",
        values=(MadeValue(PHONE, None, "+44 1632 960005"),),
        says={"name": "+44 1632 960005"},
    ),
    MadeContact(
        case="birthday without year",
        columns={"First": "Leap", "Birthday": str(stamp(-11_544_768_000 + 43_200))},
        says={"name": "Leap", "birthday": "--02-29"},
    ),
    MadeContact(
        case="linked, on the server",
        columns={"First": "Grace", "Last": "Hopper", "Organization": "Navy"},
        values=(MadeValue(PHONE, WORK, "+1 202 555 0101"),),
        store=3,
        link=1,
        says={"name": "Grace Hopper", "person": "1", "names_the_person": False},
    ),
    MadeContact(
        case="linked, in iCloud",
        columns={"First": "Amazing", "Last": "Grace"},
        values=(MadeValue(PHONE, MOBILE, "+1 202 555 0101"),),
        link=1,
        names_the_person=True,
        thumbnail=PNG,
        says={"name": "Amazing Grace", "person": "1", "names_the_person": True, "picture": PNG},
    ),
    MadeContact(
        case="in a store that is not enabled",
        columns={"First": "Local", "Last": "Only"},
        store=1,
        says={"name": "Local Only", "store_enabled": False},
    ),
    MadeContact(
        case="twice, here",
        columns={"First": "Alan", "Last": "Turing"},
        values=(MadeValue(PHONE, MOBILE, "+44 1632 960006"),),
        says={"name": "Alan Turing", "person": None},
    ),
    MadeContact(
        case="twice, there",
        columns={"First": "Alan", "Last": "Turing"},
        values=(MadeValue(PHONE, MOBILE, "01632 960006"),),
        store=3,
        says={"name": "Alan Turing", "store": "Company"},
    ),
    MadeContact(
        case="one number in two contacts",
        columns={"First": "Joan", "Last": "Clarke"},
        values=(MadeValue(PHONE, MOBILE, "+44 (0)1632 960006"),),
        says={"name": "Joan Clarke"},
    ),
    MadeContact(
        case="hostile name",
        columns={
            "First": "\u202egnp.exe",
            "Last": '=cmd|"/c calc"!A1\r\nEND:VCARD',
            "Nickname": "<script>alert(1)</script>",
            "Note": "before\0after ]]>",
        },
        says={"nickname": "<script>alert(1)</script>"},
    ),
    MadeContact(
        case="odd values",
        columns={"First": b"Bytes", "Last": 42, "Birthday": "soon", "CreationDate": "never", "Kind": "x"},
        values=(MadeValue(PHONE, HOME, ""), MadeValue(MAIL, HOME, "odd@example.org")),
        says={"name": "Bytes 42", "birthday": None, "created": None, "emails": [("Home", "odd@example.org")]},
    ),
    MadeContact(case="names of Japan", columns={"First": "花子", "Last": "山田"}, says={"name": "山田 花子"}),
)


def address_book(
    contacts: tuple[MadeContact, ...] = CONTACTS, *, ios: int = 17, utf16: bool = False
) -> tuple[LifeFile, LifeFile]:
    """The two files of an address book."""
    newer = _NEWER[max(version for version in _NEWER if version <= ios)] if ios >= min(_NEWER) else ""
    book = MadeDatabase({"ABPerson": _PERSON + newer, **_TABLES}, utf16=utf16)
    pictures = MadeDatabase(_IMAGE_TABLES)
    book.add("ABAccount", {"AccountIdentifier": "icloud"})
    for row, (name, account, enabled) in enumerate(
        [("", -1, 0), ("iCloud", 1, 1), ("Company", 2, 1)], start=1
    ):
        book.add("ABStore", {"ROWID": row, "Name": name, "AccountID": account, "Enabled": enabled, "Type": 0})
    known: dict[tuple[str, str], int] = {}

    def number(table: str, text: str) -> int:
        if (table, text) not in known:
            known[table, text] = book.add(table, {"value": text})
        return known[table, text]

    groups: dict[str, int] = {}
    for row, contact in enumerate(contacts, start=1):
        fixed = {"ROWID": row, "guid": contact.case, "StoreID": contact.store, "PersonLink": contact.link}
        book.add("ABPerson", {"Kind": 0, **fixed, **contact.columns})
        if contact.link > 0 and contact.names_the_person:
            book.add("ABPersonLink", {"ROWID": contact.link, "PreferredNamePersonID": row})
        for place, value in enumerate(contact.values):
            label = None if value.label is None else number("ABMultiValueLabel", value.label)
            whole = value.value if isinstance(value.value, str) else None
            listed = {
                "record_id": row,
                "property": value.kind,
                "identifier": place,
                "label": label,
                "value": whole,
            }
            parent = book.add("ABMultiValue", listed)
            for key, part in {} if isinstance(value.value, str) else value.value.items():
                entry = {"parent_id": parent, "key": number("ABMultiValueEntryKey", key), "value": part}
                book.add("ABMultiValueEntry", entry)
        for group in contact.groups:
            if group not in groups:
                groups[group] = book.add("ABGroup", {"Name": group, "StoreID": 2})
            book.add("ABGroupMembers", {"group_id": groups[group], "member_type": 0, "member_id": row})
        if contact.picture:
            pictures.add("ABFullSizeImage", {"record_id": row, "data": contact.picture})
        if small := contact.thumbnail or contact.picture:
            pictures.add("ABThumbnailImage", {"record_id": row, "format": 0, "data": small})
    return LifeFile(*BOOK, book.data(), _CHANGED), LifeFile(*PICTURES, pictures.data(), _CHANGED)
