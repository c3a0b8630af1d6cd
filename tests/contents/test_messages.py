"""Conversations and messages, as every iOS stores them, and as hostile or damaged databases do."""

import base64
import contextlib
import json
import plistlib
import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibackup.apple.backup import Backup
from ibackup.contents.app_database import DAMAGED_PAGE, AppDatabase
from ibackup.contents.app_times import rfc3339
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.balloons import app_content, poll_change
from ibackup.contents.messages.message_types import (
    AppContent,
    Conversation,
    GroupEvent,
    GroupEventKind,
    Participant,
    TextMessage,
)
from ibackup.contents.messages.messages_reader import MessageReader
from ibackup.contents.people.addresses import AddressReader
from ibackup.contents.people.name_book import NameBook, NamedCard
from ibackup.simulator.life.made_archive import Url, keyed_archive
from ibackup.simulator.life.made_database import with_torn_pages
from ibackup.simulator.life.made_typedstream import message_body
from ibackup.simulator.life.messages_db import (
    TEXTED,
    MadeMessages,
    MadeText,
    MadeThread,
    made_guid,
    message_files,
    messages_database,
    tables,
)
from ibackup.simulator.life.thread_cases import CARDS, MADE_MESSAGES
from support.appdata import fixture
from support.minted import Mint, Spec

VERSIONS = [12, 14, 16, 18, 26]


def contacts() -> NameBook:
    book = NameBook(AddressReader(["DE"]))
    for number, name, addresses in CARDS:
        book.add(NamedCard(number, name), addresses)
    return book


@contextmanager
def read(data: bytes, gaps: Gaps | None = None, names: NameBook | None = None) -> Iterator[MessageReader]:
    """A reader of a database without its backup."""
    gaps = gaps if gaps is not None else Gaps()
    database = AppDatabase.open_plaintext([data], len(data), "sms.db")
    database.contents, database.gaps = "messages", gaps
    with MessageReader(database, names, gaps) as reader:
        yield reader


def everything(reader: MessageReader) -> dict[str, TextMessage]:
    return {
        each.id: each for conversation in reader.conversations() for each in reader.messages(conversation)
    }


def said(message: TextMessage) -> dict[str, object]:
    """What the tables of cases name."""
    app, reaction = message.app, message.reaction
    return {
        "text": message.text,
        "sender": message.sender.name,
        "from_me": message.from_me,
        "own_address": message.own_address,
        "service": message.service,
        "time": rfc3339(message.time),
        "read": rfc3339(message.read),
        "played": rfc3339(message.played),
        "flaws": message.flaws,
        "flaw_count": len(message.flaws),
        "pieces": tuple(
            (f"<{each.attachment}>" if each.attachment else each.text, each.styles) for each in message.pieces
        ),
        "mentions": tuple(each.mention for each in message.pieces if each.mention),
        "links": tuple(each.link for each in message.pieces if each.link),
        "attachments": tuple(each.name for each in message.attachments),
        "loose_attachments": tuple(each.name for each in message.loose_attachments),
        "present": tuple(not each.absent for each in message.attachments),
        "absent": tuple(each.absent for each in message.attachments),
        "transcripts": tuple(each.transcript for each in message.attachments),
        "descriptions": tuple(each.description for each in message.attachments),
        "reactions": tuple((each.emoji, each.sender.name) for each in message.reactions),
        "reaction_parts": tuple(each.part for each in message.reactions),
        "reaction": reaction and (reaction.emoji, reaction.sender.name),
        "edits": tuple(each.text for each in message.edits),
        "edited": message.edited,
        "unsent": message.unsent,
        "all_unsent": message.all_unsent,
        "reply_to": message.reply_to and (message.reply_to.id, message.reply_to.part),
        "effect": message.effect,
        "app": app and app.name,
        "app_title": app and app.title,
        "app_lines": app and app.lines,
        "app_link": app and app.link,
        "options": app and tuple((each.text, tuple(who.name for who in each.voters)) for each in app.options),
        "event": message.event and message.event.text,
        "voice": message.voice,
        "failed": message.failed,
        "scheduled": message.scheduled,
        "filtered": message.filtered,
        "is_deleted": message.is_deleted,
        "deleted_parts": tuple(each.text for each in message.deleted_parts),
    }  # fmt: skip


