"""Calendars, reminders, voice memos and Safari, against what the makers' tables say of each."""

from datetime import UTC, datetime

import pytest

from ibackup.contents.calendar.calendar_reader import Calendars
from ibackup.contents.calendar.repetition import calendar_parts, reminder_parts
from ibackup.contents.gaps import Gaps
from ibackup.contents.only_encrypted import NOT_ENCRYPTED
from ibackup.contents.reminders import Reminders
from ibackup.contents.safari import SafariBookmarks, SafariHistory
from ibackup.contents.voice_memos import IN_PARTS, VoiceMemo, VoiceMemos
from ibackup.simulator.life.calendar_db import EVENTS, calendar_file
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, with_torn_pages
from ibackup.simulator.life.memos_db import MEMOS, OLD_PLACE, memo_files
from ibackup.simulator.life.reminders_db import REMINDERS, reminder_stores
from ibackup.simulator.life.safari_db import BOOKMARKS, SAFARI, VISITS, safari_files
from support.appdata import fixture
from support.lives import backup_of, disagreements
from support.minted import Mint

PASSWORD = "Kurzhaar-Wisent 7"


@pytest.mark.parametrize("ios", [14, 17])
def test_events_are_as_the_maker_says(mint: Mint, ios: int) -> None:
    gaps = Gaps()
    with backup_of(mint, [calendar_file(ios=ios)]) as backup:
        calendars = Calendars.of(backup, gaps)
        assert calendars is not None
        with calendars:
            events = {event.id: event for event in calendars}
            assert [each.title for each in calendars.calendars] == ["Home", "Work: 1/2", "Birthdays"]
    assert list(events) == [made.case for made in EVENTS if made.says is not None]
    for made in EVENTS:
        if made.says is None:
            continue
        event = events[made.case]
        says = dict(made.says)
        if "rule" in says:
            assert event.rules == (says.pop("rule"),), made.case
        if "location" in says:
            assert event.place is not None
            assert event.place.shown == says.pop("location")
        if "organizer" in says:
            assert event.organizer is not None
            assert event.organizer.address == says.pop("organizer")
        assert disagreements(event, says) == [], made.case
    meeting = events["meeting"]
    assert (meeting.calendar.title, meeting.calendar.account, meeting.calendar.color) == (
        "Work: 1/2",
        "iCloud",
        "#1BADF8",
    )
    assert events["odd values"].calendar.title == ""
    reasons = {gap.reason for gap in gaps}
    assert "a birthday that the phone shows from a contact; it is with the contacts" in reasons
    assert "an event of an account that is switched off on the phone" in reasons
    assert "time zones that nobody knows; those times are in UTC" in reasons


def test_a_calendar_of_a_real_phone(mint: Mint) -> None:
    data = fixture("..", "real-ios-14.3", "20", "2041457d5fe04d39d0ab481178355df6781e6858").read_bytes()
    with backup_of(mint, [LifeFile("HomeDomain", "Library/Calendar/Calendar.sqlitedb", data, 0)]) as backup:
        calendars = Calendars.of(backup, Gaps())
        assert calendars is not None
        with calendars:
            (event,) = list(calendars)
    assert event.title == "Super interesting meeting"
    assert event.start == datetime(2023, 4, 18, 9, 15, tzinfo=UTC)
    assert event.organizer is not None
    assert event.organizer.address == "user@example.org"


