"""A power cut in the middle of a run: what was made durable before need not come again, the rest is not trusted."""

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ibackup.apple.plists import StatusPlist
from ibackup.base.errors import IbackupError
from ibackup.device.devicelink import requests
from ibackup.device.devicelink.link import DeviceLink
from ibackup.device.folder import checkpoints
from ibackup.device.folder.working_files import WorkingFiles
from ibackup.jobs.backup import back_up
from ibackup.store.disk import durable, this_computer
from ibackup.store.work.working_copy import WorkingCopy
from support.runs import Lab, assert_is_the_phone, assert_sealed


def test_what_a_checkpoint_covered_is_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything written after the last one is lost, as the worst of disks would lose it."""
    covered: dict[str, int] = {}
    whole, handle = WorkingCopy.checkpoint, WorkingFiles.handle
    uploads = 0

    def noted(working: WorkingCopy) -> None:
        if len(covered) < 5:  # later ones are as if the power had gone before
            whole(working)
            covered.update(
                {line.path: line.size for line in working.ledger.lines() if "Snapshot/" in line.path}
            )

    def handled(files: WorkingFiles, link: DeviceLink, request: requests.PhoneRequest) -> None:
        nonlocal uploads
        handle(files, link, request)
        uploads += isinstance(request, requests.UploadFiles)
        if uploads == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "EVERY_BYTES", 20_000)
        patch.setattr(WorkingCopy, "checkpoint", noted)
        patch.setattr(WorkingFiles, "handle", handled)
        patch.setattr(back_up._Run, "_keep", lambda _self, working: working.ledger.abandon())
        with pytest.raises(KeyboardInterrupt):
            lab.now()
    (left,) = lab.left
    lost = 0
    for path in Path(left.path, lab.phone.udid, "Snapshot").rglob("*"):
        name = path.relative_to(Path(left.path, lab.phone.udid)).as_posix()
        if path.is_file() and name not in covered:
            path.write_bytes(b"")
            lost += 1
    assert lost
    monkeypatch.setattr(this_computer, "boot_id", lambda: "another start")
    result = lab.now()
    assert result.resumed_bytes == sum(covered.values()) > 0
    assert_is_the_phone(result.path, lab.phone)
    assert_sealed(result.path)


@pytest.mark.parametrize("for_good", [True, False])
def test_a_disk_that_was_pulled_is_not_trusted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, for_good: bool
) -> None:
    """The computer stays on; what had not reached the disk is gone when that is put back.

    A system tells once that it could not write; asked again, it says that there is nothing more to write.
    """
    whole, handle, sync = WorkingCopy.checkpoint, WorkingFiles.handle, durable.sync_all
    covered: dict[str, int] = {}
    uploads = 0
    gone = OSError(errno.EIO, os.strerror(errno.EIO))

    def fail(folder: str, files: Sequence[str], folders: Sequence[str]) -> None:
        if not for_good:
            patch.setattr(durable, "sync_all", sync)
        raise gone

    def noted(working: WorkingCopy) -> None:
        whole(working)
        if uploads < 6:
            covered.update(
                {line.path: line.size for line in working.ledger.lines() if "Snapshot/" in line.path}
            )

    with monkeypatch.context() as patch:

        def handled(files: WorkingFiles, link: DeviceLink, request: requests.PhoneRequest) -> None:
            nonlocal uploads
            handle(files, link, request)
            uploads += isinstance(request, requests.UploadFiles)
            if uploads == 4:
                patch.setattr(checkpoints, "EVERY_BYTES", 1 << 40)
            if uploads == 6:
                patch.setattr(durable, "sync_all", fail)
                files._checkpoints._make()

        patch.setattr(checkpoints, "EVERY_BYTES", 20_000)
        patch.setattr(checkpoints.Checkpoints, "make_if_due", _eager)
        patch.setattr(WorkingCopy, "checkpoint", noted)
        patch.setattr(WorkingFiles, "handle", handled)
        lab.fails(IbackupError)
    (left,) = lab.left
    lost = 0
    for path in Path(left.path, lab.phone.udid, "Snapshot").rglob("*"):
        name = path.relative_to(Path(left.path, lab.phone.udid)).as_posix()
        if path.is_file() and name not in covered:
            facts = path.stat()
            path.write_bytes(bytes(facts.st_size))  # its name and its size were there before its content
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
            lost += 1
    assert lost
    result = lab.now()
    assert result.resumed_bytes == sum(covered.values()) > 0
    assert_is_the_phone(result.path, lab.phone)
    assert_sealed(result.path)
    # That is settled then.
    lab.phone.change(added=2)
    lab.now()
    assert not list((lab.path.parent / "state" / "doubts").iterdir())


def _eager(due: checkpoints.Checkpoints) -> None:
    """Make one whenever enough has come by the module's own, present limit."""
    if due._bytes >= checkpoints.EVERY_BYTES:
        due.passed()
        due._make()


def test_status_is_on_the_disk_before_the_phone_continues(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The moves must not reach the disk before the word that there will be some."""
    seen: list[str] = []
    sync, handle = durable.sync_all, WorkingFiles.handle

    def synced(folder: str, files: Sequence[str], folders: Sequence[str]) -> None:
        sync(folder, files, folders)
        for root in (folder, os.path.join(folder, lab.phone.udid)):
            path = Path(root, "Status.plist")
            if path.exists():
                seen.append(f"synced {StatusPlist.parse(path.read_bytes()).snapshot_state}")

    def handled(files: WorkingFiles, *arguments: object) -> None:
        run: Callable[..., None] = handle
        run(files, *arguments)
        if files.state and (not seen or seen[-1] != f"answered {files.state}"):
            seen.append(f"answered {files.state}")

    monkeypatch.setattr(durable, "sync_all", synced)
    monkeypatch.setattr(WorkingFiles, "handle", handled)
    lab.now()
    for state in ("moving", "finished"):
        assert seen[seen.index(f"answered {state}") - 1] == f"synced {state}"
