"""What the doctor asks of the virtual iPhone, asked by pymobiledevice3's own services."""

import asyncio
import dataclasses
import subprocess
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ibackup.simulator.cloudspec import (
    CrashSpec,
    ICloudSpec,
    LogSpec,
    PacketSpec,
    ProfileSpec,
    SignalsSpec,
)
from ibackup.simulator.os_trace import pid_of
from ibackup.simulator.server import Server
from ibackup.simulator.spec import AppSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

pytestmark = pytest.mark.peer

Serving = Callable[..., Server]

SIGNALS = SignalsSpec(
    milliamperes=-250,
    profiles=(ProfileSpec(name="Company VPN", organization="Example Ltd", removable=False),),
    supervised_by="Example Ltd",
    watches=1,
    crashes=(CrashSpec(process="backupd", days=1), CrashSpec(process="cloudd", days=3, retired=True)),
    log=(
        LogSpec(text="an old line", hours_old=9),
        LogSpec(text="[On condition] enabled:1, locked:0, onPower:1, onWiFi:1"),
        LogSpec(text="somebody else's", process="wifid"),
    ),
    packets=(PacketSpec(size=900, count=2), PacketSpec(interface="pdp_ip0", incoming=True, process="apsd")),
)
SPEC = PhoneSpec(
    cloud_backup=True,
    icloud=ICloudSpec(last_backup_days=9),
    signals=SIGNALS,
    apps=(
        AppSpec(bundle_id="org.example.a", name="A", program_size=111, data_size=222),
        AppSpec(bundle_id="org.example.b", name="B", placeholder=True),
    ),
)


def ask(tmp_path: Path, phone: VirtualPhone, question: Callable[[Any], Awaitable[Any]]) -> Any:
    """What pymobiledevice3 finds out from a phone."""
    from pymobiledevice3.lockdown import create_using_usbmux

    async def talk() -> Any:
        async with await create_using_usbmux(
            serial=phone.udid, pairing_records_cache_folder=tmp_path
        ) as lockdown:
            return await question(lockdown)

    return asyncio.run(asyncio.wait_for(talk(), 200))


@pytest.fixture
def phone(serving: Serving) -> VirtualPhone:
    phone = VirtualPhone(SPEC)
    serving(phone)
    return phone


def test_the_registry(phone: VirtualPhone, tmp_path: Path) -> None:
    from pymobiledevice3.services.diagnostics import DiagnosticsService

    async def question(lockdown: Any) -> Any:
        async with DiagnosticsService(lockdown) as service:
            return await service.get_battery(), await service.get_wifi()

    battery, wifi = ask(tmp_path, phone, question)
    assert battery["CurrentCapacity"] == SPEC.battery
    assert battery["InstantAmperage"] == 2**64 - 250
    assert wifi["IO80211Channel"] == 36


def test_no_such_registry_entry(serving: Serving, tmp_path: Path) -> None:
    from pymobiledevice3.services.diagnostics import DiagnosticsService

    async def question(lockdown: Any) -> Any:
        async with DiagnosticsService(lockdown) as service:
            return await service.get_wifi()

    phone = VirtualPhone(dataclasses.replace(SPEC, signals=SignalsSpec(wifi="unknown")))
    serving(phone)
    assert ask(tmp_path, phone, question) is None


def test_profiles_and_supervision(phone: VirtualPhone, tmp_path: Path) -> None:
    from pymobiledevice3.exceptions import ProfileError
    from pymobiledevice3.services.mobile_config import MobileConfigService

    async def question(lockdown: Any) -> Any:
        async with MobileConfigService(lockdown) as service:
            profiles = await service.get_profile_list()
            with pytest.raises(ProfileError):
                await service.install_profile(b"<plist/>")
            return profiles, await service.get_cloud_configuration()

    profiles, configuration = ask(tmp_path, phone, question)
    (identifier,) = profiles["OrderedIdentifiers"]
    assert profiles["ProfileMetadata"][identifier]["PayloadDisplayName"] == "Company VPN"
    assert configuration["IsSupervised"] is True
    assert configuration["OrganizationName"] == "Example Ltd"


def test_crash_reports(phone: VirtualPhone, tmp_path: Path) -> None:
    from pymobiledevice3.services.crash_reports import CrashReportsManager

    async def question(lockdown: Any) -> Any:
        async with CrashReportsManager(lockdown) as manager:
            return await manager.ls("/", -1)

    names = ask(tmp_path, phone, question)
    assert [name.rpartition("/")[2].partition("-")[0] for name in sorted(names)] == [
        "Retired",
        "cloudd",
        "backupd",
    ]


