"""What stands between this computer and its phones over Wi-Fi, by what can be seen of the network."""

import errno
import os

import pytest

from ibackup.config.stall_limits import Limits
from ibackup.jobs.readiness import ready_wifi
from ibackup.jobs.readiness.check_result import ComputerCheck

HOME = {"192.168.1.2": "wlan0"}


def network(
    addresses: dict[str, str], platform: str = "linux", *, in_container: bool = False
) -> dict[str, ComputerCheck]:
    return {each.name: each for each in ready_wifi._network(addresses, platform, in_container=in_container)}


def test_nothing_is_said_while_no_phone_is_set_up() -> None:
    assert list(ready_wifi.check_wifi(Limits())) == []


def test_a_network_without_obstacles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_wifi, "_cannot_ask", lambda _address: None)
    assert {name: each.state for name, each in network(HOME).items()} == {"Wi-Fi search": "good"}
    assert "Wi-Fi and container" not in network(HOME, in_container=True)  # it has the computer's network


def test_obstacles_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ready_wifi, "_cannot_ask", lambda _address: None)
    assert "--network host" in network({"172.17.0.2": "eth0"}, in_container=True)["Wi-Fi and container"].text
    assert "utun4" in network({**HOME, "100.64.0.1": "utun4"})["Wi-Fi and VPN"].text
    assert "no network" in network({})["Wi-Fi network"].text


@pytest.mark.parametrize(
    ("platform", "name", "command"),
    [("darwin", "Local Network", "Privacy_LocalNetwork"), ("win32", "Wi-Fi search", "New-NetFirewallRule")],
)
def test_a_network_that_lets_no_question_out(
    monkeypatch: pytest.MonkeyPatch, platform: str, name: str, command: str
) -> None:
    error = OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
    monkeypatch.setattr(ready_wifi, "_cannot_ask", lambda _address: error)
    found = network(HOME, platform)[name]
    assert found.state == "advice"
    assert command in found.commands[0]
