"""A store of notes made by code: `NoteStore.sqlite` and its attachments, with what a correct reader says of each note.

The columns are those of databases of iOS 17 and macOS 12 to 26 that others described; those of iOS 13 and 14 are
unconfirmed. Notes, folders, accounts and attachments share one table and differ by their class, whose number changes
from one iOS to the next.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, stamp

_T = TypeVar("_T")

DOMAIN = "AppDomainGroup-group.com.apple.notes"
STORE = "NoteStore.sqlite"
MADE = 1_717_322_400
"""When the notes were made: 2024-06-02T10:00:00Z; each was changed an hour later."""
ACCOUNT = "A0000000-0000-4000-8000-000000000001"

_CLASSES = (
    "ICCloudSyncingObject",
    "ICAccount",
    "ICFolder",
    "ICNote",
    "ICAttachment",
    "ICInlineAttachment",
    "ICMedia",
)
_FIRST_CLASS: Mapping[int, int] = {12: 3, 14: 4, 17: 8, 18: 9}
"""The number of the first class; so ICNote is 11 on iOS 17 and 12 on iOS 18 and later."""
_OWNER: Mapping[int, str] = {12: "ZACCOUNT2", 13: "ZACCOUNT3", 15: "ZACCOUNT4", 16: "ZACCOUNT7"}
_OBJECT = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZFOLDER INTEGER, ZFOLDERTYPE INTEGER,
 ZISPASSWORDPROTECTED INTEGER, ZISPINNED INTEGER, ZMARKEDFORDELETION INTEGER, ZMEDIA INTEGER, ZNOTE INTEGER,
 ZNOTEDATA INTEGER, ZPARENT INTEGER, ZPARENTATTACHMENT INTEGER, ZACCOUNT2 INTEGER, ZACCOUNT3 INTEGER,
 ZACCOUNT4 INTEGER, ZACCOUNT7 INTEGER, ZMODIFICATIONDATE1 TIMESTAMP, ZCREATIONDATE1 TIMESTAMP, ZALTTEXT VARCHAR,
 ZFILENAME VARCHAR, ZIDENTIFIER VARCHAR, ZNAME VARCHAR, ZPASSWORDHINT VARCHAR, ZSMARTFOLDERQUERYJSON VARCHAR,
 ZSNIPPET VARCHAR, ZSUMMARY VARCHAR, ZTITLE VARCHAR, ZTITLE1 VARCHAR, ZTITLE2 VARCHAR, ZTYPEUTI VARCHAR,
 ZTYPEUTI1 VARCHAR, ZNOTE1 INTEGER, ZMERGEABLEDATA BLOB, ZMERGEABLEDATA1 BLOB"""
