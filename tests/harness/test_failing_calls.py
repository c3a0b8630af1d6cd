"""A disk that fails at the n-th call of a run, for n = 1, 2, 3 … until a run passes untouched."""

import pytest

from harness.calls import seen
from harness.failing import WAYS, FailingDisk, Way
from harness.rig import LONG, Rig, chosen, leaves_nothing
from ibackup.base.errors import IbackupError
from ibackup.base.exit_codes import ExitCode

pytestmark = [
    pytest.mark.promise("The last good backup survives anything"),
    pytest.mark.timeout(0 if LONG else 600),
]

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


def fail_once(phones: Rig, template: str, disk: FailingDisk) -> bool:
    """Whether it came to that call: files that arrive in larger pieces need fewer writes, as on a busy machine."""
    with phones.bench(template) as bench:
        before = bench.pictures()
        with seen(bench.path, disk) as calls, leaves_nothing(below=bench.path):
            error = bench.attempt()
        assert calls.fds == {}
        if error is not None:
            assert isinstance(error, IbackupError)
            assert error.exit_code in CODES[disk.way.removesuffix(" for good")], repr(error)
            assert error.hint
        bench.check(before)
        bench.recover(bench.pictures())
    return bool(disk.failed)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("template", ["one", "empty"])
def test_it_fails_at_a_call(phones: Rig, way: Way, template: str) -> None:
    last = calls_of(phones, template, way)
    struck = 0
    for number in chosen(last, 3, seed=len(way)):
        disk = FailingDisk(way, number)
        try:
            struck += fail_once(phones, template, disk)
        except BaseException as error:
            error.add_note(f"{way} at call {number} of {last}: {disk.failed[:3]}")
            raise
    assert struck >= 2
