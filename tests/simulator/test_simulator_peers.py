"""The virtual iPhone against real clients: libimobiledevice's tools and pymobiledevice3."""

import asyncio
import os
import plistlib
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.simulator.faults import StartServiceError, StartSessionError
from ibackup.simulator.server import Server
from ibackup.simulator.spec import AppSpec, PhoneSpec, Trust
from ibackup.simulator.virtual_phone import VirtualPhone

pytestmark = pytest.mark.peer

Serving = Callable[..., Server]
Tool = Callable[[str], str]

SPEC = PhoneSpec(
    name="Grüße aus 東京",
    apps=(
        AppSpec(bundle_id="org.example.a", name="Notes A", version="3.1"),
        AppSpec(bundle_id="org.example.b", name="B", from_store=False),
    ),
)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=500,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


# --- libimobiledevice


def test_idevice_id_lists_every_phone(serving: Serving, require_tool: Tool) -> None:
    one, two = VirtualPhone(PhoneSpec(seed=1)), VirtualPhone(PhoneSpec(seed=2, mux_serial_dashless=True))
    server = serving(one)
    server.attach(two)
    listed = run(require_tool("idevice_id"), "-l").stdout.split()
    # libusbmuxd puts the dash back.
    assert sorted(listed) == sorted([one.udid, two.udid])
    server.detach(one)
    assert run(require_tool("idevice_id"), "-l").stdout.split() == [two.udid]


def test_ideviceinfo_reads_values_in_a_session(serving: Serving, require_tool: Tool) -> None:
    phone = VirtualPhone(SPEC)
    serving(phone)
    program = require_tool("ideviceinfo")
    values = plistlib.loads(run(program, "-x").stdout.encode())
    spec = phone.spec
    assert values["DeviceName"] == spec.name
    assert values["UniqueDeviceID"] == spec.udid
    assert values["SerialNumber"] == spec.serial
    assert values["InternationalMobileEquipmentIdentity"] == spec.imei
    assert f"{values['UniqueChipID']:016X}" == spec.udid[9:]
    backup = plistlib.loads(run(program, "-x", "-q", "com.apple.mobile.backup").stdout.encode())
    assert backup == {
        "CloudBackupEnabled": False,
        "RequiresEncryption": 0,
        "Version": "2.0",
        "WillEncrypt": False,
    }
    assert phone.journal.details("session")


def test_ideviceinfo_without_a_session_reads_what_is_public(serving: Serving, require_tool: Tool) -> None:
    phone = VirtualPhone(SPEC)
    serving(phone)
    values = plistlib.loads(run(require_tool("ideviceinfo"), "-s", "-x").stdout.encode())
    assert values["ProductVersion"] == SPEC.ios_version
    assert "SerialNumber" not in values
    assert not phone.journal.details("session")


def test_a_dashless_phone_is_usable(serving: Serving, require_tool: Tool) -> None:
    phone = VirtualPhone(PhoneSpec(mux_serial_dashless=True))
    serving(phone)
    asked = run(require_tool("ideviceinfo"), "-u", phone.udid, "-k", "SerialNumber")
    assert asked.stdout.strip() == phone.spec.serial


def test_over_a_unix_socket(serving: Serving, require_tool: Tool, short_folder: Path) -> None:
    phone = VirtualPhone(SPEC)
    server = serving(phone, port=None, socket_path=short_folder / "usbmuxd")
    path = short_folder / "usbmuxd"
    assert server.environment == {
        "USBMUXD_SOCKET_ADDRESS": f"UNIX:{path}",
        "PYMOBILEDEVICE3_USBMUX": str(path),
    }
    assert run(require_tool("ideviceinfo"), "-k", "DeviceName").stdout.strip() == SPEC.name
    server.close()
    assert not path.exists()


def test_idevicename_sets_the_name(serving: Serving, require_tool: Tool) -> None:
    phone = VirtualPhone(SPEC)
    serving(phone)
    program = require_tool("idevicename")
    run(program, "Neuer Name")
    assert run(program).stdout.strip() == "Neuer Name"
    assert "com.apple.mobile.lockdown.device_name_changed" in phone.journal.details("notified")


