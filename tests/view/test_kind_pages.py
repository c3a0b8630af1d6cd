"""The lists and the details of people, calls, notes and the like, over stores of made lives."""

import html
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from ibackup.simulator.life.calls_db import MadeCall
from ibackup.simulator.life.contacts_db import MOBILE, MadeContact, MadeValue
from ibackup.simulator.life.contacts_db import PHONE as NUMBER
from ibackup.simulator.life.hard_life import hard_life
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import stamp
from ibackup.simulator.life.memos_db import NEW_PLACE, sound
from ibackup.simulator.life.note_bodies import MadeRun, note
from ibackup.simulator.life.notes_db import MadeNote
from ibackup.view.kinds_shown.entry_choice import PART
from support.minted import Minted
from support.page_calls import PHONE, PageCalls, store_of
from support.search_store import FIRST, PASSWORD

KINDS = (
    "people",
    "calls",
    "notes",
    "calendar",
    "reminders",
    "memos",
    "voicemail",
    "safari",
    "safari/reading-list",
    "safari/history",
    "health",
)
ENDINGS = {
    "people": ".vcf",
    "calendar": ".ics",
    "reminders": ".ics",
    "calls": ".csv",
    "notes": ".zip",
    "memos": ".zip",
    "voicemail": ".zip",
    "safari": ".html",
    "safari/reading-list": ".csv",
    "safari/history": ".csv",
}
SCHEMES = {"", "http", "https", "mailto", "tel", "sms"}


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageCalls]:
    """A backup with the hard cases of every kind. To look at."""
    calls = PageCalls(store_of(tmp_path_factory.mktemp("hard"), hard_life().files(26), password=None).path)
    yield calls
    calls.close()


