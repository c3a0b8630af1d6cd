"""A phone that refuses: each code has its meaning, nothing finished is touched, and a worse start is tried."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from ibackup.base.errors import (
    ConnectionLost,
    IbackupError,
    NoPhone,
    NoRoom,
    PersonNeeded,
    PhoneBusy,
    PhoneRefused,
    UsageError,
)
from ibackup.base.exit_codes import ExitCode
from ibackup.device.refusals.error_texts import REFUSALS
from ibackup.simulator.faults import (
    BACKUP_SERVICE,
    DropInPhase,
    ErrorCodeAt,
    SnapshotInTheWay,
    StartServiceError,
    SyncLockHeld,
    UnreadableFile,
)
from ibackup.simulator.faults import NoRoom as NoRoomFault
from ibackup.simulator.operations import backup_and_incremental as engine
from ibackup.simulator.operations import moving
from ibackup.simulator.operations.operation_session import Session
from ibackup.simulator.server import serve
from ibackup.simulator.spec import Passcode, Trust
from ibackup.simulator.virtual_phone import VirtualPhone
from support.runs import SMALL, Lab, assert_is_the_phone, photograph

MakeLab = Callable[..., Lab]

_EXITS = {105: 14, 106: 14, 202: 130, 207: 20, 208: 11, 209: 11, 212: 11}


@pytest.mark.parametrize("code", [*sorted({row.code for row in REFUSALS}), 999_999])
def test_every_code(backed_up: Lab, code: int) -> None:
    before = photograph(backed_up.folder.snapshots_path)
    backed_up.phone.set_faults(ErrorCodeAt(where="start", code=code, text="The reason\x07 of the phone"))
    with pytest.raises(IbackupError) as told:
        backed_up.now()
    error = told.value
    assert (error.error_code, error.exit_code) == (code, _EXITS.get(code, 12))
    assert f"MBErrorDomain {code}" in error.what
    assert error.hint
    if error.exit_code == ExitCode.PHONE_REFUSED:
        assert "The reason" in error.why
    assert "\x07" not in str(error)
    assert photograph(backed_up.folder.snapshots_path) == before


def break_off(lab: Lab) -> None:
    """Leave a broken run behind."""
    lab.phone.change(added=6)
    lab.phone.set_faults(DropInPhase(phase="uploading", after=2))
    lab.fails(ConnectionLost)


def test_a_broken_run_that_the_phone_does_not_continue(backed_up: Lab) -> None:
    break_off(backed_up)
    backed_up.phone.set_faults(ErrorCodeAt(where="start", code=205, times=1))
    result = backed_up.now()
    assert (result.full, result.resumed_bytes) == (False, 0)
    assert any("the backup starts over" in caution for caution in backed_up.told.cautions)
    assert_is_the_phone(result.path, backed_up.phone)
    assert backed_up.left == [], "what was set aside goes after the success"


def test_104_for_a_file_that_the_phone_cannot_read_does_not_start_over(backed_up: Lab) -> None:
    """It would fail for that file again, after everything was sent once more."""
    break_off(backed_up)
    phone = backed_up.phone
    phone.files.write("HomeDomain", "Library/broken.db", b"x")
    phone.set_faults(
        UnreadableFile(domain="HomeDomain", path="Library/broken.db"),
        ErrorCodeAt(where="end", code=104, times=1),
    )
    assert "broken.db" in backed_up.fails(PhoneRefused).why
    assert [left.kind for left in backed_up.left] == ["resumable"]


def test_a_snapshot_of_the_phones_own_is_in_the_way(backed_up: Lab) -> None:
    """Error 3 is the phone's, and its restart cures it: what has arrived stays, and nothing is sent again."""
    break_off(backed_up)
    before = backed_up.phone.journal.details("request").count("Backup")
    backed_up.phone.set_faults(SnapshotInTheWay())
    for run in (1, 2):
        error = backed_up.fails(PhoneRefused)
        assert error.error_code == 3
        assert "File exists (17)" in error.why
        assert "Restart the iPhone, then run `ibackup now`: it continues from " in error.hint
        assert [left.kind for left in backed_up.left] == ["resumable"]
        assert backed_up.phone.journal.details("request").count("Backup") == before + run
    backed_up.phone.restart()
    result = backed_up.now()
    assert result.resumed_bytes > 0
    assert_is_the_phone(result.path, backed_up.phone)