def described(conversation: Conversation) -> dict[str, object]:
    picture = conversation.picture
    return {
        "kind": conversation.kind.value,
        "group_name": conversation.group_name,
        "participants": tuple(each.name for each in conversation.participants),
        "former": tuple(each.name for each in conversation.former),
        "services": conversation.services,
        "guids": conversation.guids,
        "filtered": conversation.filtered,
        "archived": conversation.archived,
        "messages": conversation.messages,
        "picture": picture and picture.name,
    }


def wanted(text: MadeText) -> dict[str, object]:
    says = dict(text.says or {})
    reply = says.get("reply_to")
    if isinstance(reply, tuple):
        says["reply_to"] = (made_guid(reply[0]), reply[1])
    return says


def backed_up(mint: Mint, made: MadeMessages, ios: int) -> Backup:
    specs = [Spec(file.domain, file.path, content=file.data) for file in message_files(made, ios)]
    folders = [spec.path.rpartition("/")[0] for spec in specs if spec.path.endswith("/inside.txt")]
    specs += [Spec("MediaDomain", folder, flags=2) for folder in folders]
    return Backup.open(mint(specs=specs).folder)


@pytest.mark.parametrize("ios", VERSIONS)
def test_every_case_of_the_table(mint: Mint, ios: int) -> None:
    gaps = Gaps()
    with backed_up(mint, MADE_MESSAGES, ios) as backup:
        reader = MessageReader.of(backup, gaps, lambda _own: contacts())
        assert reader is not None
        with reader:
            found = everything(reader)
            titles: dict[str, list[dict[str, object]]] = {}
            for conversation in reader.conversations():
                titles.setdefault(conversation.title, []).append(described(conversation))
                assert conversation.messages == len(list(reader.messages(conversation)))
    texts = [text for text in MADE_MESSAGES.texts if text.since <= ios]
    assert set(found) == {text.guid for text in texts if text.says is not None}
    for text in texts:
        if text.says is not None:
            says = said(found[text.guid])
            for name, value in wanted(text).items():
                if ios_has(name, ios, text):
                    assert says[name] == value, (text.case, name)
    for title, expected in MADE_MESSAGES.conversations:
        matching = [each for each in titles[title] if expected.items() <= each.items()]
        assert len(matching) == 1, (title, titles[title])


def ios_has(name: str, ios: int, text: MadeText) -> bool:
    """Older phones have text beside the body, and no name for the filter."""
    if ios < 16 and text.case in {"truncated body", "nothing at all"}:
        return False
    return not (name == "filtered" and ios < 26)


# -- which threads are one conversation ------------------------------------------------------------------------


def listed(data: bytes, names: NameBook | None = None) -> dict[str, Conversation]:
    with read(data, names=names) as reader:
        return {each.id: each for each in reader.conversations()}


def test_without_contacts_the_phones_own_word_counts() -> None:
    guids = {each.guids for each in listed(messages_database(MADE_MESSAGES, 26).data()).values()}
    assert ("iMessage;-;+4915550000001", "SMS;-;+4915550000001") in guids
    assert ("iMessage;-;ada@example.org",) in guids
    assert ("iMessage;-;dan@example.org", "SMS;-;+4915550000004") in guids


@pytest.mark.parametrize(("ios", "together"), [(16, False), (18, True)])
def test_threads_that_the_app_puts_together(ios: int, together: bool) -> None:
    made = replace(MADE_MESSAGES, persons={})
    guids = {each.guids for each in listed(messages_database(made, ios).data()).values()}
    assert (("iMessage;-;dan@example.org", "SMS;-;+4915550000004") in guids) is together


