"""The virtual iPhone on Wi-Fi against a client that others wrote: pymobiledevice3."""

import json
import os
import plistlib
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from ibackup.simulator.advert import auth_tag
from ibackup.simulator.on_the_air import WIRELESS_DOMAIN
from ibackup.simulator.server import serve
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.wireless_spec import WirelessSpec
from support.networks import join, settle
from wifi.conftest import MakeSpaces

pytestmark = pytest.mark.peer

ON = {(WIRELESS_DOMAIN, "EnableWifiConnections"): True}
COMPUTER, OLD_PHONE, NEW_PHONE = "10.27.0.1", "10.27.0.2", "10.27.0.3"
OLD = PhoneSpec(seed=1, ios_version="18.6.2", lockdown=ON, wireless=WirelessSpec(address=OLD_PHONE))
NEW = PhoneSpec(
    seed=2,
    ios_version="27.0",
    lockdown=ON,
    wireless=WirelessSpec(address=NEW_PHONE, other_computers=1, neighbours=1, heartbeat_s=1),
)

CLIENT = """
import asyncio, json, plistlib, sys
from pathlib import Path
from pymobiledevice3.lockdown import create_using_tcp, get_mobdev2_lockdowns
from pymobiledevice3.services.afc import AfcService
from pymobiledevice3.services.heartbeat import HeartbeatService
from pymobiledevice3.services.power_assertion import PowerAssertionService

async def main(records, address):
    found = []
    async for place, lockdown in get_mobdev2_lockdowns(pair_records=Path(records), timeout=3):
        found.append([place, lockdown.udid, lockdown.paired])
        await lockdown.close()
        if len(found) == 2:
            break
    record = plistlib.loads(Path(records, "new.plist").read_bytes())
    dial = lambda: create_using_tcp(address, pair_record=record, autopair=False)
    async def listing():
        async with await dial() as lockdown, AfcService(lockdown) as afc:
            return await afc.listdir("/")
    try:
        without = await listing()
    except Exception as error:
        without = type(error).__name__
    async with await dial() as first:
        beats = asyncio.create_task(HeartbeatService(first).start())
        await asyncio.sleep(0)
        for _ in range(100):
            try:
                listed = await listing()
                break
            except Exception:
                await asyncio.sleep(0.05)
        async with await dial() as second, PowerAssertionService(second) as agent:
            async with agent.create_power_assertion("AMDPowerAssertionTypeWirelessSync", "test", 60):
                pass
        async with await dial() as third:
            await HeartbeatService(third).start(interval=0)
            ended = None
            try:
                await asyncio.wait_for(beats, 5)
            except Exception as error:
                ended = type(error).__name__
    print(json.dumps({"found": found, "without": without, "listed": listed, "ended": ended}))

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def test_pymobiledevice3_finds_the_phones_and_talks_to_them(make_spaces: MakeSpaces, tmp_path: Path) -> None:
    computer, home = make_spaces(2)
    join(computer, home)
    settle(computer, COMPUTER)
    settle(home, OLD_PHONE)
    settle(home, NEW_PHONE)
    old, new = VirtualPhone(OLD), VirtualPhone(NEW)
    records = tmp_path / "records"
    records.mkdir()
    for name, phone in (("old", old), ("new", new)):
        assert phone.trust.record is not None
        (records / f"{name}.plist").write_bytes(plistlib.dumps(dict(phone.trust.record)))
    with serve() as server:
        for phone in (old, new):
            home.run(partial(server.put_on_the_air, phone))
        done = subprocess.run(
            [*computer.before, sys.executable, "-c", CLIENT, str(records), NEW_PHONE],
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
            env={**os.environ, "USBMUXD_SOCKET_ADDRESS": server.address},
        )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert sorted(said["found"]) == [[OLD_PHONE, old.udid, True], [NEW_PHONE, new.udid, True]]
    assert said["without"] == said["ended"] == "ConnectionTerminatedError"
    assert "DCIM" in said["listed"]
    assert "com.apple.afc: no heartbeat" in new.journal.details("refused")
    assert "ended by another" in new.journal.details("heartbeat")
    assert new.journal.details("assertion") == ["AMDPowerAssertionTypeWirelessSync"]


def test_the_tags_are_those_of_pymobiledevice3() -> None:
    from base64 import b64encode

    from pymobiledevice3.lockdown import compute_mobdev2_auth_tag

    for host_id, identifier in (
        ("00112233-4455-6677-8899-AABBCCDDEEFF", "unit-test-bonjour-identifier"),
        ("0A1B2C3D-4E5F-4607-8899-AABBCCDDEEFF", "5F0D2C1E-3B4A-4D6C-9E8F-102030405060"),
    ):
        theirs = b64encode(compute_mobdev2_auth_tag(host_id, identifier)).decode()
        assert auth_tag(host_id, identifier) == theirs