class Markup(HTMLParser):
    """What a browser would make of a page that is not only text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.dangers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "iframe", "object", "embed", "base", "style"}:
            source = dict(attrs).get("src") or ""
            if tag != "script" or not source.startswith("/static/"):
                self.dangers.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.dangers.append(f"{name}={value}")
            if name in {"href", "src", "action"}:
                parts = urlsplit(html.unescape(value or ""))
                if parts.scheme not in SCHEMES or (name != "href" and parts.netloc):
                    self.dangers.append(f"{name}={value}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_of_the_hard_cases_has_a_page_in_which_nothing_runs(hard: PageCalls, kind: str) -> None:
    page = hard.get(f"{PHONE}/{kind}")
    assert page.status == 200, page.text
    assert Markup(page.html).dangers == []
    entries = [each for each in page.links("id=") if urlsplit(each).path == f"{PHONE}/{kind}"]
    assert len(entries) >= 1
    for address in entries:
        answer = hard.get(address)
        assert answer.status == 200, (address, answer.text)
        assert Markup(answer.html).dangers == []
        for taken in answer.links("/take?"):
            got = hard.get(taken)
            assert got.status == 200, (taken, got.text)
            assert got.body
            assert got.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize("kind", ENDINGS)
def test_all_of_a_kind_can_be_taken_out(hard: PageCalls, kind: str) -> None:
    address = next(iter(hard.get(f"{PHONE}/{kind}").links("/take?")))
    got = hard.get(address)
    assert got.status == 200
    assert ENDINGS[kind] in got.headers["content-disposition"]
    if ENDINGS[kind] == ".zip":
        assert zipfile.ZipFile(io.BytesIO(got.body)).testzip() is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_backup_says_why_there_is_nothing(tmp_path: Path, kind: str) -> None:
    calls = PageCalls(store_of(tmp_path, []).path)
    page = calls.get(f"{PHONE}/{kind}")
    assert page.status == 200
    assert "in this backup" in page.text
    if kind in {"calls", "health", "safari/history"}:
        assert "because it is not encrypted" in page.text
    calls.close()


def test_an_encrypted_backup_is_shown_once_it_is_unlocked(tmp_path: Path) -> None:
    store = store_of(tmp_path, hard_life().files(26), password=PASSWORD)
    calls = PageCalls(store.path)
    locked = calls.get(f"{PHONE}/calls")
    assert locked.status == 200
    assert "password" in locked.text
    assert "Lovelace" not in locked.text
    phone = calls.house.phones()[0]
    calls.house.opened.unlock(phone.backups[0], calls.session, PASSWORD)
    assert "Lovelace" in calls.get(f"{PHONE}/calls").text
    calls.session.lock()
    assert "Lovelace" not in calls.get(f"{PHONE}/calls").text
    calls.close()


# -- lists ----------------------------------------------------------------------------------------------------


def with_calls(count: int) -> Iterator[LifeFile]:
    made = tuple(
        MadeCall(
            case=f"call {n}", columns={"ZADDRESS": f"+4416329{n:05}", "ZDATE": stamp(1_700_000_000 + 60 * n)}
        )
        for n in range(count)
    )
    return replace(hard_life(), calls=made).files(26)


def test_a_long_list_comes_in_parts_that_together_are_all_of_it(tmp_path: Path) -> None:
    total = 2 * PART + 7
    calls = PageCalls(store_of(tmp_path, with_calls(total)).path)
    seen: list[str] = []
    address = f"{PHONE}/calls"
    while address:
        page = calls.get(address)
        seen += [each for each in page.links("id=") if "/take" not in each and "/file" not in each]
        address = next(
            (each for each in page.links("from=") if "id=" not in each and _later(each, len(seen))), ""
        )
    assert len(seen) == len({each.partition("id=")[2].partition("&")[0] for each in seen}) == total
    calls.close()


def _later(address: str, seen: int) -> bool:
    return f"from={seen}" in address


def test_the_field_finds_names_numbers_and_words_whatever_their_accents(hard: PageCalls) -> None:
    for kind, words, wanted, unwanted in (
        ("people", "lovelace", "Ada King Lovelace", "Acme"),
        ("people", "01632960004", "", "Alan Turing"),
        ("people", "山田", "花子", "Lovelace"),
        ("notes", "NURSERY gloves", "Garden plan", "Wi-Fi"),
        ("calendar", "hauptstrasse", "Plans, money", "Leap day"),
        ("safari/history", "mac.example", "mac.example", "Target"),
    ):
        page = hard.get(f"{PHONE}/{kind}?q={words}")
        listed = page.html.partition('id="entries"')[2]
        assert wanted in html.unescape(listed), (kind, words)
        assert unwanted not in html.unescape(listed), (kind, words)
    nothing = hard.get(f"{PHONE}/notes?q=nobodywrotethis")
    assert "Nothing found" in nothing.text
    assert nothing.links("/search?q=nobodywrotethis")


def test_choices_above_a_list_show_what_they_say(hard: PageCalls) -> None:
    page = hard.get(f"{PHONE}/notes?only=locked")
    rows = page.html.partition('id="entries"')[2].count('class="row')
    assert f"Locked {rows}" in page.text
    done = hard.get(f"{PHONE}/reminders?only=done")
    assert "Find the IBAN" in done.text
    assert "Learn Welsh" not in done.html.partition('id="entries"')[2]


@pytest.mark.parametrize(
    "query",
    [
        "from=999999999&only=nothing&in=nowhere",
        "from=-5&day=yesterday&q=%00%ff",
        "from=\u0663&day=0001-01-01",
        "day=9999-12-31&q=" + "x" * 5000,
        "id=" + "y" * 3000,
        "id=%3Cscript%3E&look=1&q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_an_odd_address_still_shows_a_page(hard: PageCalls, kind: str, query: str) -> None:
    page = hard.get(f"{PHONE}/{kind}?{quote(query, safe='=&%')}")
    assert page.status == (404 if "id=" in query else 200)
    assert Markup(page.html).dangers == []
    assert hard.get(f"{PHONE}/{kind}/take?as=exe&{quote(query, safe='=&%')}").status == 404
    assert hard.get(f"{PHONE}/{kind}/file?name=../../x&{quote(query, safe='=&%')}").status == 404


def test_one_can_go_to_a_day(hard: PageCalls) -> None:
    page = hard.get(f"{PHONE}/calendar?day=2024-06-03")
    first = page.html.partition('id="entries"')[2]
    assert "Plans, money" in html.unescape(first)
    assert "Leap day" not in first
    assert "Show what stands before" in page.text


def test_what_repeats_stands_at_each_time_in_the_month_that_is_shown(hard: PageCalls) -> None:
    rows = hard.get(f"{PHONE}/calendar?day=2024-07-02").text.partition("Show what stands before")[2]
    assert all(f"{day} July 2024 Run" in rows for day in ("Wednesday 3", "Monday 8"))
    assert "Friday 30 August 2024 Beer" in rows
    assert "27 September 2024" not in rows
    chosen = hard.get(f"{PHONE}/calendar?day=2024-07-01&id=weekdays+by+two+specifiers").html
    assert chosen.partition('id="entries"')[2].partition("</section>")[0].count('aria-current="true"') == 1
    later = hard.get(f"{PHONE}/calendar?day=2024-09-20").text
    assert "Friday 27 September 2024 Beer" in later


# -- times ----------------------------------------------------------------------------------------------------

CLARA = ("Clara", "+441632960117")


def card(name: str, number: str, changed: float) -> MadeContact:
    return MadeContact(
        case=name,
        columns={"First": name, "ModificationDate": stamp(changed)},
        values=(MadeValue(NUMBER, MOBILE, number),),
    )


@pytest.fixture(scope="module")
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageCalls]:
    """Four backups: Vera goes after the second, Clara's number changes before the third, Elif comes with the fourth."""
    early, later = FIRST.timestamp() - 86_400, (FIRST + timedelta(days=1, hours=5)).timestamp()
    vera, elif_ = card("Vera", "+441632960171", early), card("Elif", "+441632960128", later)
    before, after = card("Clara", "+441632960162", early), card("Clara", "+441632960117", later)
    lives = [
        replace(hard_life(), contacts=cards).files(26)
        for cards in ((before, vera), (before, vera), (after,), (after, elif_))
    ]
    calls = PageCalls(store_of(tmp_path_factory.mktemp("changing"), *lives).path)
    yield calls
    calls.close()