def test_ids_stay_when_threads_and_messages_come_and_go() -> None:
    names = contacts()
    before = MADE_MESSAGES
    later = replace(
        before,
        handles={**before.handles, "ada by RCS": "+4915550000001/RCS"},
        threads=(*before.threads, MadeThread(key="ada by RCS", handles=("ada by RCS",), service="RCS")),
        texts=(
            *before.texts[1:],
            MadeText(case="newest", text="Hi", threads=("ada by RCS",), sender="ada by RCS"),
        ),
    )
    first = listed(messages_database(before).data(), names)
    second = listed(messages_database(later).data(), names)
    assert list(first) == list(second)
    assert {each.title for each in second.values()} == {each.title for each in first.values()}
    ada = second["+4915550000001"]
    assert ada.title == "Ada"
    assert "RCS;-;+4915550000001" in ada.guids


def test_a_new_ios_names_the_service_any() -> None:
    threads = tuple(
        replace(each, columns={**each.columns, "guid": "any;-;+4915550000001"}) if each.key == "ada" else each
        for each in MADE_MESSAGES.threads
    )
    found = listed(messages_database(replace(MADE_MESSAGES, threads=threads)).data(), contacts())
    assert found["+4915550000001"].title == "Ada"


def test_threads_with_one_identifier_stay_apart_if_one_is_a_group() -> None:
    threads = (
        MadeThread(key="one", handles=("ada",), lookup=(("same", "iMessage"),)),
        MadeThread(key="two", handles=("ada",), group=True, lookup=(("same", "SMS"),)),
    )
    texts = tuple(MadeText(case=key, text=key, threads=(key,)) for key in ("one", "two"))
    made = replace(MADE_MESSAGES, threads=threads, texts=texts)
    assert len(listed(messages_database(made).data())) == 2


def test_messages_in_no_chat_are_with_the_person_they_came_from_or_went_to() -> None:
    texts = (
        MadeText(case="from", text="from", threads=(), sender="clo"),
        MadeText(
            case="to",
            text="to",
            threads=(),
            columns={"handle_id": list(MADE_MESSAGES.handles).index("clo") + 1},
        ),
        MadeText(case="nobody", text="nobody", threads=()),
    )
    with read(messages_database(replace(MADE_MESSAGES, texts=texts)).data(), names=contacts()) as reader:
        found = {each.title: [one.text for one in reader.messages(each)] for each in reader.conversations()}
    assert found == {"Clo\u202e (not in any chat)": ["from", "to"], "Sent (not in any chat)": ["nobody"]}


def test_payloads_of_an_unknown_kind_are_no_damage() -> None:
    texts = (
        MadeText(
            case="plain", columns={"balloon_bundle_id": "x:y", "payload_data": plistlib.dumps({"an": "Y"})}
        ),
        MadeText(case="odd", columns={"balloon_bundle_id": "x:y", "payload_data": b"\x08\x01"}),
    )
    gaps = Gaps()
    with read(messages_database(replace(MADE_MESSAGES, texts=texts)).data(), gaps) as reader:
        apps = [each.app.name for each in everything(reader).values() if each.app is not None]
    assert apps == ["Y", "y"]
    assert [(gap.reason, gap.damage) for gap in gaps] == [
        ("a message with an app's content that is not understood", False)
    ]


# -- order and time ---------------------------------------------------------------------------------------------


def test_messages_come_in_the_order_of_their_times() -> None:
    texts = [
        MadeText(case="b", text="b", at=20),
        MadeText(case="no time", text="after b", columns={"date": None}),
        MadeText(case="a", text="a", at=10),
        MadeText(case="same", text="same as a", at=10),
        MadeText(case="c", text="c", at=30),
    ]
    with read(messages_database(replace(MADE_MESSAGES, texts=tuple(texts))).data()) as reader:
        (conversation,) = reader.conversations()
        assert [each.text for each in reader.messages(conversation)] == [
            "a",
            "same as a",
            "b",
            "after b",
            "c",
        ]
        start = datetime.fromtimestamp(TEXTED, UTC)
        since, until = start + timedelta(seconds=20), start + timedelta(seconds=30)
        assert [each.text for each in reader.messages(conversation, since=since, until=until)] == [
            "b",
            "after b",
        ]
        assert [each.text for each in reader.messages(conversation, until=since)] == ["a", "same as a"]
        assert (rfc3339(conversation.first), rfc3339(conversation.last)) == (
            "2024-03-01T10:00:10Z", "2024-03-01T10:00:30Z",
        )  # fmt: skip


