"""``ibackup wifi``: switched on and off by cable, and what is kept of the phone."""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cli.conftest import ANN, Cli
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.kept_pairings import KeptPairings
from ibackup.store.phone_keys import own_folder

Plug = Callable[..., list[VirtualPhone]]
DOMAIN, SWITCH = "com.apple.mobile.wireless_lockdown", "EnableWifiConnections"


def test_on_and_off_by_cable(ibackup: Cli, plugged: Plug) -> None:
    assert ibackup("wifi", "status").code == 10
    (phone,) = plugged(ANN)
    done = ibackup("wifi", "on", "--json")
    assert (done.code, done.result["udid"]) == (0, phone.udid)
    assert phone.domain(DOMAIN)[SWITCH] is True
    if os.name == "posix":
        assert stat.S_IMODE(os.stat(Path(own_folder(phone.udid)) / "wifi.json").st_mode) == 0o600
    (kept,) = KeptPairings().all()
    assert kept.wifi_address == phone.domain("", trusted=True)["WiFiAddress"]
    assert "PRIVATE KEY" not in repr(kept)
    assert ibackup("wifi", "on").code == 0  # once more changes nothing
    assert "by cable" in ibackup("wifi", "status").flat
    assert ibackup("wifi", "off").code == 0
    assert phone.domain(DOMAIN)[SWITCH] is False
    assert KeptPairings().all() == ()
    assert ibackup("wifi", "off").code == 10


def test_a_switch_that_was_on_before_stays_on(ibackup: Cli, plugged: Plug) -> None:
    (phone,) = plugged(ANN)
    phone.set_value(DOMAIN, SWITCH, True)
    ibackup("wifi", "on")
    assert "stays on" in ibackup("wifi", "off").flat
    assert phone.domain(DOMAIN)[SWITCH] is True


def test_every_session_by_cable_refreshes_what_is_kept(ibackup: Cli, plugged: Plug) -> None:
    (phone,) = plugged(ANN)
    ibackup("wifi", "on")
    book = KeptPairings()
    (kept,) = book.all()
    long_ago = datetime.now(UTC) - timedelta(days=40)
    object.__setattr__(kept, "last_used", long_ago)
    object.__setattr__(kept, "record", b"an older pairing")
    book.keep(kept)
    assert "connect the phone by cable once" in ibackup("wifi", "status").flat
    assert ibackup("icloud", "status").code == 0
    (now,) = book.all()
    assert now.last_used > long_ago
    assert now.record != b"an older pairing"
    assert ibackup("wifi", "off", "--forget").code == 0
    assert phone.domain(DOMAIN)[SWITCH] is True


def test_an_address_is_of_a_phone_that_is_set_up(ibackup: Cli) -> None:
    done = ibackup("now", "--address", "127.0.0.1:9")
    assert done.code == 10
    assert "ibackup wifi on" in done.flat_err


def test_setup_asks_about_wifi_and_checks_what_stands_in_the_way(ibackup: Cli, plugged: Plug) -> None:
    # Others may run a virtual iPhone in the network of this computer, but none with this pairing.
    plugged(replace(ANN, seed=977_113, udid="", wifi_address=""))
    done = ibackup("setup", "--yes", "--no-schedule", "--no-backup", "--wifi", "--json")
    assert (done.code, done.result["wifi"]) == (0, True)
    checks = ibackup("setup", "--check", "--json").result["checks"]
    assert isinstance(checks, list)
    (found,) = [each["message"] for each in checks if each["name"] == "phone over Wi-Fi"]
    assert "If it sleeps, that is normal" in found
    assert "--address" in found
