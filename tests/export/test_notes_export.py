"""The export of notes: pages that open anywhere, and Markdown that means what the note says."""

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC
from pathlib import Path

from ibackup.contents.notes.note_store import LOCKED
from ibackup.export.export_request import Exported, ExportRequest
from ibackup.export.exporting import export
from ibackup.simulator.life import note_cases, notes_db
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase
from ibackup.simulator.life.note_bodies import MadeRun, note
from support.html_pages import Page, check_pages
from support.lives import backup_of
from support.minted import Mint


def exported(mint: Mint, to: Path, files: Iterable[LifeFile] | None = None, **options: object) -> Exported:
    made = notes_db.files(note_cases.NOTES, note_cases.FOLDERS, ios=17) if files is None else files
    with backup_of(mint, made) as backup:
        return export(backup, ExportRequest(str(to), ("notes",), zone=UTC, **options))  # type: ignore[arg-type]


def test_notes_are_pages_in_their_folders(mint: Mint, tmp_path: Path) -> None:
    result = exported(mint, tmp_path)
    notes = tmp_path / "Notes"
    plan = Page(notes / "iCloud/Projects/Garden/Garden plan.html")
    assert plan.open == []
    for text in ("Garden plan", "Now 🌳", "H2O, 20 m2", "<b>& go 🍏</b>", "A garden is never finished."):
        assert text in plan.words
    tags = [tag for tag, _ in plan.tags]
    assert {"h1", "h2", "b", "i", "u", "s", "sub", "sup", "ul", "ol", "pre", "blockquote"} <= set(tags)
    assert "☑ spade" in plan.words
    assert "☐ gloves" in plan.words
    assert [link["href"] for link in plan.all("a")] == ["https://example.org/trees?a=1&b=2"]
    assert "    plant(tree)" in plan.words
    written = [each for each in note_cases.NOTES if each.says is not None and not each.says.get("locked")]
    assert result.counts == {"notes": len(written)}
    modified = os.stat(notes / "iCloud/Projects/Garden/Garden plan.html").st_mtime
    assert modified == notes_db.MADE + 3600


def test_every_page_keeps_to_itself(mint: Mint, tmp_path: Path) -> None:
    exported(mint, tmp_path)
    check_pages(tmp_path)


def test_attachments_are_beside_the_page(mint: Mint, tmp_path: Path) -> None:
    exported(mint, tmp_path)
    page = Page(tmp_path / "Notes/iCloud/Garden/Everything.html")
    pictures = [str(each["src"]) for each in page.all("img")]
    assert pictures == [
        "Everything%20files/Pear%20tree.jpg",
        "Everything%20files/Pear%20tree%20%282%29.jpg",
        "Everything%20files/DRAWING-1.jpg",
        "Everything%20files/Page%202.jpg",
        "Everything%20files/Page%201.jpg",
    ]
    assert "Pears" in page.words
    assert "#garden" in page.words
    assert "Wi-Fi at the cabin" in page.words
    assert "Not in this backup: Lease.pdf" in page.words
    assert "A table that cannot be read: Fruit Price" in page.words
    assert len(page.all("tr")) == 3


def test_locked_notes_are_named_and_not_written(mint: Mint, tmp_path: Path) -> None:
    result = exported(mint, tmp_path)
    assert {gap.reason: gap.count for gap in result.gaps}[LOCKED] == 2
    page = Page(tmp_path / "Notes/index.html")
    assert "Codes" in page.words
    assert page.words.count("locked") == 2
    assert not list(tmp_path.rglob("Codes*"))
    listed = {
        each["title"]: each
        for each in json.loads((tmp_path / "Notes/notes.json").read_text(encoding="utf-8"))
    }
    assert listed["Codes"]["locked"]
    assert listed["Codes"]["hint"] == "<b>my cat</b>"
    assert listed["Garden plan"]["modified"] == "2024-06-02T11:00:00Z"
    assert listed["Garden plan"]["file"] == "iCloud/Projects/Garden/Garden plan.html"
    assert "H2O" in listed["Garden plan"]["text"]


def test_deleted_notes_are_apart(mint: Mint, tmp_path: Path) -> None:
    exported(mint, tmp_path)
    assert (tmp_path / "Notes/iCloud/Recently Deleted/Old list.html").is_file()
    assert (tmp_path / "Notes/iCloud/Recently Deleted/Recipe.html").is_file()


