"""What is said about the room there is, before anything is sent."""

import pytest

from ibackup.base import disks
from ibackup.base.events import Caution, Event, Note
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.jobs.backup import backup_estimate
from support.runs import Lab

GB = 10**9


def told(found: backup_estimate.BackupEstimate, free: int) -> list[Event]:
    events: list[Event] = []
    backup_estimate.tell(found, "/store", free, events.append)
    return events


def facts(used: int) -> PhoneFacts:
    return PhoneFacts(udid="x", used_bytes=used)


def cautions(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Caution)]


def test_a_first_one_that_may_not_fit() -> None:
    found = backup_estimate.estimate(facts(100 * GB), None, 0)
    assert found.bytes == 70 * GB
    assert cautions(told(found, 71 * GB)) == []
    (text,) = cautions(told(found, 70 * GB))
    assert "70 GB free" in text


def test_what_is_here_already_need_not_come() -> None:
    found = backup_estimate.estimate(facts(100 * GB), None, 60 * GB)
    assert cautions(told(found, 11 * GB)) == []


def test_an_incremental_one_goes_by_the_last_snapshot(backed_up: Lab) -> None:
    """What a phone has used says nothing about what is new; a part of the last backup does."""
    (base,) = backed_up.snapshots
    found = backup_estimate.estimate(facts(100 * GB), base, 0)
    assert found.usual_bytes == base.meta.bytes // 20
    assert cautions(told(found, 1 * GB)) == []
    (text,) = cautions(told(found, (128 << 20) - 1))
    assert "some 1 MB to come" in text


@pytest.mark.parametrize("used", [None, 100 * GB])
def test_it_never_refuses(used: int | None) -> None:
    found = backup_estimate.estimate(facts(used) if used else PhoneFacts(udid="x"), None, 0)
    assert any(isinstance(event, Note) for event in told(found, 0))


@pytest.mark.parametrize(
    ("name", "warned"), [("vfat", True), ("FAT32", True), ("msdos", True), ("ext4", False)]
)
def test_a_format_that_holds_no_long_video_is_reported_before_the_first_backup(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str, warned: bool
) -> None:
    monkeypatch.setattr(disks, "file_system", lambda _: name)
    for first in (True, False):
        lab.now()
        assert any("cannot store files above 4 GB" in caution for caution in lab.told.cautions) is (
            warned and first
        )


def test_over_the_network_no_time_is_promised_that_a_cable_would_take() -> None:
    events: list[Event] = []
    backup_estimate.tell(
        backup_estimate.estimate(facts(100 * GB), None, 0), "/store", 100 * GB, events.append, by_cable=False
    )
    (note,) = [event.text for event in events if isinstance(event, Note)]
    assert "takes much longer over Wi-Fi" in note
    assert "USB" not in note


def test_after_encryption_was_switched_everything_is_announced(backed_up: Lab) -> None:
    backed_up.phone.set_backup_password("secret")
    backed_up.now("secret")
    assert any("Everything is sent" in note for note in backed_up.told.notes)
    backed_up.now("secret")
    assert any("Only new data" in note for note in backed_up.told.notes)
