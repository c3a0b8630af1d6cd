"""The values that lockdown reports, domain by domain, consistent with the spec and the phone's state.

The default domain is "". Dates are seconds since 2001-01-01 UTC.
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from ibackup.simulator import cloudfiles
from ibackup.simulator.advert import SERVICE_TYPE, instance_name
from ibackup.simulator.phone_trust import device_public_key
from ibackup.simulator.spec import PhoneSpec

Values: TypeAlias = dict[str, object]

BACKUP: Final = "com.apple.mobile.backup"
ITUNES: Final = "com.apple.iTunes"
APPLE_EPOCH: Final = 978_307_200
"""Unix time of 2001-01-01 UTC."""

PUBLIC_KEYS: Final = frozenset(
    {
        "BluetoothAddress",
        "BoardId",
        "BuildVersion",
        "CPUArchitecture",
        "ChipID",
        "DeviceClass",
        "DeviceColor",
        "DeviceName",
        "DevicePublicKey",
        "DieID",
        "HardwareModel",
        "HasSiDP",
        "HumanReadableProductVersionString",
        "PartitionType",
        "ProductName",
        "ProductType",
        "ProductVersion",
        "ProductionSOC",
        "ProtocolVersion",
        "SupportedDeviceFamilies",
        "TelephonyCapability",
        "UniqueChipID",
        "UniqueDeviceID",
        "WiFiAddress",
    }
)
"""Keys of the default domain that anyone may read before a session."""

_MODELS: Final[Mapping[str, tuple[str, str]]] = {
    "iPhone13,2": ("D53gAP", "MGJ53"),
    "iPhone15,2": ("D73AP", "MQ003"),
    "iPhone16,1": ("D83AP", "MTQM3"),
    "iPhone17,1": ("D93AP", "MYM83"),
    "iPad13,1": ("J307AP", "MYFM2"),
}


@dataclass(frozen=True)
class LockdownState:
    """The part of the phone's state that lockdown reports; None: it has no such value."""

    will_encrypt: bool | None
    locked: bool
    free: int
    trusted_host: bool


def all_values(spec: PhoneSpec, state: LockdownState) -> dict[str, Values]:
    """Every domain with its values."""
    domains: dict[str, Values] = {
        "": _default(spec, state),
        BACKUP: _backup(spec, state),
        ITUNES: _itunes_settings(),
        "com.apple.disk_usage": _disk(spec, state),
        "com.apple.disk_usage.factory": _disk(spec, state),
        "com.apple.fairplay": {"fairplayVersion": 1},
        "com.apple.fmip": {"IsAssociated": spec.find_my},
        "com.apple.international": _international(),
        "com.apple.mobile.battery": _battery(spec),
        "com.apple.mobile.chaperone": {"DeviceIsChaperoned": spec.supervised},
        "com.apple.mobile.data_sync": _data_sync(spec),
        "com.apple.mobile.iTunes": _itunes(spec),
        "com.apple.mobile.lockdown_cache": {"ActivationState": "Activated"},
        "com.apple.mobile.mobile_application_usage": {},
        "com.apple.mobile.restriction": {"ProhibitAppDelete": False, "ProhibitAppInstall": False},
        "com.apple.mobile.software_behavior": {"GoogleMail": True, "ChinaBrick": False},
        "com.apple.mobile.tethered_sync": {},
        "com.apple.mobile.user_preferences": {"DiagnosticsAllowed": False},
        "com.apple.mobile.wireless_lockdown": _wireless(spec),
        "com.apple.purplebuddy": {"SetupDone": spec.setup_done, "SetupFinishedAllSteps": spec.setup_done},
        "com.apple.xcode.developerdomain": {"DeveloperStatus": "Undeveloped"},
    }
    for (domain, key), value in spec.lockdown.items():
        domains.setdefault(domain, {})[key] = value
    return {domain: _present(values) for domain, values in domains.items()}


def _present(values: Values) -> Values:
    return {key: value for key, value in sorted(values.items()) if value is not None}


