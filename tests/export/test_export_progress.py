"""What an export reports on the way: it grows, and says how much of it is done where that is known."""

from pathlib import Path

import pytest

from ibackup.base.events import Event, Progress
from ibackup.export import export_context
from ibackup.export.export_request import ExportRequest
from ibackup.export.exporting import export
from ibackup.simulator.life.messages_db import message_files
from ibackup.simulator.life.thread_cases import MADE_MESSAGES
from support.lives import backup_of
from support.minted import Mint


def test_the_part_that_is_done(mint: Mint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_context, "_SHOWN_EACH", 1)
    events: list[Event] = []
    with backup_of(mint, message_files(MADE_MESSAGES)) as backup:
        export(backup, ExportRequest(str(tmp_path / "out"), ("messages",)), observer=events.append)
    parts = [each.percent for each in events if isinstance(each, Progress) and each.percent is not None]
    assert len(parts) > 20
    assert parts == sorted(parts)
    assert 50 < parts[-1] <= 100
