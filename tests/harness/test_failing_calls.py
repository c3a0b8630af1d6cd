"""A disk that fails at the n-th call of a run, for n = 1, 2, 3 … until a run passes untouched."""

import pytest

from harness.calls import seen
from harness.failing import WAYS, FailingDisk, Way
from harness.rig import LONG, Rig, chosen, leaves_nothing
from ibackup.errors import ExitCode, IbackupError

pytestmark = pytest.mark.timeout(0 if LONG else 120)

FEWER = 3
CODES = {
    "full": {ExitCode.NO_ROOM},
    "broken": {ExitCode.FAILED},
    "forbidden": {ExitCode.FAILED},
    "read-only": {ExitCode.FAILED},
    "short": set(),
}


def calls_of(phones: Rig, template: str, way: Way) -> int:
    with phones.bench(template) as bench:
        disk = FailingDisk(way)
        with seen(bench.path, disk):
            bench.now()
        return disk.count


def fail_once(phones: Rig, template: str, disk: FailingDisk) -> None:
    with phones.bench(template) as bench:
        before = bench.pictures()
        with seen(bench.path, disk) as calls, leaves_nothing(below=bench.path):
            error = bench.attempt()
        # A file takes one write more or less as its bytes arrive, so the last few calls need not come again.
        assert disk.failed or disk.at - disk.count <= FEWER
        assert calls.fds == {}
        if error is not None:
            assert isinstance(error, IbackupError)
            assert error.exit_code in CODES[disk.way.removesuffix(" for good")], repr(error)
            assert error.hint
        bench.check(before)
        bench.recover(bench.pictures())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("template", ["one", "empty"])
def test_it_fails_at_a_call(phones: Rig, way: Way, template: str) -> None:
    last = calls_of(phones, template, way)
    for number in chosen(last, 3, seed=len(way)):
        disk = FailingDisk(way, number)
        try:
            fail_once(phones, template, disk)
        except BaseException as error:
            error.add_note(f"{way} at call {number} of {last}: {disk.failed[:3]}")
            raise
