"""Info.plist, compared with what pymobiledevice3 writes for the same phone."""

import os
import plistlib
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ibackup.base.errors import PhoneRefused
from ibackup.base.events import Caution, Event, Note, Silent
from ibackup.config.stall_limits import Limits
from ibackup.device.mux.channel import PlistStream
from ibackup.device.phones.phone import open_phone
from ibackup.device.services import info_plist
from ibackup.device.services.afc import Afc, AfcRefused
from ibackup.device.services.info_plist import collect
from ibackup.simulator.faults import DropAfterBytes, ErrorCodeAt, StartServiceError
from ibackup.simulator.server import Server
from ibackup.simulator.spec import AppSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

Serve = Callable[..., Server]

APPS = (
    AppSpec(bundle_id="org.example.notes", name="Notes"),
    AppSpec(bundle_id="org.example.inhouse", name="In-house", from_store=False),
    AppSpec(bundle_id="org.example.maps", name="Maps"),
)

# pymobiledevice3 as a library: Info.plist's dictionary for the phone at an address, pickled to standard output.
THEIRS = """
import asyncio, pickle, sys
from pathlib import Path
from pymobiledevice3.lockdown import create_using_usbmux
from pymobiledevice3.services.afc import AfcService
from pymobiledevice3.services.mobilebackup2 import Mobilebackup2Service

async def main():
    folder = Path(sys.argv[2])
    async with await create_using_usbmux(usbmux_address=sys.argv[1], pairing_records_cache_folder=folder) as phone:
        async with AfcService(phone) as afc:
            return await Mobilebackup2Service(phone).init_mobile_backup_factory_info(afc)

sys.stdout.buffer.write(pickle.dumps(asyncio.run(main())))
"""


def ours(
    server: Server,
    previous: bytes | None = None,
    told: list[Event] | None = None,
    limits: Limits | None = None,
) -> dict[str, Any]:
    events: list[Event] = [] if told is None else told
    with open_phone(address=server.address, limits=limits) as phone:
        return plistlib.loads(collect(phone, previous, observer=events.append), fmt=plistlib.FMT_XML)  # type: ignore[no-any-return]


@pytest.mark.peer
def test_everything_pymobiledevice3_writes_is_there(plug_in: Serve, tmp_path: Path) -> None:
    import pickle

    server = plug_in(VirtualPhone(PhoneSpec(name="Ada’s iPhone", apps=APPS)))  # noqa: RUF001
    done = subprocess.run(
        [sys.executable, "-c", THEIRS, server.address, str(tmp_path)],
        capture_output=True,
        timeout=60,
        check=True,
    )
    theirs = pickle.loads(done.stdout)
    mine = ours(server)
    theirs.pop("iTunes Version")  # they do not ask for it by its domain; see the next test
    theirs.pop("GUID")  # 16 bytes with them, 32 hex digits with idevicebackup2 and us; new each time
    assert {key: mine.get(key) for key in theirs} == theirs
    more = {"GUID", "IMEI 2", "Last Backup Date", "Product Name", "iTunes Settings", "iTunes Version"}
    assert set(mine) - set(theirs) <= more


@pytest.mark.peer
def test_everything_idevicebackup2_writes_is_there(plug_in: Serve, tmp_path: Path) -> None:
    """It writes Info.plist before it asks for the backup, which the phone refuses here at once."""
    phone = VirtualPhone(PhoneSpec(apps=APPS, faults=(ErrorCodeAt(where="start", code=25),)))
    server = plug_in(phone)
    subprocess.run(
        ["idevicebackup2", "backup", str(tmp_path)],
        env={**os.environ, **server.environment},
        capture_output=True,
        timeout=60,
        check=False,
    )
    theirs = plistlib.loads((tmp_path / phone.udid / "Info.plist").read_bytes())
    mine = ours(server)
    own = {"GUID", "Last Backup Date"}
    assert own <= set(theirs) & set(mine)
    assert len(theirs["GUID"]) == len(mine["GUID"])
    for each in (theirs, mine):
        for key in own:
            del each[key]
    assert {key: mine.get(key) for key in theirs} == theirs


