"""Where things are in an iPhone's Settings, by the version of iOS (the table in docs/icloud.md)."""

import re
from enum import Enum

_NAME = "[your name]"
_BACKUP = f"{_NAME} > iCloud > iCloud Backup"
_RESET = "General > Transfer or Reset {noun}"
_ANY = 0


class SettingsPlace(Enum):
    """One place in Settings, with its path by the first major version that has it."""

    BACKUP = ((_ANY, _BACKUP),)
    CELLULAR_BACKUP = ((_ANY, f"{_BACKUP} > Back Up Over Cellular"),)
    APPS = (
        (_ANY, f"{_NAME} > iCloud > Manage Storage > Backups > this {{noun}}"),
        (16, f"{_BACKUP} > All Device Backups > this {{noun}}"),
    )
    STORAGE = (
        (_ANY, f"{_NAME} > iCloud > Manage Storage"),
        (16, f"{_NAME} > iCloud > Manage Account Storage"),
        (18, f"{_NAME} > iCloud > Storage"),
    )
    BACKUPS = (
        (_ANY, f"{_NAME} > iCloud > Manage Storage > Backups"),
        (16, f"{_NAME} > iCloud > Manage Account Storage > Backups"),
        (18, f"{_NAME} > iCloud > Storage > Backups"),
    )
    PLAN = (
        (_ANY, f"{_NAME} > iCloud > Manage Storage > Change Storage Plan"),
        (16, f"{_NAME} > iCloud > Manage Account Storage > Change Storage Plan"),
        (18, f"{_NAME} > iCloud > Manage Plan"),
    )
    PHOTOS = ((_ANY, f"{_NAME} > iCloud > Photos"),)
    OPTIMIZE = (
        (_ANY, "Photos > Optimize {noun} Storage"),
        (18, "Apps > Photos > Optimize {noun} Storage"),
    )
    PHONE_STORAGE = ((_ANY, "General > {noun} Storage"),)
    DRIVE = (
        (_ANY, f"{_NAME} > iCloud > iCloud Drive"),
        (18, f"{_NAME} > iCloud > Drive"),
    )
    ACCOUNT = ((_ANY, _NAME),)
    SIGN_IN = ((_ANY, "Sign in to your {noun}, at the top"),)
    SIGN_OUT = ((_ANY, f"{_NAME} > scroll to the bottom > Sign Out"),)
    TWO_FACTOR = (
        (_ANY, f"{_NAME} > Password & Security"),
        (17, f"{_NAME} > Sign-In & Security"),
    )
    UPDATE = ((_ANY, "General > Software Update"),)
    RESET_NETWORK = (
        (_ANY, "General > Reset > Reset Network Settings"),
        (15, f"{_RESET} > Reset > Reset Network Settings"),
    )
    SHUT_DOWN = ((_ANY, "General > Shut Down"),)
    WIFI = ((_ANY, "Wi-Fi"),)
    LOW_DATA = ((_ANY, "Wi-Fi > (i) beside the network > Low Data Mode"),)
    FORGET_WIFI = ((_ANY, "Wi-Fi > (i) beside the network > Forget This Network"),)
    POWER_MODE = (
        (_ANY, "Battery > Low Power Mode"),
        (26, "Battery > Power Mode > Low Power Mode (on older models: Battery > Low Power Mode)"),
    )
    BATTERY = ((_ANY, "Battery"),)
    CLOCK = ((_ANY, "General > Date & Time > Set Automatically"),)
    PROFILES = (
        (_ANY, "General > Profiles & Device Management"),
        (15, "General > VPN & Device Management"),
    )
    PRIVATE_RELAY = ((_ANY, f"{_NAME} > iCloud > Private Relay"),)
    ACCOUNT_CHANGES = ((_ANY, "Screen Time > Content & Privacy Restrictions > Account Changes"),)
    TEMPORARY = ((_ANY, f"{_RESET} > Get Started"),)
    RESET_ALL = (
        (_ANY, "General > Reset > Reset All Settings"),
        (15, f"{_RESET} > Reset > Reset All Settings"),
    )
    RESET_TRUST = (
        (_ANY, "General > Reset > Reset Location & Privacy"),
        (15, f"{_RESET} > Reset > Reset Location & Privacy"),
    )
    FIND_MY = (
        (_ANY, f"{_NAME} > iCloud > Find My {{noun}}"),
        (13, f"{_NAME} > Find My > Find My {{noun}}"),
    )

    def path(self, ios_version: str | None, noun: str = "iPhone") -> str:
        """The path on this phone: ``Settings > General > Software Update``; the newest if the version is unknown."""
        major = major_of(ios_version)
        found = max(each for each in self.value if major is None or each[0] <= major)
        return f"Settings > {found[1].format(noun=noun)}"


def settings_paths(ios_version: str | None, noun: str = "iPhone") -> dict[str, str]:
    """Every path by the name of its place, to fill in a text that says ``{UPDATE}``."""
    return {place.name: place.path(ios_version, noun) for place in SettingsPlace}


def major_of(ios_version: str | None) -> int | None:
    """The major version of "18.6.2"."""
    match = re.match(r"[0-9]{1,4}", ios_version or "")
    return int(match[0]) if match else None
