"""The state of a virtual iPhone."""

import threading
import time

import pytest

from ibackup.simulator.afcfiles import AfcError, AfcTree
from ibackup.simulator.faults import DropInPhase, ErrorCodeAt, UserCancels
from ibackup.simulator.spec import Passcode, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

PRESENTED = "com.apple.LocalAuthentication.ui.presented"
DISMISSED = "com.apple.LocalAuthentication.ui.dismissed"


@pytest.mark.parametrize(
    ("kind", "entered", "notified"),
    [
        ("none", True, []),
        ("answered", True, [PRESENTED, DISMISSED]),
        ("late", True, [PRESENTED, DISMISSED]),
        ("never", False, [PRESENTED, DISMISSED]),
        ("cancelled", False, [PRESENTED, DISMISSED]),
    ],
)
def test_the_passcode_prompt(kind: str, entered: bool, notified: list[str]) -> None:
    phone = VirtualPhone(PhoneSpec(passcode=Passcode(kind=kind, delay_s=7)))  # type: ignore[arg-type]
    waited: list[float] = []
    assert phone.ask_passcode(waited.append) is entered
    assert phone.journal.details("notified") == notified
    assert waited == ([7] if notified else [])


def test_an_interrupted_prompt_goes_away() -> None:
    phone = VirtualPhone(PhoneSpec(passcode=Passcode(kind="never")))

    def pause(_: float) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        phone.ask_passcode(pause)
    assert phone.journal.details("notified") == [PRESENTED, DISMISSED]


def test_a_password_changes_what_lockdown_says() -> None:
    phone = VirtualPhone(PhoneSpec())
    assert phone.domain("com.apple.mobile.backup")["WillEncrypt"] is False
    phone.set_backup_password("x")
    assert phone.domain("com.apple.mobile.backup")["WillEncrypt"] is True
    assert phone.journal.details("notified") == ["com.apple.mobile.backup.domain_changed"]


def test_faults_strike_as_often_as_they_say() -> None:
    phone = VirtualPhone(PhoneSpec(faults=(UserCancels(times=2), ErrorCodeAt(where="end", code=105))))
    assert [phone.fault(UserCancels) is not None for _ in range(3)] == [True, True, False]
    assert phone.fault(DropInPhase) is None
    at_end = phone.fault(ErrorCodeAt, lambda fault: fault.where == "end")
    assert at_end is not None
    assert at_end.code == 105
    assert phone.fault(ErrorCodeAt, lambda fault: fault.where == "start") is None
    assert len(phone.faults(ErrorCodeAt)) == 1
    phone.set_faults()
    assert phone.fault(ErrorCodeAt) is None


def test_counting_is_right_with_many_threads() -> None:
    phone = VirtualPhone(PhoneSpec(faults=(UserCancels(times=50),)))
    struck: list[bool] = []

    def strike() -> None:
        struck.extend(phone.fault(UserCancels) is not None for _ in range(50))

    threads = [threading.Thread(target=strike) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(struck) == 50


def test_locking_and_unlocking() -> None:
    phone = VirtualPhone(PhoneSpec(locked=True, unlock_after_s=0.02))
    assert phone.locked
    assert phone.has_passcode
    phone.refused_for_lock()
    time.sleep(0.03)
    assert not phone.locked
    phone.lock_screen()
    assert phone.locked
    phone.unlock()
    assert not phone.locked


def test_the_journal_waits_for_what_comes() -> None:
    phone = VirtualPhone(PhoneSpec())
    timer = threading.Timer(0.02, phone.posted, ["x"])
    timer.start()
    assert phone.journal.wait("posted", "x")
    timer.join()
    assert not phone.journal.wait("posted", "y", timeout=0.01)


def test_the_media_folder_stays_within_itself() -> None:
    tree = AfcTree(0)
    tree.make_folder("/a/b")
    tree.write("/a/b/f", b"1")
    with pytest.raises(AfcError):
        tree.rename("/a", "/a/b/a")
    with pytest.raises(AfcError):
        tree.remove("/../..", contents=True)
    with pytest.raises(AfcError):
        tree.make_folder("/a/b/f/g")
    tree.rename("/a/b", "/c")
    assert tree.read("//c/../c/f") == b"1"
    assert tree.names("/a") == [".", ".."]


def test_shared_and_exclusive_locks() -> None:
    tree, one, two = AfcTree(0), object(), object()
    path = "/com.apple.itunes.lock_sync"
    assert tree.take_lock(path, one, exclusive=False)
    assert tree.take_lock(path, two, exclusive=False)
    assert not tree.take_lock(path, one, exclusive=True)
    assert tree.drop_lock(path, two)
    assert tree.take_lock(path, one, exclusive=True)
    assert not tree.take_lock(path, two, exclusive=False)
    assert tree.lock_holder() is one
    assert not tree.drop_lock(path, two)
    assert tree.drop_lock(path, one)
    assert tree.lock_holder() is None
