"""The little life on the demo phone: messages, contacts, photos, calls, notes and what apps keep.

The databases have the tables and columns that readers of backups use, filled from the seed.
"""

import gzip
import plistlib
import random
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.spec import AppSpec, PhoneSpec

APPLE_EPOCH = 978_307_200
"""2001-01-01 in Unix seconds."""
_DAY = 86_400

_PEOPLE = (
    ("Grace", "Hopper", "+15550100001", "grace@example.org"),
    ("Ægir", "Jónsson", "+3545550002", "aegir@example.org"),
    ("花子", "山田", "+81355500003", "hanako@example.org"),
    ("Alan", "Turing", "+441632960004", "alan@example.org"),
    ("Zoë", "Müller", "+4930555000005", "zoe@example.org"),
)
_SENTENCES = (
    "See you at the station at seven.",
    "Did you get home all right?",
    "The tickets are in my mail.",
    "Can you bring the blue folder?",
    "Schöne Grüße aus Köln ☀️",
    "明日の会議は十時からです。",
    "I will call you tonight.",
    "Look what the cat did to the sofa 😹",
)
_NOTES = (
    ("Shopping", "Bread, apples, oat milk, batteries"),
    ("Wi-Fi at the cabin", "The router is behind the stove"),
    ("Ideas", "A bench by the pear tree; learn the fugue in C minor"),
)
PHOTOS = 8

_SMS = """
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY AUTOINCREMENT UNIQUE, id TEXT NOT NULL, country TEXT,
  service TEXT NOT NULL, uncanonicalized_id TEXT, person_centric_id TEXT, UNIQUE (id, service));
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, style INTEGER,
  state INTEGER, account_id TEXT, chat_identifier TEXT, service_name TEXT, room_name TEXT, display_name TEXT);
CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, text TEXT,
  replace INTEGER DEFAULT 0, handle_id INTEGER DEFAULT 0, subject TEXT, attributedBody BLOB, type INTEGER DEFAULT 0,
  service TEXT, account TEXT, error INTEGER DEFAULT 0, date INTEGER, date_read INTEGER, date_delivered INTEGER,
  is_delivered INTEGER DEFAULT 0, is_finished INTEGER DEFAULT 0, is_from_me INTEGER DEFAULT 0,
  is_read INTEGER DEFAULT 0, is_sent INTEGER DEFAULT 0, cache_has_attachments INTEGER DEFAULT 0,
  item_type INTEGER DEFAULT 0, group_title TEXT, associated_message_guid TEXT,
  associated_message_type INTEGER DEFAULT 0, expressive_send_style_id TEXT, thread_originator_guid TEXT);
CREATE TABLE attachment (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL,
  created_date INTEGER DEFAULT 0, filename TEXT, uti TEXT, mime_type TEXT, transfer_name TEXT,
  total_bytes INTEGER DEFAULT 0, is_outgoing INTEGER DEFAULT 0);
CREATE TABLE chat_handle_join (chat_id INTEGER, handle_id INTEGER, UNIQUE (chat_id, handle_id));
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER, message_date INTEGER DEFAULT 0,
  PRIMARY KEY (chat_id, message_id));
CREATE TABLE message_attachment_join (message_id INTEGER, attachment_id INTEGER,
  UNIQUE (message_id, attachment_id));
"""
_CONTACTS = """
CREATE TABLE ABPerson (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, First TEXT, Last TEXT, Middle TEXT,
  Organization TEXT, Department TEXT, Note TEXT, Kind INTEGER, Birthday TEXT, JobTitle TEXT, Nickname TEXT,
  CreationDate INTEGER, ModificationDate INTEGER, StoreID INTEGER, guid TEXT);
CREATE TABLE ABMultiValue (UID INTEGER PRIMARY KEY, record_id INTEGER, property INTEGER, identifier INTEGER,
  label INTEGER, value TEXT, guid TEXT);
CREATE TABLE ABMultiValueLabel (value TEXT, UNIQUE (value));
CREATE TABLE ABStore (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, Name TEXT, Type INTEGER);
"""
_PHOTOS_SCHEMA = """
CREATE TABLE ZASSET (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZUUID VARCHAR, ZDIRECTORY VARCHAR,
  ZFILENAME VARCHAR, ZUNIFORMTYPEIDENTIFIER VARCHAR, ZKIND INTEGER, ZKINDSUBTYPE INTEGER, ZWIDTH INTEGER,
  ZHEIGHT INTEGER, ZFAVORITE INTEGER, ZHIDDEN INTEGER, ZTRASHEDSTATE INTEGER, ZDATECREATED TIMESTAMP,
  ZADDEDDATE TIMESTAMP, ZMODIFICATIONDATE TIMESTAMP, ZTRASHEDDATE TIMESTAMP, ZLATITUDE FLOAT, ZLONGITUDE FLOAT,
  ZDURATION FLOAT, ZADDITIONALATTRIBUTES INTEGER);
CREATE TABLE ZADDITIONALASSETATTRIBUTES (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZASSET INTEGER,
  ZORIGINALFILENAME VARCHAR, ZORIGINALFILESIZE INTEGER, ZTIMEZONENAME VARCHAR, ZTIMEZONEOFFSET INTEGER);
CREATE TABLE ZGENERICALBUM (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZTITLE VARCHAR, ZKIND INTEGER, ZUUID VARCHAR);
"""
_CALLS = """
CREATE TABLE ZCALLRECORD (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZANSWERED INTEGER,
  ZCALLTYPE INTEGER, ZORIGINATED INTEGER, ZREAD INTEGER, ZDATE TIMESTAMP, ZDURATION FLOAT, ZADDRESS VARCHAR,
  ZISO_COUNTRY_CODE VARCHAR, ZLOCATION VARCHAR, ZNAME VARCHAR, ZSERVICE_PROVIDER VARCHAR, ZUNIQUE_ID VARCHAR);
"""
_NOTES_SCHEMA = """
CREATE TABLE ZICCLOUDSYNCINGOBJECT (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZNOTEDATA INTEGER,
  ZFOLDER INTEGER, ZMARKEDFORDELETION INTEGER, ZISPASSWORDPROTECTED INTEGER, ZCREATIONDATE1 TIMESTAMP,
  ZMODIFICATIONDATE1 TIMESTAMP, ZTITLE1 VARCHAR, ZTITLE2 VARCHAR, ZSNIPPET VARCHAR, ZIDENTIFIER VARCHAR);
CREATE TABLE ZICNOTEDATA (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZNOTE INTEGER, ZDATA BLOB);
"""