# -- against plain SQL, and real databases ----------------------------------------------------------------------


def in_sql(data: bytes, query: str) -> list[Any]:
    database = sqlite3.connect(":memory:")
    with contextlib.closing(database):
        database.deserialize(data)
        return database.execute(query).fetchall()


@pytest.mark.parametrize("ios", VERSIONS)
def test_every_row_is_a_message_or_belongs_to_one(ios: int) -> None:
    data = messages_database(MADE_MESSAGES, ios).data()
    with read(data) as reader:
        found = everything(reader)
    rows = in_sql(data, "SELECT guid, associated_message_type FROM message")
    folded = {guid for guid, kind in rows if kind >= 1000 or kind == 3}
    gone = made_guid("reaction to what is gone")
    assert set(found) == {guid for guid, _ in rows} - folded | {gone}


def real_databases() -> Iterator[tuple[str, bytes]]:
    for parts in (("imessage-exporter", "db", "test.db"), ("novkostya-messages", "messages.1.sms.db")):
        yield "/".join(parts), fixture(*parts).read_bytes()
    phone = fixture("..", "real-ios-14.3", "3d", "3d0d7e5fb2ce288813306e4d4636395e047a3d28")
    yield "iOS 14.3", phone.read_bytes()


def test_databases_that_others_made() -> None:
    for name, data in real_databases():
        with read(data) as reader:
            found = everything(reader)
        rows = in_sql(data, "SELECT guid, is_from_me, associated_message_type FROM message")
        assert set(found) == {guid for guid, _, kind in rows if kind < 1000}, name
        assert all(found[guid].from_me == bool(mine) for guid, mine, kind in rows if kind < 1000), name


def test_what_is_in_databases_that_others_made() -> None:
    found: dict[str, TextMessage] = {}
    for _, data in real_databases():
        with read(data) as reader:
            found |= everything(reader)
    link = found["FAKEGUID-D0C8-4212-AA87-DD8AE4FD1203"]
    assert link.app is not None
    assert (link.app.name, link.app.link) == (
        "Link",
        "https://www.ghacks.net/2020/01/23/lastpass-no-longer-listed-on-the-chrome-web-store/",
    )
    assert link.app.title
    sticker = found["0355C6E1-D0C8-4212-AA87-DD8AE4FD1203"]
    assert sticker.text.endswith("going to try to eat as quick as possible and then come over")
    assert [each.sticker for each in sticker.attachments]
    assert [each.emoji for each in found["fx-msg-0002"].reactions] == ["❤️"]
    assert (
        found["FDC6EC94-9D5A-434D-90FA-BF170E10A311"].text
        == "Please click here https://badbadbad.example.org/"
    )


def test_apps_of_real_messages() -> None:
    folder = fixture("imessage-exporter", "app_message")
    bundle = "com.apple.messages.MSMessageExtensionBalloonPlugin:0:"

    def app(file: str, name: str) -> AppContent:
        return app_content(bundle + name, (folder / file).read_bytes())[0]

    poll = app("PollCreate.plist", "com.apple.messages.Polls")
    assert (poll.name, [each.text for each in poll.options][:2]) == ("Polls", ["Option 1", "Option 2"])
    votes = poll_change((folder / "PollVote.plist").read_bytes()).votes
    assert votes == {"+12223334444": ("58B59D74-EF73-4BA7-AA8E-5A30FBAF3F44",)}
    photos = app("Slideshow.plist", "com.apple.mobileslideshow.PhotosMessagesApp")
    assert (photos.name, photos.title, photos.link) == (
        "Photos", "Home - 37 Photos", "https://share.icloud.com/photos/1337h4x0r_jk#Home",
    )  # fmt: skip
    assert app("CheckinTimer.plist", "com.apple.SafetyMonitorApp").title == "Check\xa0In: Timer Started"
    assert app("FindMy.plist", "com.apple.findmy.FindMyMessagesApp").title == "Started Sharing Location"
    assert app("Business.plist", "com.apple.icloud.apps.messages.business").title.startswith(
        "Yes, connect me"
    )


