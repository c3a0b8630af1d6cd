"""What programs of others read in the same databases: apple-notes-parser in notes, whatsapp-chat-exporter in chats."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibackup.contents.gaps import Gaps
from ibackup.contents.notes.note_store import NoteStore
from ibackup.contents.whatsapp.whatsapp_store import WhatsAppStore
from ibackup.simulator.life import note_cases, notes_db, whatsapp_cases, whatsapp_db
from support.lives import backup_of
from support.minted import Mint

pytestmark = pytest.mark.peer


def test_apple_notes_parser_reads_the_same_text(mint: Mint) -> None:
    parsing = pytest.importorskip("apple_notes_parser.protobuf_parser")
    made = {each.identifier: each for each in note_cases.NOTES}
    compared = 0
    with backup_of(mint, notes_db.files(note_cases.NOTES, note_cases.FOLDERS, ios=17)) as backup:
        store = NoteStore.open(backup, Gaps())
        assert store is not None
        with store:
            for note in store.notes():
                if note.locked or note.unreadable or not note.paragraphs:
                    continue
                theirs = parsing.ProtobufParser.extract_note_text(made[note.id].data)
                ours = "\n".join(paragraph.text for paragraph in note.paragraphs)
                assert ours == theirs.rstrip("\n"), note.title
                compared += 1
    assert compared >= 6


def test_whatsapp_chat_exporter_reads_the_same_messages(mint: Mint, tmp_path: Path) -> None:
    pytest.importorskip("Whatsapp_Chat_Exporter")
    # It does not read chats without a name, dates that are texts, or kinds that are bytes.
    chats = tuple(
        replace(
            chat,
            name=chat.name or "somebody",
            messages=tuple(each for each in chat.messages if each.case != "values of the wrong kind"),
        )
        for chat in whatsapp_cases.MADE.chats
    )
    made = replace(whatsapp_cases.MADE, chats=chats, contacts=None)
    files = list(whatsapp_db.files(made))
    where = tmp_path / "app"
    for file in files:
        path = where / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    options = ("-i", "-d", "ChatStorage.sqlite", "-m", ".", "-j", "out.json", "--no-html", "-o", "out")
    run = subprocess.run(
        [sys.executable, "-m", "Whatsapp_Chat_Exporter", *options],
        cwd=where,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    written = next(iter(where.rglob("*.json")), None)
    assert written is not None, run.stdout + run.stderr
    theirs = json.loads(written.read_text(encoding="utf-8"))
    with backup_of(mint, files) as backup:
        store = WhatsAppStore.open(backup, Gaps())
        assert store is not None
        with store:
            ours = {chat.id: list(store.messages(chat)) for chat in store.chats()}
    for jid, chat in theirs.items():
        read, mine = list(chat["messages"].values()), ours[jid]
        assert len(read) == len(mine), jid
        for one, other in zip(read, mine, strict=True):
            assert other.time is not None
            assert datetime.fromtimestamp(one["timestamp"], UTC).replace(microsecond=0) == other.time
            assert bool(one["from_me"]) == other.from_me
            if other.kind == "text":
                assert re.sub("<br>", "\n", one["data"]) == other.text
