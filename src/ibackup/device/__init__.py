"""A phone on the wire: found, trusted, asked, backed up.

This package alone imports pymobiledevice3, and only when a phone is really talked to: it takes more than half a
second. The names below are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from ibackup import lazily

if TYPE_CHECKING:
    from ibackup.device.facts import PhoneFacts as PhoneFacts
    from ibackup.device.files import WorkingFiles as WorkingFiles
    from ibackup.device.info_plist import collect as collect
    from ibackup.device.link import Patience as Patience
    from ibackup.device.phone import FoundPhone as FoundPhone
    from ibackup.device.phone import Phone as Phone
    from ibackup.device.phone import find as find
    from ibackup.device.phone import open_phone as open_phone
    from ibackup.device.refusals import RefusalContext as RefusalContext
    from ibackup.device.refusals import refusal as refusal
    from ibackup.device.services import Notice as Notice
    from ibackup.device.services import Notifications as Notifications
    from ibackup.device.services import SyncLock as SyncLock
    from ibackup.device.session import BackupSession as BackupSession
    from ibackup.device.session import Outcome as Outcome
    from ibackup.device.settings import SettingsSession as SettingsSession
    from ibackup.device.usbmux import Address as Address
    from ibackup.device.usbmux import Usbmux as Usbmux
    from ibackup.device.usbmux import parse_address as parse_address

_HOMES = {
    "Address": "usbmux",
    "BackupSession": "session",
    "FoundPhone": "phone",
    "Notice": "services",
    "Notifications": "services",
    "Outcome": "session",
    "Patience": "link",
    "Phone": "phone",
    "PhoneFacts": "facts",
    "RefusalContext": "refusals",
    "SettingsSession": "settings",
    "SyncLock": "services",
    "Usbmux": "usbmux",
    "WorkingFiles": "files",
    "collect": "info_plist",
    "find": "phone",
    "open_phone": "phone",
    "parse_address": "usbmux",
    "refusal": "refusals",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list all the same

__getattr__ = lazily.names(__name__, _HOMES)
