"""The exported pages in a real browser: what strangers wrote stays text, and no request leaves the computer."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

from ibackup.export.export_request import ExportRequest
from ibackup.export.exporting import export
from ibackup.export.pages import page
from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.life import note_cases, notes_db, whatsapp_db
from ibackup.simulator.life.made_typedstream import MESSAGE_PART, Value
from ibackup.simulator.life.messages_db import FILE_PART, PLACE, MadeAttached, MadeText, message_files
from ibackup.simulator.life.note_bodies import MadeRun, note
from ibackup.simulator.life.thread_cases import MADE_MESSAGES
from support.browsers import Browser, proxy
from support.lives import backup_of
from support.minted import Mint

pytestmark = pytest.mark.peer

EVIL = (
    "<script>document.title='run'</script>",
    "<img src=https://example.org/a.png onerror=\"document.title='run'\">",
    "<style>@import 'https://example.org/a.css';</style>",
    "<meta http-equiv=refresh content='0;url=https://example.org/'>",
    "<svg onload=\"document.title='run'\">",
    "'\"><iframe src='https://example.org/'></iframe>",
)


def test_texts_stay_texts(require_tool: Callable[[str], str], tmp_path: Path) -> None:
    lines = [{"title": each, "about": each, "href": "a.html"} for each in EVIL]
    target = tmp_path / "index.html"
    target.write_text("".join(page("index.html", title=EVIL[0], about=EVIL[1], lines=lines, gaps=list(EVIL))))
    with proxy() as through:
        dom = Browser(require_tool("chromium"), tmp_path / "profile", through).dom(target)
    assert through.to("example.org") == []
    assert re.findall(r"<(script|img|iframe|svg|link)\b", dom) == []
    assert "<title>&lt;script&gt;" in dom
    for each in EVIL:
        assert each.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in dom


def test_the_policy_stops_what_was_not_escaped(require_tool: Callable[[str], str], tmp_path: Path) -> None:
    target = tmp_path / "index.html"
    text = "".join(page("index.html", title="Phone", about="", lines=[], gaps=[]))
    assert "default-src &#39;none&#39;" in text
    target.write_text(text.replace("</main>", "".join(EVIL[:3]) + "</main>"))
    without = tmp_path / "without.html"
    without.write_text(re.sub(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>", "", target.read_text()))
    with proxy() as through:
        browser = Browser(require_tool("chromium"), tmp_path / "profile", through)
        assert "<title>run</title>" in browser.dom(without)  # it would run, and would call
        assert through.to("example.org")
        through.requests.clear()
        assert "<title>Phone</title>" in browser.dom(target)
        assert through.to("example.org") == []


def test_pages_of_notes_and_chats_run_nothing_and_call_nobody(
    require_tool: Callable[[str], str], mint: Mint, tmp_path: Path
) -> None:
    notes = [
        notes_db.MadeNote(
            case=f"evil {at}", title=each, data=note((MadeRun(text=each, link=f"javascript:{each}"),))
        )
        for at, each in enumerate(EVIL)
    ]
    messages = tuple(
        whatsapp_db.MadeChatMessage(case=f"evil {at}", text=each, kind=kind)
        for at, each in enumerate(EVIL)
        for kind in (0, 6, 7)
    )
    made = whatsapp_db.MadeWhatsApp(
        chats=(whatsapp_db.MadeChat(jid="1@s.whatsapp.net", name=EVIL[0], messages=messages),)
    )
    files = [*notes_db.files(tuple(notes), note_cases.FOLDERS, ios=17), *whatsapp_db.files(made)]
    to = tmp_path / "out"
    with backup_of(mint, files) as backup:
        export(backup, ExportRequest(str(to), ("notes", "whatsapp")))
    pages = sorted(path for path in to.rglob("*.html") if path.is_file())
    assert len(pages) == len(EVIL) + 4
    with proxy() as through:
        browser = Browser(require_tool("chromium"), tmp_path / "profile", through)
        for path in pages:
            dom = browser.dom(path)
            assert "<title>run</title>" not in dom
            assert re.findall(r"<(script|img|iframe|svg|link)\b", dom) == [], path
            assert "javascript:" not in re.sub(r">[^<]*<", "><", dom)
    assert through.to("example.org") == []


def test_a_conversation_shows_its_pictures_and_calls_nobody(
    require_tool: Callable[[str], str], mint: Mint, tmp_path: Path
) -> None:
    picture = MadeAttached(name="cat.jpg", content=mosaic("cat")[0])
    pieces: list[tuple[str, dict[str, Value]]] = [
        (PLACE, {FILE_PART: picture.guid, MESSAGE_PART: 0}),
        (EVIL[1], {MESSAGE_PART: 1}),
    ]
    texts = (
        *(MadeText(case=each, text=each, sender="ada") for each in EVIL),
        MadeText(case="cat", pieces=pieces, files=(picture,)),
    )
    to = tmp_path / "out"
    with backup_of(mint, message_files(replace(MADE_MESSAGES, texts=texts))) as backup:
        export(backup, ExportRequest(str(to), ("messages",)))
    (target,) = to.glob("Messages/*/index.html")
    with proxy() as through:
        dom = Browser(require_tool("chromium"), tmp_path / "profile", through).dom(target)
    assert through.to("example.org") == []
    assert re.findall(r"<(script|iframe|svg|link)\b", dom) == []
    (picture_here,) = re.findall(r"<img src=\"([^\"]*)", dom)
    assert unquote(picture_here) == "Attachments/2024-03-01 10.06 cat.jpg"
    assert "<title>+4915550000001</title>" in dom
