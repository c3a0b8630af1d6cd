"""Searches in the snapshots of a phone: which ones have what, what is read again, and what is left on the disk."""

import os
import plistlib
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibackup.base.events import Caution, Event, Note, PhaseStarted, Progress
from ibackup.base.user_cache import cache_dir
from ibackup.search import snapshot_group, snapshot_index
from ibackup.search.open_indexes import IndexOpener, OpenIndexes
from ibackup.search.search_hits import HitTimes, Searched, SearchRequest
from ibackup.search.search_words import SearchWords
from ibackup.search.searching import Search
from ibackup.simulator.life.whatsapp_db import DOMAIN
from ibackup.store.disk.lock import PhoneLock
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker
from support.minted import Spec
from support.runs import Told
from support.search_store import OTHER_KEYS, PASSWORD, SearchStore, chat

SECRET = "Quastenflosser"


def days(found: list[tuple[str, tuple[str, ...]]]) -> list[tuple[str, str]]:
    """Texts, and the days of November of their snapshots."""
    return [(text, " ".join(str(int(each[6:8])) for each in ids)) for text, ids in found]


def kept() -> list[Path]:
    """The files of all indexes."""
    return sorted(Path(cache_dir()).rglob("*.index"))


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_a_hit_says_in_which_snapshots_it_is(searched: SearchStore, password: str | None) -> None:
    searched.chat("1=hello station", "2=dinner friday", password=password)
    searched.chat("1=hello station", "2=dinner friday", "3=dinner saturday", password=password)
    searched.chat("1=hello station", "3=dinner sunday", password=password)
    assert days(searched.texts("hello", password=password)) == [("hello station", "1 2 3")]
    assert dict(days(searched.texts("dinner", password=password))) == {
        "dinner friday": "1 2",
        "dinner saturday": "2",
        "dinner sunday": "3",
    }


def test_hits_come_newest_first_and_the_count_says_how_many_there_are(searched: SearchStore) -> None:
    searched.chat(*(f"{number}=dinner {number}" for number in range(100, 160)))
    with searched.search("dinner", most=5) as found:
        assert found.counts == {"messages": 60}
        assert [hit.excerpt.text for hit in found.hits("messages")] == [
            f"dinner {each}" for each in range(159, 154, -1)
        ]
    with searched.search("dinner", most=None) as found:
        assert [hit.excerpt.text for hit in found.hits("messages")] == [
            f"dinner {each}" for each in range(159, 99, -1)
        ]


def test_the_second_search_reads_nothing_and_a_new_snapshot_alone_is_read(searched: SearchStore) -> None:
    searched.chat("1=hello")
    searched.chat("1=hello", "2=hello you")
    searched.texts("hello")
    assert searched.read() == 2
    searched.texts("hello")
    assert searched.read() == 0
    searched.chat("1=hello", "2=hello you", "3=hello there")
    assert days(searched.texts("there")) == [("hello there", "3")]
    assert searched.read() == 1


def test_a_database_with_the_same_checksum_as_before_is_not_read_again(searched: SearchStore) -> None:
    searched.chat("1=hello", password=PASSWORD)
    second = searched.chat("1=hello", password=PASSWORD)
    file_id = "7c7fba66680ef796b916b067077cc246adacf01d"
    stored = Path(second.backup_path) / file_id[:2] / file_id
    stored.write_bytes(bytes(stored.stat().st_size))  # nobody can read that
    with searched.search("hello", password=PASSWORD) as found:
        assert [len(hit.snapshots) for hit in found.hits("messages")] == [2]
        assert not found.gaps


def test_nothing_is_kept_twice_while_nothing_changes(searched: SearchStore) -> None:
    texts = [f"{number}=some words of message {number}" for number in range(2000)]
    searched.chat(*texts)
    searched.texts("words")
    before = kept()[0].stat().st_size
    for _ in range(5):
        searched.chat(*texts)
    assert days(searched.texts("words", most=1))[0][1] == "1 2 3 4 5 6"
    assert kept()[0].stat().st_size < before * 1.1


def test_a_new_name_of_a_contact_changes_no_document(searched: SearchStore) -> None:
    searched.add([chat([("1", "hello")], searched.tmp, partner="Ann")])
    searched.add([chat([("1", "hello")], searched.tmp, partner="Ann Lovelace")])
    with searched.search("hello") as found:
        (hit,) = found.hits("messages")
    assert (hit.who, hit.place) == ("Ann Lovelace", "Ann Lovelace (WhatsApp)")
    assert len(hit.snapshots) == 2


