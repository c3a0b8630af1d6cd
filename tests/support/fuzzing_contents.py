"""What the fuzzers try of the readers of contents: what apps packed into their databases."""

import plistlib
from dataclasses import replace

from ibackup.contents.app_database import AppDatabase
from ibackup.contents.decoding import typedstream
from ibackup.contents.decoding.archived_objects import plain_plist, unarchive
from ibackup.contents.decoding.gunzip import gunzip
from ibackup.contents.decoding.protobuf import ProtoMessage
from ibackup.contents.decoding.undecodable import Undecodable
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.messages_reader import MessageReader
from ibackup.simulator.life.made_archive import OfClass, Url, keyed_archive
from ibackup.simulator.life.made_protobuf import block, number
from ibackup.simulator.life.made_typedstream import MESSAGE_PART, Value, attributed, message_body
from ibackup.simulator.life.messages_db import messages_database
from ibackup.simulator.life.thread_cases import MADE_MESSAGES

TEXT_WORDS = (
    b"\x84\x84\x84",
    b"\x92\x84",
    b"\x86\x86",
    b"\x84\x02iI",
    b"[9c]",
    b"{a=ii}",
    b"NSURL",
    b"NSArray",
    b"\x81\xff\xff",
    b"\x82\xff\xff\xff\x7f",
)
PROTO_WORDS = (b"\x08\x01", b"\x0a\x00", b"\xff\xff\xff\xff\x0f", b"\x1f\x8b\x08")
ARCHIVE_WORDS = (
    b"$objects",
    b"$top",
    b"NS.keys",
    b"NS.objects",
    b"NS.base",
    b"NSURL",
    b"NSArray",
    b"\x80\x01",
    b"bplist00",
)


def attributed_text(data: bytes) -> None:
    """Its pieces are its text; the quick way and the whole way agree."""
    found = typedstream.attributed_text(data)
    assert "".join(piece for piece, _ in found.pieces()) == found.text
    assert len(found.runs) <= typedstream.MAX_RUNS
    quick = typedstream._plain_text(data)
    assert quick is None or quick == typedstream._read(data)
    found.text.encode()


def text_seeds() -> list[bytes]:
    part = {MESSAGE_PART: 0}
    link: dict[str, Value] = {
        "__kIMLinkAttributeName": "https://a.example",
        "n": b"\0\1",
        "r": 1.5,
        "d": {"code": "1"},
        **part,
    }
    return [
        message_body("Grüße ☀️"),
        attributed([("a😀", part), ("b", link), ("c", part)], mutable=True),
        attributed([("x" * 300, part)]),
    ]


def protobuf(data: bytes) -> None:
    """Every field as everything that it could be, three levels deep; compressed or not."""
    if data.startswith(b"\x1f\x8b"):
        data = gunzip(data, limit=1 << 20)
    _look(ProtoMessage(data), 0)


def _look(message: ProtoMessage, depth: int) -> None:
    for field in message.numbers():
        message.real(field)
        message.signed(field)
        text = message.text(field)
        assert text is None or text.encode() is not None
        try:
            for inner in message.messages(field):
                if depth < 3:
                    _look(inner, depth + 1)
        except Undecodable:
            continue  # it was a text


def proto_seeds() -> list[bytes]:
    note = block(2, block(3, block(2, "Title\nText"), block(5, number(1, 5), block(2, number(1, 103)))))
    return [number(1, 300) + block(2, note), b"\x09" + bytes(8) + b"\x15" + bytes(4), b"\x1f\x8b\x08"]


def archive(data: bytes) -> None:
    """It unfolds to what can be walked."""
    plain_plist(data)
    level, count = [unarchive(data)], 0
    while level:
        count += len(level)
        assert count < 1_000_000
        level = [below for each in level for below in _below(each)]


def _below(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def archive_seeds() -> list[bytes]:
    content = {"an": "Polls", "URL": Url("data:,e30="), "list": [1, [2.5, None]], "data": b"\0"}
    link = OfClass("LPLinkMetadata", {"title": "A", "URL": Url("https://a.example")})
    frame = {"$top": {"root": {"CF$UID": 1}}, "$objects": ["$null", {"NS.objects": [{"CF$UID": 1}]}]}
    return [keyed_archive(content), keyed_archive({"richLinkMetadata": link}), plistlib.dumps(frame)]


def messages(data: bytes) -> None:
    """A database of Messages: everything in it is read, and can be written as text."""
    gaps = Gaps()
    database = AppDatabase.open_plaintext([data], len(data), "sms.db")
    database.contents, database.gaps = "messages", gaps
    with MessageReader(database, None, gaps) as reader:
        for conversation in reader.conversations():
            conversation.title.encode()
            for message in reader.messages(conversation):
                f"{message}".encode()
    list(gaps)


def message_seeds() -> list[bytes]:
    few = replace(MADE_MESSAGES, texts=MADE_MESSAGES.texts[:3])
    return [messages_database(few, ios).data() for ios in (12, 26)]
