"""What is found of a whole life, held against a plain scan of all documents, and what each source says."""

from collections.abc import Iterable, Iterator

import pytest

from ibackup.apple.backup import Backup
from ibackup.apple.verify.seal import Seal
from ibackup.base.errors import UsageError
from ibackup.contents.gaps import Gaps
from ibackup.search.documents import KINDS, Document
from ibackup.search.search_words import SearchWords
from ibackup.search.sources import SOURCES, BackupToRead
from ibackup.simulator.life import note_cases, notes_db, whatsapp_cases, whatsapp_db
from ibackup.simulator.life.calendar_db import EVENTS, calendar_file
from ibackup.simulator.life.calls_db import CALLS, call_stores
from ibackup.simulator.life.contacts_db import address_book
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase
from ibackup.simulator.life.messages_db import MadeAttached, MadeMessages, MadeText, MadeThread, message_files
from ibackup.simulator.life.reminders_db import reminder_stores
from ibackup.simulator.life.thread_cases import MADE_MESSAGES
from support.minted import Mint, Spec
from support.plain_scan import matches, plain_words
from support.search_store import PASSWORD, SearchStore


def life() -> Iterator[LifeFile]:
    yield from message_files(MADE_MESSAGES)
    yield from whatsapp_db.files(whatsapp_cases.MADE)
    yield from address_book()
    yield from call_stores()
    yield calendar_file()
    yield from reminder_stores()
    yield from notes_db.files(note_cases.NOTES, note_cases.FOLDERS, ios=17)


def specs(files: Iterable[LifeFile]) -> list[Spec]:
    return list(
        {(each.domain, each.path): Spec(each.domain, each.path, each.data) for each in files}.values()
    )


def documents(path: str) -> list[Document]:
    with Backup.open(path) as backup:
        backup.unlock(PASSWORD)
        reading = BackupToRead(backup, Gaps())
        found = [each.limited() for source in SOURCES for each in source.documents(reading)]
    return [each for each in found if each.title or each.text]


