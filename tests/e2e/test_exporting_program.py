"""From the phone to what people read: a virtual iPhone of hard cases, its backup, and the export of everything.

What each exported record says is held against the tables of cases; what the readers say of fields that an export does
not have is tested beside the readers.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar

from ibackup.simulator.life import health_db, note_cases, photo_cases, whatsapp_cases
from ibackup.simulator.life.calendar_db import EVENTS
from ibackup.simulator.life.calls_db import CALLS
from ibackup.simulator.life.hard_life import DELETED_MESSAGE, DELETED_PHOTO, hard_life
from ibackup.simulator.life.memos_db import MEMOS
from ibackup.simulator.life.messages_db import MadeText, made_guid
from ibackup.simulator.life.photos_db import MadeAsset
from ibackup.simulator.life.reminders_db import REMINDERS
from ibackup.simulator.life.safari_db import VISITS
from ibackup.simulator.life.thread_cases import MADE_MESSAGES
from ibackup.simulator.life.voicemail_db import VOICEMAILS
from ibackup.simulator.spec import PhoneSpec, demo_spec
from support.program import Done, MakeProgram, Program

_NO_START = ("Long ago", b"Bytes")
"""Titles of events that no calendar program could show."""
PASSWORD = "Kurzhaar-Wisent 7"
Record = dict[str, Any]


@dataclass(frozen=True)
class Exported:
    """A folder that an export filled, and how it ended."""

    to: Path
    done: Done

    def records(self, path: str) -> dict[str, Record]:
        """A file's records by id."""
        return {each["id"]: each for each in json.loads((self.to / path).read_text("utf-8"))}

    def texts(self, pattern: str) -> str:
        """The files of a pattern, one after the other, with the long lines of vCard and iCalendar joined again."""
        return re.sub(r"\r?\n ", "", "".join(path.read_text("utf-8") for path in self.to.glob(pattern)))


def export(
    program: Program, name: str, *options: str, password: str | None, code: int | None = 4
) -> Exported:
    to = program.folder / name
    secret = {"IBACKUP_PASSWORD": password}
    first = program.snapshots[0].name
    words = ("export", first, "--everything", "--to", str(to), "--json", *options)
    return Exported(to, program.run(*words, environment=secret, code=code))


def phone_of(ios: str, password: str | None) -> PhoneSpec:
    return PhoneSpec(hard_cases=True, ios_version=ios, backup_password=password, keybag_rounds=10)


@pytest.mark.parametrize(("ios", "password"), [("14.8", PASSWORD), ("17.4.1", None), ("26.1", PASSWORD)])
def test_every_hard_case_survives_the_way_from_the_phone_to_the_export(
    make_program: MakeProgram, ios: str, password: str | None
) -> None:
    program = make_program(phone_of(ios, password))
    program.now()
    program.phone.change()
    program.now()
    all_of_it = export(program, "all", password=password)  # exit code 4: some cases are of damage
    _judge_messages(all_of_it, int(ios.partition(".")[0]))
    _judge_lists(all_of_it, encrypted=password is not None)
    _judge_photos(all_of_it)
    _judge_notes(all_of_it)
    _judge_whatsapp(all_of_it)
    _judge_cards_and_calendars(all_of_it)
    gone = export(program, "gone", "--gone-by", program.snapshots[1].name, password=password)
    _judge_what_is_gone(gone)
    _judge_the_page_on_results(all_of_it)


def _judge_messages(exported: Exported, ios: int) -> None:
    found = {
        each["id"]: each
        for path in exported.to.glob("Messages/*/messages.json")
        for each in json.loads(path.read_text("utf-8"))
    }
    texts = [text for text in MADE_MESSAGES.texts if text.since <= ios and text.says is not None]
    assert set(found) == {text.guid for text in texts}
    for text in texts:
        assert _disagree(text.says, _said_of_message(found[text.guid], text, ios)) == [], text.case


def _said_of_message(record: Record, text: MadeText, ios: int) -> dict[str, object]:
    said: dict[str, object] = {
        "text": record["text"],
        "sender": record["sender"],
        "from_me": record["from_me"],
        "time": record["time"],
        "service": record["service"],
        "edited": record["edited"],
        "all_unsent": record["unsent"],
        "edits": tuple(each["text"] for each in record["edits"]),
        "reactions": tuple((each["emoji"] or "", each["sender"]) for each in record["reactions"]),
        "attachments": tuple(each["name"] for each in record["attachments"]),
        "event": record["event"] and record["event"]["text"],
        "app": record["app"] and record["app"]["name"],
        "effect": record["effect"],
        "voice": record["voice"],
        "failed": record["failed"],
        "is_deleted": record["recently_deleted"],
    }
    if ios < 16 and text.case in {"truncated body", "nothing at all"}:
        del said["text"]  # the text is also in a column there
    if text.case == "picture":
        del said["attachments"]  # it belongs to the group
    return said