def _default(spec: PhoneSpec, state: LockdownState) -> Values:
    hardware, model = _MODELS.get(spec.product_type, ("N00AP", "M0000"))
    has_modem = spec.device_class == "iPhone"
    chip, _, ecid = spec.udid.partition("-")
    digest = hashlib.sha256(spec.udid.encode()).digest()
    unique_chip_id = int(ecid, 16) if ecid else int.from_bytes(digest[:6], "big")
    values: Values = {
        "ActivationState": "Activated",
        "ActivationStateAcknowledged": True,
        "BasebandStatus": "BBInfoAvailable" if has_modem else "NoTelephonyCapabilty",
        "BasebandVersion": "5.50.04" if has_modem else None,
        "BluetoothAddress": _next_address(spec.wifi_address, 1),
        "BoardId": 10,
        "BrickState": False,
        "BuildVersion": spec.build_version,
        "CPUArchitecture": "arm64e",
        "ChipID": int(chip, 16) if ecid else 0x8101,
        "DeviceClass": spec.device_class,
        "DeviceColor": "1",
        "DeviceName": spec.name,
        "DevicePublicKey": device_public_key(),
        "DieID": int.from_bytes(digest[6:13], "big"),
        "EthernetAddress": _next_address(spec.wifi_address, 2),
        "FirmwareVersion": "iBoot-11881.140.96",
        "HardwareModel": hardware,
        "HardwarePlatform": "t8101",
        "HostAttached": True,
        "HumanReadableProductVersionString": spec.ios_version,
        "IntegratedCircuitCardIdentity": spec.iccid if has_modem else None,
        "InternationalMobileEquipmentIdentity": spec.imei if has_modem else None,
        "MLBSerialNumber": hashlib.sha256(spec.serial.encode()).hexdigest()[:17].upper(),
        "MobileEquipmentIdentifier": spec.imei[:14] if has_modem else None,
        "MobileSubscriberCountryCode": "310" if has_modem else None,
        "MobileSubscriberNetworkCode": "260" if has_modem else None,
        "ModelNumber": model,
        "NonVolatileRAM": {"auto-boot": b"true", "backlight-level": b"1500", "boot-args": ""},
        "PairRecordProtectionClass": 4,
        "PartitionType": "GUID_partition_scheme",
        "PasswordProtected": state.locked,
        "PhoneNumber": spec.phone_number if has_modem else None,
        "ProductName": "iPhone OS",
        "ProductType": spec.product_type,
        "ProductVersion": spec.ios_version,
        "ProductionSOC": True,
        "ProtocolVersion": "2",
        "RegionInfo": "LL/A",
        "SIMStatus": "kCTSIMSupportSIMStatusReady" if has_modem else None,
        "SerialNumber": spec.serial,
        "SupportedDeviceFamilies": [1] if has_modem else [1, 2],
        "TelephonyCapability": has_modem,
        "TimeIntervalSince1970": time.time() + spec.signals.clock_offset_s,
        "TimeZone": "UTC",
        "TimeZoneOffsetFromUTC": 0.0,
        "TrustedHostAttached": state.trusted_host,
        "UniqueChipID": unique_chip_id,
        "UniqueDeviceID": spec.udid,
        "Uses24HourClock": False,
        "WiFiAddress": spec.wifi_address,
    }
    return values


def _backup(spec: PhoneSpec, state: LockdownState) -> Values:
    return {
        "CloudBackupEnabled": spec.cloud_backup,
        **({} if spec.icloud is None else cloudfiles.ldbackup(spec, spec.icloud)),
        "RequiresEncryption": int(spec.requires_encryption),
        "Version": "2.0",
        "WillEncrypt": state.will_encrypt,
    }


def _itunes_settings() -> Values:
    return {"DBVersion": 5, "LibraryApplications": [], "SyncedApplications": []}


def _itunes(spec: PhoneSpec) -> Values:
    return {
        "DBVersion": 5,
        "MinITunesVersion": "12.9.0",
        "SyncDataClasses": ["Contacts", "Calendars", "Bookmarks", "Notes"],
        "iTunesSetupComplete": spec.setup_done,
    }


def _disk(spec: PhoneSpec, state: LockdownState) -> Values:
    system = 12_000_000_000
    data = max(spec.capacity - system, state.free)
    return {
        "AmountDataAvailable": state.free,
        "AmountDataReserved": 209_715_200,
        "AmountRestoreAvailable": state.free,
        "CalendarUsage": 524_288,
        "CameraUsage": 0,
        "MediaCacheUsage": 0,
        "MobileApplicationUsage": 0,
        "NotesUsage": 262_144,
        "PhotoUsage": 0,
        "TotalDataAvailable": state.free + 209_715_200,
        "TotalDataCapacity": data,
        "TotalDiskCapacity": spec.capacity,
        "TotalSystemAvailable": 0,
        "TotalSystemCapacity": system,
        "VoicemailUsage": 65_536,
        "WebAppCacheUsage": 0,
    }


def _battery(spec: PhoneSpec) -> Values:
    return {
        "BatteryCurrentCapacity": spec.battery,
        "BatteryIsCharging": spec.charging and spec.battery < 100,
        "ExternalChargeCapable": spec.charging,
        "ExternalConnected": spec.charging,
        "FullyCharged": spec.battery >= 100,
        "GasGaugeCapability": True,
        "HasBattery": True,
    }


def _data_sync(spec: PhoneSpec) -> Values:
    sources = ["iCloud"] if spec.icloud is not None and spec.icloud.account else []
    return {
        name: {"AccountNames": [], "Sources": sources}
        for name in ("Bookmarks", "Calendars", "Contacts", "Notes")
    }


def _wireless(spec: PhoneSpec) -> Values:
    return {
        "BonjourFullServiceName": f"{instance_name(spec)}.{SERVICE_TYPE}",
        # A phone on which it was never switched on has no value.
        "EnableWifiConnections": True if "Network" in spec.connection_types else None,
        "EnableWifiDebugging": False,
        "SupportsWifi": True,
        "SupportsWifiSyncing": True,
    }


def _international() -> Values:
    return {
        "Keyboard": "en_US@sw=QWERTY;hw=Automatic",
        "Language": "en",
        "Locale": "en_US",
        "SupportedKeyboards": ["en_US", "de_DE", "fr_FR"],
        "SupportedLanguages": ["en", "de", "fr"],
        "SupportedLocales": ["en_US", "de_DE", "fr_FR"],
    }


def _next_address(address: str, step: int) -> str:
    """The MAC address `step` after this one."""
    number = (int(address.replace(":", ""), 16) + step) % 2**48
    return ":".join(f"{number:012x}"[index : index + 2] for index in range(0, 12, 2))
