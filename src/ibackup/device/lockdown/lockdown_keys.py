"""Every value of lockdown that ibackup reads, and what it means when a phone answers without it.

A key can be missing although the phone reported its domain: phones leave out what was never set. What that means is
decided here, once. A domain that the phone did not report (locked, refused) says nothing about its keys. Neither does
a value of a wrong type.
"""

from dataclasses import dataclass
from typing import Final

from ibackup.apple import plist_values
from ibackup.apple.plist_values import Values

BACKUP_DOMAIN: Final = "com.apple.mobile.backup"
BATTERY_DOMAIN: Final = "com.apple.mobile.battery"
CHAPERONE_DOMAIN: Final = "com.apple.mobile.chaperone"
DISK_DOMAIN: Final = "com.apple.disk_usage"
FIND_MY_DOMAIN: Final = "com.apple.fmip"
ITUNES_DOMAIN: Final = "com.apple.mobile.iTunes"
SETUP_DOMAIN: Final = "com.apple.purplebuddy"
SYNC_DOMAIN: Final = "com.apple.mobile.data_sync"
WIFI_DOMAIN: Final = "com.apple.mobile.wireless_lockdown"
WIFI_SWITCH: Final = "EnableWifiConnections"


@dataclass(frozen=True, slots=True)
class LockdownKey:
    """What ibackup knows about one key.

    Attributes:
        domain: "" is the default domain.
        name: the key.
        absent: what ibackup does if the key is missing, in words.
        source: why.
        off: if the flag is missing, it is False. All others are unknown (None) then.
    """

    domain: str
    name: str
    absent: str
    source: str
    off: bool = False


_UNKNOWN: Final = "unknown"
_MODEL: Final = "not every model has it"
_NEVER_SEEN: Final = "no phone is known to leave it out"

KEYS: Final = (
    LockdownKey(
        BACKUP_DOMAIN,
        "WillEncrypt",
        "not encrypted",
        "an iPhone with 18.4.1 that was never encrypted",
        off=True,
    ),
    LockdownKey(BACKUP_DOMAIN, "RequiresEncryption", "not demanded", "only a profile sets it", off=True),
    LockdownKey(BACKUP_DOMAIN, "CloudBackupEnabled", _UNKNOWN, "real phones leave it out, on or off"),
    LockdownKey(
        BACKUP_DOMAIN,
        "LastCloudBackupDate",
        _UNKNOWN,
        "missing where there was none, and elsewhere; 0 is never",
    ),
    LockdownKey(
        BACKUP_DOMAIN, "LastiTunesBackupDate", _UNKNOWN, "missing where there was none, and elsewhere"
    ),
    LockdownKey(
        FIND_MY_DOMAIN, "IsAssociated", _UNKNOWN, "the phone itself refuses a restore (211) if it is on"
    ),
    LockdownKey(SETUP_DOMAIN, "SetupDone", _UNKNOWN, "the phone itself refuses (212) if it is not"),
    LockdownKey(
        CHAPERONE_DOMAIN, "DeviceIsChaperoned", _UNKNOWN, "a guess would forbid a restore, or promise one"
    ),
    LockdownKey("", "PasswordProtected", _UNKNOWN, "means locked now on some versions, a passcode on others"),
    LockdownKey("", "ActivationState", _UNKNOWN, _NEVER_SEEN),
    LockdownKey(
        "", "UniqueDeviceID", "usbmuxd's serial number is taken", "the same number in another spelling"
    ),
    LockdownKey("", "DeviceName", "not shown", _NEVER_SEEN),
    LockdownKey("", "DeviceClass", "called an iPhone", _NEVER_SEEN),
    LockdownKey("", "ProductType", "not shown", _NEVER_SEEN),
    LockdownKey("", "ProductVersion", "taken for iOS 10 or newer", _NEVER_SEEN),
    LockdownKey("", "BuildVersion", "not shown", _NEVER_SEEN),
    LockdownKey("", "SerialNumber", "not shown", _NEVER_SEEN),
    LockdownKey("", "InternationalMobileEquipmentIdentity", "not shown", _MODEL),
    LockdownKey("", "InternationalMobileEquipmentIdentity2", "not shown", _MODEL),
    LockdownKey("", "MobileEquipmentIdentifier", "not shown", _MODEL),
    LockdownKey("", "IntegratedCircuitCardIdentity", "not shown", "no SIM"),
    LockdownKey("", "PhoneNumber", "not shown", "no SIM"),
    LockdownKey("", "WiFiAddress", "left out of the pairing", _MODEL),
    LockdownKey("", "DevicePublicKey", "an error: no pairing without it", _NEVER_SEEN),
    LockdownKey("", "TimeIntervalSince1970", _UNKNOWN, _NEVER_SEEN),
    LockdownKey(DISK_DOMAIN, "TotalDiskCapacity", _UNKNOWN, "withheld while the phone is locked"),
    LockdownKey(DISK_DOMAIN, "TotalDataAvailable", "AmountDataAvailable is taken", "one of them is enough"),
    LockdownKey(DISK_DOMAIN, "AmountDataAvailable", "TotalDataAvailable is taken", "one of them is enough"),
    LockdownKey(
        DISK_DOMAIN, "AmountRestoreAvailable", _UNKNOWN, "the phone itself refuses what does not fit"
    ),
    LockdownKey(DISK_DOMAIN, "PhotoUsage", "counts as 0", "often missing today"),
    LockdownKey(DISK_DOMAIN, "CameraUsage", "counts as 0", "often missing today"),
    LockdownKey(BATTERY_DOMAIN, "BatteryCurrentCapacity", _UNKNOWN, _NEVER_SEEN),
    LockdownKey(BATTERY_DOMAIN, "BatteryIsCharging", _UNKNOWN, _NEVER_SEEN),
    LockdownKey(BATTERY_DOMAIN, "ExternalConnected", _UNKNOWN, _NEVER_SEEN),
    LockdownKey(SYNC_DOMAIN, "Bookmarks", _UNKNOWN, "a class that was never synced"),
    LockdownKey(SYNC_DOMAIN, "Calendars", _UNKNOWN, "a class that was never synced"),
    LockdownKey(SYNC_DOMAIN, "Contacts", _UNKNOWN, "a class that was never synced"),
    LockdownKey(SYNC_DOMAIN, "Notes", _UNKNOWN, "a class that was never synced"),
    LockdownKey(ITUNES_DOMAIN, "MinITunesVersion", "10.0.1 is written", "some iPads lack the whole domain"),
)

_OFF: Final = frozenset((key.domain, key.name) for key in KEYS if key.off)


def flag(told: Values | None, domain: str, name: str) -> bool | None:
    """A flag, and what its absence means; None if it is unknown.

    Args:
        told: the domain's values; None if the phone did not report the domain.
        domain: the domain.
        name: the key.
    """
    if told is None:
        return None
    if name not in told:
        return False if (domain, name) in _OFF else None
    return plist_values.boolean(told, name)
