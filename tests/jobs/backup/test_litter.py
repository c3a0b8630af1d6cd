"""A Finder, Explorer or file server that leaves its own files in the working copy while a backup is made there."""

from pathlib import Path

import pytest

from ibackup.apple.verify.findings import Level
from ibackup.base.errors import ConnectionLost
from ibackup.base.events import Event, PhaseStarted
from ibackup.jobs.proving.backup_proof import prove
from ibackup.simulator.faults import DropInPhase
from support.runs import Lab, Told

NAMES = (".DS_Store", "._Info.plist", "._0a", "Thumbs.db", "desktop.ini", "Desktop.ini")


class Littering(Told):
    """Leaves files in some folders of the working copies whenever a phase begins, and takes the last ones away."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.left: list[Path] = []

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if not isinstance(event, PhaseStarted):
            return
        for path in self.left:
            path.unlink(missing_ok=True)
        self.left = []
        for working in self._folder.glob("*/working-*"):
            places = [
                working,
                *working.glob("0*-*"),
                *working.glob("0*-*/0a"),
                *working.glob("0*-*/Snapshot/0*"),
            ]
            for path in (place / name for place in places if place.is_dir() for name in NAMES):
                path.write_bytes(b"\0\5\x16\7 of the system")
                self.left.append(path)


def test_it_ends_well(lab: Lab) -> None:
    for _ in range(2):
        told = Littering(lab.path)
        lab.now(told=told)
        assert told.left, "nothing was left anywhere"
        lab.phone.change(changed=1)
    for snapshot in lab.snapshots:
        assert prove(snapshot.backup_path, Level.FULL, snapshot=snapshot).good


def test_what_it_left_in_a_broken_run_does_no_harm(lab: Lab) -> None:
    lab.phone.set_faults(DropInPhase(phase="uploading"))
    with pytest.raises(ConnectionLost):
        lab.now(told=Littering(lab.path))
    lab.phone.set_faults()
    told = Littering(lab.path)
    lab.now(told=told)
    assert not [text for text in told.cautions if "no backup contains such a file" in text]
    assert told.left
