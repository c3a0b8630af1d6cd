"""What a job asks the person in place of an error, and what the answer changes."""

import errno
import os
from pathlib import Path

import pytest

from ibackup.base.errors import NoRoom
from ibackup.base.events import ignore
from ibackup.base.exit_codes import ExitCode
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.view.home.job_endings import ending, without_commands
from ibackup.view.running.job_order import BackUpWork, JobOrder
from ibackup.view.running.job_outcome import JobOutcome
from ibackup.view.running.job_running import run_order
from support.runs import SMALL, Lab, plugging_in


def test_a_disk_without_links_asks_before_it_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(pytest.importorskip("fcntl"), "ioctl", refuse)
    with plugging_in(tmp_path, monkeypatch) as plug_in:
        lab = plug_in(lambda stack: Lab(tmp_path / "store", stack, VirtualPhone(SMALL)))

        def run(work: BackUpWork) -> JobOutcome:
            return run_order(JobOrder(lab.phone.udid, work, str(lab.path)), ignore)

        assert run(BackUpWork()).is_good
        lab.phone.change()
        asked = run(BackUpWork())
        assert (asked.code, asked.question) == (ExitCode.NO_ROOM, "copies")
        end = ending("backup", asked)
        assert (end.tone, end.question, end.to_do) == ("wait", "copies", "Make a full copy each time?")
        assert len(lab.snapshots) == 1
        assert run(BackUpWork(copies=True)).is_good
        # The store remembers the answer.
        lab.phone.change()
        assert run(BackUpWork()).is_good
        assert len(lab.snapshots) == 3


def test_a_full_disk_says_that_nothing_is_lost_and_what_to_do() -> None:
    outcome = JobOutcome.of_error(NoRoom("The store's disk is full.", hint="Remove some: `ibackup prune`."))
    end = ending("backup", outcome)
    assert (end.tone, end.title, end.again) == ("wait", "The store's disk is full.", "Try again")
    assert "Nothing is lost" in end.why
    assert end.to_do.startswith("Make space")
    assert end.details == ("Remove some: `ibackup prune`.",)


def test_an_outcome_survives_its_way_as_a_line() -> None:
    import json

    outcome = JobOutcome.of_error(NoRoom("Full.", why="Why.", hint="Do.", error_code=105), "copies", {"a": 1})
    assert JobOutcome.of_line(json.loads(outcome.to_line())) == outcome


def test_what_is_for_a_terminal_is_said_as_a_page_says_it() -> None:
    assert without_commands("To keep it, run `ibackup now` first.") == "To keep it, back the phone up first."