def test_what_idevicebackup2_and_apple_add(plug_in: Serve) -> None:
    phone = VirtualPhone(PhoneSpec(apps=APPS))
    info = ours(plug_in(phone))
    assert abs((datetime.now(UTC).replace(tzinfo=None) - info["Last Backup Date"]).total_seconds()) < 60
    assert len(bytes.fromhex(info["GUID"])) == 16
    assert info["Product Name"] == "iPhone 12"
    assert info["Target Identifier"] == phone.udid
    assert info["Unique Identifier"] == phone.udid.upper()
    assert info["Target Type"] == "Device"
    assert isinstance(info["iTunes Settings"], dict)
    assert info["iBooks Data 2"] == phone.afc.read("/Books/iBooksData2.plist")
    assert info["iTunes Files"]["IC-Info.sidv"] == phone.afc.read("/iTunes_Control/iTunes/IC-Info.sidv")
    assert sorted(info["Installed Applications"]) == sorted(app.bundle_id for app in APPS)
    assert set(info["Applications"]) == {"org.example.notes", "org.example.maps"}
    for app in info["Applications"].values():
        assert set(app) == {"ApplicationSINF", "iTunesMetadata", "PlaceholderIcon"}
        assert app["PlaceholderIcon"].startswith(b"\x89PNG")


