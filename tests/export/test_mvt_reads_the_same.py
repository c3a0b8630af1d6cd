"""What mvt, a program of others, reads in the same databases as our exports say.

It has an environment of its own, which `scripts/bench` makes (`.venv-peers`), since it needs other versions of
packages. Of Messages it reads what the column has, not the formatted text, so the phone is of iOS 14; it leaves out
messages without a sender.
"""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ibackup.apple.backup import Backup
from ibackup.export.export_request import ExportRequest
from ibackup.export.exporting import export
from ibackup.simulator.life.usual_life import usual_life
from ibackup.simulator.spec import demo_spec
from support.minted import Mint, Spec
from support.readers import mvt_ios


def records(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def moment(text: str) -> datetime:
    """A time as mvt writes it, or as our records do, to the second."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC, microsecond=0)


@pytest.mark.slow
def test_mvt_reads_the_same(mint: Mint, tmp_path: Path) -> None:
    program = mvt_ios()
    files = usual_life(demo_spec()).files(14)
    folder = mint(None, specs=[Spec(file.domain, file.path, content=file.data) for file in files]).folder
    to, theirs = tmp_path / "to", tmp_path / "mvt"
    with Backup.open(folder) as backup:
        export(backup, ExportRequest(str(to), ("messages", "contacts", "calls", "calendar", "safari")))
    subprocess.run(
        [program, "check-backup", "--output", str(theirs), str(folder)],
        capture_output=True,
        env={"HOME": str(tmp_path), "PATH": str(Path(program).parent)},
        timeout=300,
        check=True,
    )
    _same_messages(theirs, to)
    calls = {moment(each["time"]): each for each in records(to / "Calls" / "Calls.json")}
    read = records(theirs / "calls.json")
    assert {(moment(each["isodate"]), each["number"], each["duration"]) for each in read} == {
        (when, each["numbers"][0], each["seconds"]) for when, each in calls.items()
    }
    visits = {(moment(each["time"]), each["url"]) for each in records(to / "Safari" / "History.json")}
    assert {
        (moment(each["isodate"]), each["url"]) for each in records(theirs / "safari_history.json")
    } == visits
    cards = (to / "Contacts" / "Contacts.vcf").read_text(encoding="utf-8")
    people = records(theirs / "contacts.json")
    assert len(people) == 10
    for person in people:
        assert (
            f"{person['First']} {person['Last']}" in cards or f"{person['Last']} {person['First']}" in cards
        )
        assert person["value"] in cards
    events = "".join(path.read_text(encoding="utf-8") for path in (to / "Calendars").glob("*.ics"))
    for event in records(theirs / "calendar.json"):
        assert f"SUMMARY:{event['summary']}" in events
        assert f"UID:{event['unique_identifier']}" in events


def _same_messages(theirs: Path, to: Path) -> None:
    ours = {each["id"]: each for path in to.glob("Messages/*/messages.json") for each in records(path)}
    read = [
        each for each in records(theirs / "sms.json") if each["text"] and not each["associated_message_type"]
    ]
    assert len(read) == sum(1 for each in ours.values() if not each["from_me"])
    for message in read:
        mine = ours[message["guid"]]
        assert message["text"].strip("\ufffc") == mine["text"]
        assert moment(message["isodate"]) == moment(mine["time"])
        assert (message["direction"] == "sent") is mine["from_me"]
        assert message["phone_number"] == mine["address"]
    (attached,) = records(theirs / "sms_attachments.json")
    (name,) = {file["name"] for each in ours.values() for file in each["attachments"]}
    assert attached["transfer_name"] == name
