"""Exports of contacts, calls, voicemail, memos, calendars, reminders and Safari, from backups with made databases."""

import csv
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import icalendar
import pytest
import vobject

from ibackup.apple.backup import Backup
from ibackup.export.earlier_exports import RECORD
from ibackup.export.export_request import Exported, ExportRequest
from ibackup.export.exporting import export
from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.life.calendar_db import EVENTS, calendar_file
from ibackup.simulator.life.calls_db import CALLS, call_stores
from ibackup.simulator.life.contacts_db import CONTACTS, PHONE, MadeContact, MadeValue, address_book
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.memos_db import MEMOS, memo_files, sound
from ibackup.simulator.life.reminders_db import REMINDERS, reminder_stores
from ibackup.simulator.life.safari_db import safari_files
from ibackup.simulator.life.voicemail_db import SOUND, VOICEMAILS, voicemail_box
from support.lives import backup_of
from support.minted import Mint

PASSWORD = "Kurzhaar-Wisent 7"
BERLIN = timezone(timedelta(hours=2))


@pytest.fixture
def to(tmp_path: Path) -> Path:
    """Where an export goes."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def exported(
    mint: Mint,
    to: Path,
    files: Iterable[LifeFile],
    *kinds: str,
    password: str | None = PASSWORD,
    later: Backup | None = None,
    **options: object,
) -> Exported:
    with backup_of(mint, files, password) as backup:
        request = ExportRequest(str(to), kinds, zone=BERLIN, later=later, **options)  # type: ignore[arg-type]
        return export(backup, request)


def names(to: Path) -> set[str]:
    return {each.relative_to(to).as_posix() for each in to.rglob("*") if each.is_file()} - {RECORD}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as source:
        return list(csv.DictReader(source))


def test_contacts_become_one_file_that_vobject_reads(mint: Mint, to: Path) -> None:
    large = mosaic("large")[0] + bytes(300 * 1024)
    small = mosaic("small")[0]
    pictured = MadeContact(case="pictured", columns={"First": "Pia/Ö"}, picture=large, thumbnail=small)
    result = exported(mint, to, address_book((*CONTACTS, pictured)), "contacts")
    assert names(to) == {"Contacts/Contacts.vcf", "Contacts/Pictures/Pia Ö.jpg"}
    cards = list(vobject.readComponents((to / "Contacts/Contacts.vcf").read_text(encoding="utf-8")))
    assert (
        len(cards) == result.counts["contacts"] == len(CONTACTS) - 1
    )  # one is empty, two are linked, one is new
    by_uid = {card.uid.value: card for card in cards}
    assert by_uid["everything"].fn.value == "Dr. Ada King Lovelace Jr."
    assert by_uid["pictured"].photo.value == small
    assert (to / "Contacts/Pictures/Pia Ö.jpg").read_bytes() == large


def test_linked_cards_are_one_card_as_on_the_phone(mint: Mint, to: Path) -> None:
    def linked(name: str, number: str, **options: object) -> MadeContact:
        columns = {"First": name, "Note": f"Note of {name}"}
        values = (MadeValue(PHONE, None, number), MadeValue(PHONE, None, "0301 234567 "))
        return MadeContact(case=name, columns=columns, values=values, link=7, **options)  # type: ignore[arg-type]

    small = mosaic("small")[0]
    ann = linked("Ann", "0170 1234567", names_the_person=True)
    bea = linked("Bea With More Names", "0171 7654321", picture=small, thumbnail=small)
    single = MadeContact(case="single", columns={"First": "Cem"})
    result = exported(mint, to, address_book((ann, bea, single)), "contacts")
    cards = list(vobject.readComponents((to / "Contacts/Contacts.vcf").read_text(encoding="utf-8")))
    assert [card.fn.value for card in cards] == ["Ann", "Cem"]
    assert result.counts["contacts"] == 2
    assert [tel.value for tel in cards[0].tel_list] == ["0170 1234567", "0301 234567", "0171 7654321"]
    assert cards[0].note.value == "Note of Ann\nNote of Bea With More Names"
    assert cards[0].photo.value == small


def test_a_linked_card_that_is_gone_comes_alone(mint: Mint, to: Path) -> None:
    left = tuple(each for each in CONTACTS if each.link < 0 or each.names_the_person)
    with backup_of(mint, address_book(left)) as later:
        exported(mint, to, address_book(), "contacts", later=later)
    (card,) = vobject.readComponents((to / "Contacts/Contacts.vcf").read_text(encoding="utf-8"))
    assert card.fn.value == "Grace Hopper"


def test_calls_have_names_and_times_with_their_zone(mint: Mint, to: Path) -> None:
    result = exported(mint, to, [*address_book(), *call_stores()], "calls")
    assert result.counts["calls"] == len(CALLS)
    rows = {row["Time"]: row for row in table(to / "Calls/Calls.csv")}
    first = rows["2024-05-18 04:40:00 +02:00"]
    assert (first["Name"], first["Direction"], first["Result"], first["Seconds"]) == (
        "Ada King Lovelace",
        "incoming",
        "answered",
        "65.5",
    )
    assert not [cell for row in rows.values() for cell in row.values() if cell.startswith(("=", "@", "-"))]
    listed = json.loads((to / "Calls/Calls.json").read_text(encoding="utf-8"))
    assert listed[0]["time"] == "2024-05-18T02:40:00Z"
    assert listed[1]["result"] == "missed"
    group = next(each for each in listed if each["id"] == "FaceTime with three others")
    assert group["names"] == ["Ada King Lovelace", "Ada King Lovelace", "Ada King Lovelace"]
    assert group["international"] == ["+441632960001", "", "+441632960003"]
    linked = next(each for each in listed if each["id"] == "formula")
    assert linked["names"] == ["@SUM(A1)"]


def test_an_unencrypted_backup_says_why_it_has_no_calls(mint: Mint, to: Path) -> None:
    result = exported(mint, to, address_book(), "calls", password=None)
    assert result.unfound == (("calls", "the backup is not encrypted"),)
    assert names(to) == set()


def test_voicemail_and_memos_are_named_by_date_and_title(mint: Mint, to: Path) -> None:
    files = [*address_book(), *voicemail_box(), *memo_files()]
    result = exported(mint, to, files, "voicemail", "voice-memos")
    assert (result.counts["voicemails"], result.counts["memos"]) == (len(VOICEMAILS), len(MEMOS))
    first = to / "Voicemail/2024-05-19 08.26 Ada King Lovelace.amr"
    assert first.read_bytes() == SOUND
    assert first.stat().st_mtime == datetime(2024, 5, 19, 6, 26, 40, tzinfo=UTC).timestamp()
    rows = table(to / "Voicemail/Voicemail.csv")
    assert rows[0]["Transcript"] == "Call me back, please."
    assert rows[0]["File"] == first.name
    assert rows[3]["File"] == ""
    memo = to / "Voice memos/Music/2024-05-03 12.00 Band 3 4 rehearsal.m4a"
    assert memo.read_bytes() == sound("One two three four")
    assert memo.with_suffix(".txt").read_text() == "One two three four\n"
    ideas = {name for name in names(to) if "Idea" in name}
    assert ideas == {"Voice memos/2024-05-03 12.00 Idea.m4a", "Voice memos/2024-05-03 12.00 Idea (2).m4a"}
    assert {row["File"] for row in table(to / "Voice memos/Voice memos.csv")} >= {
        "Music/2024-05-03 12.00 Band 3 4 rehearsal.m4a",
        "",
    }


def test_a_file_a_calendar_and_a_list(mint: Mint, to: Path) -> None:
    result = exported(mint, to, [calendar_file(), *reminder_stores()], "calendar", "reminders")
    assert names(to) == {
        "Calendars/Home.ics",
        "Calendars/Work 1 2.ics",
        "Calendars/Calendar.ics",
        "Reminders/Household.ics",
        "Reminders/Some day.ics",
        "Reminders/Reminders.ics",
        "index.html",
    } - {"Calendars/Calendar.ics"}  # its only event has no start
    placed = 0
    for path in (to / "Calendars").iterdir():
        placed += len(icalendar.Calendar.from_ical(path.read_bytes()).walk("VEVENT"))
    without_start = [made for made in EVENTS if made.says is not None and made.says.get("start", "") is None]
    shown = [made for made in EVENTS if made.says is not None]
    assert placed == result.counts["events"] == len(shown) - len(without_start)
    assert result.counts["reminders"] == len([made for made in REMINDERS if made.says is not None])
    reasons = {gap.reason: gap.count for gap in result.gaps}
    assert reasons["an event without a start that a calendar program could show"] == len(without_start)


def test_safari_becomes_files_that_browsers_and_people_read(mint: Mint, to: Path) -> None:
    result = exported(mint, to, safari_files(), "safari")
    assert names(to) == {
        "Safari/Bookmarks.html",
        "Safari/Reading List.csv",
        "Safari/Reading List.json",
        "Safari/History.csv",
        "Safari/History.json",
    }
    assert (result.counts["bookmarks"], result.counts["visits"]) == (6, 7)
    visits = table(to / "Safari/History.csv")
    assert visits[2]["Redirected to"] == "https://long.example/target"
    assert visits[-1]["Profile"] == "7E57AB1E-0000-4000-8000-000000000001"
    assert [row["Address"] for row in visits if row["Address"].startswith("'=")]


EVERY = ("contacts", "calls", "voicemail", "voice-memos", "calendar", "reminders", "safari")


def life() -> list[LifeFile]:
    return [
        *address_book(),
        *call_stores(),
        *voicemail_box(),
        *memo_files(),
        calendar_file(),
        *reminder_stores(),
        *safari_files(),
    ]


def test_exporting_again_writes_nothing(mint: Mint, to: Path) -> None:
    first = exported(mint, to, life(), *EVERY)
    before = {name: (to / name).read_bytes() for name in names(to)}
    again = exported(mint, to, life(), *EVERY)
    assert again.files == 0
    assert again.same == first.files
    assert {name: (to / name).read_bytes() for name in names(to)} == before


def test_only_what_a_later_backup_no_longer_has(mint: Mint, to: Path) -> None:
    fewer = [*address_book(CONTACTS[1:]), *call_stores(CALLS[1:]), *memo_files(MEMOS[1:])]
    fewer += [calendar_file(EVENTS[1:]), *reminder_stores(REMINDERS[2:]), *safari_files()]
    with backup_of(mint, [*fewer, *voicemail_box()], PASSWORD) as later:
        result = exported(mint, to, life(), *EVERY, later=later)
    counts = {noun: result.counts[noun] for noun in ("contacts", "calls", "memos", "events", "reminders")}
    assert counts == {"contacts": 1, "calls": 1, "memos": 1, "events": 1, "reminders": 2}
    assert dict(result.unfound).keys() == {"voicemail", "safari"}


def test_only_what_is_between_two_dates(mint: Mint, to: Path) -> None:
    since, until = datetime(2024, 7, 4, tzinfo=BERLIN), datetime(2024, 7, 6, tzinfo=BERLIN)
    result = exported(mint, to, life(), "calendar", "calls", since=since, until=until)
    events = icalendar.Calendar.from_ical((to / "Calendars/Home.ics").read_bytes()).walk("VEVENT")
    single = {str(event["SUMMARY"]) for event in events if "RRULE" not in event}
    assert single == {"Wake up", "On Mars"}
    assert {str(event["SUMMARY"]) for event in events if "RRULE" in event} >= {"Choir", "Leap day"}
    assert ("calls", "") in result.unfound


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_the_version_of_vcards_is_chosen(mint: Mint, to: Path, version: str) -> None:
    exported(mint, to, address_book(), "contacts", vcard=version)
    text = (to / "Contacts/Contacts.vcf").read_bytes()
    assert text.count(f"VERSION:{version}\r\n".encode()) == text.count(b"BEGIN:VCARD\r\n") > 10