_NEWER = ", ZCREATIONDATE3 TIMESTAMP, ZGENERATION1 VARCHAR"
_BODY = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZNOTE INTEGER, ZCRYPTOITERATIONCOUNT INTEGER,
 ZCRYPTOSALT BLOB, ZCRYPTOWRAPPEDKEY BLOB, ZCRYPTOINITIALIZATIONVECTOR BLOB, ZCRYPTOTAG BLOB, ZDATA BLOB"""


@dataclass(frozen=True, kw_only=True)
class MadeFolder:
    """A folder of notes. `kind` is 1 for the trash; a smart folder has a query and no notes of its own."""

    pk: int
    title: str
    parent: int | None = None
    kind: int = 0
    smart: bool = False
    deleted: int = 0


@dataclass(frozen=True, kw_only=True)
class MadeAttachment:
    """Something in a note.

    Attributes:
        identifier: what the note's text calls it.
        uti: its type.
        file_name: of its file; empty if it has none.
        present: whether the backup has the file.
        generation: whether its folder has one more level, as on iOS 17 and later.
        preview: whether there is a picture of it in `FallbackImages`.
        shown: ZALTTEXT, of what stands in the line.
        data: ZMERGEABLEDATA1.
        summary: ZSUMMARY.
        title: ZTITLE.
        parent: the identifier of the gallery that it is a page of.
    """

    identifier: str
    uti: str
    file_name: str = ""
    present: bool = True
    generation: bool = True
    preview: bool = False
    shown: str | None = None
    data: bytes | None = None
    summary: str | None = None
    title: str | None = None
    parent: str = ""

    @property
    def path(self) -> str:
        """Where its file is."""
        folder = f"Accounts/{ACCOUNT}/Media/{_media_id(self.identifier)}"
        return (
            f"{folder}/1_{_media_id(self.file_name)}/{self.file_name}"
            if self.generation
            else f"{folder}/{self.file_name}"
        )

    @property
    def preview_path(self) -> str:
        """Where its picture is."""
        return f"Accounts/{ACCOUNT}/FallbackImages/{self.identifier}.jpg"


@dataclass(frozen=True, kw_only=True)
class MadeNote:
    """A note.

    Attributes:
        case: what is special about it.
        title: ZTITLE1.
        data: ZDATA.
        folder: its folder's number.
        attachments: what is in it.
        columns: further columns of its row.
        crypto: columns of a locked note's body.
        says: what a correct reader says of it, by the names of its fields; None if it must not be listed.
    """

    case: str
    title: str | None
    data: bytes | None = None
    folder: int | None = 1
    attachments: tuple[MadeAttachment, ...] = ()
    columns: Mapping[str, object] = field(default_factory=dict)
    crypto: Mapping[str, object] = field(default_factory=dict)
    says: Mapping[str, object] | None = field(default_factory=dict)

    @property
    def identifier(self) -> str:
        """ZIDENTIFIER; it follows from the case."""
        return _media_id(self.case)


def store(
    notes: tuple[MadeNote, ...], folders: tuple[MadeFolder, ...], *, ios: int, utf16: bool = False
) -> bytes:
    """`NoteStore.sqlite` in the schema of an iOS, 12 or later."""
    return filled(notes, folders, ios=ios, utf16=utf16).data()


def filled(
    notes: tuple[MadeNote, ...], folders: tuple[MadeFolder, ...], *, ios: int, utf16: bool = False
) -> MadeDatabase:
    """The same before it is a file, for tests that change it."""
    database = MadeDatabase(
        {
            "ZICCLOUDSYNCINGOBJECT": _OBJECT + (_NEWER if ios >= 15 else ""),
            "ZICNOTEDATA": _BODY,
            "Z_PRIMARYKEY": "Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR, Z_SUPER INTEGER, Z_MAX INTEGER",
        },
        utf16=utf16,
    )
    classes = {name: _of(_FIRST_CLASS, ios) + at for at, name in enumerate(_CLASSES)}
    for name, number in classes.items():
        database.add("Z_PRIMARYKEY", {"Z_ENT": number, "Z_NAME": name, "Z_SUPER": 0, "Z_MAX": 0})
    account = {"Z_PK": 1000, "Z_ENT": classes["ICAccount"], "ZNAME": "iCloud", "ZIDENTIFIER": ACCOUNT}
    database.add("ZICCLOUDSYNCINGOBJECT", account)
    for folder in folders:
        row = {
            "Z_PK": folder.pk,
            "Z_ENT": classes["ICFolder"],
            "ZTITLE2": folder.title,
            "ZPARENT": folder.parent,
            "ZFOLDERTYPE": folder.kind,
            "ZMARKEDFORDELETION": folder.deleted,
            "ZIDENTIFIER": "TrashFolder-CloudKit" if folder.kind == 1 else _media_id(f"folder {folder.pk}"),
            "ZSMARTFOLDERQUERYJSON": '{"entity":"note"}' if folder.smart else None,
            "ZACCOUNT4": 1000,
        }
        database.add("ZICCLOUDSYNCINGOBJECT", row)
    for at, note in enumerate(notes):
        _add_note(database, note, 2000 + 100 * at, classes, ios)
    return database


def files(notes: tuple[MadeNote, ...], folders: tuple[MadeFolder, ...], *, ios: int) -> Iterator[LifeFile]:
    """The store, and the files of its attachments that the backup has."""
    yield LifeFile(DOMAIN, STORE, store(notes, folders, ios=ios), MADE)
    for note in notes:
        for attachment in note.attachments:
            if attachment.file_name and attachment.present:
                placed = replace(attachment, generation=attachment.generation and ios >= 15)
                yield LifeFile(DOMAIN, placed.path, content_of(attachment.file_name), MADE)
            if attachment.preview:
                yield LifeFile(DOMAIN, attachment.preview_path, content_of(attachment.preview_path), MADE)


def content_of(name: str) -> bytes:
    """What an attached file holds: a real picture if it is a JPEG."""
    return mosaic(name)[0] if name.lower().endswith(".jpg") else f"%PDF-1.4 {name}\n".encode()


def _add_note(database: MadeDatabase, note: MadeNote, pk: int, classes: Mapping[str, int], ios: int) -> None:
    created = "ZCREATIONDATE3" if ios >= 15 else "ZCREATIONDATE1"
    row: dict[str, object] = {
        "Z_PK": pk,
        "Z_ENT": classes["ICNote"],
        "ZTITLE1": note.title,
        "ZSNIPPET": "how it begins",
        "ZFOLDER": note.folder,
        "ZIDENTIFIER": note.identifier,
        "ZMODIFICATIONDATE1": stamp(MADE + 3600),
        created: stamp(MADE),
        _of(_OWNER, ios): 1000,
        "ZNOTEDATA": pk,
        "ZISPINNED": 0,
        "ZMARKEDFORDELETION": 0,
        "ZISPASSWORDPROTECTED": 0,
    }
    database.add("ZICCLOUDSYNCINGOBJECT", {**row, **note.columns})
    database.add("ZICNOTEDATA", {"Z_PK": pk, "ZNOTE": pk, "ZDATA": note.data, **note.crypto})
    numbers = {attachment.identifier: pk + 1 + at for at, attachment in enumerate(note.attachments)}
    for attachment in note.attachments:
        _add_attachment(database, attachment, pk, numbers, classes)


def _add_attachment(
    database: MadeDatabase,
    attachment: MadeAttachment,
    note: int,
    numbers: Mapping[str, int],
    classes: Mapping[str, int],
) -> None:
    inline = attachment.uti.startswith("com.apple.notes.inlinetextattachment")
    media = 0
    if attachment.file_name:
        row = {
            "Z_ENT": classes["ICMedia"],
            "ZIDENTIFIER": _media_id(attachment.identifier),
            "ZFILENAME": attachment.file_name,
            "ZGENERATION1": f"1_{_media_id(attachment.file_name)}" if attachment.generation else None,
        }
        media = database.add(
            "ZICCLOUDSYNCINGOBJECT", row | {"Z_PK": numbers[attachment.identifier] + 1_000_000}
        )
    row = {
        "Z_PK": numbers[attachment.identifier],
        "Z_ENT": classes["ICInlineAttachment" if inline else "ICAttachment"],
        "ZIDENTIFIER": attachment.identifier,
        "ZTYPEUTI1" if inline else "ZTYPEUTI": attachment.uti,
        "ZALTTEXT": attachment.shown,
        "ZMEDIA": media or None,
        "ZNOTE1" if inline else "ZNOTE": note,
        "ZMERGEABLEDATA1": attachment.data,
        "ZSUMMARY": attachment.summary,
        "ZTITLE": attachment.title,
        "ZPARENTATTACHMENT": numbers.get(attachment.parent),
    }
    database.add("ZICCLOUDSYNCINGOBJECT", row)


def _of(table: Mapping[int, _T], ios: int) -> _T:
    """What a table by iOS says of a version that is in it, or the last one before."""
    return table[max(version for version in table if version <= ios)]


def _media_id(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text)).upper()
