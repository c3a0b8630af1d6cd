"""What is said about the room there is, before anything is sent."""

import pytest

from ibackup.backup import room
from ibackup.device import PhoneFacts
from ibackup.events import Caution, Event, Note
from support.runs import Lab

GB = 10**9


def told(found: room.Estimate, free: int) -> list[Event]:
    events: list[Event] = []
    room.tell(found, "/store", free, events.append)
    return events


def facts(used: int) -> PhoneFacts:
    return PhoneFacts(udid="x", used_bytes=used)


def cautions(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Caution)]


def test_a_first_one_that_may_not_fit() -> None:
    found = room.estimate(facts(100 * GB), None, 0)
    assert found.bytes == 70 * GB
    assert cautions(told(found, 71 * GB)) == []
    (text,) = cautions(told(found, 70 * GB))
    assert "70 GB free" in text


def test_what_is_here_already_need_not_come() -> None:
    found = room.estimate(facts(100 * GB), None, 60 * GB)
    assert cautions(told(found, 11 * GB)) == []


def test_an_incremental_one_goes_by_the_last_snapshot(backed_up: Lab) -> None:
    """What a phone has used says nothing about what is new; a part of the last backup does."""
    (base,) = backed_up.snapshots
    found = room.estimate(facts(100 * GB), base, 0)
    assert found.usual_bytes == base.meta.bytes // 20
    assert cautions(told(found, 1 * GB)) == []
    (text,) = cautions(told(found, (128 << 20) - 1))
    assert "some 1 MB to come" in text


@pytest.mark.parametrize("used", [None, 100 * GB])
def test_it_never_refuses(used: int | None) -> None:
    found = room.estimate(facts(used) if used else PhoneFacts(udid="x"), None, 0)
    assert any(isinstance(event, Note) for event in told(found, 0))
