"""Nights over Wi-Fi: a phone is asked for its passcode when someone is at it, and left alone otherwise."""

import plistlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ibackup.config.value_kinds import HoursWindow
from ibackup.device.phones import over_wifi
from ibackup.device.wifi.adverts import Advert, auth_tag
from ibackup.device.wifi.tcp_transport import TcpTransport
from ibackup.jobs.nights.in_reach import InReach
from ibackup.jobs.nights.night import run_night
from ibackup.jobs.nights.night_context import Report
from ibackup.simulator.on_the_air import WIRELESS_DOMAIN, OnTheAir
from ibackup.simulator.spec import Passcode
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.wireless_spec import WirelessSpec
from ibackup.store.kept_pairings import KeptPairing, KeptPairings
from jobs.nights.conftest import ANN, House, states

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="has only one address of its own")

ADDRESS = "127.0.0.2"
MINUTE = timedelta(minutes=1)
OPENS = 30 * MINUTE


@pytest.fixture
def air(house: House, monkeypatch: pytest.MonkeyPatch) -> OnTheAir:
    """Ann's phone in the network, set up for Wi-Fi and locked; its adverts come without the network."""
    house.ann()
    phone = VirtualPhone(
        replace(
            ANN,
            locked=True,
            passcode=Passcode(kind="answered"),
            lockdown={(WIRELESS_DOMAIN, "EnableWifiConnections"): True},
            wireless=WirelessSpec(address=ADDRESS, port=0),
        )
    )
    record = phone.trust.record
    assert record is not None
    KeptPairings().keep(
        KeptPairing(phone.udid, plistlib.dumps(dict(record)), "", "Ann", "18", datetime.now(UTC))
    )
    found = house.server.put_on_the_air(phone, announcing=False)

    def search(_seconds: float) -> Iterator[Advert]:
        if not found.asleep:
            yield Advert("", b"id", (auth_tag(str(record["HostID"]), b"id"),), (ADDRESS,))

    monkeypatch.setattr(over_wifi, "search", search)
    port = found.address[1]  # other tests may have the usual one
    monkeypatch.setattr(over_wifi, "TcpTransport", lambda host: TcpTransport(host, port))
    return found


def night(house: House, minutes: int = 15) -> Report:
    """A short night in which phones are looked for over Wi-Fi."""
    here = (house.clock.started + OPENS).astimezone(house.clock.zone)
    house.nightly(window=HoursWindow(here.time(), (here + minutes * MINUTE).time()))
    job = house.job()
    plugs = InReach(job.clock, job.signs, job.config.limits, job.observe)
    try:
        return run_night(job, plugs)
    finally:
        plugs.close()


def test_a_phone_that_wakes_is_backed_up_after_a_message(house: House, air: OnTheAir) -> None:
    air.sleep()
    house.clock.plan(OPENS + 6 * MINUTE, air.wake)
    assert states(night(house)) == {"Ann": "done"}
    assert house.clock.now() - house.clock.started < OPENS + 8 * MINUTE
    assert house.ears.alarms == ["needs_passcode", "done"]  # one message, though the phone asked, too
    assert air.phone.journal.details("assertion")
    (kept,) = KeptPairings().all()
    assert kept.last_over_wifi is not None


def test_a_phone_that_is_awake_and_locked_is_left_alone_until_someone_unlocks_it(
    house: House, air: OnTheAir
) -> None:
    house.clock.plan(OPENS + 6 * MINUTE, air.phone.unlock)
    assert states(night(house)) == {"Ann": "done"}
    assert OPENS + 6 * MINUTE <= house.clock.now() - house.clock.started < OPENS + 8 * MINUTE
    assert not air.phone.journal.details("refused")


def test_nobody_is_asked_in_the_middle_of_the_night(house: House, air: OnTheAir) -> None:
    assert states(night(house, minutes=5)) == {"Ann": "absent"}
    assert "Backup" not in air.phone.journal.details("request")
    assert states(house.night(once=True)) == {"Ann": "absent"}  # it is seen, and not asked either
    assert "nobody seems to be at it" in house.outcomes[-1].attempt.message
    air.phone.unlock()
    assert states(house.night(once=True)) == {"Ann": "done"}
