"""launchd's property list and Windows' task: what their readers find in them."""

import plistlib
import subprocess
import xml.etree.ElementTree as ET
from datetime import time
from pathlib import Path

import pytest

from ibackup.base.errors import UsageError
from ibackup.jobs.schedule.cron import Cron
from ibackup.jobs.schedule.launchd import Launchd
from ibackup.jobs.schedule.schedule_types import ScheduledCommand
from ibackup.jobs.schedule.windows_tasks import Windows

ODD = "a b \"c' 100% & <d> ü"
JOB = ScheduledCommand(
    time(6, 5), ("/opt/python", "-m", "ibackup", "nightly", "--store", ODD), (("PATH", "/usr/bin"),), "/x/pw"
)
NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"

# The order of the elements by [MS-TSCH] 2.5; the scheduler refuses another one.
ORDER = {
    "Task": ["RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"],
    "RegistrationInfo": ["Description", "URI"],
    "LogonTrigger": ["Enabled", "UserId"],
    "CalendarTrigger": ["StartBoundary", "Enabled", "ScheduleByDay"],
    "Principal": ["UserId", "LogonType", "RunLevel"],
    "Exec": ["Command", "Arguments"],
}


def test_launchd(home: Path) -> None:
    (piece,) = Launchd().pieces(JOB)
    assert piece.place == str(home / "Library/LaunchAgents/ibackup.nightly.plist")
    members = plistlib.loads(piece.content.encode())
    assert members == {
        "Label": "ibackup.nightly",
        "ProgramArguments": [*JOB.command, "--password-file", "/x/pw"],
        "EnvironmentVariables": {"PATH": "/usr/bin"},
        "StartCalendarInterval": {"Hour": 6, "Minute": 5},
        "Umask": 0o077,
    }


def test_launchd_finds_its_own_and_what_was_made_of_it(home: Path) -> None:
    assert Launchd().find() is None
    (piece,) = Launchd().pieces(JOB)
    path = Path(piece.place)
    path.parent.mkdir(parents=True)
    path.write_text(piece.content, encoding="utf-8")
    found = Launchd().find()
    assert found is not None
    assert found.at == time(6, 5)
    path.write_text(piece.content.replace("<key>Hour</key>", "<key>Day</key>"), encoding="utf-8")
    changed = Launchd().find()
    assert changed is not None
    assert changed.at is None
    path.write_text("no plist", encoding="utf-8")
    assert Launchd().find() is None


def parsed(content: str) -> ET.Element:
    """A task, whose elements have their right order."""
    task = ET.fromstring(content.encode("utf-16"))
    assert task.tag == f"{NAMESPACE}Task"
    for element in task.iter():
        name = element.tag.removeprefix(NAMESPACE)
        if name in ORDER:
            assert [child.tag.removeprefix(NAMESPACE) for child in element] == ORDER[name]
    return task


def test_what_is_kept_running(home: Path) -> None:
    job = ScheduledCommand(None, ("/opt/python", "-m", "ibackup", "watch"))
    (piece,) = Windows("watch").pieces(job)
    triggers = parsed(piece.content).find(f"{NAMESPACE}Triggers")
    assert triggers is not None
    assert [each.tag for each in triggers] == [f"{NAMESPACE}LogonTrigger"]
    (agent,) = Launchd("watch").pieces(job)
    members = plistlib.loads(agent.content.encode())
    assert (members["RunAtLoad"], members["KeepAlive"]) == (True, {"SuccessfulExit": False})
    assert "StartCalendarInterval" not in members
    with pytest.raises(UsageError):
        Cron("watch").pieces(job)
    assert Cron("watch").find() is None
    assert Cron("watch").missing()


def test_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERDOMAIN", "OFFICE")
    monkeypatch.setenv("USERNAME", "Ann & Bob")
    (piece,) = Windows().pieces(JOB)
    task = parsed(piece.content)
    found = {element.tag.removeprefix(NAMESPACE): element.text for element in task.iter()}
    assert found["StartBoundary"] == "2026-01-01T06:05:00"
    assert found["UserId"] == "OFFICE\\Ann & Bob"
    assert found["URI"] == "\\ibackup\\nightly of OFFICE.Ann & Bob"
    assert (found["Command"], found["StartWhenAvailable"]) == ("/opt/python", "true")
    assert (found["ExecutionTimeLimit"], found["DisallowStartIfOnBatteries"]) == ("PT0S", "false")
    assert found["Arguments"] == subprocess.list2cmdline([*JOB.command[1:], "--password-file", "/x/pw"])


def test_windows_refuses_what_no_xml_can_hold() -> None:
    with pytest.raises(UsageError):
        Windows().pieces(ScheduledCommand(time(1), ("/opt/python", "a\x07")))
