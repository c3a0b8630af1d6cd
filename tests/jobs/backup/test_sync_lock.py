"""The phone's sync lock is given back in order on every way out, or other programs could not use the phone."""

import pytest

from ibackup.base.errors import IbackupError
from ibackup.base.events import Event, PhaseStarted
from ibackup.config.stall_limits import Limits
from ibackup.simulator.faults import (
    DropAfterBytes,
    ErrorCodeAt,
    Fault,
    GiantPlist,
    HostilePath,
    NoRoom,
    SilentAfterBytes,
    StartServiceError,
    UnknownMessage,
    UserCancels,
)
from ibackup.store.work.working_copy import WorkingCopy
from support.runs import Lab, Told, assert_is_the_phone


def assert_given_back(lab: Lab, runs: int = 1) -> None:
    journal = lab.phone.journal
    assert journal.wait("posted", "com.apple.itunes-mobdev.syncDidFinish")
    assert len(journal.details("lock_taken")) == runs
    assert len(journal.details("lock_released")) == runs
    assert journal.details("posted").count("com.apple.itunes-mobdev.syncDidFinish") == runs
    posted = [event.at for event in journal.events("posted") if event.detail.endswith("syncDidFinish")]
    released = [event.at for event in journal.events("lock_released")]
    assert all(first <= second for first, second in zip(released, posted, strict=True)), "unlocked first"


@pytest.mark.parametrize(
    "fault",
    [
        None,
        ErrorCodeAt(where="start", code=208),
        ErrorCodeAt(where="end", code=104),
        NoRoom(missing=1 << 40),
        DropAfterBytes(count=200_000),
        SilentAfterBytes(count=200_000, seconds=600),
        HostilePath(place="upload", path="../../etc/cron.d/x"),
        GiantPlist(),
        UnknownMessage(),
        UserCancels(after=62),
    ],
    ids=lambda fault: "success" if fault is None else type(fault).__name__,
)
def test_whatever_the_phone_does(lab: Lab, fault: Fault | None) -> None:
    if isinstance(fault, SilentAfterBytes):
        lab.limits = Limits(within_file_s=1, between_files_s=1, message_s=2)
    lab.phone.set_faults(*([fault] if fault else []))
    if fault is None or isinstance(fault, UnknownMessage):
        lab.now()
    else:
        with pytest.raises(IbackupError):
            lab.now()
    assert_given_back(lab)


def test_each_attempt_of_a_run_gives_it_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibackup.device.phones.links.NOTICE_SECONDS", 0.1)
    lab.phone.set_faults(DropAfterBytes(count=200_000, times=1))
    lab.now(retry=True)
    assert_given_back(lab, runs=2)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError, MemoryError])
@pytest.mark.parametrize("phase", ["scan", "receive", "finish"])
def test_whatever_happens_here(lab: Lab, phase: str, kind: type[BaseException]) -> None:
    def fail(event: Event) -> bool:
        if isinstance(event, PhaseStarted) and event.phase == phase:
            raise kind("in the test")
        return False

    with pytest.raises(kind):
        lab.now(told=Told(stop=fail))
    assert_given_back(lab)


def test_a_disk_that_fails_at_the_barrier(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_working: WorkingCopy, state: str) -> None:
        raise IbackupError(f"The disk failed before {state}.")

    monkeypatch.setattr(WorkingCopy, "barrier", fail)
    with pytest.raises(IbackupError, match="before moving"):
        lab.now()
    assert_given_back(lab)


@pytest.mark.parametrize("error", ["InvalidService", "ServiceProhibited", "ServiceLimit"])
@pytest.mark.parametrize(
    "missing",
    [
        ("com.apple.afc",),
        ("com.apple.mobile.notification_proxy",),
        ("com.apple.afc", "com.apple.mobile.notification_proxy"),
    ],
)
def test_a_phone_without_the_small_services(lab: Lab, missing: tuple[str, ...], error: str) -> None:
    """idevicebackup2 backs such a phone up, too."""
    lab.phone.set_faults(*(StartServiceError(service=each, error=error, times=99) for each in missing))
    assert_is_the_phone(lab.now().path, lab.phone)