def test_a_file_that_is_not_given_takes_none_of_the_others_along(
    plug_in: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = VirtualPhone(PhoneSpec(apps=APPS))
    info = Afc.info

    def forbidden(afc: Afc, path: str) -> dict[str, str]:
        if path.endswith("iBooksData2.plist"):
            raise AfcRefused(f"look at {path}", 10)
        return info(afc, path)

    monkeypatch.setattr(Afc, "info", forbidden)
    told: list[Event] = []
    made = ours(plug_in(phone), told=told)
    assert made["iTunes Files"]["IC-Info.sidv"] == phone.afc.read("/iTunes_Control/iTunes/IC-Info.sidv")
    assert "iBooks Data 2" not in made
    assert told == []


def test_the_guid_is_kept_from_backup_to_backup(plug_in: Serve) -> None:
    server = plug_in(VirtualPhone(PhoneSpec()))
    first = ours(server)
    assert ours(server, plistlib.dumps(first))["GUID"] == first["GUID"]
    assert ours(server)["GUID"] != first["GUID"]
    for previous in (
        b"",
        b"damaged",
        plistlib.dumps([]),
        plistlib.dumps({"GUID": b"raw"}),
        plistlib.dumps({"GUID": "x"}),
    ):
        assert len(ours(server, previous)["GUID"]) == 32


@pytest.mark.parametrize("error", ["InvalidService", "ServiceProhibited"])
@pytest.mark.parametrize("service", ["com.apple.afc", info_plist.APPS_SERVICE, info_plist.ICONS_SERVICE])
def test_a_missing_service_is_reported_and_no_reason_to_fail(
    plug_in: Serve, service: str, error: str
) -> None:
    phone = VirtualPhone(PhoneSpec(apps=APPS, faults=(StartServiceError(service=service, error=error),)))
    told: list[Event] = []
    info = ours(plug_in(phone), told=told)
    [caution] = [event for event in told if isinstance(event, Caution)]
    assert error in caution.text
    assert info["Serial Number"] == phone.spec.serial
    if service == "com.apple.afc":
        assert info["iTunes Files"] == {}
    if service == info_plist.APPS_SERVICE:
        assert info["Applications"] == {}
        assert info["Installed Applications"] == []
    if service == info_plist.ICONS_SERVICE:
        assert set(info["Applications"]["org.example.maps"]) == {"ApplicationSINF", "iTunesMetadata"}


@pytest.mark.parametrize("service", ["com.apple.afc", info_plist.APPS_SERVICE, info_plist.ICONS_SERVICE])
def test_a_service_that_dies_is_reported(plug_in: Serve, service: str) -> None:
    phone = VirtualPhone(PhoneSpec(apps=APPS, faults=(DropAfterBytes(count=200, service=service),)))
    told: list[Event] = []
    ours(plug_in(phone), told=told)
    assert len([event for event in told if isinstance(event, Caution)]) == 1


def test_a_list_of_apps_that_takes_long_is_waited_for(plug_in: Serve) -> None:
    assert Limits().apps_s >= 300
    told: list[Event] = []
    phone = VirtualPhone(PhoneSpec(apps=APPS, app_list_s=0.2))
    info = ours(plug_in(phone), told=told, limits=Limits(say_every_s=0.05))
    assert len(info["Installed Applications"]) == 3
    assert {type(event) for event in told} == {Silent}


def test_a_list_of_apps_that_does_not_come_is_reported(plug_in: Serve) -> None:
    told: list[Event] = []
    phone = VirtualPhone(PhoneSpec(apps=APPS, app_list_s=60))
    info = ours(plug_in(phone), told=told, limits=Limits(apps_s=0.1))
    assert info["Applications"] == {}
    assert [event.text for event in told if isinstance(event, Caution)]


def test_a_list_of_apps_that_is_refused_is_reported() -> None:
    near, far = socket.socketpair()
    answer = plistlib.dumps({"Error": "APIInternalError"})
    far.sendall(struct.pack(">I", len(answer)) + answer)
    with far, PlistStream(near, info_plist.APPS_SERVICE, 5) as stream, pytest.raises(PhoneRefused) as caught:
        info_plist._browse(stream, Limits(), lambda _: None)
    assert "APIInternalError" in caught.value.what


@pytest.mark.parametrize("apps", [(), APPS[1:2]])
def test_no_app_that_a_restore_could_download_is_reported(plug_in: Serve, apps: tuple[AppSpec, ...]) -> None:
    told: list[Event] = []
    info = ours(plug_in(VirtualPhone(PhoneSpec(apps=apps))), told=told)
    assert info["Applications"] == {}
    [event] = told
    if apps:
        assert isinstance(event, Caution)
        assert "install the apps yourself" in event.hint
    else:  # nothing is missing from a phone that has none
        assert isinstance(event, Note)


def test_a_phone_that_reports_little(plug_in: Serve) -> None:
    names = (
        "PhoneNumber",
        "InternationalMobileEquipmentIdentity",
        "IntegratedCircuitCardIdentity",
        "SerialNumber",
    )
    values: dict[tuple[str, str], object] = {("", name): None for name in names}
    values["com.apple.mobile.iTunes", "MinITunesVersion"] = None
    info = ours(plug_in(VirtualPhone(PhoneSpec(lockdown=values))))
    assert not {"Phone Number", "IMEI", "ICCID", "Serial Number"} & set(info)
    assert info["iTunes Version"] == "10.0.1"


def test_values_that_xml_cannot_hold() -> None:
    odd = {
        "text": "a\0b\x1b\ufffe\ttab",
        "uid": plistlib.UID(4),
        "big": 1 << 70,
        "nan": float("nan"),
        "deep": [[[1, True, b"x"]]],
        7: "no text",
    }
    clean = info_plist._clean(odd)
    assert plistlib.loads(plistlib.dumps(clean)) == {  # type: ignore[arg-type]
        "text": "ab\ttab",
        "uid": "",
        "big": str(1 << 70),
        "nan": 0.0,
        "deep": [[[1, True, b"x"]]],
    }
    bottomless: list[object] = []
    bottomless.append(bottomless)
    plistlib.dumps(info_plist._clean(bottomless))  # type: ignore[arg-type]


@pytest.mark.slow
def test_300_apps_do_not_take_long(plug_in: Serve) -> None:
    apps = tuple(AppSpec(bundle_id=f"org.example.app{n}", name=f"App {n}", count=0) for n in range(300))
    info = ours(plug_in(VirtualPhone(PhoneSpec(apps=apps))), limits=Limits(icons_s=300))
    assert len(info["Applications"]) == 300
    assert all("PlaceholderIcon" in app for app in info["Applications"].values())


def test_icons_stop_when_their_time_is_over(plug_in: Serve) -> None:
    info = ours(plug_in(VirtualPhone(PhoneSpec(apps=APPS))), limits=Limits(icons_s=-1))
    assert all("PlaceholderIcon" not in app for app in info["Applications"].values())
    assert len(info["Applications"]) == 2


def test_too_much_is_left_out(plug_in: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = plug_in(VirtualPhone(PhoneSpec(apps=APPS)))
    whole = ours(server)
    one = whole["Applications"]["org.example.maps"]
    room = len(one["ApplicationSINF"]) + len(one["iTunesMetadata"]) + 40
    monkeypatch.setattr(info_plist, "_LARGEST_APPS", room)
    told: list[Event] = []
    small = ours(server, told=told)
    assert len(small["Applications"]) == 1
    assert len(small["Installed Applications"]) == 3
    assert any(isinstance(event, Caution) for event in told)
