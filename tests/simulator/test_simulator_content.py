"""What the virtual iPhone holds: the same every time, changed only where it changed."""

import io
import sqlite3
import tracemalloc
from dataclasses import replace

import pytest

from ibackup.simulator.content import CHUNK, DIRECTORY, FILE, LINK, Content, PhoneFile
from ibackup.simulator.spec import DomainSpec, PhoneSpec, demo_spec

SPEC = PhoneSpec(
    domains=(
        DomainSpec(name="CameraRollDomain", count=40, min_size=100, max_size=9000),
        DomainSpec(name="HomeDomain", count=60, max_size=3000),
    )
)


def state(content: Content) -> dict[tuple[str, str], tuple[int, int, bytes]]:
    return {
        (entry.domain, entry.path): (entry.size, entry.modified, content.read(entry))
        for entry in content.files()
    }


def test_two_phones_of_one_spec_are_equal() -> None:
    assert list(Content(demo_spec()).entries()) == list(Content(demo_spec()).entries())
    assert state(Content(SPEC)) == state(Content(SPEC))
    assert state(Content(SPEC)) != state(Content(replace(SPEC, seed=2)))


def test_entries_are_whole() -> None:
    entries = list(Content(demo_spec()).entries())
    places = {(entry.domain, entry.path) for entry in entries}
    assert len(places) == len(entries)
    assert {entry.kind for entry in entries} == {FILE, DIRECTORY, LINK}
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if entry.path:
            assert (entry.domain, entry.path.rpartition("/")[0]) in seen
        seen.add((entry.domain, entry.path))
    assert all(entry.target for entry in entries if entry.kind == LINK)
    assert all(entry.size == 0 for entry in entries if entry.kind != FILE)


def test_awkward_files_are_there() -> None:
    content = Content(SPEC)
    files = [entry for entry in content.files() if entry.domain == "HomeDomain"]
    names = [entry.path.rpartition("/")[2] for entry in files]
    assert any(not name.isascii() for name in names)
    assert max(len(name.encode()) for name in names) == 255
    assert min(entry.size for entry in files) == 0
    assert any(entry.gid < 0 for entry in Content(replace(SPEC, domains=(many(100),))).files())
    for entry in content.files():
        data = content.read(entry)
        assert len(data) == entry.size
        assert len({content.read(entry)[:16], data[:16]}) == 1


def many(count: int, size: int = 300) -> DomainSpec:
    return DomainSpec(name="HomeDomain", count=count, max_size=size)


def test_bytes_differ_between_files() -> None:
    content = Content(SPEC)
    large = [content.read(entry) for entry in content.files() if entry.size > 64]
    assert len(set(large)) == len(large)


def test_change_touches_what_it_says() -> None:
    content = Content(SPEC)
    before = state(content)
    content.change(added=4, changed=5, removed=3)
    after = state(content)
    assert len(after.keys() - before.keys()) == 4
    assert len(before.keys() - after.keys()) == 3
    both = after.keys() & before.keys()
    changed = {place for place in both if after[place] != before[place]}
    assert len(changed) == 5
    for place in changed:
        assert after[place][1] > before[place][1]
    content.change(fraction=0.5)
    assert len({place for place in both if state(content).get(place) != after[place]}) > 30


def test_files_can_be_written_and_removed() -> None:
    content = Content(SPEC)
    content.write("HomeDomain", "Library/x.txt", b"one")
    first = content.find("HomeDomain", "Library/x.txt")
    content.write("HomeDomain", "Library/x.txt", b"three")
    second = content.find("HomeDomain", "Library/x.txt")
    assert first is not None
    assert second is not None
    assert (first.size, second.size) == (3, 5)
    assert second.modified > first.modified
    content.remove("HomeDomain", "Library/x.txt")
    assert content.find("HomeDomain", "Library/x.txt") is None
    made = next(entry for entry in content.files() if entry.domain == "CameraRollDomain")
    content.remove(made.domain, made.path)
    assert content.find(made.domain, made.path) is None
    with pytest.raises(KeyError):
        content.remove("HomeDomain", "nothing")


def test_unencrypted_backups_leave_secrets_out() -> None:
    content = Content(demo_spec())
    encrypted = {(entry.domain, entry.path) for entry in content.files()}
    plain = {(entry.domain, entry.path) for entry in content.files(encrypted=False)}
    assert plain < encrypted
    assert {domain for domain, _ in encrypted - plain} == {"HealthDomain", "KeychainDomain", "HomeDomain"}
    for path in ("Library/CallHistoryDB/CallHistory.storedata", "Library/Safari/History.db"):
        assert ("HomeDomain", path) in encrypted - plain
    assert ("HomeDomain", "Library/Safari/Bookmarks.db") in plain


