"""Parts of a conversation: the same messages as all of it, found by place, by time, by id and by their words."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from ibackup.apple.backup import Backup
from ibackup.contents.decoding.typedstream import surely_has_text
from ibackup.contents.gaps import Gaps
from ibackup.contents.messages.bodies import body_of
from ibackup.contents.messages.message_keys import message_ids
from ibackup.contents.messages.messages_reader import MessageReader
from ibackup.contents.row_names import RowNames
from ibackup.contents.whatsapp.whatsapp_store import WhatsAppStore
from ibackup.search.message_source import message_words
from ibackup.search.search_words import SearchWords
from ibackup.simulator.life import whatsapp_cases, whatsapp_db
from ibackup.simulator.life.made_typedstream import message_body
from ibackup.simulator.life.messages_db import MadeAttached, MadeMessages, MadeText, MadeThread, message_files
from ibackup.simulator.life.thread_cases import HANDLES, MADE_MESSAGES
from support.lives import backup_of
from support.minted import Mint


@contextmanager
def reading(mint: Mint, made: MadeMessages = MADE_MESSAGES) -> Iterator[tuple[Backup, MessageReader]]:
    with backup_of(mint, message_files(made, 26)) as backup:
        reader = MessageReader.of(backup, Gaps())
        assert reader is not None
        with reader:
            yield backup, reader


def test_the_parts_of_a_conversation_are_the_whole(mint: Mint) -> None:
    with reading(mint) as (_, reader):
        for conversation in reader.conversations():
            rows = reader.rows(conversation)
            assert len(rows) == conversation.messages
            whole = list(reader.messages(conversation))
            parts = [
                message
                for start in range(0, len(rows), 3)
                for message in reader.built(conversation, rows[start : start + 3])
            ]
            assert [each.id for each in parts] == [each.id for each in whole]
            assert [each.text for each in parts] == [each.text for each in whole]


def test_a_moment_has_a_place(mint: Mint) -> None:
    with reading(mint) as (_, reader):
        conversation = max(reader.conversations(), key=lambda each: each.messages)
        messages = list(reader.messages(conversation))
        for wanted in {each.time for each in messages if each.time is not None}:
            place = reader.place_at(conversation, wanted)
            assert all(each.time is None or each.time < wanted for each in messages[:place])
            assert messages[place].time in (None, wanted)
        assert [each.time and each.time.year for each in messages[-1:]] == [4001]
        assert reader.place_at(conversation, datetime(2200, 1, 1, tzinfo=UTC)) == len(messages) - 1
        until = reader.messages(conversation, until=datetime(9000, 1, 1, tzinfo=UTC))
        assert len(list(until)) == len(messages), "an end that no clock can show is none"
        assert reader.place_at(conversation, datetime(1, 1, 2, tzinfo=UTC)) == 0


def test_every_message_is_found_by_its_id(mint: Mint) -> None:
    with reading(mint) as (_, reader):
        for conversation in reader.conversations():
            for message in reader.messages(conversation):
                assert reader.row_of(message.id) == message.number
                assert reader.conversation_of(message.number) is not None
        assert reader.row_of("of no message") is None
        assert reader.conversation_of(1 << 50) is None


def test_names_with_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibackup.contents.row_names.hash", lambda _: 7, raising=False)
    assert list(RowNames([(5, "a"), (3, "b")]).of("b")) == [5, 3]


def test_the_keys_are_those_of_the_messages(mint: Mint) -> None:
    with reading(mint) as (backup, reader):
        keys = dict(reader.keys())
        assert sorted(keys.values()) == sorted(message_ids(backup, Gaps()))
        built = [each for talk in reader.conversations() for each in reader.messages(talk)]
        assert {each.number: each.key for each in built}.items() <= keys.items()
        assert any(each.key != each.id for each in built), "some are unsent"


@pytest.mark.parametrize("text", ["a", "Hello", "7", "x" * 300, "é", " ", "", "\ufffc", "?!"])
def test_a_text_that_is_surely_there_is_there(text: str) -> None:
    body = message_body(text)
    for end in range(len(body) + 1):
        cut = body[:end]
        if surely_has_text(cut):
            assert body_of(cut, None).text, cut
    assert surely_has_text(body) == text[:1].isascii() & text[:1].isalnum()


def test_no_word_of_a_message_is_missing_in_its_rough_text(mint: Mint) -> None:
    """Otherwise a search would not look at it."""
    with reading(mint) as (_, reader):
        ruled = built = 0
        for conversation in reader.conversations():
            for message in reader.messages(conversation):
                rough = reader.rough_text(message.number)
                if rough is None:
                    built += 1
                    continue
                for word in message_words(message).split():
                    if any(each.isalnum() for each in word):
                        assert SearchWords.parse((word,)).may_be_in(rough), word
                        ruled += 1
        assert ruled > 100
        assert built > 10


def test_the_names_of_classes_around_a_text_are_not_in_it(mint: Mint) -> None:
    """Otherwise a search for "string" would build every message, and each part of it would cover few of them."""
    with reading(mint) as (_, reader):
        rough = [reader.rough_text(row) for talk in reader.conversations() for row in reader.rows(talk)]
        plain = [each for each in rough if each and "NSString" not in each]
        assert len(plain) > len(rough) / 2


def test_a_page_need_not_look_up_ten_thousand_files(mint: Mint) -> None:
    files = tuple(MadeAttached(name=f"{number}.jpg", present=False) for number in range(10_000))
    made = MadeMessages(
        handles={"ada": HANDLES["ada"]},
        threads=(MadeThread(key="ada", handles=("ada",)),),
        texts=(MadeText(case="many", text="many", files=files),),
    )
    with reading(mint, made) as (_, reader):
        (conversation,) = reader.conversations()
        (row,) = reader.rows(conversation)
        (message,) = reader.built(conversation, [row], 40)
        assert [each.name for each in message.attachments] == [f"{number}.jpg" for number in range(40)]
        assert reader.count_files(row) == 10_000
        assert reader.attachment(message.attachments[7].number) == message.attachments[7]
        assert reader.attachment(1 << 40) is None


def test_parts_of_a_whatsapp_chat(mint: Mint) -> None:
    with backup_of(mint, whatsapp_db.files(whatsapp_cases.MADE)) as backup:
        store = WhatsAppStore.open(backup, Gaps())
        assert store is not None
        with store:
            keys = dict(store.keys())
            for chat in store.chats():
                rows = store.rows(chat)
                whole = list(store.messages(chat))
                assert [each.number for each in whole] == list(rows)
                assert list(store.built(chat, rows[1:3])) == whole[1:3]
                if not whole:
                    continue
                assert (chat.first, chat.last) == (whole[0].time, whole[-1].time)
                for place, message in enumerate(whole):
                    assert store.row_of(message.id) == message.number
                    assert store.chat_of(message.number) == chat.row
                    assert keys[message.number].removeprefix("empty ") == message.id
                    assert (message.kind == "deleted") == keys[message.number].startswith("empty ")
                    rough = store.rough_text(message.number)
                    assert rough is None or message.text in rough
                    if message.time is not None:
                        assert store.place_at(chat, message.time) <= place
                        assert store.place_at(chat, message.time + timedelta(seconds=1)) > place
            assert store.row_of("of no message") is None
            assert store.chat_of(1 << 40) is None
