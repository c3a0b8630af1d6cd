"""What is known about a phone, read once and typed. What the phone does not report is None."""

from dataclasses import dataclass
from datetime import datetime

from ibackup.apple import plist_values
from ibackup.apple.plist_values import NOTHING, Values
from ibackup.base import identities
from ibackup.device.lockdown.lockdown_keys import BACKUP_DOMAIN, flag


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneFacts:
    """Facts about a phone. Texts are safe to print: control characters are replaced.

    Attributes:
        udid: lockdown's own spelling of UniqueDeviceID.
        name: what its owner calls it.
        device_class: "iPhone", "iPad", "iPod"; messages use it as the noun.
        product_type: "iPhone15,2".
        product_name: "iPhone 14 Pro", if the type is known.
        ios_version: "18.6.2".
        capacity_bytes: the size of its storage.
        free_bytes: free for its owner's data.
        used_bytes: the rest.
        battery_percent: 0 to 100.
        charging: the battery is being charged.
        external_power: a charger or computer is connected.
        will_encrypt: backups of this phone are encrypted.
        requires_encryption: a profile requires that.
        locked: it is locked with a passcode right now (lockdown's PasswordProtected). False does not say whether a
            passcode is set.
        cloud_backup_enabled: iCloud Backup is switched on.
        last_local_backup: when a computer last backed it up, as the phone remembers it; UTC.
        last_cloud_backup: the same for iCloud.
    """

    udid: str
    name: str | None = None
    device_class: str | None = None
    product_type: str | None = None
    product_name: str | None = None
    ios_version: str | None = None
    build: str | None = None
    serial: str | None = None
    imei: str | None = None
    imei2: str | None = None
    meid: str | None = None
    iccid: str | None = None
    phone_number: str | None = None
    capacity_bytes: int | None = None
    free_bytes: int | None = None
    used_bytes: int | None = None
    battery_percent: int | None = None
    charging: bool | None = None
    external_power: bool | None = None
    will_encrypt: bool | None = None
    requires_encryption: bool | None = None
    locked: bool | None = None
    cloud_backup_enabled: bool | None = None
    last_local_backup: datetime | None = None
    last_cloud_backup: datetime | None = None

    @property
    def noun(self) -> str:
        """What messages call the phone: "iPhone" or "iPad"."""
        return noun_of(self.device_class)


def noun_of(device_class: str | None) -> str:
    """What messages call a phone of this DeviceClass. An unknown class is called an iPhone."""
    return device_class if device_class in ("iPad", "iPod") else "iPhone"


def free_bytes(disk: Values) -> int | None:
    """How many bytes are free for the owner's data, from com.apple.disk_usage.

    TotalDataAvailable includes a reserve of 200 MB that no program gets: with it, no phone would ever be full.
    """
    free = plist_values.count(disk, "AmountDataAvailable")
    return plist_values.count(disk, "TotalDataAvailable") if free is None else free


def read(
    udid: str,
    basics: Values,
    *,
    backup: Values | None = None,
    battery: Values = NOTHING,
    disk: Values = NOTHING,
    product_name: str | None = None,
) -> PhoneFacts:
    """Facts from lockdown's values, by domain. A value of a wrong type counts as missing.

    Args:
        udid: UniqueDeviceID, checked by the caller.
        basics: the default domain.
        backup: com.apple.mobile.backup; None if the phone did not report it.
        battery: com.apple.mobile.battery.
        disk: com.apple.disk_usage, in bytes.
        product_name: the name under which the model is sold.
    """
    capacity = plist_values.count(disk, "TotalDiskCapacity")
    free = free_bytes(disk)
    dates = backup or NOTHING
    percent = plist_values.count(battery, "BatteryCurrentCapacity")
    found = PhoneFacts(
        udid=udid,
        name=plist_values.shown(basics, "DeviceName"),
        device_class=plist_values.shown(basics, "DeviceClass"),
        product_type=plist_values.shown(basics, "ProductType"),
        product_name=product_name,
        ios_version=plist_values.shown(basics, "ProductVersion"),
        build=plist_values.shown(basics, "BuildVersion"),
        serial=plist_values.shown(basics, "SerialNumber"),
        imei=plist_values.shown(basics, "InternationalMobileEquipmentIdentity"),
        imei2=plist_values.shown(basics, "InternationalMobileEquipmentIdentity2"),
        meid=plist_values.shown(basics, "MobileEquipmentIdentifier"),
        iccid=plist_values.shown(basics, "IntegratedCircuitCardIdentity"),
        phone_number=plist_values.shown(basics, "PhoneNumber"),
        capacity_bytes=capacity,
        free_bytes=free,
        used_bytes=capacity - free
        if capacity is not None and free is not None and free <= capacity
        else None,
        battery_percent=percent if percent is not None and percent <= 100 else None,
        charging=plist_values.boolean(battery, "BatteryIsCharging"),
        external_power=plist_values.boolean(battery, "ExternalConnected"),
        will_encrypt=flag(backup, BACKUP_DOMAIN, "WillEncrypt"),
        requires_encryption=flag(backup, BACKUP_DOMAIN, "RequiresEncryption"),
        locked=plist_values.boolean(basics, "PasswordProtected"),
        cloud_backup_enabled=flag(backup, BACKUP_DOMAIN, "CloudBackupEnabled"),
        last_local_backup=plist_values.phone_time(dates, "LastiTunesBackupDate"),
        last_cloud_backup=plist_values.phone_time(dates, "LastCloudBackupDate"),
    )
    identities.note(
        found.name, found.serial, found.imei, found.imei2, found.meid, found.iccid, found.phone_number
    )
    return found