def at(calls: PageCalls, number: int) -> str:
    return calls.house.phones()[0].backups[number].id


def test_what_the_newest_backup_lacks_is_marked_as_gone(changing: PageCalls) -> None:
    newest = changing.get(f"{PHONE}/people")
    assert "Vera" not in newest.text
    assert "Gone" not in newest.html.partition('id="entries"')[2].partition("</ul>")[0]
    older = next(each for each in newest.links("only=gone"))
    assert at(changing, 2) in older
    old = changing.get(f"{PHONE}/people?at={at(changing, 0)}&only=gone")
    assert "1 is gone from the phone" in old.text
    assert "Vera" in old.text
    assert "Clara" not in old.html.partition('id="entries"')[2]
    detail = changing.get(f"{PHONE}/people?at={at(changing, 0)}&id=Vera")
    assert "No longer on the phone" in detail.text
    assert "It went between 1 Nov, 02:00 and 4 Nov, 02:00." in detail.text
    exact = changing.get(next(iter(detail.links("look="))))
    assert "It went between 2 Nov, 02:00 and 3 Nov, 02:00." in exact.text
    assert "It is in 2 backups, from 1 November to 2 November." in exact.text
    looked = next(iter(detail.links("look=")))
    elsewhere = changing.get(looked.replace(f"at={at(changing, 0)}", f"at={at(changing, 1)}"))
    assert "Vera" in elsewhere.text
    assert "In the backups" not in elsewhere.text  # nobody asked for that there, and it can take a while


def test_what_a_card_said_before_is_found_in_an_older_backup(changing: PageCalls) -> None:
    page = changing.get(f"{PHONE}/people?id=Clara")
    look = changing.get(next(iter(page.links("look="))))
    assert "It is in all 4 backups, since 1 November." in look.text
    assert "+441632960162" in look.text.partition("What it said before")[2]
    old = changing.get(next(iter(look.links(at(changing, 1)))))
    assert "+441632960162" in old.text


def test_an_entry_that_did_not_exist_yet_says_so(changing: PageCalls) -> None:
    early = changing.get(f"{PHONE}/people?at={at(changing, 0)}&id=Elif")
    assert early.status == 404
    assert "This person did not exist yet on 1 November" in early.text
    assert f"{PHONE}/people?id=Elif" in early.links("id=Elif")
    never = changing.get(f"{PHONE}/people?id=nobody")
    assert never.status == 404
    assert "This person is not in this backup" in never.text


# -- kinds ----------------------------------------------------------------------------------------------------


def test_a_recording_plays_from_any_place(hard: PageCalls) -> None:
    page = hard.get(f"{PHONE}/memos?id=slash+in+the+title")
    assert "One two three four" in page.text
    address = html.unescape(page.html.partition('<audio controls preload="none" src="')[2].partition('"')[0])
    whole = hard.get(address)
    assert whole.headers["content-type"] == "audio/mp4"
    assert whole.body == sound("One two three four")
    part = hard.get(address, {"Range": "bytes=100-199"})
    assert part.status == 206
    assert part.body == whole.body[100:200]


def test_a_recording_that_is_not_here_is_told_and_not_offered(hard: PageCalls) -> None:
    page = hard.get(f"{PHONE}/memos?id=only+in+iCloud")
    assert "only in iCloud" in page.text
    assert "<audio" not in page.html
    assert not page.links("/take?id=")


