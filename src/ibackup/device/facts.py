"""What is known of a phone, read once and typed; what the phone does not say is None."""

from dataclasses import dataclass
from datetime import datetime

from ibackup import identities
from ibackup.device import values
from ibackup.device.values import NOTHING, Values

BACKUP_DOMAIN = "com.apple.mobile.backup"
BATTERY_DOMAIN = "com.apple.mobile.battery"
DISK_DOMAIN = "com.apple.disk_usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneFacts:
    """Facts about a phone. Texts are safe to print: control characters are replaced.

    Attributes:
        udid: lockdown's own spelling of UniqueDeviceID.
        name: what its owner calls it.
        device_class: "iPhone", "iPad", "iPod"; messages use it as the noun.
        product_type: "iPhone15,2".
        product_name: "iPhone 14 Pro", as far as the type is known.
        ios_version: "18.6.2".
        capacity_bytes: the size of its storage.
        free_bytes: what is free for its owner's data.
        used_bytes: the rest.
        battery_percent: 0 to 100.
        charging: the battery is being charged.
        external_power: a charger or computer is connected.
        will_encrypt: backups of this phone are encrypted.
        requires_encryption: a profile demands that.
        locked: it is locked with a passcode right now (lockdown's PasswordProtected); False says nothing of whether
            a passcode is set.
        cloud_backup_enabled: iCloud Backup is switched on.
        last_local_backup: when a computer last backed it up, by the phone's own memory; UTC.
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
        """What messages call it: "iPhone" or "iPad"."""
        return noun_of(self.device_class)


def noun_of(device_class: str | None) -> str:
    """What messages call a phone of this DeviceClass; an unknown class is called an iPhone."""
    return device_class if device_class in ("iPad", "iPod") else "iPhone"


def read(
    udid: str,
    basics: Values,
    *,
    backup: Values = NOTHING,
    battery: Values = NOTHING,
    disk: Values = NOTHING,
    product_name: str | None = None,
) -> PhoneFacts:
    """Facts out of lockdown's values, by domain; whatever has the wrong type counts as missing.

    Args:
        udid: UniqueDeviceID, checked by the caller.
        basics: the default domain.
        backup: com.apple.mobile.backup.
        battery: com.apple.mobile.battery.
        disk: com.apple.disk_usage, in bytes.
        product_name: the name the model is sold under.
    """
    capacity = values.count(disk, "TotalDiskCapacity")
    free = values.count(disk, "TotalDataAvailable")
    if free is None:
        free = values.count(disk, "AmountDataAvailable")
    percent = values.count(battery, "BatteryCurrentCapacity")
    found = PhoneFacts(
        udid=udid,
        name=values.shown(basics, "DeviceName"),
        device_class=values.shown(basics, "DeviceClass"),
        product_type=values.shown(basics, "ProductType"),
        product_name=product_name,
        ios_version=values.shown(basics, "ProductVersion"),
        build=values.shown(basics, "BuildVersion"),
        serial=values.shown(basics, "SerialNumber"),
        imei=values.shown(basics, "InternationalMobileEquipmentIdentity"),
        imei2=values.shown(basics, "InternationalMobileEquipmentIdentity2"),
        meid=values.shown(basics, "MobileEquipmentIdentifier"),
        iccid=values.shown(basics, "IntegratedCircuitCardIdentity"),
        phone_number=values.shown(basics, "PhoneNumber"),
        capacity_bytes=capacity,
        free_bytes=free,
        used_bytes=capacity - free
        if capacity is not None and free is not None and free <= capacity
        else None,
        battery_percent=percent if percent is not None and percent <= 100 else None,
        charging=values.boolean(battery, "BatteryIsCharging"),
        external_power=values.boolean(battery, "ExternalConnected"),
        will_encrypt=values.boolean(backup, "WillEncrypt"),
        requires_encryption=values.boolean(backup, "RequiresEncryption"),
        locked=values.boolean(basics, "PasswordProtected"),
        cloud_backup_enabled=values.boolean(backup, "CloudBackupEnabled"),
        last_local_backup=values.phone_time(backup, "LastiTunesBackupDate"),
        last_cloud_backup=values.phone_time(backup, "LastCloudBackupDate"),
    )
    identities.note(
        found.name, found.serial, found.imei, found.imei2, found.meid, found.iccid, found.phone_number
    )
    return found