@pytest.mark.timeout(1200)
def test_a_search_finds_in_a_whole_life_what_a_plain_scan_finds(searched: SearchStore) -> None:
    snapshot = searched.add(specs(life()), PASSWORD)
    everything = documents(snapshot.backup_path)
    assert {each.kind for each in everything} == set(KINDS)
    words = sorted({word for each in everything for word in plain_words(f"{each.title} {each.text}"[:2000])})
    asked = [*words[:: max(1, len(words) // 60)], "example org", '"the"', "Lovelace", "花子", "no such word"]
    texts = [each.body for each in everything]
    for word in asked:
        try:
            wanted = SearchWords.parse((word,))
        except UsageError:
            continue
        expected = {
            (each.kind, each.id)
            for each, text in zip(everything, texts, strict=True)
            if matches(text, wanted)
        }
        with searched.search(word, kinds=KINDS, most=None, password=PASSWORD) as found:
            assert {(hit.kind, hit.id) for kind in KINDS for hit in found.hits(kind)} == expected, word


def ids(searched: SearchStore, *words: str) -> set[str]:
    with searched.search(*words, kinds=KINDS, most=None, password=PASSWORD) as found:
        return {hit.id for kind in KINDS for hit in found.hits(kind)}


def test_a_message_is_found_by_its_text_its_earlier_text_and_its_files(searched: SearchStore) -> None:
    edits = {0: [("see you monday", 0), ("see you friday", 60)]}
    file = MadeAttached(name="Quastenflosser.pdf", content=b"x")
    made = MadeMessages(
        handles={"ann": "+15550100001", "bob": "bob@example.org"},
        threads=(MadeThread(key="both", handles=("ann", "bob"), group=True, name="Pear tree"),),
        texts=(
            MadeText(case="edited", text="see you friday", sender="ann", threads=("both",), edits=edits),
            MadeText(case="file", sender="bob", threads=("both",), files=(file,)),
        ),
    )
    searched.add(specs(message_files(made)), PASSWORD)
    (edited,) = ids(searched, "friday")
    assert ids(searched, "monday") == {edited}
    assert len(ids(searched, "Quastenflosser")) >= 1
    assert any(each.startswith("conversation ") for each in ids(searched, "pear tree"))
    assert any(each.startswith("conversation ") for each in ids(searched, "bob@example.org"))
    with searched.search("friday", password=PASSWORD) as found:
        (hit,) = found.hits("messages")
    assert (hit.place, hit.who) == ("Pear tree", "+15550100001")


def test_every_call_and_event_of_the_tables_can_be_found(searched: SearchStore) -> None:
    snapshot = searched.add(specs([*call_stores(), calendar_file()]), PASSWORD)
    found = documents(snapshot.backup_path)
    calls = [each for each in found if each.kind == "calls"]
    assert 0 < len(calls) <= len(CALLS)
    assert 0 < len([each for each in found if each.kind == "calendar"]) <= len(EVENTS)
    for each in calls:
        for word in plain_words(each.title)[:1]:
            assert each.id in ids(searched, word)


def test_a_deleted_message_is_still_found_and_says_when_it_was_last_seen(searched: SearchStore) -> None:
    texts = tuple(
        MadeText(case=case, text=f"{case} needle", sender="ann", threads=("ann",)) for case in ("one", "two")
    )
    handles, threads = {"ann": "+15550100001"}, (MadeThread(key="ann", handles=("ann",)),)
    for some in (texts, texts[:1]):
        searched.add(
            specs(message_files(MadeMessages(handles=handles, threads=threads, texts=some))), PASSWORD
        )
    found = dict(searched.texts("needle", password=PASSWORD))
    assert {text: len(snapshots) for text, snapshots in found.items()} == {"one needle": 2, "two needle": 1}


def test_notes_of_mail_accounts_are_found_and_read_again_when_they_change(searched: SearchStore) -> None:
    for text in ("Quittenmarmelade", "Zwetschgenmus"):
        database = MadeDatabase(
            {
                "ZNOTE": "Z_PK INTEGER PRIMARY KEY, ZBODY INTEGER, ZGUID VARCHAR, ZTITLE VARCHAR",
                "ZNOTEBODY": "Z_PK INTEGER PRIMARY KEY, ZOWNER INTEGER, ZCONTENT VARCHAR",
            }
        )
        database.add("ZNOTE", {"Z_PK": 1, "ZBODY": 1, "ZGUID": "M", "ZTITLE": "By mail"})
        database.add("ZNOTEBODY", {"Z_PK": 1, "ZOWNER": 1, "ZCONTENT": f"<p>{text}</p>"})
        file = LifeFile("HomeDomain", "Library/Notes/notes.sqlite", database.data(), 1)
        searched.add(specs([file]), PASSWORD)
        assert ids(searched, text) == {"mail M"}


def test_a_source_names_every_file_that_what_it_says_depends_on(mint: Mint) -> None:
    """Else a change of that file would not be read, because the checksums of the others are the same."""
    whole = specs(life())
    databases = [each for each in whole if each.content.startswith(b"SQLite format 3\0")]
    assert len(databases) > 8
    all_of_it = said_by_source(mint, whole)
    used = set()
    for left_out in databases:
        less = said_by_source(mint, [each for each in whole if each is not left_out])
        for name, (texts, sums) in less.items():
            if name != "files" and texts != all_of_it[name][0]:
                used.add(left_out.path)
                assert sums != all_of_it[name][1], (name, left_out.path)
    assert len(used) > 8


def said_by_source(mint: Mint, files: list[Spec]) -> dict[str, tuple[set[tuple[str, ...]], str]]:
    """What each source gives, and the checksum over the files that it names."""
    keys = {number: bytes([number]) * 32 for number in range(11, 0, -1)}
    made = mint(PASSWORD, specs=files, keys=keys)
    seal = Seal.read(made.seal())
    with Backup.open(made.folder) as backup:
        backup.unlock(PASSWORD)
        reading = BackupToRead(backup, Gaps())
        return {
            source.name: (
                {(each.id, each.body, each.who, each.place) for each in source.documents(reading)},
                source.sums(backup, seal),
            )
            for source in SOURCES
        }