def test_104_keeps_what_has_arrived(backed_up: Lab) -> None:
    break_off(backed_up)
    backed_up.phone.set_faults(ErrorCodeAt(where="start", code=104, times=1))
    assert "it continues from " in backed_up.fails(PhoneRefused).hint
    assert [left.kind for left in backed_up.left] == ["resumable"]
    assert backed_up.now().resumed_bytes > 0


def test_104_for_what_this_computer_could_not_do_starts_over(
    backed_up: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phone that wants to move what is not here is given a fresh start, once."""
    break_off(backed_up)
    backed_up.phone.set_faults()
    move_files = moving.move_files
    more = ["ab" * 20]

    def and_one_more(session: Session, folder: str, file_ids: Iterable[str]) -> None:
        move_files(session, folder, [*file_ids, *(more.pop() for _ in more[:1])])

    monkeypatch.setattr(engine, "move_files", and_one_more)
    result = backed_up.now()
    assert result.resumed_bytes == 0
    assert any("the backup starts over" in caution for caution in backed_up.told.cautions)
    assert_is_the_phone(result.path, backed_up.phone)


def test_what_is_set_aside_stays_until_a_success(backed_up: Lab) -> None:
    break_off(backed_up)
    backed_up.phone.set_faults(ErrorCodeAt(where="start", code=205))
    backed_up.fails(PhoneRefused)
    assert sorted(left.kind for left in backed_up.left) == ["resumable", "set_aside"]
    backed_up.phone.set_faults()
    backed_up.now()
    assert backed_up.left == []


def test_205_of_an_incremental_is_tried_from_scratch(backed_up: Lab) -> None:
    backed_up.phone.set_faults(ErrorCodeAt(where="start", code=205, times=1))
    result = backed_up.now()
    assert (result.full, result.carried_files) == (True, 0)
    assert_is_the_phone(result.path, backed_up.phone)


def test_105_with_figures(lab: Lab) -> None:
    lab.phone.set_faults(NoRoomFault(missing=5 << 30))
    error = lab.fails(NoRoom)
    assert error.error_code == 105
    assert "The backup needs" in error.why
    assert "5.37 GB (5,368,709,120 bytes) are missing" in error.why
    assert "remove old snapshots with `ibackup prune`" in error.hint
    lab.phone.set_faults()
    assert_is_the_phone(lab.now().path, lab.phone)


def test_a_file_that_it_cannot_read_and_that_it_fails_for_is_named(lab: Lab) -> None:
    bad = next(each for each in lab.phone.files.files() if each.path.endswith("000000.dat"))
    lab.phone.set_faults(
        UnreadableFile(domain=bad.domain, path=bad.path, text="Input/output error"),
        ErrorCodeAt(where="end", code=104, text="Multiple errors uploading files"),
    )
    error = lab.fails(PhoneRefused)
    assert error.error_code == 104
    assert f"/{bad.path}: Input/output error" in error.why


def test_a_profile_demands_encryption(make_lab: MakeLab) -> None:
    lab = make_lab(replace(SMALL, requires_encryption=True))
    error = lab.fails(PhoneRefused)
    assert error.error_code == 207
    assert "allows encrypted backups only" in error.what


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"passcode": Passcode(kind="never", delay_s=0.2)}, "passcode"),
        ({"passcode": Passcode(kind="cancelled", delay_s=0.1)}, "passcode"),
        ({"locked": True, "trust": Trust(kind="dialog")}, "locked"),
        ({"trust": Trust(kind="pending")}, "trust"),
        ({"trust": Trust(kind="denied")}, "Don't Trust"),
        ({"setup_done": False}, "set up"),
    ],
    ids=["passcode-never", "passcode-cancelled", "locked", "trust-pending", "trust-denied", "setup"],
)
def test_someone_is_needed_at_the_phone(make_lab: MakeLab, how: dict[str, object], words: str) -> None:
    lab = make_lab(replace(SMALL, device_class="iPad", **how))  # type: ignore[arg-type]
    with pytest.raises(PersonNeeded) as told:
        lab.now(patience=5 if "Don't" in words else 0)
    error = told.value
    assert error.exit_code == 11
    assert words in error.message
    assert "iPad" in error.message + error.hint
    assert "iPhone" not in error.message + error.hint


def test_a_prompt_that_ends_the_connection(make_lab: MakeLab) -> None:
    """iOS 27 hangs up some seconds after it has asked, and no cable is to blame."""
    lab = make_lab(replace(SMALL, ios_version="27.0", passcode=Passcode(kind="cut", delay_s=0.2)))
    error = lab.fails(PersonNeeded, retry=True)
    assert "passcode was not entered" in error.what
    assert "cable" not in f"{error.why} {error.hint}"
    assert lab.phone.journal.details("request").count("Backup") == 1, "it is not asked a second time"
    lab.phone.passcode = Passcode(kind="answered")
    lab.now()
    lab.phone.set_faults(DropInPhase(phase="uploading", after=1, times=1))
    lab.phone.change(added=1)
    assert lab.fails(ConnectionLost).exit_code == 13, "one that is lost later is lost"


def test_someone_comes_in_time(make_lab: MakeLab) -> None:
    lab = make_lab(
        replace(
            SMALL,
            locked=True,
            unlock_after_s=0.2,
            trust=Trust(kind="dialog", delay_s=0.2),
            passcode=Passcode(kind="answered", delay_s=0.1),
        )
    )
    result = lab.now(patience=10)
    assert [prompt.kind for prompt in lab.told.prompts] == ["unlock", "trust", "passcode"]
    assert_is_the_phone(result.path, lab.phone)


def test_an_old_phone_that_is_locked_shows_no_prompt_and_is_waited_for(make_lab: MakeLab) -> None:
    lab = make_lab(replace(SMALL, ios_version="15.6.1", unlock_after_s=0.3))
    lab.now()
    lab.phone.lock_screen()
    with pytest.raises(PersonNeeded) as told:
        lab.now(patience=0)
    assert told.value.error_code == 208
    assert "is locked" in told.value.message
    lab.phone.lock_screen()
    lab.told.events.clear()
    assert lab.now(patience=10).snapshot
    assert [prompt.kind for prompt in lab.told.prompts] == ["unlock"]
    assert lab.told.phases.count("scan") == 1


def test_a_phone_that_forgot_this_computer(lab: Lab) -> None:
    lab.phone.trust.forget_all()
    vouches: dict[str, object] = {"vouches": lambda _error: True}
    with pytest.raises(PersonNeeded, match="trust") as refused:
        lab.now(**vouches)  # type: ignore[arg-type]
    assert "Tap Trust" in refused.value.hint
    lab.phone.trust.forget_all()
    assert lab.now(patience=10, **vouches).snapshot  # type: ignore[arg-type]
    assert [prompt.kind for prompt in lab.told.prompts] == ["trust"]
    lab.phone.set_faults(StartServiceError(service=BACKUP_SERVICE, error="ServiceProhibited"))
    assert "ServiceProhibited" in lab.fails(PhoneRefused).message


def test_another_program_has_the_phone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from ibackup.device.services.sync_lock_and_notices import SyncLock

    monkeypatch.setattr(SyncLock.__init__, "__kwdefaults__", {"tries": 50, "pause": 0.01})
    lab.phone.set_faults(SyncLockHeld(times=3))
    assert lab.now().snapshot
    lab.phone.set_faults(SyncLockHeld())
    error = lab.fails(PhoneBusy)
    assert error.exit_code == 15
    assert "Finder" in error.why
    assert len(lab.phone.journal.events("lock_taken")) == 1


def test_another_run_of_ours(lab: Lab) -> None:
    with lab.folder.lock():
        error = lab.fails(PhoneBusy)
    assert "process" in error.message
    assert lab.phone.journal.details("request") == []
    assert lab.now().snapshot


def test_none_several_and_the_wrong_one(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    other = VirtualPhone(replace(SMALL, seed=2, udid="", name="The other"))
    lab.server.attach(other)
    error = lab.fails(UsageError)
    for phone in (lab.phone, other):
        assert phone.udid in error.message + error.hint
        assert phone.spec.name in error.message + error.hint
    dashless = other.udid.replace("-", "").lower()
    assert lab.now(udid=dashless).udid == other.udid
    missing = lab.fails(NoPhone, udid="00008101-00000000000000AA")
    assert lab.phone.udid in missing.message + missing.hint
    with serve() as empty:
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", empty.address)
        assert lab.fails(NoPhone).exit_code == 10
