"""The same jobs on a copy as plain files: killed before the proof, at night, and never replaced by something older."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ibackup.base.events import PhaseStarted, ignore
from ibackup.copies.copy_records import CopyRecord
from ibackup.copies.engine_kinds import RCLONE
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.copying.copy_night import copy_at_night
from ibackup.jobs.copying.copy_run import copy_snapshots
from ibackup.store.disk.record_times import now
from ibackup.store.phone_folder import PhoneFolder
from jobs.copying.conftest import new_copy
from support.runs import Told

pytestmark = pytest.mark.peer


@pytest.fixture
def plain(folder: PhoneFolder, tmp_path: Path, require_tool: Callable[[str], str]) -> OpenedCopy:
    """A new copy on a disk."""
    require_tool("rclone")
    return new_copy(str(tmp_path / "disk" / "copy"), tmp_path, RCLONE)


def test_a_run_that_is_killed_before_the_proof_keeps_the_proven_snapshot_until_the_next_run_proves_the_new_one(
    plain: OpenedCopy, folder: PhoneFolder, tmp_path: Path
) -> None:
    one, two = folder.snapshots()
    aside = tmp_path / "aside"
    shutil.move(two.path, aside)
    assert copy_snapshots(plain, [folder], ignore).damaged == ()
    shutil.move(aside, two.path)
    with pytest.raises(KeyboardInterrupt):
        copy_snapshots(
            plain, [folder], Told(stop=lambda event: isinstance(event, PhaseStarted) and "back" in event.text)
        )
    assert [each.id for each in plain.engine.held()] == [one.id, two.id]
    done = copy_snapshots(plain, [folder], ignore)
    assert (done.copied, done.vanished, done.held) == ([], [], 1)
    assert [(each.snapshot, each.good, each.induced) for each in done.late] == [(two.id, True, True)]
    assert [each.id for each in plain.engine.held()] == [two.id]
    record = CopyRecord.read(folder.proofs_path, "usb", plain.config.repository_id)
    assert [each.id for each in record.copied] == [two.id]
    # The newest one here is lost: what the copy has is not replaced by something older.
    shutil.rmtree(two.path)
    told = Told()
    again = copy_snapshots(plain, [folder], told)
    assert (again.copied, again.held) == ([], 1)
    assert any(two.id in each for each in told.cautions)


def test_a_night_copies_what_is_due_and_waits_for_a_disk_that_is_away(
    plain: OpenedCopy, folder: PhoneFolder
) -> None:
    def night(days: float) -> str:
        at = now() + timedelta(days=days)
        return copy_at_night(plain.config, [folder], lambda: plain, at, ignore).state

    assert [night(0), night(0), night(1)] == ["copied", "not_due", "copied"]
    disk = Path(plain.config.to)
    disk.rename(disk.with_name("unplugged"))
    assert [night(2), night(20)] == ["away", "failed"]
