"""The export of WhatsApp: a folder for each chat, everything escaped, everybody with a name."""

import csv
import json
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ibackup.export import whatsapp_export
from ibackup.export.export_request import Exported, ExportRequest
from ibackup.export.exporting import export
from ibackup.simulator.life import whatsapp_cases, whatsapp_db
from ibackup.simulator.life.contacts_db import MadeContact, MadeValue, address_book
from ibackup.simulator.life.life_file import LifeFile
from support.html_pages import Page, check_pages
from support.lives import backup_of
from support.minted import Mint

BERLIN = timezone(timedelta(hours=2))
ALL = [message for chat in whatsapp_cases.MADE.chats for message in chat.messages]


def exported(mint: Mint, to: Path, files: Iterable[LifeFile] | None = None, **options: object) -> Exported:
    with backup_of(mint, whatsapp_db.files(whatsapp_cases.MADE) if files is None else files) as backup:
        request = ExportRequest(str(to), ("whatsapp",), zone=BERLIN, **options)  # type: ignore[arg-type]
        return export(backup, request)


def test_each_chat_is_a_folder_with_pages_and_records(mint: Mint, tmp_path: Path) -> None:
    result = exported(mint, tmp_path)
    whatsapp = tmp_path / "WhatsApp"
    assert {path.name for path in whatsapp.iterdir()} == {
        "Ada",
        "Crew",
        "Crew (2)",
        "Status",
        "index.html",
        "chats.json",
    }
    assert result.counts == {"WhatsApp chats": 4, "WhatsApp messages": len(ALL), "WhatsApp files": 2}
    page = Page(whatsapp / "Ada/index.html")
    for text in (
        "Good morning",
        "The new boat",
        "This message was deleted",
        "Poll: When?",
        "<script>alert(1)</script>",
    ):
        assert text in page.words
    assert "54.32330, 10.12280" in page.words
    assert "Reply to Good morning" in " ".join(page.words.split())
    assert "a message that is not here" in page.words
    assert [each["src"] for each in page.all("img")] == ["Attachments/2024-06-02%2012.04%20pic.jpg"]
    crew = Page(whatsapp / "Crew/index.html")
    for text in ("Bob", "Dan", "~Chloé", "~Chloe B.", "event 777"):
        assert text in crew.words
    check_pages(tmp_path)


def test_records_for_programs(mint: Mint, tmp_path: Path) -> None:
    exported(mint, tmp_path, formats=frozenset({"json", "csv", "txt"}))
    messages = json.loads((tmp_path / "WhatsApp/Ada/messages.json").read_text(encoding="utf-8"))
    assert len(messages) == len(whatsapp_cases.DIRECT.messages)
    assert all(
        each.keys() >= {"id", "time", "sender", "text", "attachments", "edited", "reactions"}
        for each in messages
    )
    picture = next(each for each in messages if each["kind"] == "image")
    assert picture["time"] == "2024-06-02T10:04:00Z"
    assert picture["attachments"][0]["file"] == "Attachments/2024-06-02 12.04 pic.jpg"
    assert [(each["emoji"], each["sender"]) for each in picture["reactions"]] == [("👍", None), ("❤️", "Ada")]
    film = next(each for each in messages if each["kind"] == "video")
    assert film["attachments"][0]["missing"] == "not in this backup"
    with (tmp_path / "WhatsApp/Ada/messages.csv").open(encoding="utf-8-sig", newline="") as source:
        rows = list(csv.DictReader(source))
    morning = next(row for row in rows if row["Text"] == "Good morning")
    assert (morning["Time"], morning["Sender"]) == ("2024-06-02 12:00:00 +02:00", "Ada")
    text = (tmp_path / "WhatsApp/Ada/messages.txt").read_text(encoding="utf-8")
    assert "2024-06-02 12:00:00 +02:00  Ada\n    Good morning\n" in text
    assert not list(tmp_path.rglob("*.html"))


def test_the_phones_contacts_name_who_whatsapp_does_not(mint: Mint, tmp_path: Path) -> None:
    number = f"+{whatsapp_cases.CLO.partition('@')[0]}"
    card = MadeContact(case="clo", columns={"First": "Clotilde"}, values=(MadeValue(3, None, number),))
    exported(mint, tmp_path, [*whatsapp_db.files(whatsapp_cases.MADE), *address_book((card,))])
    assert "Clotilde" in Page(tmp_path / "WhatsApp/Crew/index.html").words


