"""Events as lines of JSON, there and back."""

import json

import pytest

from ibackup.base import event_lines
from ibackup.base.event_lines import Sparing, event_of, members
from ibackup.base.events import Caution, Event, Note, PhaseStarted, Progress, Prompt, PromptDone, Silent

EVENTS: list[Event] = [
    PhaseStarted("receive", "Receiving files."),
    Progress("receive", 12.5, bytes=3, total_bytes=9, files=1, total_files=2),
    Progress("check"),
    Silent("scan", 180.0, 1800.0, "It is silent."),
    Prompt("trust", "Tap Trust.", 60.0),
    Prompt("passcode", "Enter it."),
    PromptDone("passcode"),
    Caution("It is slow.", "Use a cable."),
    Note("It began."),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_arrives_as_it_was_sent(event: Event) -> None:
    assert event_of(json.loads(json.dumps(members(event)))) == event


@pytest.mark.parametrize(
    "line", [{}, {"event": "result"}, {"event": "phase", "phase": "odd"}, {"event": "prompt", "kind": "odd"}]
)
def test_a_line_that_is_no_event(line: dict[str, object]) -> None:
    assert event_of(line) is None


def test_progress_is_passed_on_at_most_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(event_lines, "monotonic", lambda: now[0])
    heard: list[Event] = []
    sparing = Sparing(heard.append)
    for step in range(20):
        sparing(Progress("receive", float(step)))
        sparing(Note("Other events all come."))
        now[0] += 0.1
    assert len([each for each in heard if isinstance(each, Progress)]) == 4
    assert len([each for each in heard if isinstance(each, Note)]) == 20