def test_a_big_file_is_made_on_the_way() -> None:
    size = (1 << 32) + 12_345
    content = Content(PhoneSpec(big_file_size=size))
    entry = next(content.files())
    assert entry.size == size
    tracemalloc.start()
    left = size
    for chunk in content.chunks(entry):
        assert len(chunk) <= CHUNK
        left -= len(chunk)
        if left < size // 2:
            break
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
    total = sum(len(chunk) for chunk in content.chunks(entry))
    assert total == size


@pytest.mark.slow
def test_a_phone_of_many_files_is_scanned() -> None:
    content = Content(PhoneSpec(domains=(many(300_000),)))
    assert sum(1 for _ in content.entries()) > 300_000


# --- the demo phone's life


def query(entry: PhoneFile | None, statement: str) -> list[tuple[object, ...]]:
    assert entry is not None
    assert entry.data is not None
    database = sqlite3.connect(":memory:")
    database.deserialize(entry.data)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = database.execute(statement).fetchall()
    database.close()
    return rows


def test_life_has_messages_that_join() -> None:
    content = Content(demo_spec())
    joined = """
        SELECT m.guid, h.id, c.chat_identifier, m.is_from_me, m.date / 1000000000 + 978307200 FROM message m
        JOIN chat_message_join j ON j.message_id = m.ROWID JOIN chat c ON c.ROWID = j.chat_id
        LEFT JOIN handle h ON h.ROWID = m.handle_id"""
    before = query(content.find("HomeDomain", "Library/SMS/sms.db"), joined)
    assert len(before) == 24 + 6
    assert all(1_600_000_000 < int(str(row[4])) < 1_900_000_000 for row in before)
    assert {row[3] for row in before} == {0, 1}
    content.change()
    after = query(content.find("HomeDomain", "Library/SMS/sms.db"), joined)
    assert len(set(after) - set(before)) == 3
    assert len(set(before) - set(after)) == 1


@pytest.mark.parametrize("spec", [demo_spec(), PhoneSpec(hard_cases=True)])
def test_a_phone_that_was_used_is_as_if_it_had_been_changed(spec: PhoneSpec) -> None:
    content = Content(spec)
    photos = {place for place in state(content) if "DCIM" in place[1]}
    content.change()
    content.change()
    used = state(content)
    assert used == state(Content(replace(spec, uses=2)))
    assert len(photos - used.keys()) == 1
    content.change()
    assert len({place for place in used if state(content)[place] != used[place]}) == 1  # the messages


@pytest.mark.parametrize(
    ("ios", "table"),
    [("9.3", "ZGENERICASSET"), ("12.5", "ZGENERICASSET"), ("15.8", "ZASSET"), ("27.0", "ZASSET")],
)
def test_life_has_the_databases_of_its_ios(ios: str, table: str) -> None:
    content = Content(PhoneSpec(hard_cases=True, ios_version=ios))
    photos = content.find("CameraRollDomain", "Media/PhotoData/Photos.sqlite")
    assert len(query(photos, f"SELECT ZFILENAME FROM {table}")) > 30
    messages = query(content.find("HomeDomain", "Library/SMS/sms.db"), "PRAGMA table_info(message)")
    assert ("date_edited" in {column[1] for column in messages}) is (ios == "27.0")


def test_life_has_people_calls_and_notes() -> None:
    content = Content(demo_spec())
    people = query(
        content.find("HomeDomain", "Library/AddressBook/AddressBook.sqlitedb"),
        "SELECT First, value FROM ABPerson p JOIN ABMultiValue v ON v.record_id = p.ROWID WHERE property = 3",
    )
    assert ("花子", "+81355500003") in people
    calls = content.find("HomeDomain", "Library/CallHistoryDB/CallHistory.storedata")
    assert len(query(calls, "SELECT ZADDRESS, ZDURATION FROM ZCALLRECORD")) == 12
    notes = content.find("AppDomainGroup-group.com.apple.notes", "NoteStore.sqlite")
    titles = query(notes, "SELECT ZTITLE1 FROM ZICCLOUDSYNCINGOBJECT")
    assert ("Shopping",) in titles


def test_life_has_photos_that_are_pictures() -> None:
    image = pytest.importorskip("PIL.Image")
    content = Content(demo_spec())
    rows = query(
        content.find("CameraRollDomain", "Media/PhotoData/Photos.sqlite"),
        "SELECT ZDIRECTORY, ZFILENAME, ZWIDTH, ZHEIGHT FROM ZASSET",
    )
    assert len(rows) == 18
    for folder, name, width, height in rows:
        entry = content.find("CameraRollDomain", f"Media/{folder}/{name}")
        assert entry is not None
        picture = image.open(io.BytesIO(content.read(entry)))
        picture.load()
        assert picture.size == (width, height)
        assert len(set(picture.tobytes())) > 10