def test_idevicepair_validates_unpairs_and_pairs_again(serving: Serving, require_tool: Tool) -> None:
    phone = VirtualPhone(SPEC)
    server = serving(phone)
    program = require_tool("idevicepair")
    first = run(program, "hostid").stdout.strip()
    assert run(program, "validate").returncode == 0
    assert run(program, "unpair").returncode == 0
    assert phone.trust.find(first) is None
    assert "accept the trust dialog" in run(program, "pair").stdout
    assert "SUCCESS" in run(program, "pair").stdout
    second = run(program, "hostid").stdout.strip()
    assert second != first
    assert phone.trust.find(second) is not None
    record = plistlib.loads(server.usbmuxd.record(phone.udid) or b"")
    assert len(record["EscrowBag"]) == 32
    assert run(require_tool("ideviceinfo"), "-k", "SerialNumber").stdout.strip() == phone.spec.serial


def test_idevicepair_is_told_what_the_owner_does(serving: Serving, require_tool: Tool) -> None:
    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="dialog", delay_s=0.2), locked=True))
    serving(phone)
    program = require_tool("idevicepair")
    assert "passcode is set" in run(program, "pair").stdout
    phone.unlock()
    assert "accept the trust dialog" in run(program, "pair").stdout
    time.sleep(0.25)  # from its own clock's start the owner has taken 0.2
    assert "SUCCESS" in run(program, "pair").stdout


def test_idevicepair_is_told_of_dont_trust(serving: Serving, require_tool: Tool) -> None:
    serving(VirtualPhone(PhoneSpec(trust=Trust(kind="denied"))))
    program = require_tool("idevicepair")
    assert "accept the trust dialog" in run(program, "pair").stdout
    assert "denied the trust dialog" in run(program, "pair").stdout


def test_idevicediagnostics_reads_whether_a_passcode_is_set(serving: Serving, require_tool: Tool) -> None:
    program = require_tool("idevicediagnostics")

    def ask(ios_version: str) -> object:
        server = serving(VirtualPhone(PhoneSpec(ios_version=ios_version, locked=True)))
        said = run(program, "mobilegestalt", "PasswordConfigured").stdout
        server.close()
        return plistlib.loads(said.encode())["MobileGestalt"]

    assert ask("17.3.1") == {"PasswordConfigured": True, "Status": "Success"}
    assert ask("17.4") == {"Status": "MobileGestaltDeprecated"}


def test_idevicenotificationproxy_posts_and_observes(serving: Serving, require_tool: Tool) -> None:
    phone = VirtualPhone(SPEC)
    serving(phone)
    program = require_tool("idevicenotificationproxy")
    assert run(program, "post", "org.example.hello").returncode == 0
    assert phone.journal.wait("posted", "org.example.hello")
    # Its output is read through a terminal: into a pipe it would come when the program ends.
    reading, writing = os.openpty()
    with subprocess.Popen([program, "observe", "org.example.back"], stdout=writing) as observer:
        try:
            assert phone.journal.wait("observed", "org.example.back")
            phone.notify("org.example.back")
            timer = threading.Timer(10, observer.kill)
            timer.start()
            assert b"org.example.back" in os.read(reading, 1000)
            timer.cancel()
        finally:
            observer.kill()
            os.close(writing)
            os.close(reading)


# --- pymobiledevice3


def test_pymobiledevice3_reads_and_sets_values(serving: Serving, tmp_path: Path) -> None:
    from pymobiledevice3.exceptions import MissingValueError, SetProhibitedError
    from pymobiledevice3.lockdown import create_using_usbmux

    phone = VirtualPhone(SPEC)
    serving(phone)

    async def talk() -> None:
        async with await create_using_usbmux(
            serial=phone.udid, pairing_records_cache_folder=tmp_path
        ) as lockdown:
            assert lockdown.short_info["DeviceName"] == SPEC.name
            assert lockdown.all_values["com.apple.iTunes"]["DBVersion"] == 5
            assert await lockdown.get_value("com.apple.disk_usage", "TotalDiskCapacity") == SPEC.capacity
            assert await lockdown.get_value("org.example.unknown") == {}
            with pytest.raises(MissingValueError):
                await lockdown.get_value("com.apple.mobile.backup", "LastiTunesBackupDate")
            phone.set_value("com.apple.mobile.backup", "LastiTunesBackupDate", 800_000_000)
            assert await lockdown.get_value("com.apple.mobile.backup", "LastiTunesBackupDate") == 800_000_000
            with pytest.raises(SetProhibitedError):
                await lockdown.set_value("x", key="UniqueDeviceID")
            await lockdown.set_value("B", key="DeviceName")
            assert await lockdown.get_value(key="DeviceName") == "B"
            await lockdown.stop_session()

    asyncio.run(talk())