def test_a_file_that_the_backup_lost_cuts_no_download_off(tmp_path: Path) -> None:
    store = store_of(tmp_path, hard_life().files(26))
    snapshot = next(iter(store.phone.snapshots()))
    name = Minted.file_id(*memo_place("20240503 100000-AAAA.m4a"))
    next(Path(snapshot.backup_path).glob(f"*/{name}")).unlink()
    calls = PageCalls(store.path)
    taken = zipfile.ZipFile(io.BytesIO(calls.get(f"{PHONE}/memos/take?as=sound").body))
    assert taken.testzip() is None
    assert not any("Band 3" in each for each in taken.namelist())
    assert any("Idea" in each for each in taken.namelist())
    address = f"{PHONE}/memos/file?id=slash+in+the+title&name=sound"
    assert calls.get(address).status == 404
    assert "cannot be read" in calls.get(address).text
    assert calls.get(f"{PHONE}/memos/take?as=sound&id=slash+in+the+title").status == 404
    calls.close()


def memo_place(name: str) -> tuple[str, str]:
    domain, folder = NEW_PLACE
    return domain, f"{folder}/{name}"


def test_a_locked_note_says_so(hard: PageCalls) -> None:
    address = hard.get(f"{PHONE}/notes?only=locked").links("id=")[0]
    page = hard.get(address)
    assert "This note is locked" in page.text
    assert not page.links("/take?id=")


def test_a_note_shows_its_table_and_its_pictures(hard: PageCalls) -> None:
    address = next(iter(hard.get(f"{PHONE}/notes?q=pears").links("id=")))
    page = hard.get(address)
    found = [each for each in hard.get(f"{PHONE}/notes").links("id=") if "/take" not in each]
    pages = [hard.get(each).html for each in found]
    assert any("<table>" in each and "Plums" in each for each in pages)
    pictures = [
        html.unescape(piece.partition('"')[0]) for each in pages for piece in each.split('<img src="')[1:]
    ]
    answers = [hard.get(each) for each in pictures]
    assert any(each.headers["content-type"] == "image/jpeg" for each in answers)
    assert page.status == 200


def test_a_picture_of_a_person_is_sent_as_one(hard: PageCalls) -> None:
    page = hard.get(f"{PHONE}/people?id=everything")
    address = html.unescape(page.html.partition('<span class="face large"><img src="')[2].partition('"')[0])
    assert hard.get(address).headers["content-type"].startswith("image/")
    assert hard.get(address.replace("name=picture", "name=../../secret")).status == 404


def test_what_an_event_is_made_of(hard: PageCalls) -> None:
    text = hard.get(f"{PHONE}/calendar?id=meeting").text
    for part in ("Room 4", "Ada Lovelace", "declined", "15 minutes before", "Europe/Berlin", "Line two"):
        assert part in text
    moved = hard.get(f"{PHONE}/calendar?id=the+moved+one").text
    assert "In place of" in moved
    assert "the whole series" in moved
    unknown = hard.get(f"{PHONE}/calendar?id=zone+unknown").text
    assert "Not known" in unknown
    assert "wherever the phone is" in hard.get(f"{PHONE}/calendar?id=floating").text


def test_texts_of_a_note_are_text_when_it_is_taken_out(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    made = MadeNote(case="evil", title=evil, data=note((MadeRun(text=f"{evil}\nmore"),)))
    calls = PageCalls(store_of(tmp_path, replace(hard_life(), notes=(made,)).files(26)).path)
    page = calls.get(calls.get(f"{PHONE}/notes").links("id=")[0])
    assert "<script>alert" not in page.html
    taken = calls.get(page.links("as=html")[0])
    assert "<script>alert" not in taken.html
    assert "&lt;script&gt;" in taken.html
    assert "as=md" in page.links("as=md")[0]
    assert "<script>" not in calls.get(page.links("as=md")[0]).html
    calls.close()


def test_numbers_for_the_navigation_are_those_of_what_was_read(hard: PageCalls) -> None:
    lists = {page: hard.get(f"{PHONE}/{page}") for page in ("people", "photos", "messages", "whatsapp")}
    page = hard.get(f"{PHONE}/notes")
    rail = " ".join(page.html.partition('id="rail"')[2].partition("</aside>")[0].split())
    assert 'People</span><span class="number">17<' in rail
    for title, name in (("Messages", "messages"), ("WhatsApp", "whatsapp")):
        shown = int(re.findall(r'All\s*<span class="number">(\d+)<', lists[name].html)[0])
        assert shown > 1
        assert f'{title}</span><span class="number">{shown}<' in rail
    assert 'Photos</span><span class="number">' in rail