def test_half_a_character_in_a_poll_can_be_written() -> None:
    option = {"optionIdentifier": "x", "text": "a\ud800b"}
    packed = base64.urlsafe_b64encode(
        json.dumps({"item": {"orderedPollOptions": [option]}}).encode()
    ).decode()
    payload = keyed_archive({"an": "Polls", "URL": Url(f"data:,{packed}")})
    content, _ = app_content("x:com.apple.messages.Polls", payload)
    assert [each.text.encode() for each in content.options] == [b"a?b"]


def test_someone_called_me_is_not_the_owner() -> None:
    actor = Participant("+4915550000001", "Me")
    assert GroupEvent(GroupEventKind.LEFT, actor).text == "Me left the conversation"
    assert GroupEvent(GroupEventKind.LEFT, Participant("", "Me")).text == "You left the conversation"


# -- odd and damaged databases ----------------------------------------------------------------------------------


def many(count: int) -> MadeMessages:
    return replace(
        MADE_MESSAGES,
        threads=MADE_MESSAGES.threads[:4],
        texts=tuple(
            MadeText(
                case=f"many {number}",
                text=f"text {number} " + "x" * 200,
                threads=(("ada", "bob")[number % 2],),
            )
            for number in range(count)
        ),
    )


def test_texts_in_utf_16() -> None:
    with read(messages_database(MADE_MESSAGES, 14, utf16=True).data()) as reader:
        assert everything(reader)[made_guid("plain")].text == "See you at the station at seven."


