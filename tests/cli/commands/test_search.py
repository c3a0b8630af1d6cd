"""`ibackup search`: what people and programs are shown."""

import os
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli
from ibackup.search import snapshot_index
from ibackup.simulator.life import note_cases, notes_db
from ibackup.simulator.life.calls_db import call_stores
from ibackup.simulator.life.contacts_db import address_book
from ibackup.simulator.life.reminders_db import reminder_stores
from support.minted import UDID, Spec
from support.search_store import PASSWORD, SearchStore, chat

HOSTILE = "needle \x1b]0;owned\x07\x1b[2J\r\u202eevil\u2066 `" + "x" * 300 + "` end"


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SearchStore:
    """A phone's store, which every command takes."""
    made = SearchStore(tmp_path / "lab")
    monkeypatch.setenv("IBACKUP_STORE", str(made.path))
    return made


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A file with the password."""
    path = tmp_path / "key"
    path.write_text(PASSWORD)
    path.chmod(0o600)
    return path


def test_hits_are_shown_by_kind_with_time_place_and_snapshots(ibackup: Cli, phone: SearchStore) -> None:
    phone.chat("1=See you at the station at seven", "2=dinner")
    phone.chat("1=See you at the station at seven")
    done = ibackup("search", "station")
    assert done.code == 0
    assert "Messages: 1 hit" in done.out
    assert "Grace Hopper" in done.flat
    assert "in all 2 snapshots" in done.flat
    assert "See you at the station at seven" in done.out
    assert "last seen 2026-11-01" in ibackup("search", "dinner").flat


def test_every_kind_can_be_found_and_chosen(ibackup: Cli, phone: SearchStore, key: Path) -> None:
    files = (*address_book(), *call_stores(), *reminder_stores())
    specs = [Spec(each.domain, each.path, each.data) for each in files]
    specs.append(Spec("CameraRollDomain", "Media/DCIM/100APPLE/Lovelace_0001.HEIC", b"x"))
    phone.add([*specs, chat([("1", "Lovelace wrote this")], phone.tmp)], PASSWORD)
    given = ("--password-file", key)
    events = ibackup("search", "lovelace", "--json", *given).events
    kinds = {event["kind"] for event in events if event["event"] == "hit"}
    assert {"messages", "people", "files"} <= kinds
    only = ibackup("search", "lovelace", "--in", "files", "--json", *given).events
    assert {event["kind"] for event in only if event["event"] == "hit"} == {"files"}
    assert ibackup("search", "rent", "--in", "reminders", "--json", *given).result["kinds"] == {
        "reminders": 1
    }
    assert ibackup("search", "01632960001", "--json", *given).result["hits"]
    assert ibackup("search", "441632960001", "--json", *given).result["hits"]


def test_a_program_gets_a_hit_for_each_line_and_a_result_with_counts(
    ibackup: Cli, phone: SearchStore
) -> None:
    first = phone.chat("1=See you at the station", "2=another station")
    phone.chat("2=x", "1=See you at the station")
    done = ibackup("search", "station", "--json")
    hits = [event for event in done.events if event["event"] == "hit"]
    text = next(hit for hit in hits if hit["id"] == "WhatsApp 4917012345678@s.whatsapp.net 2")
    assert text["snapshots"] == 1
    assert (text["first_snapshot"], text["last_snapshot"], text["in_newest"]) == (first.id, first.id, False)
    assert (text["kind"], text["who"], text["udid"]) == ("messages", "Grace Hopper", UDID)
    start, end = text["marks"][0]  # type: ignore[index]
    assert str(text["text"])[start:end] == "station"
    assert str(text["time"]).endswith("Z")
    assert done.result["hits"] == done.result["shown"] == len(hits)
    assert done.result["snapshots"] == 2
    assert done.result["gaps"] == []


def test_nothing_found_is_an_answer(ibackup: Cli, phone: SearchStore) -> None:
    phone.chat("1=hello")
    done = ibackup("search", "nowhere")
    assert (done.code, done.flat.strip()) == (0, "Nothing was found in 1 backup.")
    assert ibackup("search", "nowhere", "--json").result["hits"] == 0


def test_texts_of_strangers_control_no_terminal_and_fit_its_lines(ibackup: Cli, phone: SearchStore) -> None:
    wide = "needle " + "明日の会議は十時からです。" * 20
    phone.chat(f"1={HOSTILE}", f"2={wide}", f"3=needle {'z' * 500}")
    done = ibackup("search", "needle")
    assert not set(done.out) & {"\x1b", "\x07", "\r", "\u202e", "\u2066"}
    for line in done.out.splitlines():
        assert sum(2 if ord(char) > 0x2E80 else 1 for char in line) <= 80
    assert "\\x1b" in done.out
    assert all(line.isprintable() for line in ibackup("search", "needle", "--json").out.splitlines())


@pytest.mark.promise("No secret leaks")
def test_without_the_password_an_encrypted_backup_stays_closed(
    ibackup: Cli, phone: SearchStore, key: Path
) -> None:
    phone.chat("1=hello secret", password=PASSWORD)
    assert ibackup("search", "secret", "--password-file", key).code == 0
    done = ibackup("search", "secret", "--json")  # there is an index now, but nobody can read it
    assert done.code == 20
    assert [event["event"] for event in done.events if event["event"] == "hit"] == []
    assert "--password-file" in str(done.result["hint"])
    assert "secret" not in done.out.replace('["secret"]', "")


def test_damage_is_named_and_ends_with_its_code(ibackup: Cli, phone: SearchStore) -> None:
    phone.chat("1=hello")
    broken = phone.chat("1=hello", password=PASSWORD)
    (Path(broken.backup_path) / "Manifest.plist").write_bytes(b"nothing")
    done = ibackup("search", "hello")
    assert done.code == 4
    assert broken.id in done.out
    assert "hello" in done.out


def test_one_snapshot_or_a_folder_can_be_searched(ibackup: Cli, phone: SearchStore, tmp_path: Path) -> None:
    first = phone.chat("1=hello", "2=dinner")
    phone.chat("1=hello")
    assert ibackup("search", "dinner", "--snapshot", "latest", "--json").result["hits"] == 0
    assert ibackup("search", "dinner", "--snapshot", first.id, "--json").result["hits"] == 1
    assert ibackup("search", "dinner", "--snapshot", first.backup_path, "--json").result["hits"] == 1
    elsewhere = tmp_path / "elsewhere"
    os.rename(first.backup_path, elsewhere)
    done = ibackup("search", "dinner", "--snapshot", elsewhere)
    assert done.code == 0
    assert "dinner" in done.out
    assert "snapshot" not in done.out


def test_all_phones_are_searched_or_the_one_that_is_named(
    ibackup: Cli, store: Path, password_file: Path
) -> None:
    given = ("--password-file", password_file)
    listed = ibackup("files", "latest", "--phone", "Bob", "--json", *given).events
    path = next(event["path"] for event in listed if event.get("kind") == "file")
    words = ("search", str(path).rpartition("/")[2], "--in", "files", "--json")
    both = ibackup(*words, *given)
    assert both.code == 0
    assert BOB.udid in {event.get("udid") for event in both.events}
    assert both.result["snapshots"] == 3
    assert ibackup(*words).code == 20  # Bob's stays locked
    alone = ibackup(*words, "--phone", ANN.name)
    assert alone.code == 0
    assert alone.result["snapshots"] == 2


def test_texts_that_cannot_be_decoded_are_mentioned_and_end_nothing(ibackup: Cli, phone: SearchStore) -> None:
    files = notes_db.files(note_cases.NOTES, note_cases.FOLDERS, ios=17)
    phone.add(list({each.path: Spec(each.domain, each.path, each.data) for each in files}.values()))
    done = ibackup("search", "pear")
    assert done.code == 0
    assert "cannot be decoded" in done.flat
    gaps = ibackup("search", "pear", "--json").result["gaps"]
    assert isinstance(gaps, list)
    assert {gap["minor"] for gap in gaps} == {True}


def test_what_makes_no_sense_is_refused(ibackup: Cli, phone: SearchStore) -> None:
    assert ibackup("search", "hello").code == 2  # there is no snapshot
    phone.chat("1=hello")
    assert ibackup("search").code == 2
    assert ibackup("search", "...").code == 2
    assert ibackup("search", "a", "--in", "thoughts").code == 2
    assert ibackup("search", "a", "--snapshot", "20200101").code == 2


def test_a_python_without_full_text_search_is_told_so(
    ibackup: Cli, phone: SearchStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.chat("1=hello")
    # What SQLite says without the module, from SQLite itself.
    monkeypatch.setattr(snapshot_index, "_TABLES", snapshot_index._TABLES.replace("fts5", "fts5missing"))
    done = ibackup("search", "hello")
    assert done.code == 1
    assert "FTS5" in done.flat_err