def _judge_lists(exported: Exported, *, encrypted: bool) -> None:
    memos = exported.records("Voice memos/Voice memos.json")
    for memo in MEMOS:
        says = dict(memo.says)
        says.pop("recording", None)
        assert _disagree(says, memos[memo.case]) == [], memo.case
        assert (memos[memo.case]["file"] is not None) is memo.file, memo.case
    mail = exported.records("Voicemail/Voicemail.json")
    for number, voicemail in enumerate(VOICEMAILS, start=1):
        assert _disagree(voicemail.says, mail[f"voicemail {number}"]) == [], voicemail.case
    reasons = {each["kind"]: each["reason"] for each in exported.done.result["not_found"]}  # type: ignore[attr-defined]
    if not encrypted:
        assert reasons == dict.fromkeys(("calls", "health"), "the backup is not encrypted")
        assert not (exported.to / "Safari" / "History.json").exists()
        return
    assert not reasons
    calls = exported.records("Calls/Calls.json")
    assert set(calls) == {call.case for call in CALLS}
    for call in CALLS:
        record = calls[call.case]
        said = record | {
            "addresses": tuple(record["numbers"]),
            "incoming": record["direction"] == "incoming",
            "missed": record["result"] == "missed",
        }
        assert _disagree(call.says, said) == [], call.case
    visits = {each["url"]: each for each in exported.records("Safari/History.json").values()}
    for visit in VISITS:
        assert _disagree(visit.says, visits[visit.url]) == [], visit.case
    for figures in health_db.DAYS:
        name = figures.kind.capitalize()
        day = exported.records(f"Health/{name}.json")[f"{figures.kind} {figures.day}"]
        assert {name: day[name] for name in figures.figures} == figures.figures


def _sidecars(exported: Exported) -> Iterable[Record]:
    for path in exported.to.glob("Photos/*/**/*.json"):
        yield json.loads(path.read_text("utf-8"))


def _judge_photos(exported: Exported) -> None:
    found = {each["id"]: each for each in _sidecars(exported)}
    kept = [
        asset for asset in photo_cases.ASSETS if asset.says.get("holds") != "nothing" and _is_whole(asset)
    ]
    assert set(found) == {asset.uuid for asset in kept}
    for asset in kept:
        record = found[asset.uuid]
        said = {
            name: record[name] for name in ("kind", "holds", "favorite", "hidden", "original_name", "source")
        }
        assert _disagree(asset.says, said) == [], asset.case
    albums = json.loads((exported.to / "Photos" / "albums.json").read_text("utf-8"))
    shown = [each for each in photo_cases.ALBUMS if each.says is not None and "members" in each.says]
    assert [each.says["path"] for each in shown if each.says and "path" in each.says] <= [
        tuple(each["path"]) for each in albums
    ]


def _is_whole(asset: MadeAsset) -> bool:
    return asset.says.get("source") != "shared with you"


def _judge_notes(exported: Exported) -> None:
    found = exported.records("Notes/notes.json")
    shown = [made for made in note_cases.NOTES if made.says is not None]
    assert set(found) == {made.identifier for made in shown}
    for made in shown:
        record = found[made.identifier]
        said = record | {"folder": tuple(record["folder"]), "hint": record["hint"] or ""}
        assert _disagree(made.says, said) == [], made.case


def _judge_whatsapp(exported: Exported) -> None:
    found = {
        each["id"]: each
        for path in exported.to.glob("WhatsApp/*/messages.json")
        for each in json.loads(path.read_text("utf-8"))
    }
    made = [message for chat in whatsapp_cases.MADE.chats for message in chat.messages]
    assert set(found) == {message.stanza for message in made}
    for message in made:
        record = found[message.stanza]
        reactions = tuple((each["sender"] or "", each["emoji"]) for each in record["reactions"])
        place = record["place"] and (record["place"]["latitude"], record["place"]["longitude"])
        said = record | {"reactions": reactions, "place": place}
        assert _disagree(message.says, said) == [], message.case


def _judge_cards_and_calendars(exported: Exported) -> None:
    cards = exported.texts("Contacts/*.vcf")
    people = {str(each.link) if each.link > 0 else each.case for each in hard_life().contacts}
    assert cards.count("BEGIN:VCARD") == len(people) - 1  # an empty card is left out
    found = {
        str(event["UID"])
        for path in exported.to.glob("Calendars/*.ics")
        for event in Calendar.from_ical(path.read_bytes()).walk("VEVENT")
    }
    starts = [each for each in EVENTS if each.says is not None and each.columns["summary"] not in _NO_START]
    assert found == {made.changes or made.case for made in starts}
    reminders = exported.texts("Reminders/*.ics")
    assert reminders.count("BEGIN:VTODO") == len([each for each in REMINDERS if each.says is not None])


def _judge_the_page_on_results(exported: Exported) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto-export.md").read_text(encoding="utf-8")
    usual = {"event", "schema", "command", "exit_code", "error_code", "message", "hint"}
    assert [each for each in exported.done.result if each not in usual and f"`{each}`" not in page] == []


def _judge_what_is_gone(gone: Exported) -> None:
    (messages,) = gone.to.glob("Messages/*/messages.json")
    assert [each["id"] for each in json.loads(messages.read_text("utf-8"))] == [made_guid(DELETED_MESSAGE)]
    photo = next(asset for asset in photo_cases.ASSETS if asset.case == DELETED_PHOTO)
    assert [each["id"] for each in _sidecars(gone)] == [photo.uuid]
    assert gone.done.result["messages"] == gone.done.result["photos"] == 1


def _disagree(says: Mapping[str, object] | None, said: Mapping[str, Any]) -> list[str]:
    """Where an export says something else than the maker's table, in the fields that both have."""
    return [
        f"{name}: {said[name]!r}, not {wanted!r}"
        for name, wanted in (says or {}).items()
        if name in said and said[name] not in (wanted, str(wanted).replace("+00:00", "Z"))
    ]


def test_the_demo_phone_has_something_of_each_kind(make_program: MakeProgram) -> None:
    program = make_program(demo_spec())
    secret = {"IBACKUP_PASSWORD": "demo"}
    program.now(environment=secret)
    result = export(program, "all", password="demo", code=0).done.result
    assert result["gaps"] == result["not_found"] == []
    for noun in (
        "messages",
        "attachments",
        "contacts",
        "calls",
        "voicemails",
        "memos",
        "events",
        "reminders",
    ):
        assert result[noun]
    for noun in ("photos", "albums", "notes", "whatsapp_chats", "bookmarks", "visits"):
        assert result[noun]
