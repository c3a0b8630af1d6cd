"""A store of notes, case by case, in the schema of each iOS."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.notes.note_store import LOCKED, NO_FILE, UNREADABLE_TABLE, UNREADABLE_TEXT, NoteStore
from ibackup.contents.notes.written_note import WrittenNote
from ibackup.simulator.life import note_cases, notes_db
from ibackup.simulator.life.life_file import LifeFile
from support.lives import backup_of
from support.minted import Mint

FIXTURE = (
    Path(__file__).parents[4]
    / "shared"
    / "fixtures"
    / "appdata"
    / "novkostya-notes"
    / "notes.1.NoteStore.sqlite"
)
every_ios = pytest.mark.parametrize("ios", [13, 14, 17, 18, 26])


def note_files(ios: int, database: bytes | None = None) -> Iterator[LifeFile]:
    for file in notes_db.files(note_cases.NOTES, note_cases.FOLDERS, ios=ios):
        if database is not None and file.path == notes_db.STORE:
            yield LifeFile(file.domain, file.path, database, file.modified)
        else:
            yield file


def read(backup: Backup) -> tuple[list[WrittenNote], Gaps]:
    gaps = Gaps()
    store = NoteStore.open(backup, gaps)
    assert store is not None
    with store:
        return list(store.notes()), gaps


def said(note: WrittenNote) -> dict[str, object]:
    found: dict[str, object] = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name in WrittenNote.__dataclass_fields__
        for value in [getattr(note, name)]
    }
    found["paragraphs"] = tuple((paragraph.style, paragraph.text) for paragraph in note.paragraphs)
    attachments = note.attachments.values()
    found["tables"] = {each.id: each.rows for each in attachments if each.rows}
    found["inline"] = {each.id: each.shown for each in attachments if each.inline}
    found["files"] = {
        each.id: each.path or each.preview for each in attachments if each.file_name or each.preview
    }
    return found


@every_ios
def test_each_note_says_what_is_true(mint: Mint, ios: int) -> None:
    with backup_of(mint, note_files(ios)) as backup:
        notes, gaps = read(backup)
    by_id = {note.id: note for note in notes}
    shown = [made for made in note_cases.NOTES if made.says is not None]
    assert set(by_id) == {made.identifier for made in shown}
    for made in shown:
        truth = said(by_id[made.identifier])
        generations = ios >= 15
        for name, value in (made.says or {}).items():
            wanted = value
            if name == "files" and not generations and isinstance(value, dict):
                # Older phones have no folder for each state of a file.
                wanted = {each: re.sub("/1_[0-9A-F-]{36}/", "/", path) for each, path in value.items()}
            assert truth[name] == wanted, f"{made.case}: {name}"
    counted = {gap.reason: gap.count for gap in gaps}
    assert counted[LOCKED] == 2
    assert counted[UNREADABLE_TEXT] == 2
    assert counted[UNREADABLE_TABLE] == 1
    assert counted[NO_FILE] == 1


def test_styles_inside_a_paragraph(mint: Mint) -> None:
    with backup_of(mint, note_files(17)) as backup:
        notes, _ = read(backup)
    plan = next(note for note in notes if note.title == "Garden plan")
    spans = plan.paragraphs[2].spans
    looks = {span.text: (span.bold, span.italic, span.underlined, span.struck, span.link) for span in spans}
    assert looks["mulch"] == (True, False, False, False, "")
    assert looks[" and "] == (False, True, False, False, "")
    assert looks["rest"] == (True, True, True, False, "")
    assert looks[" <b>& go 🍏</b>"] == (False, False, False, True, "")
    assert looks["the nursery"][-1] == "https://example.org/trees?a=1&b=2"
    assert looks["not"][-1] == "javascript:alert(1)"
    assert [(each.text, each.indent) for each in plan.paragraphs if each.style == "bullet"] == [
        ("apples", 0),
        ("late ones", 1),
    ]
    assert [each.checked for each in plan.paragraphs if each.style == "checkbox"] == [True, False]
    assert [each.text for each in plan.paragraphs if each.quote] == ["A garden is never finished."]
    assert [(span.text, span.raised) for span in plan.paragraphs[-1].spans] == [
        ("H", 0),
        ("2", -1),
        ("O, 20 m", 0),
        ("2", 1),
    ]


def test_a_scan_has_its_pages_in_their_order(mint: Mint) -> None:
    with backup_of(mint, note_files(17)) as backup:
        notes, _ = read(backup)
    everything = next(note for note in notes if note.title == "Everything")
    assert everything.attachments["SCAN-1"].pages == ("PAGE-2", "PAGE-1")


def test_a_bomb_ends_only_its_own_note(mint: Mint) -> None:
    notes = (
        notes_db.MadeNote(case="bomb", title="Bomb", data=note_cases.bomb()),
        notes_db.MadeNote(case="after it", title="After", data=note_cases.NOTES[0].data),
    )
    files = notes_db.files(notes, note_cases.FOLDERS, ios=17)
    with backup_of(mint, files) as backup:
        found, gaps = read(backup)
    assert [(note.title, note.unreadable) for note in found] == [("Bomb", True), ("After", False)]
    assert [gap.reason for gap in gaps] == [UNREADABLE_TEXT]


@pytest.mark.skipif(not FIXTURE.exists(), reason="the sample of others is not here")
def test_a_store_that_others_made(mint: Mint) -> None:
    files = [LifeFile(notes_db.DOMAIN, notes_db.STORE, FIXTURE.read_bytes(), 1_700_000_000)]
    photo = "Accounts/ACCT-UUID-0001/Media/MEDIA-UUID-0030/1_GEN-0030/photo.jpeg"
    files.append(LifeFile(notes_db.DOMAIN, photo, b"\xff\xd8", 1_700_000_000))
    with backup_of(mint, files) as backup:
        notes, _ = read(backup)
    by_title = {note.title: note for note in notes}
    assert set(by_title) == {"Shopping", "Locked", "Empty", "Corrupt body", "Trash note", "Corrupt date"}
    shopping = by_title["Shopping"]
    assert shopping.pinned
    assert shopping.folder == ("Notes",)
    assert shopping.account == "On My iPhone"
    assert shopping.attachments["ATT-UUID-0020"].path == photo
    assert [paragraph.text for paragraph in shopping.paragraphs]
    assert by_title["Locked"].locked
    assert by_title["Locked"].hint == "pet name"
    assert by_title["Corrupt body"].unreadable
    assert by_title["Trash note"].trashed
    assert by_title["Corrupt date"].modified is None
    assert by_title["Empty"].paragraphs == ()


def test_classes_are_found_without_their_table(mint: Mint) -> None:
    made = notes_db.filled(note_cases.NOTES, note_cases.FOLDERS, ios=17)
    made.run("DROP TABLE Z_PRIMARYKEY")
    with backup_of(mint, note_files(17, made.data())) as backup:
        notes, _ = read(backup)
    assert {note.title for note in notes} >= {"Garden plan", "Everything", "Codes"}
    assert next(note for note in notes if note.title == "Garden plan").folder == ("Projects", "Garden")


def test_a_backup_without_notes(mint: Mint) -> None:
    with backup_of(mint, [LifeFile("HomeDomain", "Library/x", b"x", 1)]) as backup:
        assert NoteStore.open(backup, Gaps()) is None
