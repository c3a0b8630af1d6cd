"""Exports of conversations: pages that open anywhere and run nothing, records for programs, attachments beside them."""

import csv
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from ibackup.apple.backup import Backup
from ibackup.export import messages_export
from ibackup.export.chosen_conversations import is_chosen
from ibackup.export.earlier_exports import RECORD
from ibackup.export.export_request import Exported, ExportRequest
from ibackup.export.exporting import export
from ibackup.export.message_html import calm
from ibackup.export.web_links import safe_link
from ibackup.simulator.life.contacts_db import MadeContact, MadeValue, address_book
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_archive import Url, keyed_archive
from ibackup.simulator.life.made_typedstream import MESSAGE_PART, Value
from ibackup.simulator.life.messages_db import (
    TEXTED,
    MadeAttached,
    MadeMessages,
    MadeText,
    made_guid,
    message_files,
)
from ibackup.simulator.life.thread_cases import CARDS, MADE_MESSAGES
from support.lives import backup_of
from support.minted import Mint
from support.tiny_heic import HEIC

BERLIN = timezone(timedelta(hours=1))
SHOWN = [text for text in MADE_MESSAGES.texts if text.says is not None]


@pytest.fixture
def to(tmp_path: Path) -> Path:
    """Where an export goes."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def life(made: MadeMessages = MADE_MESSAGES, ios: int = 26) -> list[LifeFile]:
    return [*message_files(made, ios), *contacts()]


def contacts() -> Iterable[LifeFile]:
    return address_book(
        tuple(
            MadeContact(
                case=number,
                columns={"First": name},
                values=tuple(MadeValue(4 if "@" in each else 3, None, each) for each in addresses),
            )
            for number, name, addresses in CARDS
        )
    )


def exported(
    mint: Mint, to: Path, files: Iterable[LifeFile], *, later: Backup | None = None, **options: object
) -> Exported:
    with backup_of(mint, files) as backup:
        request = ExportRequest(str(to), ("messages",), zone=BERLIN, later=later, **options)  # type: ignore[arg-type]
        return export(backup, request)


def records(to: Path) -> dict[str, dict[str, Any]]:
    """Every message in every conversation's messages.json."""
    return {
        each["id"]: each
        for path in sorted(to.rglob("messages.json"))
        for each in json.loads(path.read_text(encoding="utf-8"))
    }


