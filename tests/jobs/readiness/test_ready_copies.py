"""The programs of second copies, as ``setup --check`` shows them."""

from pathlib import Path

import pytest

from ibackup.config.copy_config import CopyConfig
from ibackup.jobs.readiness.check_result import CheckState
from ibackup.jobs.readiness.ready_copies import copy_programs

USB = CopyConfig("usb", "/mnt/usb/copy", "a" * 64)


def put(folder: Path, name: str, says: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o700)


@pytest.mark.parametrize(
    ("says", "state", "text"),
    [
        ("restic 0.18.0 compiled with go1.24.4", "good", "restic 0.18.0 makes"),
        ("restic 0.14.0 compiled with go1.19.8", "advice", "can repair a damaged copy on a server too"),
        ("restic 0.12.1 compiled with go1.15", "missing", "too old"),
        ("", "missing", "not on this computer"),
    ],
)
def test_restic_is_named_with_its_version_and_what_a_newer_one_does_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, state: CheckState, text: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if says:
        put(tmp_path, "restic", says)
    (check,) = copy_programs([USB])
    assert (check.name, check.state) == ("restic", state)
    assert text in check.text


def test_each_copy_needs_its_own_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(copy_programs([])) == []
    put(tmp_path, "rclone", "rclone v1.60.1-DEV")
    plain = CopyConfig("plain", "/mnt/usb/plain", "a" * 64, engine="rclone")
    assert [(each.name, each.state) for each in copy_programs([plain])] == [("rclone", "good")]
    far = CopyConfig("far", "sftp:ann@nas:/copy", "a" * 64)
    cloud = CopyConfig("cloud", "rclone:cloud:copy", "a" * 64)
    assert [each.name for each in copy_programs([far, cloud])] == ["restic", "rclone", "ssh"]