@dataclass(frozen=True, slots=True)
class LifeFile:
    """A real file on the phone; modified is in Unix seconds."""

    domain: str
    path: str
    data: bytes
    modified: int


def files(spec: PhoneSpec) -> Iterator[LifeFile]:
    """Every file of the phone's life."""
    yield messages(spec, 0)
    yield _contacts(spec)
    yield from _photos(spec)
    yield _calls(spec)
    yield _notes(spec)


def app_files(spec: PhoneSpec) -> Iterator[LifeFile]:
    """What installed apps keep apart from their made-up files: preferences, and a file in each group."""
    for app in spec.apps:
        preferences = {"firstLaunch": True, "launches": 7 + len(app.name), "version": app.version}
        path = f"Library/Preferences/{app.bundle_id}.plist"
        data = plistlib.dumps(preferences, fmt=plistlib.FMT_BINARY)
        yield LifeFile(f"AppDomain-{app.bundle_id}", path, data, spec.made_at - 5 * _DAY)
        for group in app.groups:
            data = plistlib.dumps({"owner": app.bundle_id}, fmt=plistlib.FMT_BINARY)
            path = f"Library/Preferences/{group}.plist"
            yield LifeFile(f"AppDomainGroup-{group}", path, data, spec.made_at - 5 * _DAY)


SUPERVISION = (
    "SysSharedContainerDomain-systemgroup.com.apple.configurationprofiles",
    "Library/ConfigurationProfiles/CloudConfigurationDetails.plist",
)
"""Domain and path of the file that says who supervises a phone."""


