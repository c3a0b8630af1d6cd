"""Stores on difficult ground: no links, a full disk, a clock that is wrong, a store that is gone."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibackup.apple.verify.findings import Level
from ibackup.base.errors import ConnectionLost, IbackupError, NoRoom, StoreMissing
from ibackup.jobs.proving.backup_proof import prove
from ibackup.simulator.faults import DropInPhase
from ibackup.simulator.spec import DomainSpec
from ibackup.store.store import Store
from ibackup.store.work.cloning import NoLinks
from support.runs import SMALL, Lab, assert_is_the_phone, assert_sealed, copy_store, photograph

MakeLab = Callable[..., Lab]


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers of a FAT file system."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(pytest.importorskip("fcntl"), "ioctl", refuse)


@pytest.mark.usefixtures("no_links")
def test_a_disk_without_links(lab: Lab) -> None:
    first = lab.now()
    lab.phone.change(changed=1)
    before = photograph(lab.folder.snapshots_path)
    error = lab.fails(NoLinks)
    assert error.exit_code == 14
    assert f"{first.bytes:,} bytes" in error.why
    # It is remembered: nightly, watch and a change of the password have no such option.
    assert "run `ibackup now --copies` once" in error.hint
    assert photograph(lab.folder.snapshots_path) == before
    assert lab.left == []
    # Once it was said, the store remembers.
    second = lab.now(copies=True)
    assert second.carried_files > 10
    assert lab.store.copies
    lab.phone.change(changed=1, seed=1)
    third = lab.now()
    for result in (second, third):
        assert_sealed(result.path)
    assert_is_the_phone(third.path, lab.phone)
    # Copies share nothing: a change to one is none to the other.
    inodes = [{path.stat().st_ino for path in Path(each.path).rglob("*")} for each in lab.snapshots]
    assert not inodes[0] & inodes[1]
    lab.fails(NoLinks, copies=False)
    assert not lab.store.copies


@pytest.mark.usefixtures("no_links")
def test_a_broken_run_continues_without_links(lab: Lab) -> None:
    lab.now(copies=True)
    lab.phone.change(added=6)
    lab.phone.set_faults(DropInPhase(phase="uploading", after=2))
    lab.fails(ConnectionLost)
    lab.phone.set_faults()
    result = lab.now()
    assert result.resumed_bytes > 0
    assert_is_the_phone(result.path, lab.phone)


@pytest.mark.parametrize("spell", [lambda udid: udid.replace("-", ""), str.lower])
def test_a_folder_that_spells_the_phone_otherwise(lab: Lab, spell: Callable[[str], str]) -> None:
    folder = lab.store.phone(spell(lab.phone.udid))
    folder.make()
    first = lab.now()
    assert first.udid == folder.udid != lab.phone.udid
    lab.phone.change(changed=1)
    second = lab.now()
    assert second.carried_files > 10
    assert [each.id for each in lab.folder.entries()] == [first.snapshot, second.snapshot]
    assert lab.folder.broken() == []
    assert_sealed(second.path)
    for snapshot in lab.snapshots:
        assert prove(snapshot.backup_path, Level.DEEP, snapshot=snapshot).good


def test_a_clock_that_goes_backwards(backed_up: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = backed_up.snapshots[-1]
    monkeypatch.setattr("ibackup.store.disk.record_times.now", lambda: datetime(2020, 1, 1, tzinfo=UTC))
    result = backed_up.now()
    after = datetime.strptime(newest.id, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) + timedelta(seconds=1)
    assert result.snapshot == after.strftime("%Y%m%dT%H%M%SZ")
    assert any("clock is behind" in caution for caution in backed_up.told.cautions)
    assert backed_up.folder.newest() == backed_up.snapshots[1]
    assert backed_up.snapshots[1].meta.started.year == 2020
    assert_is_the_phone(result.path, backed_up.phone)


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A real file system of so many bytes."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "ibackup-test", str(folder)],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip("may not mount a file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Four megabytes."""
    with small_disk(tmp_path / "disk", "4m") as folder:
        yield folder


BIG = replace(SMALL, domains=(DomainSpec(name="MediaDomain", count=40, min_size=150_000, max_size=200_000),))


def test_the_phone_finds_the_disk_too_small(make_lab: MakeLab, disk: Path) -> None:
    lab = make_lab(BIG, store="disk/store")
    error = lab.fails(NoRoom)
    assert error.error_code == 105
    assert "are missing" in error.why
    assert any("may not be enough space" in caution for caution in lab.told.cautions)


@pytest.mark.parametrize("base", [False, True], ids=["first", "incremental"])
def test_the_disk_fills_up(make_lab: MakeLab, disk: Path, first_store: Path, base: bool) -> None:
    """A phone that does not ask for the room first: the run stops politely and continues when there is room."""
    lab = make_lab(replace(BIG, device_link_version=200), store="disk/store")
    if base:
        copy_store(first_store, lab.path)
    before = photograph(lab.folder.snapshots_path) if base else {}
    error = lab.fails(NoRoom)
    assert error.exit_code == 14
    assert "disk is full" in error.message.lower()
    if base:
        assert photograph(lab.folder.snapshots_path) == before
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    result = lab.now()
    assert_is_the_phone(result.path, lab.phone)
    assert_sealed(result.path)


@pytest.mark.parametrize("free", [0, 4096, 40_000, 150_000])
def test_a_disk_that_is_full_before(make_lab: MakeLab, disk: Path, free: int) -> None:
    lab = make_lab(store="disk/store")
    Store.open(lab.path)
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(ballast, ballast.stat().st_size - free)
    with pytest.raises(NoRoom) as told:
        lab.now()
    assert told.value.exit_code == 14
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=256m", str(disk)], check=True)
    assert_is_the_phone(lab.now().path, lab.phone)


def test_a_store_that_is_gone(backed_up: Lab) -> None:
    backed_up.now()
    backed_up.path.rename(backed_up.path.parent / "unplugged")
    with pytest.raises(StoreMissing, match="not mounted"):
        backed_up.now()
    backed_up.path.mkdir()
    with pytest.raises(StoreMissing, match="not mounted"):
        backed_up.now()
    assert os.listdir(backed_up.path) == []


def test_a_read_only_store(backed_up: Lab) -> None:
    mounted = subprocess.run(
        ["mount", "--bind", "-o", "ro", str(backed_up.path), str(backed_up.path)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    try:
        with pytest.raises(IbackupError, match="read-only") as told:
            backed_up.now()
    finally:
        subprocess.run(["umount", str(backed_up.path)], check=True)
    assert told.value.exit_code == 1
    assert "--store" in told.value.hint


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EACCES])
def test_a_disk_without_modes(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """FAT, some shares and FUSE file systems, each with its own answer."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "chmod", refuse)
    monkeypatch.setattr(os, "fchmod", refuse, raising=False)
    umask = os.umask(0o077 if os.name == "nt" else 0o027)
    try:
        lab = make_lab(SMALL)
        lab.now()
        lab.phone.change(changed=1)
        result = lab.now()
    finally:
        os.umask(umask)
    assert_sealed(result.path)
    assert_is_the_phone(result.path, lab.phone)
