"""A phone over Wi-Fi at a given address: what it must prove, who may use it, and when it counts as lost."""

import plistlib
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ibackup.base.errors import IbackupError, NoPhone, PhoneBusy
from ibackup.device.phones.found_phones import find
from ibackup.device.phones.over_wifi import OverWifi
from ibackup.device.phones.phone import Phone, open_phone
from ibackup.simulator.faults import WirelessBreak
from ibackup.simulator.on_the_air import WIRELESS_DOMAIN, OnTheAir
from ibackup.simulator.server import Server
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.wireless_spec import Impostor, WirelessSpec
from ibackup.store.kept_pairings import KeptPairing, KeptPairings

Serve = Callable[..., Server]
ADDRESS = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
SPEC = PhoneSpec(
    ios_version="27.0",
    lockdown={(WIRELESS_DOMAIN, "EnableWifiConnections"): True},
    wireless=WirelessSpec(address=ADDRESS, port=0, heartbeat_s=1),
)


def on_air(server: Server, spec: PhoneSpec = SPEC) -> OnTheAir:
    """A phone in the network whose pairing is kept."""
    phone = VirtualPhone(spec)
    record = VirtualPhone(SPEC).trust.record
    assert record is not None
    KeptPairings().keep(
        KeptPairing(phone.udid, plistlib.dumps(dict(record)), "", "Ann", "27.0", datetime.now(UTC))
    )
    return server.put_on_the_air(phone, announcing=False)


def opened(server: Server, air: OnTheAir) -> Phone:
    host, port = air.address
    return open_phone(address=server.address, patience=0, wifi=OverWifi(KeptPairings(), f"{host}:{port}"))


def test_one_user_at_a_time_until_the_phone_is_lost(plug_in: Serve) -> None:
    server = plug_in()
    air = on_air(server)
    with opened(server, air) as phone:
        assert (phone.connection, phone.udid, phone.facts.ios_version) == ("WiFi", air.phone.udid, "27.0")
        with phone.kept_awake(), phone.start_service("com.apple.afc") as stream, phone.watch() as lost:
            assert air.phone.journal.wait("assertion", "AMDPowerAssertionTypeWirelessSync")
            assert not lost()
            with pytest.raises(PhoneBusy, match="Another run of ibackup uses Virtual iPhone"):
                opened(server, air)
            host, port = air.address
            wifi = OverWifi(KeptPairings(), f"{host}:{port}")
            assert [each.trust for each in find(server.address, wifi=wifi)] == ["busy"]
            stream.setblocking(False)
            with pytest.raises((BlockingIOError, OSError)):
                stream.recv(1)  # the phone has not hung up
            air.close()
            while not lost():
                time.sleep(0.01)
    with pytest.raises(IbackupError):
        opened(server, air)


@pytest.mark.parametrize("impostor", ["key", "plain", "udid"])
def test_an_impostor_learns_which_computer_asks_and_no_more(plug_in: Serve, impostor: Impostor) -> None:
    server = plug_in()
    air = on_air(server, replace(SPEC, wireless=replace(SPEC.wireless, impostor=impostor)))
    with pytest.raises(IbackupError) as refused:
        opened(server, air)
    assert refused.value.exit_code == 12
    assert "cable" in refused.value.hint
    assert not air.phone.journal.details("start_service")


@pytest.mark.parametrize("at", ["QueryType", "StartSession", "TLS", "first read"])
def test_phones_that_hang_up_are_named(plug_in: Serve, caplog: pytest.LogCaptureFixture, at: str) -> None:
    server = plug_in()
    air = on_air(server)
    air.phone.set_faults(WirelessBreak(at=at, times=9))  # type: ignore[arg-type]
    caplog.set_level("INFO")
    with pytest.raises(IbackupError) as ended:
        opened(server, air)
    assert "26.6 to 27.0" in ended.value.message or "does not accept this computer" in ended.value.message
    assert f"wifi: {'first answer' if at == 'first read' else at} failed: errno" in caplog.text


def test_nothing_there(plug_in: Serve) -> None:
    server = plug_in()
    air = on_air(server)
    air.close()
    with pytest.raises(NoPhone, match="not set up for Wi-Fi"):
        open_phone("0" * 40, address=server.address, wifi=OverWifi(KeptPairings(), "127.0.0.1"))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        assert find(server.address, wifi=OverWifi(KeptPairings(), where), only="0" * 40) == []