def test_idevicecrashreport_fetches_them(
    phone: VirtualPhone, require_tool: Callable[[str], str], tmp_path: Path
) -> None:
    fetched = subprocess.run(
        [require_tool("idevicecrashreport"), "-k", str(tmp_path)],
        check=False,
        capture_output=True,
        timeout=500,
    )
    assert fetched.returncode == 0
    names = sorted(path.name.partition("-")[0] for path in tmp_path.rglob("*.ips"))
    assert names == ["backupd", "cloudd"]


def test_programs_that_run(phone: VirtualPhone, tmp_path: Path) -> None:
    from pymobiledevice3.services.os_trace import OsTraceService

    async def question(lockdown: Any) -> Any:
        async with OsTraceService(lockdown) as service:
            return await service.get_pid_list()  # type: ignore[no-untyped-call]  # theirs

    assert {"ProcessName": "backupd"} in ask(tmp_path, phone, question)["Payload"].values()


@pytest.mark.parametrize(("pid", "wanted"), [(-1, 3), (pid_of("wifid"), 1)])
def test_the_log(phone: VirtualPhone, tmp_path: Path, pid: int, wanted: int) -> None:
    from pymobiledevice3.services.os_trace import OsTraceService

    async def question(lockdown: Any) -> Any:
        found = []
        async with OsTraceService(lockdown) as service:
            async for entry in service.syslog(pid=pid):
                found.append(entry)
                if len(found) == wanted:
                    break
        return found

    entries = ask(tmp_path, phone, question)
    assert [entry.message for entry in entries] == [
        line.text for line in SIGNALS.log if pid in (-1, pid_of(line.process))
    ]
    for entry, line in zip(
        entries, (each for each in SIGNALS.log if pid in (-1, pid_of(each.process))), strict=True
    ):
        assert entry.filename == f"/usr/libexec/{line.process}"
        assert entry.label.subsystem == "com.apple.mobilebackup"
        age = datetime.now() - entry.timestamp  # noqa: DTZ005 - theirs is naive and local
        assert abs(age.total_seconds() - 3600 * line.hours_old) < 30


def test_packets(phone: VirtualPhone, tmp_path: Path) -> None:
    from pymobiledevice3.services.pcapd import PcapdService

    async def question(lockdown: Any) -> Any:
        async with PcapdService(lockdown) as service:
            return [packet async for packet in service.watch(packets_count=3)]

    packets = ask(tmp_path, phone, question)
    assert [(each.interface_name, each.comm, each.packet_length, each.io) for each in packets] == [
        ("en0", "backupd", 900, 1),
        ("en0", "backupd", 900, 1),
        ("pdp_ip0", "apsd", 1400, 16),
    ]
    assert packets[0].pid == pid_of("backupd")


def test_watches(phone: VirtualPhone, tmp_path: Path) -> None:
    from pymobiledevice3.services.companion import CompanionProxyService

    async def question(lockdown: Any) -> Any:
        # Theirs forgets to close the connection that it asks on.
        started = []
        start = lockdown.start_lockdown_service

        async def remembered(name: str) -> Any:
            started.append(await start(name))
            return started[-1]

        lockdown.start_lockdown_service = remembered
        try:
            return await CompanionProxyService(lockdown).list()  # type: ignore[no-untyped-call]  # theirs
        finally:
            for service in started:
                await service.close()

    assert len(ask(tmp_path, phone, question)) == 1


def test_sizes_of_apps_and_those_to_come(phone: VirtualPhone, tmp_path: Path) -> None:
    from pymobiledevice3.services.installation_proxy import InstallationProxyService

    async def question(lockdown: Any) -> Any:
        async with InstallationProxyService(lockdown) as service:
            plain = await service.get_apps(application_type="User")
            sized = await service.get_apps(application_type="User", calculate_sizes=True)
            return plain, sized, await service.get_apps(application_type="User", show_placeholders=True)

    plain, sized, all_of_them = ask(tmp_path, phone, question)
    assert "DynamicDiskUsage" not in plain["org.example.a"]
    assert sized["org.example.a"]["StaticDiskUsage"] == 111
    assert sized["org.example.a"]["DynamicDiskUsage"] == 222
    assert set(all_of_them) - set(plain) == {"org.example.b"}


def test_lockdown_reports_icloud(phone: VirtualPhone, tmp_path: Path) -> None:
    async def question(lockdown: Any) -> Any:
        return await lockdown.get_value("com.apple.mobile.backup"), await lockdown.get_value(
            "com.apple.mobile.data_sync"
        )

    backup, sync = ask(tmp_path, phone, question)
    assert backup["CloudBackupEnabled"] is True
    assert SPEC.icloud is not None
    assert backup["LastCloudBackupDate"] == int(SPEC.icloud.now) - 9 * 86_400 - 978_307_200
    assert sync["Contacts"]["Sources"] == ["iCloud"]