def test_what_only_pruned_snapshots_had_is_gone_from_the_index_too(searched: SearchStore) -> None:
    first = searched.chat("1=hello", f"2={SECRET}")
    searched.chat("1=hello")
    assert len(searched.texts(SECRET)) == 1
    searched.phone.discard(first.path)
    assert searched.texts(SECRET) == []
    assert days(searched.texts("hello")) == [("hello", "2")]
    with searched.search("hello") as found:
        group = found._indexes.groups[0]
        assert group.index is not None
        assert SECRET.encode() not in group.index.image()
        assert SECRET.lower().encode() not in group.index.image()


def test_an_older_snapshot_that_is_imported_later_is_put_in_its_place(searched: SearchStore) -> None:
    searched.chat("1=hello", "2=dinner")
    searched.chat("1=hello")
    searched.texts("hello")
    searched.add([chat([("1", "hello"), ("0", "dinner")], searched.tmp)], day=-3)
    found = dict(searched.texts("hello"))
    assert len(found["hello"]) == 3
    assert found["hello"][0].startswith("20261029")


def test_a_password_change_makes_another_index_and_hits_are_told_once(searched: SearchStore) -> None:
    searched.chat("1=hello", "2=dinner one")
    searched.chat("1=hello", password=PASSWORD)
    searched.chat("1=hello", "3=dinner two", password=PASSWORD, keys=OTHER_KEYS)
    assert days(searched.texts("hello", password=PASSWORD)) == [("hello", "1 2 3")]
    assert len(kept()) == 3
    with searched.search("dinner", password=PASSWORD, most=1) as found:
        assert found.counts == {"messages": 2}
        assert len(list(found.hits("messages"))) == 1


def test_only_one_snapshot_can_be_asked(searched: SearchStore) -> None:
    searched.chat("1=hello", "2=dinner")
    second = searched.chat("1=hello")
    assert searched.texts("dinner", only=second.id) == []
    assert days(searched.texts("hello", only=second.id)) == [("hello", "1 2")]


def test_without_the_password_other_snapshots_are_searched_and_the_locked_are_named(
    searched: SearchStore,
) -> None:
    searched.chat("1=hello")
    locked = searched.chat("1=hello", "2=hello you", password=PASSWORD)
    with searched.search("hello") as found:
        assert found.counts == {"messages": 1}
        assert [(gap.snapshot, gap.locked) for gap in found.gaps] == [(locked.id, True)]
    with searched.search("hello", password="wrong") as found:
        assert [(gap.snapshot, gap.locked) for gap in found.gaps] == [(locked.id, True)]


def test_a_damaged_database_is_a_gap_and_ends_no_document(searched: SearchStore) -> None:
    searched.chat("1=hello")
    damaged = searched.add([Spec(DOMAIN, "ChatStorage.sqlite", b"no database" * 500)])
    searched.chat("1=hello")
    for _ in range(2):  # when it is read, and when it is known
        with searched.search("hello") as found:
            assert [len(hit.snapshots) for hit in found.hits("messages")] == [3]
            assert [gap.snapshot for gap in found.gaps] == [damaged.id]
            assert "WhatsApp" in found.gaps[0].reason


def test_a_snapshot_without_a_list_is_a_gap(searched: SearchStore) -> None:
    searched.chat("1=hello")
    broken = searched.chat("1=hello", password=PASSWORD)
    (Path(broken.backup_path) / "Manifest.plist").write_bytes(b"nothing")
    with searched.search("hello", password=PASSWORD) as found:
        assert [len(hit.snapshots) for hit in found.hits("messages")] == [1]
        assert [gap.snapshot for gap in found.gaps] == [broken.id]


@pytest.mark.parametrize("damage", ["ManifestKey", "BackupKeyBag", "list"])
def test_a_snapshot_whose_keys_or_list_are_damaged_is_a_gap(searched: SearchStore, damage: str) -> None:
    searched.chat("1=hello", password=PASSWORD)
    broken = Path(searched.chat("1=hello", password=PASSWORD).backup_path)
    if damage == "list":
        (broken / "Manifest.db").write_bytes(bytes(4096))
    else:
        manifest = plistlib.loads((broken / "Manifest.plist").read_bytes())
        manifest[damage] = manifest[damage][:-4] + b"oops"
        (broken / "Manifest.plist").write_bytes(plistlib.dumps(manifest, fmt=plistlib.FMT_BINARY))
    for _ in range(2):
        with searched.search("hello", password=PASSWORD) as found:
            assert [len(hit.snapshots) for hit in found.hits("messages")] == [1 + (damage == "BackupKeyBag")]
            assert [gap.snapshot for gap in found.gaps] == (
                [] if damage == "BackupKeyBag" else [broken.parent.name]
            )