class Page(HTMLParser):
    """What is on a page: its text, and where it leads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: set[str] = set()
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids |= {value for name, value in attrs if name == "id" and value}

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def addresses(self) -> list[str]:
        return [
            value or "" for _, attrs in self.tags for name, value in attrs.items() if name in {"href", "src"}
        ]


def pages(to: Path) -> dict[str, Page]:
    return {path.relative_to(to).as_posix(): Page(path) for path in sorted(to.rglob("*.html"))}


def test_every_message_is_in_the_records(mint: Mint, to: Path) -> None:
    result = exported(mint, to, life())
    found = records(to)
    assert set(found) == {text.guid for text in SHOWN}
    assert result.counts["messages"] >= len(SHOWN)  # one of them is in two conversations
    plain = found[made_guid("plain")]
    assert {"id", "time", "sender", "text", "attachments", "edited", "reactions"} <= plain.keys()
    assert (plain["time"], plain["sender"], plain["address"]) == (
        "2024-03-01T10:00:00Z",
        "Ada",
        "+4915550000001",
    )
    assert [(each["emoji"], each["sender"]) for each in plain["reactions"]] == [
        ("❓", "Ada"), ("👍", "Me"), ("❤️", "Bob"),
    ]  # fmt: skip
    edited = found[made_guid("edited three times")]
    assert (edited["edited"], [each["text"] for each in edited["edits"]]) == (
        True,
        ["first", "second", "third"],
    )
    missing = found[made_guid("missing files")]["attachments"]
    assert (missing[0]["file"], missing[0]["missing"]) == (None, "it is not in this backup")
    listed = json.loads((to / "Messages/conversations.json").read_text(encoding="utf-8"))
    assert len(listed) == result.counts["conversations"]
    ada = next(each for each in listed if each["title"] == "Ada")
    assert ada["guids"] == ["iMessage;-;+4915550000001", "SMS;-;+4915550000001", "iMessage;-;ada@example.org"]


def test_attachments_are_beside_their_page_with_the_time_of_their_message(mint: Mint, to: Path) -> None:
    exported(mint, to, life())
    (photo,) = records(to)[made_guid("photo in a text")]["attachments"]
    path = to / "Messages" / "Ada" / photo["file"]
    assert re.fullmatch(r"2024-03-01 \d\d\.\d\d IMG_1\.HEIC", path.name)
    assert path.read_bytes() == b"content\n"
    when = datetime.fromisoformat(records(to)[made_guid("photo in a text")]["time"])
    assert path.stat().st_mtime == when.timestamp()
    (bundle,) = records(to)[made_guid("a folder")]["attachments"]
    assert (to / "Messages" / "Ada" / bundle["file"] / "inside.txt").read_bytes() == b"content\n"
    for each in to.rglob("*"):
        assert each.resolve().is_relative_to(to)
        assert len(each.name) <= 120


def test_pages_show_jpegs_of_heic_pictures(mint: Mint, to: Path) -> None:
    pytest.importorskip("pi_heif")
    pictures = (
        MadeAttached(name="red.heic", content=HEIC),
        MadeAttached(name="bad.heic", content=b"no picture"),
    )
    texts = (MadeText(case="pictures", files=pictures),)
    result = exported(mint, to, life(replace_texts(texts)), jpeg=True)
    above = to / "Messages/Ada/Attachments"
    assert {path.name[17:] for path in above.iterdir()} == {"red.heic", "red.jpg", "bad.heic"}
    page = pages(to)["Messages/Ada/index.html"]
    assert [unquote(attrs["src"] or "")[-7:] for tag, attrs in page.tags if tag == "img"] == ["red.jpg"]
    assert [gap.reason for gap in result.gaps] == ["a HEIC picture of which no JPEG could be made"]
    (first, _) = records(to)[made_guid("pictures")]["attachments"]
    assert first["file"].endswith("red.heic")


def test_pages_show_everything_and_lead_only_to_what_is_there(mint: Mint, to: Path) -> None:
    exported(mint, to, life())
    made = pages(to)
    assert {"Messages/index.html", "Messages/Ada/index.html", "Messages/Crew/index.html"} <= made.keys()
    whole = "".join(page.text for page in made.values())
    for text in SHOWN:
        said = (text.says or {}).get("text") or calm(str((text.says or {}).get("event", "")))
        assert str(said) in whole, text.case
    for name, page in made.items():
        assert not [
            tag for tag, _ in page.tags if tag in {"script", "iframe", "object", "form", "base", "link"}
        ], name
        assert not [
            key for _, attrs in page.tags for key in attrs if key.startswith("on") or key == "style"
        ], name
        assert "<script" not in (to / name).read_text(encoding="utf-8").replace("&lt;script", "")
        for address in page.addresses:
            parts = urlsplit(address)
            if parts.scheme:
                assert parts.scheme in {"https", "http", "mailto", "tel"}, address
                continue
            target = (to / name).parent / unquote(parts.path) if parts.path else to / name
            assert target.exists(), (name, address)
            if parts.fragment:
                assert parts.fragment in Page(target).ids
        sources = [attrs["src"] or "" for _, attrs in page.tags if "src" in attrs]
        assert not [each for each in sources if urlsplit(each).scheme]
        assert "Content-Security-Policy" in (to / name).read_text(encoding="utf-8")


def test_a_page_of_one_conversation(mint: Mint, to: Path) -> None:
    exported(mint, to, life())
    page = pages(to)["Messages/Ada/index.html"]
    for part in (
        "Friday, 1 March 2024", "11:00", "❤️ Bob", "Edited", "first", "Reply to two", "sent with confetti",
        "a message that is not here", "scheduled, not sent yet", "not delivered", "in Recently Deleted",
        "in Recently Deleted: deleted part", "pink poodle", "I am late.", "Unsent; what it said is not in this backup",
        "it is not in this backup", "When?", "X (Bob)", "Y (Ada, Me)", "A page", "Apple Cash",
        "😂 Ada to a message that is not in this backup", "its text cannot be decoded to its end",
    ):  # fmt: skip
        assert part in page.text.replace("one two", "two"), part
    links = page.addresses
    assert "https://a.example" in links
    assert "https://a.example/x" in links


EVIL = "<img src=https://evil.example/x onerror=alert(1)>\"'&<script>alert(1)</script>"


def test_markup_in_any_field_stays_text(mint: Mint, to: Path) -> None:
    """Whoever can set a field of a message can set it to anything."""
    link: dict[str, Value] = {"__kIMLinkAttributeName": "javascript:alert(1)", MESSAGE_PART: 0}
    app = {"an": EVIL, "ldtext": EVIL, "URL": Url("javascript:alert(1)"), "userInfo": {"caption": EVIL}}
    texts = (
        MadeText(case="evil", text=EVIL, sender="formula", threads=("formula",),
                 columns={"subject": EVIL, "expressive_send_style_id": EVIL, "service": EVIL}),
        MadeText(case="reply", pieces=[(EVIL, link)], threads=("formula",), replies="evil"),
        MadeText(case="love", sender="formula", threads=("formula",), answers=("p:0/", "evil"), since=18,
                 columns={"associated_message_type": 2006, "associated_message_emoji": EVIL}, says=None),
        MadeText(case="name", threads=("formula",), columns={"item_type": 2, "group_title": EVIL}),
        MadeText(case="app", threads=("formula",),
                 columns={"balloon_bundle_id": f"x:{EVIL}", "payload_data": keyed_archive(app)}),
        MadeText(case="file", threads=("formula",), files=(
            MadeAttached(name=f"{EVIL}.jpg", filename="~/Library/SMS/Attachments/evil.jpg", present=False),
            MadeAttached(name=f"{EVIL}.png", filename="", columns={"emoji_image_short_description": EVIL}),
        )),
        MadeText(case="edit", text="x", threads=("formula",), edits={0: [(EVIL, 0), ("x", 1)]}),
    )  # fmt: skip
    made = replace_texts(texts)
    handles = {**made.handles, "formula": f"{EVIL}/SMS"}
    exported(mint, to, life(MadeMessages(handles=handles, threads=made.threads, texts=texts)))
    for page in pages(to).values():
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"script", "iframe", "svg"}
        for tag, attrs in page.tags:
            assert not [name for name in attrs if name.startswith("on")], attrs
            if tag == "img":
                assert not urlsplit(attrs["src"] or "").scheme
        assert not [each for each in page.addresses if each.lower().startswith("javascript")]
    (page,) = [each for name, each in pages(to).items() if name.count("/") == 2]
    assert page.text.count("<script>alert(1)</script>") >= 11


def test_a_name_turns_no_line_around(mint: Mint, to: Path) -> None:
    exported(mint, to, life())
    page = (to / "Messages/Crew/index.html").read_text(encoding="utf-8")
    assert "Ada added Clo to the conversation" in page
    assert "\u202e" not in page
    assert "\u202e" in (to / "Messages/Ada/index.html").read_text(encoding="utf-8")  # of a text itself


def test_csv_and_text(mint: Mint, to: Path) -> None:
    exported(mint, to, life(), formats=frozenset({"csv", "txt"}))
    assert not list(to.rglob("*.html"))
    with (to / "Messages/Ada/messages.csv").open(encoding="utf-8-sig", newline="") as source:
        rows = {row["Id"]: row for row in csv.DictReader(source)}
    plain = rows[made_guid("plain")]
    assert (plain["Time"], plain["Sender"], plain["Reactions"]) == (
        "2024-03-01 11:00:00 +01:00", "Ada", "❓ Ada; 👍 Me; ❤️ Bob",
    )  # fmt: skip
    assert rows[made_guid("edited three times")]["Earlier texts"] == "first\nsecond\nthird"
    with (to / "Messages/=cmd()/messages.csv").open(encoding="utf-8-sig", newline="") as source:
        assert {row["Sender"] for row in csv.DictReader(source)} == {"'=cmd()"}
    text = (to / "Messages/Ada/messages.txt").read_text(encoding="utf-8")
    assert "2024-03-01 11:00:00 +01:00  Ada\n    See you at the station at seven.\n" in text


def test_exporting_again_writes_only_what_is_new(mint: Mint, to: Path) -> None:
    first = exported(mint, to, life())
    before = {path: path.read_bytes() for path in to.rglob("*") if path.is_file()}
    again = exported(mint, to, life())
    assert (again.files, again.same) == (0, first.files)
    assert {path: path.read_bytes() for path in to.rglob("*") if path.is_file()} == before
    more = (*MADE_MESSAGES.texts, MadeText(case="newest", text="Just now", threads=("bob",)))
    last = exported(mint, to, life(replace_texts(more)))
    assert last.files == 5  # three for Bob, and the two lists
    assert made_guid("newest") in records(to)


def replace_texts(texts: tuple[MadeText, ...]) -> MadeMessages:
    made = MADE_MESSAGES
    return MadeMessages(handles=made.handles, threads=made.threads, texts=texts, persons=made.persons)


def test_long_conversations_get_a_page_for_each_year(
    mint: Mint, to: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    year = 365 * 86_400
    texts = tuple(
        MadeText(
            case=f"long {number}", text=f"message {number}", at=number // 10 * year + number,
            replies="long 3" if number == 25 else "", columns={"date": None} if number in (0, 12) else {},
        )
        for number in range(40)
    )  # fmt: skip
    made = replace_texts(texts)
    (tmp_path / "short").mkdir()
    exported(mint, tmp_path / "short", life(made))
    monkeypatch.setattr(messages_export, "MOST_ON_A_PAGE", 15)
    result = exported(mint, to, life(made))
    assert result.counts["messages"] == 40
    assert (to / "Messages/Ada/messages.json").read_bytes() == (
        tmp_path / "short/Messages/Ada/messages.json"
    ).read_bytes()
    made_pages = pages(to / "Messages/Ada")
    assert list(made_pages) == [
        "2024.html",
        "2025.html",
        "2026.html",
        "2027.html",
        "index.html",
        "undated.html",
    ]
    texts_of = {name: re.findall(r"message \d+", page.text) for name, page in made_pages.items()}
    assert texts_of["undated.html"] == ["message 0"]
    assert "message 12" in texts_of["2025.html"]
    assert sum(len([each for each in found if each != "message 3"]) for found in texts_of.values()) == 39
    assert "2024.html#m4" in made_pages["2026.html"].addresses
    assert {"2024.html", "2025.html", "2026.html", "2027.html", "undated.html"} <= set(
        made_pages["index.html"].addresses
    )


def test_a_time_after_the_backup_makes_no_conversation_the_newest(mint: Mint, to: Path) -> None:
    day = 86_400
    texts = (
        MadeText(case="old", text="long ago", at=0),
        MadeText(case="odd", text="from a wrong clock", at=0, columns={"date": 63_113_904_000}),
        MadeText(case="sent later", text="scheduled", at=2000 * day),
        MadeText(case="new", text="yesterday", threads=("crew",), at=day),
        MadeText(case="later the same day", text="yesterday", threads=("dan",), at=day + 60),
    )
    exported(mint, to, life(replace_texts(texts)))
    listed = {
        each["title"]: each
        for each in json.loads((to / "Messages/conversations.json").read_text(encoding="utf-8"))
    }
    front = (
        pages(to)["index.html"].text
        if "index.html" in pages(to)
        else pages(to / "Messages")["index.html"].text
    )
    assert sorted(listed, key=front.index) == ["Dan", "Crew", "Ada"]
    assert listed["Ada"]["last"] == listed["Ada"]["first"]
    assert "the last on 2024" in front
    assert "4001" not in front


def test_only_some_people_or_some_time(mint: Mint, to: Path) -> None:
    exported(mint, to, life(), names=("dan",))
    assert {path.parent.name for path in to.rglob("messages.json")} == {"Dan", "Crew"}
    result = exported(mint, to / "none", life(), names=("nobody",))
    assert result.unfound == (("messages", "no conversation is with them"),)
    start = datetime.fromtimestamp(TEXTED, UTC)
    until = start + timedelta(minutes=2)
    exported(mint, to / "short", life(), since=start, until=until)
    assert set(records(to / "short")) == {made_guid("plain"), made_guid("text only in its column")}


def test_only_what_a_later_backup_no_longer_has(mint: Mint, to: Path) -> None:
    """Messages that were deleted since, and one that was unsent: its row stays, its text does not."""
    unsent = MadeText(case="to bob", threads=("bob",), unsent=(0,))
    gone = {"plain", "in no chat"}
    fewer = tuple(
        unsent if text.case == "to bob" else text for text in MADE_MESSAGES.texts if text.case not in gone
    )
    with backup_of(mint, life(replace_texts(fewer))) as later:
        result = exported(mint, to, life(), later=later)
    assert set(records(to)) == {made_guid(case) for case in (*gone, "to bob")}
    assert result.counts["messages"] == 3
    with backup_of(mint, life()) as later:
        assert exported(mint, to / "same", life(), later=later).unfound == (("messages", ""),)


def test_what_is_there_unchanged_is_not_gone(mint: Mint, to: Path) -> None:
    """A picture without text, and a part in Recently Deleted, of which the message's own row says nothing."""
    quiet = {"cache_has_attachments": 0}
    picture = MadeAttached(name="1.jpg")
    texts = (
        MadeText(case="picture", files=(picture,), columns=quiet),
        MadeText(case="parts", deleted=True, deleted_parts={0: "in parts"}, columns=quiet),
    )
    with backup_of(mint, life(replace_texts(texts))) as later:
        result = exported(mint, to, life(replace_texts(texts)), later=later)
    assert result.counts["messages"] == 0


