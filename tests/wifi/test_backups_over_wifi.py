"""Backups over Wi-Fi, each through the program itself, in a network of its own."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.faults import SilentAfterBytes, WirelessBreak
from ibackup.simulator.spec import Trust
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.wireless_spec import Impostor
from support.networks import CARD, join, settle
from support.relay import bad_radio, without_offload
from wifi.conftest import ANN, ANNS, BOB, COMPUTER, STRANGERS, Computer, Household, MakeSpaces

pytestmark = pytest.mark.peer

Scene = tuple[Household, Computer]
PAUSE = SilentAfterBytes(count=500_000, seconds=60, times=1)
"""Time for something to happen in the middle of a transfer."""
OTHER_COMPUTER = "10.28.0.1"


def snapshots(computer: Computer, phone: VirtualPhone) -> list[Path]:
    return sorted((computer.program.store / phone.udid / "snapshots").glob("2*"))


def test_full_and_incremental_without_a_cable(household: Scene) -> None:
    home, computer = household
    phone = home.add_phone(computer, ANN)
    computer.set_up(phone)
    assert computer.run("now", "--json").result["full"] is True
    phone.change(added=2, changed=1)
    again = computer.run("now", "--json").result
    assert (again["full"], again["checked"]) == (False, "manifest")
    assert len(snapshots(computer, phone)) == 2
    journal = phone.journal
    assert journal.details("assertion") == ["AMDPowerAssertionTypeWirelessSync"] * 2
    assert "ended by another" not in journal.details("heartbeat")
    assert not any("heartbeat" in each for each in journal.details("refused"))
    asked = journal.details("asked")
    assert asked[: asked.index("StartService")] == ["QueryType", "StartSession", "GetValue"]
    assert not any(
        b"PRIVATE KEY" in path.read_bytes() for path in computer.program.store.rglob("*") if path.is_file()
    )


def test_a_phone_that_sleeps_in_the_middle_and_wakes_continues(household: Scene) -> None:
    home, computer = household
    phone = home.add_phone(computer, replace(ANN, faults=(PAUSE,)))
    computer.set_up(phone)
    air = home.on_air[phone.udid]
    air.sleep()
    finish = computer.start("now", "--json", "--wait", "300s")
    air.wake()
    assert phone.journal.wait("fault", "SilentAfterBytes")
    air.sleep()
    air.wake()
    done = finish(code=0)
    assert int(str(done.result["resumed_bytes"])) > 0
    assert len(snapshots(computer, phone)) == 1


@pytest.mark.long
def test_a_phone_that_gets_another_address_is_found_again(household: Scene) -> None:
    home, computer = household
    phone = home.add_phone(computer, replace(ANN, faults=(PAUSE,)))
    computer.set_up(phone)
    finish = computer.start("now", "--json")
    assert phone.journal.wait("fault", "SilentAfterBytes")
    home.air.ip(f"addr del {ANNS}/24 dev {CARD}", f"addr add 10.27.0.4/24 dev {CARD}")
    home.on_air[phone.udid].move("10.27.0.4")
    done = finish(code=0)
    assert int(str(done.result["resumed_bytes"])) > 0


@pytest.mark.parametrize(
    "impostor", ["key", *(pytest.param(each, marks=pytest.mark.long) for each in ("plain", "udid"))]
)
def test_an_impostor_gets_a_greeting_and_no_more(household: Scene, impostor: Impostor) -> None:
    home, computer = household
    phone = home.add_phone(computer, ANN)
    computer.set_up(phone)
    home.on_air.pop(phone.udid).close()
    wireless = replace(ANN.wireless, address=STRANGERS, impostor=impostor)
    fake = home.add_phone(computer, replace(ANN, wireless=wireless, lockdown=home.switched_on))
    done = computer.run("now", code=None)
    assert done.code == 12, done
    asked = ["QueryType", "StartSession", *(["GetValue"] if impostor == "udid" else [])]
    assert fake.journal.details("asked") == asked
    assert fake.journal.details("start_service") == []
    assert snapshots(computer, phone) == []


@pytest.mark.long
def test_an_old_advert_of_an_impostor_does_not_hide_the_phone(household: Scene) -> None:
    home, computer = household
    phone = home.add_phone(computer, ANN)
    computer.set_up(phone)
    wireless = replace(ANN.wireless, address=STRANGERS, impostor="key", identifier="AN-OLD-ONE")
    fake = home.add_phone(
        computer, replace(ANN, seed=99, udid=phone.udid, wireless=wireless, lockdown=home.switched_on)
    )
    computer.run("now", "--json")
    assert len(snapshots(computer, phone)) == 1
    assert fake.journal.details("start_service") == []
    assert set(fake.journal.details("asked")) <= {"QueryType", "StartSession"}


def test_two_phones_are_backed_up_and_told_apart(household: Scene) -> None:
    home, computer = household
    ann, bob = home.add_phone(computer, ANN), home.add_phone(computer, BOB)
    computer.set_up(ann, bob)
    computer.run("now", "--json", code=2)
    computer.run("now", "--all", "--json")
    assert [len(snapshots(computer, each)) for each in (ann, bob)] == [1, 1]


@pytest.mark.long
def test_two_computers_back_up_in_turn(household: Scene, make_spaces: MakeSpaces) -> None:
    home, first = household
    phone = home.add_phone(first, ANN)
    first.set_up(phone)
    (space,) = make_spaces(1)
    join(space, home.air, other_card="eth1")
    settle(space, OTHER_COMPUTER)
    settle(home.air, "10.28.0.2", card="eth1", default=False)
    second = home.add_computer(space, "second")
    second.server.attach(phone)
    second.server.usbmuxd.forget_record(phone.udid)
    phone.trust.answer = Trust(kind="dialog")
    second.run("wifi", "on", "--patience", "60s")
    second.server.detach(phone)
    assert len(phone.trust.host_ids()) == 2
    phone.scan_may_end.clear()
    finish = first.start("now", "--json")
    assert phone.journal.wait("request", "Backup")
    busy = second.run("now", "--address", ANNS, code=15)
    phone.scan_may_end.set()
    finish(code=0)
    second.run("now", "--address", ANNS)
    assert [len(snapshots(each, phone)) for each in (first, second)] == [1, 1]
    assert "Traceback" not in busy.err


@pytest.mark.long
def test_a_cable_in_the_middle_does_not_disturb(household: Scene) -> None:
    home, computer = household
    phone = home.add_phone(computer, ANN)
    computer.set_up(phone)
    phone.scan_may_end.clear()
    finish = computer.start("now", "--json")
    assert phone.journal.wait("request", "Backup")
    computer.server.attach(phone)
    listed = computer.run("devices", "--json").result
    phone.scan_may_end.set()
    finish(code=0)
    assert phone.journal.details("request").count("Backup") == 1
    assert "USB" in str(listed)
    asked = len(phone.journal.details("asked"))
    computer.run("now", "--json")
    assert len(phone.journal.details("asked")) == asked  # the cable comes first


@pytest.mark.long
def test_a_bad_radio_costs_time_and_nothing_else(make_spaces: MakeSpaces, tmp_path: Path) -> None:
    space, radio, air = make_spaces(3)
    join(space, radio, other_card="left")
    join(air, radio, other_card="right")
    settle(space, COMPUTER)
    settle(air, ANNS)
    without_offload(space, CARD)
    without_offload(air, CARD)
    with ExitStack() as stack:
        home = Household(tmp_path, air, stack)
        computer = home.add_computer(space)
        stack.enter_context(bad_radio(radio, "left", "right", loss=0.02, delay_s=0.002))
        phone = home.add_phone(computer, ANN)
        computer.set_up(phone)
        computer.run("now", "--json")
        assert len(snapshots(computer, phone)) == 1


@pytest.mark.long
@pytest.mark.parametrize("at", ["QueryType", "StartSession", "first read"])
def test_a_phone_that_hangs_up_is_said_to_do_so(household: Scene, at: str) -> None:
    home, computer = household
    phone = home.add_phone(computer, replace(ANN, faults=(WirelessBreak(at=at),)))  # type: ignore[arg-type]
    computer.set_up(phone)
    assert "then ended the connection" in " ".join(computer.run("now", code=13).err.split())


@pytest.mark.long
def test_a_phone_that_sleeps_is_said_to_do_so(household: Scene) -> None:
    home, computer = household
    phone = home.add_phone(computer, ANN)
    computer.set_up(phone)
    home.on_air[phone.udid].sleep()
    assert "sleeps" in computer.run("now", code=10).err
    assert "sleeps" in computer.run("wifi", "status").out
    assert "sleeps" in computer.run("devices", code=10).err
    assert "--over-wifi" in computer.run("encryption", "on", code=10).err
    assert "--forget" in computer.run("wifi", "off", code=10).err
    assert "in 30 days" in computer.run("wifi", "status").out