def supervision(spec: PhoneSpec) -> Iterator[LifeFile]:
    """What a supervised phone has of its organisation."""
    if spec.supervised:
        details = {"IsSupervised": True, "IsMandatory": True, "OrganizationName": "Example School"}
        data = plistlib.dumps(details, fmt=plistlib.FMT_BINARY)
        yield LifeFile(*SUPERVISION, data, spec.made_at - 90 * _DAY)


def app_folders(spec: PhoneSpec) -> Iterator[tuple[str, str]]:
    """The folders that every app's container has, with its domain."""
    for app in spec.apps:
        for folder in ("Documents", "Library", "Library/Preferences"):
            yield _container(app), folder


def messages(spec: PhoneSpec, epoch: int) -> LifeFile:
    """The messages after that many changes of the phone; each brings three more."""
    rng = random.Random(f"{spec.seed} messages")
    people = list(enumerate(_PEOPLE, start=1))
    handles = [(row, person[2], "us", "iMessage") for row, person in people]
    chats = [(row, f"iMessage;-;{person[2]}", 45, person[2], "iMessage") for row, person in people]
    count = 24 + 3 * epoch
    start = spec.made_at - 30 * _DAY
    texts = []
    for row in range(1, count + 1):
        later = row > 24
        when = start + row * 70_000 if not later else spec.made_at + (row - 22) // 3 * _DAY + row
        who, mine = rng.randrange(1, len(_PEOPLE) + 1), rng.random() < 0.5
        stamp = (when - APPLE_EPOCH) * 10**9
        texts.append(
            (row, _uuid(rng), rng.choice(_SENTENCES), 0 if mine else who, "iMessage", stamp, int(mine), who)
        )
    database = _database(_SMS)
    _insert(database, "handle (ROWID, id, country, service)", handles)
    _insert(database, "chat (ROWID, guid, style, chat_identifier, service_name)", chats)
    _insert(database, "chat_handle_join", [(row, row) for row, _ in people])
    _insert(
        database,
        "message (ROWID, guid, text, handle_id, service, date, is_from_me)",
        [text[:7] for text in texts],
    )
    database.execute("UPDATE message SET is_finished = 1, is_read = 1, is_sent = is_from_me")
    _insert(database, "chat_message_join", [(text[7], text[0], text[5]) for text in texts])
    modified = spec.made_at - _DAY if not epoch else spec.made_at + epoch * _DAY
    return LifeFile("HomeDomain", "Library/SMS/sms.db", _bytes(database), modified)


def _contacts(spec: PhoneSpec) -> LifeFile:
    rng = random.Random(f"{spec.seed} contacts")
    database = _database(_CONTACTS)
    _insert(database, "ABStore (ROWID, Name, Type)", [(1, "", 0)])
    _insert(database, "ABMultiValueLabel (value)", [("_$!<Mobile>!$_",), ("_$!<Home>!$_",)])
    when = spec.made_at - 400 * _DAY - APPLE_EPOCH
    people = [(row, *person) for row, person in enumerate(_PEOPLE, start=1)]
    _insert(
        database,
        "ABPerson (ROWID, First, Last, CreationDate, ModificationDate, StoreID, guid)",
        [(row, first, last, when, when, 1, _uuid(rng)) for row, first, last, _, _ in people],
    )
    values = [(row, 3, 0, 1, number, _uuid(rng)) for row, _, _, number, _ in people]
    values += [(row, 4, 0, 2, mail, _uuid(rng)) for row, _, _, _, mail in people]
    _insert(database, "ABMultiValue (record_id, property, identifier, label, value, guid)", values)
    path = "Library/AddressBook/AddressBook.sqlitedb"
    return LifeFile("HomeDomain", path, _bytes(database), spec.made_at - 20 * _DAY)


