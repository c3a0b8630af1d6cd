"""WhatsApp's databases made by code, with what a correct reader says of each message and chat.

The columns are those of a database of iOS 15 and of several readers. Codes of group events are not known.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, stamp
from ibackup.simulator.life.made_protobuf import block, number

DOMAIN = "AppDomainGroup-group.net.whatsapp.WhatsApp.shared"
BUSINESS_DOMAIN = "AppDomainGroup-group.net.whatsapp.WhatsAppSMB.shared"
SENT = 1_717_322_400
"""When the first message was sent: 2024-06-02T10:00:00Z; each further one a minute later."""

_TABLES: Mapping[str, str] = {
    "ZWACHATSESSION": """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZARCHIVED INTEGER, ZGROUPINFO INTEGER,
 ZMESSAGECOUNTER INTEGER, ZREMOVED INTEGER, ZSESSIONTYPE INTEGER, ZLASTMESSAGEDATE TIMESTAMP,
 ZCONTACTJID VARCHAR, ZPARTNERNAME VARCHAR""",
    "ZWAMESSAGE": """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZCHATSESSION INTEGER, ZGROUPEVENTTYPE INTEGER,
 ZGROUPMEMBER INTEGER, ZISFROMME INTEGER, ZMEDIAITEM INTEGER, ZMESSAGEINFO INTEGER, ZMESSAGETYPE INTEGER,
 ZPARENTMESSAGE INTEGER, ZSTARRED INTEGER, ZMESSAGEDATE TIMESTAMP, ZSENTDATE TIMESTAMP, ZFROMJID VARCHAR,
 ZPUSHNAME VARCHAR, ZSTANZAID VARCHAR, ZTEXT VARCHAR, ZTOJID VARCHAR""",
    "ZWAMEDIAITEM": """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZFILESIZE INTEGER, ZMESSAGE INTEGER,
 ZMOVIEDURATION INTEGER, ZLATITUDE FLOAT, ZLONGITUDE FLOAT, ZAUTHORNAME VARCHAR, ZMEDIALOCALPATH VARCHAR,
 ZMEDIAURL VARCHAR, ZTITLE VARCHAR, ZVCARDNAME VARCHAR, ZVCARDSTRING VARCHAR, ZMEDIAKEY BLOB, ZMETADATA BLOB""",
    "ZWAMESSAGEDATAITEM": """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZMESSAGE INTEGER, ZTYPE INTEGER,
 ZCONTENT1 VARCHAR, ZCONTENT2 VARCHAR, ZMATCHEDTEXT VARCHAR, ZSUMMARY VARCHAR, ZTITLE VARCHAR""",
    "ZWAMESSAGEINFO": "Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZMESSAGE INTEGER, ZRECEIPTINFO BLOB",
    "ZWAGROUPINFO": "Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZCHATSESSION INTEGER, ZCREATIONDATE TIMESTAMP",
    "ZWAGROUPMEMBER": """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZCHATSESSION INTEGER, ZISACTIVE INTEGER,
 ZCONTACTNAME VARCHAR, ZFIRSTNAME VARCHAR, ZMEMBERJID VARCHAR""",
    "ZWAPROFILEPUSHNAME": "Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZJID VARCHAR, ZPUSHNAME VARCHAR",
    "ZWAVCARDMENTION": "Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZMEDIAITEM INTEGER, ZWHATSAPPID VARCHAR",
}
_CONTACTS = """Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZFULLNAME VARCHAR, ZGIVENNAME VARCHAR, ZPHONENUMBER VARCHAR,
 ZWHATSAPPID VARCHAR, ZLID VARCHAR, ZABOUTTEXT VARCHAR"""
_LIDS = "Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZLID VARCHAR, ZPHONENUMBER VARCHAR"


@dataclass(frozen=True, kw_only=True)
class MadeMedia:
    """What a message carries: a file, a place or a name card.

    Attributes:
        name: the file's name; empty if it was never downloaded.
        present: whether the backup has the file.
        mime: its type.
        title: caption, or name of a document.
        duration: seconds.
        latitude: degrees; of a picture, its width in pixels.
        longitude: degrees; of a picture, its height.
        quoted: identifier of the message that this one answers.
    """

    name: str = ""
    present: bool = True
    mime: str | None = None
    title: str | None = None
    duration: int = 0
    latitude: float = 0.0
    longitude: float = 0.0
    quoted: str = ""


@dataclass(frozen=True, kw_only=True)
class MadeChatMessage:
    """A message.

    Attributes:
        case: what is special about it; its identifier follows from it.
        text: ZTEXT.
        kind: ZMESSAGETYPE.
        mine: whether the phone's owner sent it.
        member: in a group, the number of the member who sent it.
        media: what it carries.
        reactions: who reacted (None: not named) and with what.
        push_name: ZPUSHNAME.
        columns: further columns.
        says: what a correct reader says of it, by the names of its fields.
    """

    case: str
    text: str | None = None
    kind: int = 0
    mine: bool = False
    member: int | None = None
    media: MadeMedia | None = None
    reactions: tuple[tuple[str | None, str], ...] = ()
    push_name: str | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    says: Mapping[str, object] = field(default_factory=dict)

    @property
    def stanza(self) -> str:
        """ZSTANZAID."""
        return identifier(self.case)


@dataclass(frozen=True, kw_only=True)
class MadeChat:
    """A chat; `members` are the number, the address and the name of those in a group."""

    jid: str
    name: str | None
    kind: int = 0
    members: tuple[tuple[int, str, str | None], ...] = ()
    messages: tuple[MadeChatMessage, ...] = ()
    columns: Mapping[str, object] = field(default_factory=dict)
    says: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MadeWhatsApp:
    """All of it: the chats, push names, the app's own contacts (None: no such file), and hidden numbers."""

    chats: tuple[MadeChat, ...]
    push_names: tuple[tuple[str, str], ...] = ()
    contacts: tuple[tuple[str, str], ...] | None = None
    lids: tuple[tuple[str, str], ...] | None = None


