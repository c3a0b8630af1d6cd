"""The power fails at a sync, and the disk keeps any part of what was not synced yet; then the computer starts again."""

import contextlib
import gc
import os
import shutil
from collections.abc import Iterator
from unittest import mock

import pytest

from harness.calls import seen
from harness.power import LOSSES, Disk, Loss, PowerCut
from harness.rig import LONG, Bench, Rig, another_start, chosen, remembering
from harness.test_cut_anywhere import prepare
from harness.wire import Wire, tapped
from ibackup.store.disk import durable
from ibackup.store.work import linkers
from support.runs import Picture

pytestmark = [
    pytest.mark.promise("The last good backup survives anything"),
    pytest.mark.timeout(0 if LONG else 600),
    pytest.mark.skipif(os.name == "nt", reason="the model is one of POSIX"),
]


def no_reflinks(*_: object) -> None:
    raise OSError(95, "no reflinks in the model")


@contextlib.contextmanager
def on(disk: Disk, *, syncfs: bool) -> Iterator[None]:
    """Runs inside the block are on this disk."""
    with (
        mock.patch.object(durable, "file_system", return_value="ext4" if syncfs else "none"),
        mock.patch.object(linkers.Reflink, "carry", no_reflinks),
        seen(disk.folder, disk) as calls,
    ):
        disk.calls = calls
        yield
    for fd in calls.fds:
        os.close(fd)  # of a computer that is off


def syncs_of(phones: Rig, run: str, *, syncfs: bool) -> int:
    with phones.bench("empty" if run == "full" else "one") as bench:
        bench.path.mkdir(exist_ok=True)
        prepare(bench, run)
        before = bench.pictures()
        disk = Disk(str(bench.path))
        with on(disk, syncfs=syncfs):
            made = bench.now()
        # Exit 0 was said: whatever is lost now, the snapshot is there.
        for loss in LOSSES:
            target = bench.path.with_name(f"{bench.path.name} after {loss}")
            disk.rebuild(str(target), loss)
            after = Bench(target, bench.server, bench.phone)
            assert [each.id for each in after.snapshots][-1] == made.snapshot
            # Without syncfs a mode that was set after its file was synced may be lost; its bytes may not.
            after.check(before, modes=syncfs)
            shutil.rmtree(target)
        return disk.syncs


def cut_once(phones: Rig, run: str, number: int, losses: list[tuple[Loss, int]], *, syncfs: bool) -> None:
    with phones.bench("empty" if run == "full" else "one") as bench:
        bench.path.mkdir(exist_ok=True)
        prepare(bench, run)
        before = bench.pictures()
        disk = Disk(str(bench.path), number)
        with on(disk, syncfs=syncfs), pytest.raises(PowerCut):
            bench.now()
        bench.server.detach(bench.phone)
        for loss, seed in losses:
            try:
                start_again(bench, disk, before, loss, seed, modes=syncfs)
            except BaseException as error:
                error.add_note(f"{run}, sync {number}, {loss} kept, seed {seed}, syncfs {syncfs}")
                raise


def start_again(
    bench: Bench, disk: Disk, before: dict[str, Picture], loss: Loss, seed: int, *, modes: bool
) -> None:
    phone = remembering(bench.phone)
    target = bench.path.with_name(f"{bench.path.name} {loss} {seed}")
    disk.rebuild(str(target), loss, seed)
    after = Bench(target, bench.server, phone)
    bench.server.attach(phone)
    try:
        after.check(before, modes=modes)
        with another_start(), tapped(Wire()):
            after.recover(after.pictures(), modes=modes)
    finally:
        bench.server.detach(phone)
        shutil.rmtree(target)


@pytest.fixture
def nothing_is_closed() -> Iterator[None]:
    """What a power cut leaves open is thrown away within its own test."""
    yield
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
@pytest.mark.usefixtures("nothing_is_closed")
@pytest.mark.parametrize("syncfs", [True, False], ids=["syncfs", "fsync"])
@pytest.mark.parametrize("run", ["incremental", "resumed", "full"])
def test_the_power_fails_at_a_sync(phones: Rig, run: str, syncfs: bool) -> None:
    last = syncs_of(phones, run, syncfs=syncfs)
    for place, number in enumerate(chosen(last, 2, seed=len(run) + syncfs)):
        some: list[tuple[Loss, int]] = [("some", number + seed) for seed in range(6 if LONG else 1)]
        whole: list[tuple[Loss, int]] = [(loss, 0) for loss in LOSSES if loss != "some"]
        losses = [*whole, *some] if LONG else [whole[(place + syncfs) % 4], *some]
        cut_once(phones, run, number, losses, syncfs=syncfs)