@pytest.mark.parametrize(
    "table", ["message", "chat_message_join", "message_attachment_join", "handle", "chat"]
)
def test_reading_goes_on_behind_a_damaged_page(table: str) -> None:
    data = messages_database(many(3000)).data()
    pages = in_sql(data, f"SELECT pageno FROM dbstat WHERE name = '{table}' AND pagetype = 'leaf'")
    torn = with_torn_pages(data, pages[len(pages) // 2][0])
    gaps = Gaps()
    with read(torn, gaps) as reader:
        found = everything(reader)
    if table == "message":
        assert 2900 < len(found) < 3000
        assert [(gap.reason, gap.damage) for gap in gaps] == [(DAMAGED_PAGE, True)]
    else:
        assert len(found) == 3000  # some of them in no chat, or from someone unknown


def test_indexes_of_the_database_are_not_used() -> None:
    """One that is empty, as after damage, hides every row from whoever asks it."""
    made = messages_database(many(50))
    made.run("CREATE INDEX of_messages ON chat_message_join (message_id, chat_id)")
    made.run("CREATE INDEX of_dates ON message (date)")
    made.run("PRAGMA writable_schema = ON")
    made.run("CREATE TABLE empty_one (a, b, c)")
    made.run("UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'empty_one')"
             " WHERE name LIKE 'of_%'")  # fmt: skip
    with read(made.data()) as reader:
        assert len(everything(reader)) == 50
        assert [each.messages for each in reader.conversations()] == [25, 25]


def test_a_view_that_bears_the_name_of_a_table_is_refused() -> None:
    made = messages_database(many(3))
    made.run("ALTER TABLE message RENAME TO hidden")
    made.run("CREATE VIEW message AS SELECT * FROM hidden")
    gaps = Gaps()
    with read(made.data(), gaps) as reader:
        assert everything(reader) == {}
    assert [gap.reason for gap in gaps] == ["the database has no table of messages"]


@pytest.mark.parametrize("missing", sorted(set(tables(26)) - {"message"}))
def test_a_missing_table_costs_only_what_it_held(missing: str) -> None:
    made = messages_database(MADE_MESSAGES)
    made.run(f"DROP TABLE {missing}")
    with read(made.data()) as reader:
        found = everything(reader)
    assert made_guid("plain") in found
    assert len(found) == sum(text.says is not None for text in MADE_MESSAGES.texts)


@pytest.mark.parametrize("missing", ["guid", "date", "handle_id", "attributedBody", "service", "item_type"])
def test_a_missing_column_costs_only_that_field(missing: str) -> None:
    made = messages_database(MADE_MESSAGES, 14)
    made.run(f"ALTER TABLE message DROP COLUMN {missing}")
    with read(made.data()) as reader:
        found = everything(reader)
    assert len(found) >= 60
    assert "See you at the station at seven." in {each.text for each in found.values()}


def test_newer_columns_do_no_harm() -> None:
    made = messages_database(MADE_MESSAGES)
    made.run("ALTER TABLE message ADD COLUMN is_from_the_future TEXT DEFAULT 'yes'")
    with read(made.data()) as reader:
        assert len(everything(reader)) == sum(text.says is not None for text in MADE_MESSAGES.texts)


CELLS = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace").decode()),
    st.binary(max_size=40),
    st.sampled_from([message_body("x")[:60], b"bplist00", "p:0/", "p:99999999999/x", 2000, 3000, 4000, 1, 6]),
)
COLUMNS = in_sql(messages_database(many(1)).data(), "SELECT name FROM pragma_table_info('message')")


@given(
    st.lists(
        st.dictionaries(st.sampled_from([name for (name,) in COLUMNS[1:]]), CELLS), min_size=1, max_size=5
    )
)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_values_in_any_columns_cost_no_message(rows: list[dict[str, object]]) -> None:
    made = messages_database(replace(MADE_MESSAGES, texts=MADE_MESSAGES.texts[:1]))
    for row in rows:
        made.add("message", {"text": "x", **row})
    with read(made.data()) as reader:
        found = everything(reader)
    assert made_guid("plain") in found
    for message in found.values():
        json.dumps(said(message), ensure_ascii=False, default=str).encode()


@pytest.mark.parametrize("table", ["chat", "handle", "attachment", "chat_message_join", "chat_handle_join"])
def test_odd_rows_of_other_tables(table: str) -> None:
    made = messages_database(MADE_MESSAGES)
    names = in_sql(messages_database(MADE_MESSAGES).data(), f"SELECT name FROM pragma_table_info('{table}')")
    for value in (None, -1, 1 << 62, 1.5, "text\0", b"\xff\xfe"):
        with contextlib.suppress(sqlite3.IntegrityError):
            made.add(table, {name: value for (name,) in names if name != "ROWID"})
    with read(made.data()) as reader:
        found = everything(reader)
        assert reader.conversations()
    assert made_guid("plain") in found


def test_a_bomb_costs_one_message() -> None:
    bomb = message_body("boom").replace(b"NSDictionary", b"NSDictionarx")
    lists = [
        {"NS.objects": [plistlib.UID(place + 2)] * 20, "$class": plistlib.UID(32)} for place in range(30)
    ]
    objects = ["$null", *lists, "leaf", {"$classname": "NSArray", "$classes": ["NSArray"]}]
    archive = plistlib.dumps(
        {"$top": {"root": plistlib.UID(1)}, "$objects": objects}, fmt=plistlib.FMT_BINARY
    )
    texts = (
        MadeText(case="before", text="before"),
        MadeText(case="bomb", columns={"attributedBody": bomb, "message_summary_info": archive}),
        MadeText(case="app", columns={"balloon_bundle_id": "a:b", "payload_data": archive}),
        MadeText(case="after", text="after"),
    )
    gaps = Gaps()
    with read(messages_database(replace(MADE_MESSAGES, texts=texts)).data(), gaps) as reader:
        found = everything(reader)
    assert [each.text for each in found.values()] == ["before", "boom", "", "after"]
    assert "a message with an app's content that is not understood" in {gap.reason for gap in gaps}


def test_memory_does_not_grow_with_the_texts() -> None:
    """Two million messages must fit: 40 bytes of each are kept, and a conversation's texts never."""
    data = messages_database(many(8_000)).data()
    tracemalloc.start()
    try:
        with read(data) as reader:
            start = tracemalloc.get_traced_memory()[0]
            kept = start
            for conversation in reader.conversations():
                for _ in reader.messages(conversation):
                    pass
            grown = tracemalloc.get_traced_memory()[0] - start
    finally:
        tracemalloc.stop()
    assert kept < 8_000 * 40 + 200_000
    assert grown < 200_000