def identifier(case: str) -> str:
    """A message's ZSTANZAID."""
    return hashlib.sha256(case.encode()).hexdigest()[:20].upper()


def files(made: MadeWhatsApp, *, domain: str = DOMAIN) -> Iterator[LifeFile]:
    """The databases, and the media that the backup has."""
    yield LifeFile(domain, "ChatStorage.sqlite", filled(made).data(), SENT)
    if made.contacts is not None:
        database = MadeDatabase({"ZWAADDRESSBOOKCONTACT": _CONTACTS})
        for jid, name in made.contacts:
            database.add("ZWAADDRESSBOOKCONTACT", {"ZWHATSAPPID": jid, "ZFULLNAME": name})
        yield LifeFile(domain, "ContactsV2.sqlite", database.data(), SENT)
    if made.lids is not None:
        database = MadeDatabase({"ZWAPHONENUMBERLIDPAIR": _LIDS})
        for lid, phone in made.lids:
            database.add("ZWAPHONENUMBERLIDPAIR", {"ZLID": lid, "ZPHONENUMBER": phone})
        yield LifeFile(domain, "LID.sqlite", database.data(), SENT)
    for chat in made.chats:
        for message in chat.messages:
            if message.media and message.media.name and message.media.present:
                path = media_path(chat, message.media)
                yield LifeFile(domain, f"Message/{path}", content_of(message.media.name), SENT)


def media_path(chat: MadeChat, media: MadeMedia) -> str:
    """ZMEDIALOCALPATH."""
    return f"Media/{chat.jid}/a/b/{media.name}"


def content_of(name: str) -> bytes:
    """What a file holds: a real picture if it is a JPEG."""
    return mosaic(name)[0] if name.endswith(".jpg") else f"made for {name}\n".encode()


def filled(made: MadeWhatsApp, *, utf16: bool = False) -> MadeDatabase:
    """`ChatStorage.sqlite` before it is a file, for tests that change it."""
    database = MadeDatabase(_TABLES, utf16=utf16)
    for jid, name in made.push_names:
        database.add("ZWAPROFILEPUSHNAME", {"ZJID": jid, "ZPUSHNAME": name})
    minute = 0
    for at, chat in enumerate(made.chats, start=1):
        row: dict[str, object] = {
            "Z_PK": at,
            "ZCONTACTJID": chat.jid,
            "ZPARTNERNAME": chat.name,
            "ZSESSIONTYPE": chat.kind,
            "ZREMOVED": 0,
            "ZARCHIVED": 0,
        }
        if chat.kind == 1:
            row["ZGROUPINFO"] = database.add(
                "ZWAGROUPINFO", {"ZCHATSESSION": at, "ZCREATIONDATE": stamp(SENT)}
            )
        database.add("ZWACHATSESSION", {**row, **chat.columns})
        for pk, jid, called in chat.members:
            member = {
                "Z_PK": pk,
                "ZCHATSESSION": at,
                "ZMEMBERJID": jid,
                "ZCONTACTNAME": called,
                "ZISACTIVE": 1,
            }
            database.add("ZWAGROUPMEMBER", member)
        for message in chat.messages:
            _add_message(database, chat, at, message, SENT + 60 * minute)
            minute += 1
    return database


def _add_message(
    database: MadeDatabase, chat: MadeChat, session: int, message: MadeChatMessage, when: float
) -> None:
    row: dict[str, object] = {
        "ZCHATSESSION": session,
        "ZMESSAGETYPE": message.kind,
        "ZTEXT": message.text,
        "ZISFROMME": int(message.mine),
        "ZGROUPMEMBER": message.member,
        "ZMESSAGEDATE": stamp(when),
        "ZSENTDATE": stamp(when),
        "ZSTANZAID": message.stanza,
        "ZPUSHNAME": message.push_name,
        "ZSTARRED": 0,
        ("ZTOJID" if message.mine else "ZFROMJID"): chat.jid,
    }
    if message.media is not None:
        media = message.media
        item = {
            "ZMEDIALOCALPATH": media_path(chat, media) if media.name else None,
            "ZVCARDSTRING": media.mime,
            "ZTITLE": media.title,
            "ZMOVIEDURATION": media.duration,
            "ZLATITUDE": media.latitude,
            "ZLONGITUDE": media.longitude,
            "ZMETADATA": block(5, media.quoted) if media.quoted else None,
        }
        row["ZMEDIAITEM"] = database.add("ZWAMEDIAITEM", item)
    if message.reactions:
        row["ZMESSAGEINFO"] = database.add(
            "ZWAMESSAGEINFO", {"ZRECEIPTINFO": receipt(message.reactions, when)}
        )
    database.add("ZWAMESSAGE", {**row, **message.columns})


def receipt(reactions: tuple[tuple[str | None, str], ...], when: float) -> bytes:
    """ZRECEIPTINFO with reactions; each has its time in milliseconds since 1970 (order of its fields unconfirmed)."""
    entries = []
    for at, (jid, emoji) in enumerate(reactions):
        fields = [block(1, f"KEY{at}")]
        if jid is not None:
            fields.append(block(2, jid))
        fields += [block(3, emoji), number(4, int(when * 1000))]
        entries.append(block(1, *fields))
    return block(7, *entries)