# -- what is on the disk ------------------------------------------------------------------------------------


@pytest.mark.promise("No secret leaks")
def test_nothing_of_an_encrypted_backup_is_in_plain_on_the_disk(
    searched: SearchStore, tmp_path: Path
) -> None:
    searched.chat(*(f"{number}={SECRET} {number}" for number in range(500)), password=PASSWORD)
    with searched.search(SECRET, password=PASSWORD) as found:
        assert found.counts == {"messages": 500}
    folder = Path(cache_dir())
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for form in (SECRET, SECRET.lower(), SECRET.upper()):
                assert form.encode() not in data
                assert form.encode("utf-16-le") not in data
            assert b"SQLite format" not in data
    for path in (folder / "search", *(folder / "search").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0 or os.name == "nt"
    # Every byte that the same text could leave when compressed: two indexes of one store have nothing in common.
    first = kept()[0].read_bytes()
    kept()[0].unlink()
    searched.texts(SECRET, password=PASSWORD)
    second = kept()[0].read_bytes()
    assert not {first[at : at + 16] for at in range(200, len(first) - 16)} & {
        second[at : at + 16] for at in range(200, len(second) - 16, 16)
    }


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_any_change_of_the_index_is_noticed_and_it_is_made_again(
    searched: SearchStore, password: str | None
) -> None:
    texts = [f"{number}=hello {number} {'words ' * 40}" for number in range(300)]
    searched.chat(*texts, password=password)
    wanted = searched.texts("hello", password=password, most=None)
    (path,) = kept()
    whole = path.read_bytes()
    randomness = random.Random(7)
    places = [0, 20, 30, 60, 80, len(whole) - 1, *(randomness.randrange(len(whole)) for _ in range(25))]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << randomness.randrange(8)
        path.write_bytes(changed)
        assert searched.texts("hello", password=password, most=None) == wanted
    for damaged in (b"", whole[:50], whole[:-1], whole + b"\0", whole[: len(whole) // 2], bytes(len(whole))):
        path.write_bytes(damaged)
        assert searched.texts("hello", password=password, most=None) == wanted
        assert searched.read()


def test_blocks_cannot_change_places(searched: SearchStore) -> None:
    searched.chat(*(f"{number}=hello {number} {'x' * 4000}" for number in range(40)), password=PASSWORD)
    wanted = searched.texts("hello", password=PASSWORD, most=None)
    with searched.search("hello", password=PASSWORD) as found:
        index = found._indexes.groups[0].index
        assert index is not None
        rows = list(index._rows("SELECT offset, length FROM blocks"))
    (one, two) = next((a, b) for a in rows for b in rows if a != b and a[1] == b[1])
    (path,) = kept()
    data = bytearray(path.read_bytes())
    length = one[1]
    first, second = data[one[0] : one[0] + length], data[two[0] : two[0] + length]
    data[one[0] : one[0] + length], data[two[0] : two[0] + length] = second, first
    path.write_bytes(data)
    assert searched.texts("hello", password=PASSWORD, most=None) == wanted
    assert searched.read()


def test_an_index_of_another_version_is_made_again(
    searched: SearchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched.chat("1=hello")
    searched.texts("hello")
    monkeypatch.setattr(snapshot_index, "_MADE_BY", "another")
    assert len(searched.texts("hello")) == 1
    assert searched.read()


def test_an_index_of_keys_that_no_snapshot_has_is_removed(searched: SearchStore) -> None:
    first = searched.chat("1=hello")
    searched.chat("1=hello", password=PASSWORD)
    searched.texts("hello", password=PASSWORD)
    assert len(kept()) == 2
    searched.phone.discard(first.path)
    searched.texts("hello", password=PASSWORD)
    assert len(kept()) == 1


def test_a_cache_that_cannot_be_written_costs_only_time(searched: SearchStore) -> None:
    searched.chat("1=hello")
    Path(cache_dir()).parent.mkdir(parents=True, exist_ok=True)
    Path(cache_dir()).write_text("in the way")
    assert len(searched.texts("hello")) == 1
    assert any("could not be kept" in each for each in searched.told.cautions)


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_snapshots_that_were_known_are_read_again_if_the_cache_refuses_a_new_one(
    searched: SearchStore, password: str | None
) -> None:
    searched.chat("1=hello", password=password)
    searched.chat("1=hello", password=password)
    searched.texts("hello", password=password)
    searched.chat("1=hello", password=password)
    lock = kept()[0].parent / "lock"
    lock.unlink()
    lock.mkdir()
    assert days(searched.texts("hello", password=password)) == [("hello", "1 2 3")]
    assert any("could not be kept" in each for each in searched.told.cautions)


def test_snapshots_that_were_known_are_read_again_if_a_text_of_the_index_is_damaged(
    searched: SearchStore,
) -> None:
    texts = [f"{number}=hello {number} {'x' * 3000}" for number in range(20)]
    first = searched.chat(*texts, "gone=bye", password=PASSWORD)
    searched.chat(*texts, password=PASSWORD)
    searched.texts("hello", password=PASSWORD)
    (path,) = kept()
    data = bytearray(path.read_bytes())
    data[80] ^= 1  # in the first block
    path.write_bytes(data)
    searched.chat(*texts, password=PASSWORD)
    assert {ids for _, ids in days(searched.texts("hello", password=PASSWORD))} == {"1 2 3"}
    searched.phone.discard(first.path)
    assert {ids for _, ids in days(searched.texts("hello", password=PASSWORD))} == {"2 3"}


# -- more than one, and interrupted ones --------------------------------------------------------------------


def test_a_second_search_waits_for_the_first_and_uses_what_it_read(searched: SearchStore) -> None:
    searched.chat("1=hello")
    searched.texts("hello")
    searched.chat("1=hello", "2=hello you")
    (path,) = kept()
    lock = PhoneLock(str(path.parent / "lock"))
    lock.acquire()
    waiting = threading.Event()
    got: list[int] = []

    def observe(event: Event) -> None:
        if isinstance(event, Note):
            waiting.set()

    def search() -> None:
        request = SearchRequest(SearchWords.parse(("hello",)), ("messages",), 20)
        store = Store.open(searched.path, create=False)
        with Search(request, Unlocker(), observe).phone(searched.phone, store.id) as found:
            got.append(found.counts["messages"])

    thread = threading.Thread(target=search)
    thread.start()
    assert waiting.wait(60)
    assert not got
    lock.release()
    thread.join()
    assert got == [2]


def test_ctrl_c_leaves_the_index_as_it_was(searched: SearchStore) -> None:
    searched.chat("1=hello")
    searched.texts("hello")
    (path,) = kept()
    before = path.read_bytes()
    searched.chat("1=hello", *(f"{number}=dinner {number}" for number in range(50)))
    seen = 0

    def stop(event: Event) -> bool:
        nonlocal seen
        seen += not isinstance(event, (PhaseStarted, Caution))
        return seen == 3

    request = SearchRequest(SearchWords.parse(("dinner",)), ("messages",), 20)
    with pytest.raises(KeyboardInterrupt):
        Search(request, Unlocker(), Told(stop=stop)).phone(searched.phone, "made")
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir() if each.suffix == ".new"] == []
    assert len(searched.texts("dinner")) == 20


def test_what_a_killed_search_left_is_removed(searched: SearchStore) -> None:
    searched.chat("1=hello")
    searched.texts("hello")
    left = kept()[0].parent / "0123456789abcdef.new"
    left.write_bytes(b"half")
    searched.chat("1=hello")
    searched.texts("hello")
    assert not left.exists()


def test_a_long_build_is_saved_on_the_way(searched: SearchStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_group, "_SAVE_EVERY_S", -1.0)
    for number in range(4):
        searched.chat("1=hello", f"{number + 2}=dinner {number}", password=PASSWORD)
    started = 0

    def stop(event: Event) -> bool:
        nonlocal started
        started += isinstance(event, Progress) and (event.percent or 0) >= 75
        return started == 2  # the third snapshot is saved, and the fourth begun

    request = SearchRequest(SearchWords.parse(("hello",)), ("messages",), 20)
    with pytest.raises(KeyboardInterrupt):
        Search(request, Unlocker(lambda _: PASSWORD), Told(stop=stop)).phone(searched.phone, "made")
    assert days(searched.texts("hello", password=PASSWORD)) == [("hello", "1 2 3 4")]
    assert searched.read() == 1


# -- a folder -----------------------------------------------------------------------------------------------


def test_a_folder_is_searched_and_nothing_of_it_is_kept(searched: SearchStore) -> None:
    snapshot = searched.chat("1=hello", password=PASSWORD)
    request = SearchRequest(SearchWords.parse(("hello",)), ("messages",), 20)
    with Search(request, Unlocker(lambda _: PASSWORD)).folder(snapshot.backup_path) as found:
        assert [hit.excerpt.text for hit in found.hits("messages")] == ["hello"]
    assert kept() == []


def test_more_documents_than_memory_has_room_for_are_said(
    searched: SearchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_index, "MOST_DOCUMENTS", 10)
    searched.chat(*(f"{number}=hello {number}" for number in range(20)))
    with searched.search("hello") as found:
        assert found.counts["messages"] < 20
        assert any("room for" in gap.reason for gap in found.gaps)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_the_order_of_hits_and_snapshots_is_the_same_in_every_search(searched: SearchStore) -> None:
    for number in range(3):
        searched.chat(*(f"{each}=hello {each}" for each in range(number, number + 30)), password=PASSWORD)
    first = searched.texts("hello", password=PASSWORD)
    assert first == searched.texts("hello", password=PASSWORD)
    kept()[0].unlink()
    assert first == searched.texts("hello", password=PASSWORD)


# -- time, and what is gone ---------------------------------------------------------------------------------


def _found(indexes: OpenIndexes, **how: object) -> tuple[list[str], dict[str, int], int]:
    searched = Searched(SearchRequest(SearchWords.parse(("dinner",)), ("messages",), 20, **how), indexes)  # type: ignore[arg-type]
    return [hit.excerpt.text for hit in searched.hits("messages")], searched.counts, searched.gone()


@pytest.mark.parametrize("keys", [None, OTHER_KEYS])
def test_one_set_of_open_indexes_answers_many_questions(
    searched: SearchStore, keys: dict[int, bytes] | None
) -> None:
    searched.chat("1=dinner one", "2=dinner two", password=PASSWORD)
    searched.chat("2=dinner two", "3=dinner three", password=PASSWORD, keys=keys)
    store = Store.open(searched.path, create=False).id
    with IndexOpener(Unlocker(lambda _udid: PASSWORD)).phone(searched.phone, store) as indexes:
        texts, counts, gone = _found(indexes)
        assert (sorted(texts), gone) == (["dinner one", "dinner three", "dinner two", "dinner two"], 2) or (
            sorted(texts),
            gone,
        ) == (["dinner one", "dinner three", "dinner two"], 1)
        assert counts == {"messages": len(texts)}
        texts, counts, more = _found(indexes, gone=True)
        assert "dinner one" in texts
        assert "dinner three" not in texts
        assert (counts, more) == ({"messages": gone}, gone)


def test_a_search_in_a_span_of_time(searched: SearchStore) -> None:
    searched.chat(*(f"{number}=dinner {number}" for number in range(100, 160)))  # one a minute
    store = Store.open(searched.path, create=False).id
    first = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(seconds=750_000_000)
    with IndexOpener(Unlocker()).phone(searched.phone, store) as indexes:
        texts, counts, _ = _found(
            indexes, since=first + timedelta(minutes=2), until=first + timedelta(minutes=5)
        )
        assert (texts, counts) == (["dinner 104", "dinner 103", "dinner 102"], {"messages": 3})
        request = SearchRequest(
            SearchWords.parse(("dinner",)), ("messages",), 5, since=first + timedelta(minutes=55)
        )
        times = Searched(request, indexes).times(6)
    assert times == HitTimes(first, first + timedelta(minutes=59), (10, 10, 10, 10, 10, 10))


def test_what_has_no_time_is_in_no_span(searched: SearchStore) -> None:
    searched.chat("1=hello")
    store = Store.open(searched.path, create=False).id
    with IndexOpener(Unlocker()).phone(searched.phone, store) as indexes:
        words = SearchWords.parse(("grace",))  # the chat itself
        assert Searched(SearchRequest(words, ("messages",), 5), indexes).times(6) is None
        until = datetime(2030, 1, 1, tzinfo=UTC)
        assert Searched(SearchRequest(words, ("messages",), 5, until=until), indexes).counts == {}
