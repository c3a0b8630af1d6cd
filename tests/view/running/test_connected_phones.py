"""What is plugged in: asked once, and again when a job has changed a phone."""

import threading
from dataclasses import replace

import pytest

from ibackup.base.events import ignore
from ibackup.config.stall_limits import Limits
from ibackup.device.phones.found_phones import FoundPhone, find
from ibackup.view.running import connected_phones
from ibackup.view.running.job_order import EncryptionWork, JobOrder
from ibackup.view.running.job_running import run_order
from support.page_calls import PageCalls
from support.runs import PASSWORD, SMALL
from view.running.conftest import MakeDesk, ended


def looked() -> None:
    """Wait for a look in the background."""
    for thread in threading.enumerate():
        if thread.name == connected_phones.THREAD:
            thread.join(500)


def test_the_page_of_encryption_asks_no_phone_and_says_what_a_job_has_changed(
    make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_desk(replace(SMALL, name="Ann\u2019s iPhone")).lab
    lab.now()
    asked: list[Limits] = []

    def counted(limits: Limits) -> list[FoundPhone]:
        asked.append(limits)
        return find(limits=limits)

    monkeypatch.setattr(connected_phones, "find", counted)
    calls = PageCalls(lab.path)
    house = calls.house
    house.connected.look()
    assert house.connected.has_looked.wait(500)
    page = "/phone/anns-iphone/encryption"
    assert "Backups are not encrypted" in calls.get(page).text
    assert len(asked) == 1
    job = house.board.start(
        JobOrder(
            lab.phone.udid, EncryptionWork("on", new=PASSWORD), str(lab.path), config=house.request.config
        )
    )
    assert ended(job).is_good
    assert "Backups are encrypted" in calls.get(page).text
    calls.close()
    looked()


def test_a_look_that_began_before_a_change_is_not_the_last_word(
    make_desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = make_desk(SMALL).lab
    lab.now()
    calls = PageCalls(lab.path)
    connected = calls.house.connected
    connected.look()
    assert connected.has_looked.wait(500)
    looked()

    def late(limits: Limits) -> list[FoundPhone]:
        """The phone answers, and then a job changes it."""
        found = find(limits=limits)
        monkeypatch.setattr(connected_phones, "find", find)
        on = JobOrder(lab.phone.udid, EncryptionWork("on", new=PASSWORD), str(lab.path))
        assert run_order(on, ignore).is_good
        connected.changed_by(lab.phone.udid, encrypts=True)
        return found

    monkeypatch.setattr(connected_phones, "find", late)
    connected._serials = None
    connected._look()
    assert [each.encrypts for each in connected.look()] == [True]
    connected._look()
    assert [each.encrypts for each in connected.look()] == [True]
    calls.close()
    looked()
