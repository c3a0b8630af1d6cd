"""WhatsApp's chats, case by case."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pytest

from ibackup.contents.gaps import Gaps
from ibackup.contents.whatsapp.whatsapp_message import WhatsAppChat, WhatsAppMessage
from ibackup.contents.whatsapp.whatsapp_store import NO_FILE, UNREADABLE_REACTIONS, WhatsAppStore
from ibackup.simulator.life import whatsapp_cases, whatsapp_db
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_protobuf import nested
from support.lives import backup_of
from support.minted import Mint

REAL = Path(__file__).parents[4] / "shared" / "fixtures" / "real-ios-14.3"
Read = tuple[dict[str, WhatsAppChat], dict[str, list[WhatsAppMessage]], Gaps]


def read(
    mint: Mint, files: Iterable[LifeFile], *, business: bool = False, names: dict[str, str] | None = None
) -> Read:
    gaps = Gaps()
    with backup_of(mint, files) as backup:
        find = (lambda phone: names.get(phone, "")) if names is not None else None
        store = WhatsAppStore.open(backup, gaps, business=business, find_name=find)
        assert store is not None
        with store:
            chats = list(store.chats())
            return (
                {chat.id: chat for chat in chats},
                {chat.id: list(store.messages(chat)) for chat in chats},
                gaps,
            )


def said(message: WhatsAppMessage, name: str) -> object:
    if name == "media":
        return message.file or None
    value: object = getattr(message, name)
    if name == "reactions":
        return tuple((each.sender, each.emoji) for each in message.reactions)
    return value.isoformat() if isinstance(value, datetime) else value


@pytest.mark.parametrize("business", [False, True])
def test_each_message_says_what_is_true(mint: Mint, business: bool) -> None:
    domain = whatsapp_db.BUSINESS_DOMAIN if business else whatsapp_db.DOMAIN
    chats, messages, gaps = read(
        mint, whatsapp_db.files(whatsapp_cases.MADE, domain=domain), business=business
    )
    for made in whatsapp_cases.MADE.chats:
        chat = chats[made.jid]
        assert {name: getattr(chat, name) for name in made.says} == dict(made.says), made.jid
        by_id = {message.id: message for message in messages[made.jid]}
        assert len(by_id) == len(made.messages)
        for each in made.messages:
            truth = {name: said(by_id[each.stanza], name) for name in each.says}
            assert truth == dict(each.says), each.case
    assert {gap.reason: gap.count for gap in gaps} == {NO_FILE: 2}
    assert not gaps.damaged


def test_messages_come_in_their_order(mint: Mint) -> None:
    _, messages, _ = read(mint, whatsapp_db.files(whatsapp_cases.MADE))
    times = [message.time for message in messages[whatsapp_cases.GROUP]]
    assert times == sorted(times, key=lambda time: time.timestamp() if time else 0)


def test_two_chats_of_one_name_stay_two(mint: Mint) -> None:
    chats, messages, _ = read(mint, whatsapp_db.files(whatsapp_cases.MADE))
    assert [chat.id for chat in chats.values() if chat.name == "Crew"] == [
        whatsapp_cases.GROUP,
        whatsapp_cases.NAMESAKE,
    ]
    assert [message.text for message in messages[whatsapp_cases.NAMESAKE]] == ["Other Crew"]


def test_names_without_whatsapps_own_contacts(mint: Mint) -> None:
    names = {"+49155500002": "Bob of the phone"}
    chats, messages, _ = read(mint, whatsapp_db.files(whatsapp_cases.WITHOUT_CONTACTS), names=names)
    assert chats[whatsapp_cases.BOB].name == "Bob"  # saved in the group
    hidden = next(each for each in messages[whatsapp_cases.GROUP] if each.text == "Here")
    assert hidden.sender == "hidden number 100000000000001"
    plain = whatsapp_db.MadeWhatsApp(chats=(whatsapp_db.MadeChat(jid=whatsapp_cases.BOB, name=None),))
    number = f"+{whatsapp_cases.BOB.partition('@')[0]}"
    assert read(mint, whatsapp_db.files(plain), names={number: "Bob of the phone"})[0][
        whatsapp_cases.BOB
    ].name == ("Bob of the phone")
    assert read(mint, whatsapp_db.files(plain))[0][whatsapp_cases.BOB].name == number


def test_an_empty_database_has_no_chats(mint: Mint) -> None:
    chats, _, gaps = read(mint, whatsapp_db.files(whatsapp_cases.EMPTY))
    assert chats == {}
    assert not gaps


def test_hostile_reactions_end_only_themselves(mint: Mint) -> None:
    made = whatsapp_db.filled(whatsapp_cases.MADE)
    made.run(f"UPDATE ZWAMESSAGEINFO SET ZRECEIPTINFO = X'{nested(7, 10_000).hex()}' WHERE Z_PK = 1")
    made.run("UPDATE ZWAMESSAGEINFO SET ZRECEIPTINFO = X'3aff01' WHERE Z_PK = 2")
    files = [LifeFile(whatsapp_db.DOMAIN, "ChatStorage.sqlite", made.data(), 1)]
    _, messages, gaps = read(mint, files)
    assert len(messages[whatsapp_cases.ADA]) == len(whatsapp_cases.DIRECT.messages)
    assert UNREADABLE_REACTIONS in {gap.reason for gap in gaps}


def test_messages_of_no_chat_are_kept(mint: Mint) -> None:
    made = whatsapp_db.filled(whatsapp_cases.MADE)
    made.run("UPDATE ZWAMESSAGE SET ZCHATSESSION = 999 WHERE ZTEXT = 'Good morning'")
    _, messages, _ = read(mint, [LifeFile(whatsapp_db.DOMAIN, "ChatStorage.sqlite", made.data(), 1)])
    assert [message.text for message in messages["not in any chat"]] == ["Good morning"]


@pytest.mark.skipif(not REAL.exists(), reason="the sample of others is not here")
def test_databases_that_others_made(mint: Mint) -> None:
    names = {
        "ChatStorage.sqlite": "7c/7c7fba66680ef796b916b067077cc246adacf01d",
        "ContactsV2.sqlite": "b8/b8548dc30aa1030df0ce18ef08b882cf7ab5212f",
        "LID.sqlite": "e7/e794f6ffcc3c222535f47684a63d5178da3c4500",
    }
    files = [
        LifeFile(whatsapp_db.DOMAIN, name, (REAL / path).read_bytes(), 1) for name, path in names.items()
    ]
    chats, messages, gaps = read(mint, files)
    assert [(chat.name, chat.group) for chat in chats.values()] == [
        ("Alice Example", False),
        ("Example Group", True),
    ]
    texts = [(message.sender, message.text) for each in messages.values() for message in each]
    assert texts == [
        ("Alice Example", "Hi"),
        ("Me", "Check https://example.org/news"),
        ("Bob Example", "Welcome"),
    ]
    assert not gaps