def test_markdown(mint: Mint, tmp_path: Path) -> None:
    exported(mint, tmp_path, note_format="markdown")
    text = (tmp_path / "Notes/iCloud/Projects/Garden/Garden plan.md").read_text(encoding="utf-8")
    assert text.startswith("# Garden plan\n\n## Now 🌳\n\n")
    assert "Dig, **mulch** *and* <u>***rest***</u> ~~\\<b\\>\\& go 🍏\\</b\\>~~" in text
    assert "[the nursery](<https://example.org/trees?a=1&b=2>) or not\n" in text
    assert "- apples\n    - late ones\n- pears\n1. first\n1. second\n- [x] spade\n- [ ] gloves\n" in text
    assert "```\nfor tree in row:\n    plant(tree)\n```\n" in text
    assert "> A garden is never finished." in text
    everything = (tmp_path / "Notes/iCloud/Garden/Everything.md").read_text(encoding="utf-8")
    assert "| Fruit | Price |\n| --- | --- |\n| Pears | 2.10 |\n| Plums |  |" in everything
    assert "![Pear tree.jpg](<Everything%20files/Pear%20tree.jpg>)" in everything


def test_markdown_of_strangers_stays_text(mint: Mint, tmp_path: Path) -> None:
    lines = (
        "# no title\n1. no list\n- neither\n<img src=x onerror=alert(1)>\n[x](javascript:alert(1))\n`code`\n"
    )
    made = (notes_db.MadeNote(case="sly", title="Sly", data=note((MadeRun(text=lines),))),)
    exported(mint, tmp_path, notes_db.files(made, note_cases.FOLDERS, ios=17), note_format="markdown")
    text = (tmp_path / "Notes/iCloud/Notes/Sly.md").read_text(encoding="utf-8")
    for line in (
        "\\# no title",
        "\\1. no list",
        "\\- neither",
        "\\<img src=x",
        "\\[x\\](javascript",
        "\\`code\\`",
    ):
        assert f"\n{line}" in f"\n{text}", line


def test_hostile_titles_stay_inside(mint: Mint, tmp_path: Path) -> None:
    titles = ("../../x", "index", "notes.json", "CON", "a" * 300, "", "</title><script>alert(1)</script>")
    made = tuple(
        notes_db.MadeNote(case=f"title {title}", title=title, data=note((MadeRun(text="x"),)))
        for title in titles
    )
    folders = (notes_db.MadeFolder(pk=1, title="../.."),)
    result = exported(mint, tmp_path / "out", notes_db.files(made, folders, ios=17))
    assert result.counts["notes"] == len(titles)
    assert not result.kept_out
    assert len(list((tmp_path / "out").rglob("*.html"))) == len(titles) + 1
    for path in (tmp_path / "out").rglob("*.html"):
        assert not Page(path).all("script")
    assert {each.name for each in tmp_path.iterdir()} == {"out", "snapshot1"}


def test_a_second_export_writes_only_what_changed(mint: Mint, tmp_path: Path) -> None:
    to = tmp_path / "out"
    exported(mint, to)
    again = exported(mint, to)
    assert again.files == 0
    assert not again.kept_out
    changed = tuple(
        replace(each, data=note((MadeRun(text="Lost\nand found"),))) if each.title == "Lost" else each
        for each in note_cases.NOTES
    )
    later = exported(mint, to, notes_db.files(changed, note_cases.FOLDERS, ios=17))
    assert later.files == 2  # the note, and the list with its text
    assert "and found" in (to / "Notes/iCloud/Lost.html").read_text(encoding="utf-8")


def test_only_notes_that_a_later_backup_no_longer_has(mint: Mint, tmp_path: Path) -> None:
    kept = tuple(each for each in note_cases.NOTES if each.title != "Lost")
    with backup_of(mint, notes_db.files(kept, note_cases.FOLDERS, ios=17)) as later:
        result = exported(mint, tmp_path / "out", later=later)
    assert result.counts == {"notes": 1}


def test_notes_of_mail_accounts_are_there_too(mint: Mint, tmp_path: Path) -> None:
    database = MadeDatabase({"ZNOTE": "Z_PK INTEGER PRIMARY KEY, ZTITLE VARCHAR, ZGUID VARCHAR"})
    database.add("ZNOTE", {"ZTITLE": "By mail", "ZGUID": "M"})
    old = LifeFile("HomeDomain", "Library/Notes/notes.sqlite", database.data(), 1)
    result = exported(mint, tmp_path, [*notes_db.files(note_cases.NOTES, note_cases.FOLDERS, ios=17), old])
    assert (tmp_path / "Notes/By mail.html").is_file()
    assert result.counts["notes"] > 10


def test_a_backup_without_notes_has_nothing(mint: Mint, tmp_path: Path) -> None:
    result = exported(mint, tmp_path / "out", [LifeFile("HomeDomain", "Library/x", b"x", 1)])
    assert result.unfound == (("notes", ""),)