def test_whatsapp_business_has_a_folder_of_its_own(mint: Mint, tmp_path: Path) -> None:
    business = whatsapp_db.files(whatsapp_cases.MADE, domain=whatsapp_db.BUSINESS_DOMAIN)
    exported(mint, tmp_path, [*whatsapp_db.files(whatsapp_cases.MADE), *business])
    assert (tmp_path / "WhatsApp/Ada/index.html").is_file()
    assert (tmp_path / "WhatsApp Business/Ada/index.html").is_file()
    check_pages(tmp_path)


def test_one_can_choose_by_name_and_by_date(mint: Mint, tmp_path: Path) -> None:
    exported(mint, tmp_path / "a", names=("ada",))
    assert {path.name for path in (tmp_path / "a/WhatsApp").iterdir() if path.is_dir()} == {"Ada"}
    exported(mint, tmp_path / "b", names=("+49 155 50000 2",))  # Bob, who is in the crew
    assert {path.name for path in (tmp_path / "b/WhatsApp").iterdir() if path.is_dir()} == {"Crew"}
    result = exported(mint, tmp_path / "c", names=("nobody",))
    assert result.unfound == (("whatsapp", "no chat is with them"),)
    exported(mint, tmp_path / "d", until=datetime(2024, 6, 2, 12, 2, tzinfo=BERLIN))
    messages = json.loads((tmp_path / "d/WhatsApp/Ada/messages.json").read_text(encoding="utf-8"))
    assert [each["text"] for each in messages] == ["Good morning", "To you, too"]


def test_a_long_chat_has_a_page_for_each_year(
    mint: Mint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whatsapp_export, "MOST_ON_A_PAGE", 2)
    year = 365.25 * 86_400
    start = whatsapp_db.SENT - 978_307_200
    messages = tuple(
        whatsapp_db.MadeChatMessage(
            case=f"{at}", text=f"text {at}", columns={"ZMESSAGEDATE": start + at * year / 2}
        )
        for at in range(6)
    )
    made = whatsapp_db.MadeWhatsApp(
        chats=(whatsapp_db.MadeChat(jid=whatsapp_cases.ADA, name="Ada", messages=messages),)
    )
    exported(mint, tmp_path, whatsapp_db.files(made))
    folder = tmp_path / "WhatsApp/Ada"
    assert {path.name for path in folder.glob("*.html")} == {
        "index.html",
        "2024.html",
        "2025.html",
        "2026.html",
    }
    assert "text 0" in Page(folder / "2024.html").words
    assert "text 5" in Page(folder / "2026.html").words
    assert len(json.loads((folder / "messages.json").read_text(encoding="utf-8"))) == 6
    check_pages(tmp_path)


def test_a_second_export_writes_only_what_is_new(mint: Mint, tmp_path: Path) -> None:
    to = tmp_path / "out"
    exported(mint, to)
    again = exported(mint, to)
    assert again.files == 0
    assert not again.kept_out


def test_only_messages_that_a_later_backup_no_longer_has(mint: Mint, tmp_path: Path) -> None:
    made = whatsapp_db.filled(whatsapp_cases.MADE)
    made.run("DELETE FROM ZWAMESSAGE WHERE ZTEXT IN ('Good morning', 'Ahoy')")
    with backup_of(mint, [LifeFile(whatsapp_db.DOMAIN, "ChatStorage.sqlite", made.data(), 1)]) as later:
        result = exported(mint, tmp_path, later=later)
    assert result.counts["WhatsApp messages"] == 2


def test_hostile_names_stay_inside(mint: Mint, tmp_path: Path) -> None:
    names = (
        "../../x",
        "index.html",
        "CON",
        "</title><script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "\u202eeman",
    )
    chats = tuple(
        whatsapp_db.MadeChat(
            jid=f"{at}@s.whatsapp.net",
            name=name,
            messages=(
                whatsapp_db.MadeChatMessage(
                    case=name,
                    text=name,
                    kind=8,
                    media=whatsapp_db.MadeMedia(name="a.pdf", title=f"{name}/../y.pdf"),
                ),
            ),
        )
        for at, name in enumerate(names)
    )
    result = exported(mint, tmp_path / "out", whatsapp_db.files(whatsapp_db.MadeWhatsApp(chats=chats)))
    assert result.counts["WhatsApp chats"] == len(names)
    assert {each.name for each in tmp_path.iterdir()} == {"out", "snapshot1"}
    check_pages(tmp_path / "out")
    for path in (tmp_path / "out").rglob("messages.csv"):
        assert "\n=cmd" not in path.read_text(encoding="utf-8-sig")


def test_a_backup_without_whatsapp_has_nothing(mint: Mint, tmp_path: Path) -> None:
    result = exported(mint, tmp_path / "out", [LifeFile("HomeDomain", "Library/x", b"x", 1)])
    assert result.unfound == (("whatsapp", ""),)