def test_events_past_a_torn_page(mint: Mint) -> None:
    file = calendar_file()
    for page in range(2, len(file.data) // 4096):
        with backup_of(
            mint, [LifeFile(file.domain, file.path, with_torn_pages(file.data, page), 0)]
        ) as backup:
            calendars = Calendars.of(backup, Gaps())
            if calendars is not None:
                with calendars:
                    assert len(list(calendars)) <= len(EVENTS)


@pytest.mark.parametrize(
    ("specifier", "parts", "odd"),
    [
        ("D=0TU,+2MO,-1FR;O=7", {"BYDAY": ("TU", "2MO", "-1FR"), "BYMONTH": ("7",)}, []),
        ("M=1,-1;S=-1", {"BYMONTHDAY": ("1", "-1"), "BYSETPOS": ("-1",)}, []),
        ("Y=366;W=53", {"BYYEARDAY": ("366",), "BYWEEKNO": ("53",)}, []),
        ("", {}, []),
        ("D=XX\r\nX-EVIL:1,0MO", {"BYDAY": ("MO",)}, ["XX\r\nX-EVIL:1"]),
        ("O=13,0,-1,5", {"BYMONTH": ("5",)}, ["13", "0", "-1"]),
        ("Z=1;;D", {"BYDAY": ()}, ["Z=1", ""]),
    ],
)
def test_only_what_a_rule_may_say_gets_through(specifier: str, parts: object, odd: list[str]) -> None:
    seen: list[str] = []
    assert calendar_parts(specifier, seen.append) == parts
    assert seen == odd


def test_days_of_reminders() -> None:
    seen: list[str] = []
    days = '[{"weekNumber":-1,"dayOfTheWeek":6},{"dayOfTheWeek":1},{"dayOfTheWeek":9},"x",null]'
    assert reminder_parts({"D": days, "M": "[1,-1]", "O": "[" * 100_000}, seen.append) == {
        "BYDAY": ("-1FR", "SU"),
        "BYMONTHDAY": ("1", "-1"),
    }
    assert len(seen) == 4


@pytest.mark.parametrize("ios", [14, 16, 18])
def test_reminders_are_as_the_maker_says(mint: Mint, ios: int) -> None:
    gaps = Gaps()
    with backup_of(mint, reminder_stores(ios=ios)) as backup:
        reminders = Reminders.of(backup, gaps)
        assert reminders is not None
        with reminders:
            found = {reminder.id: reminder for reminder in reminders}
    made = {str(each.identifier).upper(): each for each in REMINDERS if each.says is not None}
    assert set(found) == set(made)
    for key, each in made.items():
        says = dict(each.says or {})
        if "rule" in says:
            assert found[key].rules == (says.pop("rule"),)
        due = found[key].due
        if isinstance(due, datetime):
            assert due == datetime.fromisoformat(str(says.pop("due")))
        assert disagreements(found[key], says) == [], each.case
        if each.below:
            assert (
                found[key].parent
                == str(next(o for o in REMINDERS if o.case == each.below).identifier).upper()
            )
    assert {gap.reason for gap in gaps} == {"times that are no dates", "values that are no whole numbers"}


def test_reminders_of_ios_12_are_in_the_calendar(mint: Mint) -> None:
    columns = (
        "ROWID INTEGER PRIMARY KEY, summary TEXT, due_date REAL, completion_date REAL, priority INTEGER,"
        " calendar_id INTEGER, entity_type INTEGER, UUID TEXT"
    )
    database = MadeDatabase({"CalendarItem": columns, "Calendar": "ROWID INTEGER PRIMARY KEY, title TEXT"})
    database.add("Calendar", {"title": "To do"})
    database.add("CalendarItem", {"summary": "An event", "entity_type": 2, "calendar_id": 1, "UUID": "1"})
    database.add(
        "CalendarItem",
        {
            "summary": "Milk",
            "entity_type": 3,
            "calendar_id": 1,
            "completion_date": 1e8,
            "priority": 5,
            "UUID": "2",
        },
    )
    file = LifeFile("HomeDomain", "Library/Calendar/Calendar.sqlitedb", database.data(), 0)
    with backup_of(mint, [file]) as backup:
        reminders, calendars = Reminders.of(backup, Gaps()), Calendars.of(backup, Gaps())
        assert reminders is not None
        assert calendars is not None
        with reminders, calendars:
            (milk,) = list(reminders)
            (event,) = list(calendars)
    assert (milk.id, milk.title, milk.done, milk.priority, milk.list_name) == ("2", "Milk", True, 5, "To do")
    assert event.title == "An event"


@pytest.mark.parametrize("ios", [14, 17])
def test_memos_are_as_the_maker_says(mint: Mint, ios: int) -> None:
    gaps = Gaps()
    transcripts: dict[str, str] = {}
    with backup_of(mint, memo_files(ios=ios)) as backup:
        memos = VoiceMemos.of(backup, gaps)
        assert memos is not None
        with memos:
            found: dict[str, VoiceMemo] = {}
            for memo in memos:
                found[memo.id] = memo
                transcripts[memo.id] = memos.transcript(memo)
    assert list(found) == [made.case for made in MEMOS]
    for made in MEMOS:
        says = dict(made.says)
        assert transcripts[made.case] == says.pop("transcript", "")
        assert disagreements(found[made.case], says) == [], made.case
    assert {gap.reason for gap in gaps} >= {
        "the recording is only in iCloud",
        "the recording is not in the backup",
    }


def test_an_edited_memo_of_which_only_the_parts_are_here(mint: Mint) -> None:
    made = memo_files(ios=17)
    name = next(str(each.columns["ZPATH"]) for each in MEMOS if each.file and each.columns.get("ZPATH"))
    stem = name.rpartition(".")[0]
    files = [
        LifeFile(
            file.domain,
            file.path.replace(name, f"{stem}.composition/fragments/1.m4a"),
            file.data,
            file.modified,
        )
        for file in made
    ]
    gaps = Gaps()
    with backup_of(mint, files) as backup:
        memos = VoiceMemos.of(backup, gaps)
        assert memos is not None
        with memos:
            parts = {memo.file_name: memo.pieces for memo in memos}[name]
    assert [part.rpartition("/")[2] for part in parts] == ["1.m4a"]
    assert {gap.reason: gap.count for gap in gaps}[IN_PARTS] == 1


def test_a_memo_in_an_old_and_a_new_store_is_told_once(mint: Mint) -> None:
    old = [file for file in memo_files(ios=14) if file.path.endswith(".db")]
    with backup_of(mint, [*memo_files(ios=17), *old]) as backup:
        memos = VoiceMemos.of(backup, Gaps())
        assert memos is not None
        with memos:
            assert next(memo.recording for memo in memos) == "Recordings/20240503 100000-AAAA.m4a"
            assert len(list(memos)) == len(MEMOS)


def test_an_edited_memo_is_found_by_its_pieces(mint: Mint) -> None:
    domain, folder = OLD_PLACE
    pieces = [f"{folder}/five.composition/fragments/{n}.m4a" for n in (1, 2)]
    files = [*memo_files(ios=14), *(LifeFile(domain, piece, b"x", 0) for piece in pieces)]
    with backup_of(mint, files) as backup:
        memos = VoiceMemos.of(backup, Gaps())
        assert memos is not None
        with memos:
            found = {memo.id: memo for memo in memos}
    assert found["file absent"].pieces == tuple(pieces)


def test_bookmarks_and_history_are_as_the_maker_says(mint: Mint) -> None:
    gaps = Gaps()
    with backup_of(mint, safari_files(), PASSWORD) as backup:
        bookmarks, history = SafariBookmarks.of(backup, gaps), SafariHistory.of(backup, gaps)
        assert bookmarks is not None
        assert history is not None
        with bookmarks, history:
            marked = {each.id: each for each in bookmarks}
            visits = list(history)
    assert list(marked) == [made.case for made in BOOKMARKS if made.says is not None]
    for made in BOOKMARKS:
        if made.says is not None:
            assert disagreements(marked[made.case], made.says) == [], made.case
    by_url = {visit.url: visit for visit in visits}
    assert len(visits) == len(VISITS)
    for each in VISITS:
        assert disagreements(by_url[each.url], each.says) == [], each.case
    assert [gap.reason for gap in gaps] == ["additional data that cannot be read"]


def test_no_history_says_why(mint: Mint) -> None:
    gaps = Gaps()
    with backup_of(mint, safari_files(history=False)) as backup:
        assert SafariHistory.of(backup, gaps) is None
    assert [(gap.part, gap.reason) for gap in gaps] == [("Safari history", NOT_ENCRYPTED)]
    assert SAFARI[0] == "HomeDomain"