def test_pymobiledevice3_pairs_when_trust_is_tapped(serving: Serving, tmp_path: Path) -> None:
    from pymobiledevice3.exceptions import PairingDialogResponsePendingError, UserDeniedPairingError
    from pymobiledevice3.lockdown import create_using_usbmux

    phone = VirtualPhone(PhoneSpec(trust=Trust(kind="pending")))
    serving(phone)

    async def pair(timeout: float) -> str:
        async with await create_using_usbmux(
            serial=phone.udid, pair_timeout=timeout, pairing_records_cache_folder=tmp_path
        ) as lockdown:
            return str(await lockdown.get_value(key="SerialNumber"))

    with pytest.raises(PairingDialogResponsePendingError):
        asyncio.run(pair(0))
    phone.trust.answer = Trust(kind="denied")
    with pytest.raises(UserDeniedPairingError):
        asyncio.run(pair(3))
    phone.trust.answer = Trust(kind="dialog")
    assert asyncio.run(pair(3)) == phone.spec.serial
    assert len(phone.journal.details("pair")) == 1


def test_pymobiledevice3_is_told_of_a_lock_and_of_oblivion(serving: Serving, tmp_path: Path) -> None:
    from pymobiledevice3.exceptions import InvalidServiceError, PasswordRequiredError
    from pymobiledevice3.lockdown import create_using_usbmux

    phone = VirtualPhone(PhoneSpec(locked=True))
    serving(phone)
    phone.set_faults(
        StartSessionError(times=1), StartServiceError(service="com.apple.afc", error="InvalidService")
    )

    async def talk() -> None:
        with pytest.raises(
            PasswordRequiredError
        ):  # it has forgotten us and pairs again, which a locked phone refuses
            await create_using_usbmux(serial=phone.udid, pairing_records_cache_folder=tmp_path)
        async with await create_using_usbmux(
            serial=phone.udid, pairing_records_cache_folder=tmp_path
        ) as lockdown:
            with pytest.raises(InvalidServiceError):
                await lockdown.start_lockdown_service("com.apple.afc")
            with pytest.raises(PasswordRequiredError):
                await lockdown.get_service_connection_attributes("com.apple.mobilebackup2")
            bag = await lockdown.get_service_connection_attributes("com.apple.mobilebackup2", True)
            assert bag["EnableServiceSSL"] is True

    asyncio.run(talk())


def test_pymobiledevice3_works_with_files(serving: Serving, tmp_path: Path) -> None:
    from pymobiledevice3.exceptions import AfcException, AfcFileNotFoundError
    from pymobiledevice3.lockdown import create_using_usbmux
    from pymobiledevice3.services.afc import AfcService

    phone = VirtualPhone(SPEC)
    serving(phone)
    content = os.urandom(5_000_000)

    async def talk() -> None:
        lockdown = await create_using_usbmux(serial=phone.udid, pairing_records_cache_folder=tmp_path)
        async with lockdown, AfcService(lockdown) as afc:
            assert "com.apple.itunes.lock_sync" in await afc.listdir("/")
            await afc.makedirs("/a/ü/c")
            await afc.set_file_contents("/a/ü/big", content)
            assert await afc.get_file_contents("/a/ü/big") == content
            assert phone.afc.read("/a/ü/big") == content
            assert (await afc.stat("/a/ü/big"))["st_size"] == len(content)
            await afc.rename("/a/ü", "/a/o")
            assert sorted(await afc.listdir("/a/o")) == ["big", "c"]
            with pytest.raises(AfcFileNotFoundError):
                await afc.get_file_contents("/iTunes_Control/iTunes/VoiceMemos.plist")
            assert plistlib.loads(await afc.get_file_contents("/Books/iBooksData2.plist")) == {}
            with pytest.raises(AfcException):
                await afc.fopen("/a", "w")
            await afc.rm("/a")
            assert not [path for path in phone.afc.paths() if path.startswith("/a")]
            assert (await afc.get_device_info())["FSTotalBytes"] == str(SPEC.capacity)

    asyncio.run(talk())


