"""Conversations as pages show them: parts, marks of what is gone, searches, and what strangers can send."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibackup.contents.messages.message_types import message_key
from ibackup.contents.people.names_of_backup import name_finder, names_of
from ibackup.search.search_words import SearchWords
from ibackup.simulator.life import whatsapp_cases, whatsapp_db
from ibackup.simulator.life.contacts_db import address_book
from ibackup.simulator.life.hard_life import hard_life
from ibackup.simulator.life.messages_db import (
    TEXTED,
    MadeAttached,
    MadeMessages,
    MadeText,
    MadeThread,
    message_files,
)
from ibackup.simulator.life.usual_life import usual_life
from ibackup.simulator.spec import PhoneSpec
from ibackup.view.conversations.bubbles import MOST_CHARACTERS, MOST_FILES, Bubble, BubbleFile, Left, id_of
from ibackup.view.conversations.gone_messages import MessageKeys, gone_messages
from ibackup.view.conversations.message_talks import MessageTalks
from ibackup.view.conversations.shown_conversations import ShownConversation, Talks, slug_of, snippet
from ibackup.view.conversations.whatsapp_talks import WhatsAppTalks
from support.lives import backup_of
from support.minted import Mint

ADA = "+4915550000001"
MADE = datetime(2026, 11, 20, 22, 11, tzinfo=UTC)


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path)


@contextmanager
def talks_of(mint: Mint, made: MadeMessages, ios: int = 26) -> Iterator[MessageTalks]:
    with backup_of(mint, message_files(made, ios)) as backup:
        talks = MessageTalks.of(backup, MADE)
        assert talks is not None
        yield talks
        talks.close()


@contextmanager
def whatsapp(mint: Mint) -> Iterator[WhatsAppTalks]:
    with backup_of(mint, whatsapp_db.files(whatsapp_cases.MADE)) as backup:
        talks = WhatsAppTalks.of(backup, MADE)
        assert talks is not None
        yield talks
        talks.close()


def said_to_ada(*texts: MadeText) -> MadeMessages:
    return MadeMessages(
        handles={"ada": f"{ADA}/iMessage"}, threads=(MadeThread(key="ada", handles=("ada",)),), texts=texts
    )


def everything(talks: Talks) -> dict[str, list[Bubble]]:
    return {each.slug: list(talks.part(each, 0, each.messages).bubbles) for each in talks.conversations}


def text_of(bubble: Bubble) -> str:
    return "".join(each.text for each in bubble.content if not isinstance(each, BubbleFile))


def test_windows_are_cut_to_the_conversation(mint: Mint) -> None:
    with talks_of(mint, hard_life(0).messages) as talks:
        talk = max(talks.conversations, key=lambda each: each.messages)
        whole = talks.part(talk, 0, talk.messages)
        assert (whole.start, whole.stop, whole.later) == (0, talk.messages, 0)
        newest = talks.part(talk, talk.messages - 10, talk.messages + 99)
        assert newest.bubbles == whole.bubbles[-10:]
        assert (newest.start, newest.later) == (talk.messages - 10, 0)
        assert talks.part(talk, -5, 3).bubbles == whole.bubbles[:3]
        assert talks.part(talk, 1 << 40, 1 << 41).bubbles == ()
        for place, bubble in enumerate(whole.bubbles):
            assert talks.place_of(talk, bubble.id) == place
            assert talks.place_of(talk, f"row {bubble.number}") == place
            found = talks.conversation_of(bubble.number)
            assert found is not None
        assert talks.place_of(talk, "no such message") is None
        assert talks.place_of(talk, "row 99999999") is None


def test_the_newest_conversation_comes_first_whatever_a_wrong_clock_says(mint: Mint) -> None:
    made = MadeMessages(
        handles={"ada": f"{ADA}/iMessage", "bob": "+4915550000002/iMessage"},
        threads=(MadeThread(key="ada", handles=("ada",)), MadeThread(key="bob", handles=("bob",))),
        texts=(
            MadeText(case="far", text="far", threads=("ada",), columns={"date": 63_113_904_000}),
            MadeText(case="near", text="near", threads=("bob",)),
        ),
    )
    with talks_of(mint, made) as talks:
        assert [talks.newest_text(each) for each in talks.conversations] == ["You: near", "You: far"]
        assert talks.sent_last(talks.conversations[1]) is None


def test_what_was_deleted_later_is_marked(mint: Mint) -> None:
    spec = PhoneSpec(life=True)
    before, after = usual_life(spec, 0).messages, usual_life(spec, 1).messages
    with talks_of(mint, after) as newest:
        keys = MessageKeys(key for _, key in newest.all_keys())
        assert len(keys) == sum(1 for _ in newest.all_keys())
    with talks_of(mint, before) as talks:
        assert not any(talks.gone_in(each) for each in talks.conversations)
        talks.compare(gone_messages(talks.all_keys(), keys, MADE, MADE), "newest")
        assert sum(talks.gone_in(each) for each in talks.conversations) == 1
        gone = [each for part in everything(talks).values() for each in part if each.left]
        assert [each.left for each in gone] == [Left.NOTHING]
        assert {each.guid for each in before.texts} - {each.guid for each in after.texts} == {gone[0].id}


def test_what_was_unsent_later_is_marked_and_still_here(mint: Mint) -> None:
    said = MadeText(case="regret", text="I never liked it", since=16)
    unsaid = MadeText(case="regret", since=16, unsent=(0,))
    with talks_of(mint, said_to_ada(unsaid)) as newest:
        keys = MessageKeys(key for _, key in newest.all_keys())
    with talks_of(mint, said_to_ada(said)) as talks:
        talks.compare(gone_messages(talks.all_keys(), keys, MADE, None), "newest")
        ((bubble,),) = everything(talks).values()
        assert (bubble.left, text_of(bubble)) == (Left.EMPTY, "I never liked it")
        assert talks.gone_in(talks.conversations[0]) == 1


def test_a_whatsapp_message_deleted_for_everyone_later_is_marked(mint: Mint) -> None:
    with whatsapp(mint) as talks:
        own = list(talks.all_keys())
        row, key = next((row, key) for row, key in own if not key.startswith("empty "))
        keys = MessageKeys(message_key(each, empty=True) if each == key else each for _, each in own)
        talks.compare(gone_messages(iter(own), keys, MADE, None), "newest")
        marked = [each for part in everything(talks).values() for each in part if each.left]
        assert [(each.number, each.left) for each in marked] == [(row, Left.EMPTY)]


WORDS = ("the", "see", "IMG", "lost", "Ada", "Crew", "named", "fourth", "third", "https", "poll", "nsstring")


@pytest.mark.parametrize("word", WORDS)
def test_a_search_finds_what_looking_at_each_message_finds(mint: Mint, word: str) -> None:
    with backup_of(mint, hard_life(0).files(26)) as backup:
        messages, chats = MessageTalks.of(backup, MADE), WhatsAppTalks.of(backup, MADE)
        assert messages is not None
        assert chats is not None
        words = SearchWords.parse((word,))
        for talks in (messages, chats):
            for talk in talks.conversations:
                found = talks.search(talk, words, talk.messages)
                assert (found.read, found.left) == (talk.messages, 0)
                rows = list(talks.rows(talk))
                expected = [row for row in reversed(rows) if words.are_in(talks.all_words(talk, row))]
                assert [bubble.number for bubble, _ in found.bubbles] == expected
            talks.close()


def test_a_long_search_comes_in_parts(mint: Mint) -> None:
    texts = [MadeText(case=f"{number}", text=f"word {number}") for number in range(120)]
    with talks_of(mint, said_to_ada(*texts)) as talks:
        (talk,) = talks.conversations
        left, found = talk.messages, []
        parts = 0
        while left:
            part = talks.search(talk, SearchWords.parse(("word",)), left)
            found += [text for _, text in part.bubbles]
            assert part.left < left
            left = part.left
            parts += 1
        assert found == [f"word {number}" for number in reversed(range(120))]
        assert parts > 1


def test_a_text_that_is_too_long_for_a_page_is_cut_and_can_be_had_whole(mint: Mint) -> None:
    long = "0123456789" * 100_000
    with talks_of(mint, said_to_ada(MadeText(case="long", text=long))) as talks:
        (talk,) = talks.conversations
        (bubble,) = talks.part(talk, 0, 1).bubbles
        assert text_of(bubble) == f"{long[:MOST_CHARACTERS]}…"
        assert bubble.characters == len(long)
        assert talks.said(talk, bubble.number) == long
        assert len(talks.newest_text(talk)) < 200


def test_ten_thousand_files_of_one_message(mint: Mint) -> None:
    files = tuple(MadeAttached(name=f"{number}.jpg", present=False) for number in range(10_000))
    with talks_of(mint, said_to_ada(MadeText(case="many", text="many", files=files))) as talks:
        (talk,) = talks.conversations
        (bubble,) = talks.part(talk, 0, 1).bubbles
        shown = [each for each in bubble.content if isinstance(each, BubbleFile)]
        assert len(shown) == MOST_FILES
        assert bubble.more_files == 10_000 - MOST_FILES


def test_names_say_nothing_of_numbers_in_an_address(mint: Mint) -> None:
    with talks_of(mint, hard_life(0).messages) as talks:
        slugs = [each.slug for each in talks.conversations]
        assert len(set(slugs)) == len(slugs)
        assert all(len(each) == 16 and int(each, 16) >= 0 for each in slugs)
        assert talks.by_slug(slug_of(ADA)) is not None
        assert talks.by_slug("none") is None


def test_ids_in_addresses_are_short_and_plain() -> None:
    assert id_of("ABC-1", 7) == "ABC-1"
    for odd in ("", "x" * 81, "gu\u00efd", "a\nb", "row 3"):
        assert id_of(odd, 7) == "row 7"


def test_conversations_are_found_by_names_and_numbers(mint: Mint) -> None:
    with backup_of(mint, hard_life(0).files(26)) as backup:
        talks = MessageTalks.of(backup, MADE)
        assert talks is not None
        assert {each.title for each in talks.named("crew")} == {"Crew", "Other Crew"}
        assert talks.named("0155 50000001")
        assert talks.named("nobody at all") == []
        assert talks.named("") == talks.conversations
        talks.close()


def test_files_are_found_by_what_bubbles_call_them(mint: Mint) -> None:
    with backup_of(mint, hard_life(0).files(26)) as backup:
        seen = 0
        for kind in (MessageTalks, WhatsAppTalks):
            talks = kind.of(backup, MADE)
            assert talks is not None
            for bubble in (each for part in everything(talks).values() for each in part):
                for file in bubble.content:
                    if isinstance(file, BubbleFile) and file.how != "missing":
                        found = talks.file(file.place)
                        assert found is not None
                        with found.entry.open() as source:
                            assert source.read(1)
                        seen += 1
            for odd in ("", "x", "-1", "²", "99999999", "9" * 30):
                assert talks.file(odd) is None
            talks.close()
        assert seen > 5


def test_a_snippet_is_one_line_without_marks_that_turn_it() -> None:
    talk = ShownConversation("0" * 16, "x", "Bob\u202e", True, (), (), (), "", False, 1, None, None)
    assert talk.initials == "B"
    bubble = Bubble("1", 1, None, "Bob\u202e", mine=False, event="Bob\u202e left\nit")
    assert snippet(bubble, group=True) == "Bob left it"


def test_numbers_have_the_names_of_contacts(mint: Mint) -> None:
    with backup_of(mint, address_book(hard_life(0).contacts, ios=26)) as backup:
        find = name_finder(names_of(backup))
        assert find("+99999999999") == ""


def test_times_of_messages_have_places(mint: Mint) -> None:
    with talks_of(mint, said_to_ada(*(MadeText(case=f"{n}", text=f"{n}") for n in range(9)))) as talks:
        (talk,) = talks.conversations
        assert talks.place_at(talk, datetime.fromtimestamp(TEXTED + 60 * 4, UTC)) == 4
    with whatsapp(mint) as chats:
        for talk in chats.conversations:
            assert talk.last is not None
            assert chats.place_at(talk, talk.last) < talk.messages