@pytest.mark.parametrize("name", ["index.html", "conversations.json", "INDEX.HTML"])
def test_a_group_named_like_a_file_of_the_export_is_beside_it(mint: Mint, to: Path, name: str) -> None:
    threads = tuple(
        replace(each, name=name) if each.key == "crew" else each for each in MADE_MESSAGES.threads
    )
    made = MadeMessages(
        handles=MADE_MESSAGES.handles,
        threads=threads,
        texts=(MadeText(case="hello", text="x", threads=("crew",)),),
    )
    result = exported(mint, to, life(made))
    assert not result.kept_out
    (listed,) = json.loads((to / "Messages/conversations.json").read_text(encoding="utf-8"))
    assert (listed["title"], listed["folder"].casefold()) != (name, name.casefold())
    assert (to / "Messages" / listed["folder"] / "index.html").is_file()
    assert (to / "Messages/index.html").is_file()


def test_a_business_that_writes_is_no_former_member(mint: Mint, to: Path) -> None:
    exported(mint, to, life())
    listed = json.loads((to / "Messages/conversations.json").read_text(encoding="utf-8"))
    (shop,) = (each for each in listed if each["id"].startswith("urn:"))
    assert (len(shop["participants"]), shop["former"]) == (1, [])


def test_a_backup_without_messages(mint: Mint, to: Path) -> None:
    result = exported(mint, to, contacts())
    assert result.unfound == (("messages", ""),)
    assert [path.name for path in to.iterdir()] in ([], [RECORD])


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("ada", True), ("ADA", True), ("0155 500", True), ("+49 1555-0000001", True), ("00491555", True),
        ("ada@example.org", True), ("bob", False), ("12345", False), ("", False), ("1", True), ("()", False),
    ],
)  # fmt: skip
def test_conversations_are_found_by_name_number_or_address(wanted: str, chosen: bool) -> None:
    assert is_chosen([wanted], ["Ada"], ["+4915550000001", "ada@example.org"]) is chosen


def test_without_a_name_every_conversation_is_chosen() -> None:
    assert is_chosen([], ["Ada"], [])


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("https://a.example/x?y#z", "https://a.example/x?y#z"),
        ("HTTP://a.example", "HTTP://a.example"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("tel:+49", "tel:+49"),
        ("www.example.org/a", "https://www.example.org/a"),
        ("javascript:alert(1)", ""),
        ("JaVaScript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("file:///etc/passwd", ""),
        ("https://a.example/ b", ""),
        ("https://a\nb", ""),
        ("x" * 9000, ""),
        ("", ""),
    ],
)
def test_only_harmless_links_are_links(text: str, link: str) -> None:
    assert safe_link(text) == link