def test_pymobiledevice3_sees_the_sync_lock_held(serving: Serving, tmp_path: Path) -> None:
    from pymobiledevice3.exceptions import AfcException
    from pymobiledevice3.lockdown import create_using_usbmux
    from pymobiledevice3.services.afc import AfcService

    phone = VirtualPhone(SPEC)
    serving(phone)
    sync_file = "/com.apple.itunes.lock_sync"

    async def talk() -> None:
        lockdown = await create_using_usbmux(serial=phone.udid, pairing_records_cache_folder=tmp_path)
        async with lockdown, AfcService(lockdown) as first:
            one = await first.fopen(sync_file, "r+")
            await first.lock(one, 6)
            async with AfcService(lockdown) as second:
                two = await second.fopen(sync_file, "r+")
                with pytest.raises(AfcException) as caught:
                    await second.lock(two, 6)
                assert caught.value.status == 19
                await first.lock(one, 12)
                await second.lock(two, 6)
                assert phone.afc.lock_holder() is not None
        assert await asyncio.to_thread(phone.journal.wait, "ended")

    asyncio.run(talk())
    assert phone.journal.details("lock_taken") == [sync_file] * 2
    while phone.afc.lock_holder() is not None:  # the phone's side of a closed connection takes its moment
        time.sleep(0.02)


def test_pymobiledevice3_lists_apps_icons_and_diagnostics(serving: Serving, tmp_path: Path) -> None:
    from pymobiledevice3.exceptions import DeprecationError
    from pymobiledevice3.lockdown import create_using_usbmux
    from pymobiledevice3.services.diagnostics import DiagnosticsService
    from pymobiledevice3.services.installation_proxy import InstallationProxyService
    from pymobiledevice3.services.springboard import SpringBoardServicesService

    phone = VirtualPhone(SPEC)
    serving(phone)

    async def talk() -> None:
        lockdown = await create_using_usbmux(serial=phone.udid, pairing_records_cache_folder=tmp_path)
        async with lockdown:
            async with InstallationProxyService(lockdown) as proxy:
                apps = await proxy.get_apps("User")
                assert sorted(apps) == ["org.example.a", "org.example.b"]
                assert apps["org.example.a"]["CFBundleShortVersionString"] == "3.1"
                assert "ApplicationSINF" not in apps["org.example.b"]
                browsed = await proxy.browse(
                    {"ApplicationType": "User"}, ["CFBundleIdentifier", "iTunesMetadata"]
                )
                assert [sorted(app) for app in browsed] == [
                    ["CFBundleIdentifier", "iTunesMetadata"],
                    ["CFBundleIdentifier"],
                ]
                metadata = plistlib.loads(browsed[0]["iTunesMetadata"])
                assert metadata["softwareVersionBundleId"] == "org.example.a"
            async with SpringBoardServicesService(lockdown) as springboard:
                icon = await springboard.get_icon_pngdata("org.example.a")
                assert icon.startswith(b"\x89PNG")
            async with DiagnosticsService(lockdown) as diagnostics:
                with pytest.raises(DeprecationError):
                    await diagnostics.mobilegestalt(["PasswordConfigured"])

    asyncio.run(talk())


def test_pymobiledevice3_hears_and_posts_notifications(serving: Serving, tmp_path: Path) -> None:
    from pymobiledevice3.lockdown import create_using_usbmux
    from pymobiledevice3.services.notification_proxy import NotificationProxyService

    phone = VirtualPhone(SPEC)
    serving(phone)
    name = "com.apple.mobile.backup.domain_changed"

    async def talk() -> None:
        lockdown = await create_using_usbmux(serial=phone.udid, pairing_records_cache_folder=tmp_path)
        async with lockdown, NotificationProxyService(lockdown) as proxy:
            await proxy.notify_register_dispatch(name)
            assert await asyncio.to_thread(phone.journal.wait, "observed", name)
            phone.set_backup_password("new")
            heard = await asyncio.wait_for(anext(aiter(proxy.receive_notification())), 100)
            assert heard == {"Command": "RelayNotification", "Name": name}
            assert await lockdown.get_value("com.apple.mobile.backup", "WillEncrypt") is True
            await proxy.notify_post("org.example.posted")
            assert await asyncio.to_thread(phone.journal.wait, "posted", "org.example.posted")

    asyncio.run(talk())


def test_pymobiledevice3_prefers_the_cable_of_a_phone_seen_twice(serving: Serving) -> None:
    from pymobiledevice3 import usbmux

    phone = VirtualPhone(PhoneSpec(connection_types=("Network", "USB")))
    server = serving(phone, VirtualPhone(PhoneSpec(seed=2, connection_types=("Network",))))

    async def look() -> None:
        devices = await usbmux.list_devices()
        assert sorted(device.connection_type for device in devices) == ["Network", "Network", "USB"]
        chosen = await usbmux.select_device(phone.udid)
        assert chosen is not None
        assert chosen.is_usb
        server.detach(phone)
        assert await usbmux.select_device(phone.udid) is None

    asyncio.run(look())