def _photos(spec: PhoneSpec) -> Iterator[LifeFile]:
    rng = random.Random(f"{spec.seed} photos")
    database = _database(_PHOTOS_SCHEMA)
    _insert(database, "ZGENERICALBUM", [(1, 27, "Garden", 2, _uuid(rng))])
    for row in range(1, PHOTOS + 1):
        picture, width, height = mosaic(f"{spec.seed} {row}")
        name, folder = f"IMG_{row:04d}.JPG", "DCIM/100APPLE"
        taken = spec.made_at - (PHOTOS + 1 - row) * 9 * _DAY
        stamp = taken - APPLE_EPOCH
        _insert(
            database,
            "ZASSET (Z_PK, ZUUID, ZDIRECTORY, ZFILENAME, ZUNIFORMTYPEIDENTIFIER, ZKIND, ZWIDTH, ZHEIGHT,"
            " ZFAVORITE, ZHIDDEN, ZTRASHEDSTATE, ZDATECREATED, ZADDEDDATE, ZADDITIONALATTRIBUTES)",
            [(row, _uuid(rng), folder, name, "public.jpeg", 0, width, height, 0, 0, 0, stamp, stamp, row)],
        )
        _insert(
            database,
            "ZADDITIONALASSETATTRIBUTES (Z_PK, ZASSET, ZORIGINALFILENAME, ZORIGINALFILESIZE)",
            [(row, row, name, len(picture))],
        )
        yield LifeFile("CameraRollDomain", f"Media/{folder}/{name}", picture, taken)
    path = "Media/PhotoData/Photos.sqlite"
    yield LifeFile("CameraRollDomain", path, _bytes(database), spec.made_at - 9 * _DAY)


def _calls(spec: PhoneSpec) -> LifeFile:
    rng = random.Random(f"{spec.seed} calls")
    calls = []
    for row in range(1, 13):
        person = rng.choice(_PEOPLE)
        answered = int(rng.random() < 0.8)
        when = spec.made_at - 14 * _DAY + row * 90_000 - APPLE_EPOCH
        length = float(rng.randrange(20, 1800)) if answered else 0.0
        mine = int(rng.random() < 0.5)
        calls.append((row, answered, 1, mine, when, length, person[2], person[0], _uuid(rng)))
    database = _database(_CALLS)
    columns = "Z_PK, ZANSWERED, ZCALLTYPE, ZORIGINATED, ZDATE, ZDURATION, ZADDRESS, ZNAME, ZUNIQUE_ID"
    _insert(database, f"ZCALLRECORD ({columns})", calls)
    path = "Library/CallHistoryDB/CallHistory.storedata"
    return LifeFile("HomeDomain", path, _bytes(database), spec.made_at - 2 * _DAY)


def _notes(spec: PhoneSpec) -> LifeFile:
    rng = random.Random(f"{spec.seed} notes")
    database = _database(_NOTES_SCHEMA)
    for row, (title, text) in enumerate(_NOTES, start=1):
        when = spec.made_at - row * 11 * _DAY - APPLE_EPOCH
        _insert(
            database,
            "ZICCLOUDSYNCINGOBJECT (Z_PK, ZNOTEDATA, ZCREATIONDATE1, ZMODIFICATIONDATE1, ZTITLE1, ZSNIPPET,"
            " ZIDENTIFIER)",
            [(row, row, when, when, title, text, _uuid(rng))],
        )
        body = gzip.compress(_note_body(f"{title}\n{text}"), mtime=0)
        _insert(database, "ZICNOTEDATA (Z_PK, ZNOTE, ZDATA)", [(row, row, body)])
    domain = "AppDomainGroup-group.com.apple.notes"
    return LifeFile(domain, "NoteStore.sqlite", _bytes(database), spec.made_at - 11 * _DAY)


def _note_body(text: str) -> bytes:
    """A note as Notes stores it: nested protocol buffers, the text innermost."""
    body = text.encode()
    for field in (2, 3, 2):
        length = len(body)
        size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
        body = bytes([field << 3 | 2]) + size + body
    return body


def _container(app: AppSpec) -> str:
    return f"AppDomain-{app.bundle_id}"


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper()


def _database(schema: str) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:")
    database.executescript(schema)
    return database


def _insert(database: sqlite3.Connection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    marks = ", ".join("?" * len(rows[0]))
    database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - names from this file


def _bytes(database: sqlite3.Connection) -> bytes:
    """The file a database makes; the connection is closed."""
    database.commit()
    data = database.serialize()
    database.close()
    return data
