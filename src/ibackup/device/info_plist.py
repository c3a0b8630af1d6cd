"""Info.plist, the one file of a backup that the computer writes: whose phone, which apps, which iTunes files.

It holds what idevicebackup2 and pymobiledevice3 write between them. A part that the phone does not give is left
out and told, and never a reason to go without a backup.
"""

import contextlib
import logging
import math
import plistlib
import re
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from ibackup.device import afc as afc_service
from ibackup.device import values
from ibackup.device.afc import Afc, AfcRefused
from ibackup.device.channel import PlistStream
from ibackup.device.facts import PhoneFacts
from ibackup.device.values import NOTHING, Values
from ibackup.errors import IbackupError
from ibackup.events import Caution, Observer, ignore

T = TypeVar("T")

_log = logging.getLogger(__name__)

APPS_SERVICE = "com.apple.mobile.installation_proxy"
ICONS_SERVICE = "com.apple.springboardservices"

_OLDEST_ITUNES = "10.0.1"
_ITUNES_FOLDER = "/iTunes_Control/iTunes/"
_ITUNES_FILES = (
    "ApertureAlbumPrefs",
    "IC-Info.sidb",
    "IC-Info.sidv",
    "PhotosFolderAlbums",
    "PhotosFolderName",
    "PhotosFolderPrefs",
    "VoiceMemos.plist",
    "iPhotoAlbumPrefs",
    "iTunesApplicationIDs",
    "iTunesPrefs",
    "iTunesPrefs.plist",
)
_BOOKS_FILE = "/Books/iBooksData2.plist"

# Lockdown's names, and those of Info.plist; Info.plist has what the phone says and nothing made up.
_IDENTITY = (
    ("Build Version", "BuildVersion"),
    ("Device Name", "DeviceName"),
    ("Display Name", "DeviceName"),
    ("ICCID", "IntegratedCircuitCardIdentity"),
    ("IMEI", "InternationalMobileEquipmentIdentity"),
    ("IMEI 2", "InternationalMobileEquipmentIdentity2"),
    ("MEID", "MobileEquipmentIdentifier"),
    ("Phone Number", "PhoneNumber"),
    ("Product Type", "ProductType"),
    ("Product Version", "ProductVersion"),
    ("Serial Number", "SerialNumber"),
)

_LARGEST_FILE = 16 << 20
_LARGEST_PART = 1 << 20  # one app's icon, licence or metadata
_LARGEST_APPS = 48 << 20  # all of them: a reader may refuse an Info.plist above 64 MiB
_MOST_APPS = 5000
_LIST_SECONDS = 60.0
_ICON_SECONDS = 5.0
_ALL_ICONS_SECONDS = 30.0
_DEEPEST = 32
_NO_XML = "\ufffe\uffff"


class InfoSource(Protocol):
    """What Info.plist is collected from: a Phone."""

    udid: str
    facts: PhoneFacts

    def value(self, domain: str, key: str) -> object:
        """One of lockdown's values."""

    def values(self, domain: str = "") -> Values:
        """A whole domain of lockdown's values."""

    def start_service(self, name: str, *, escrow: bool = False) -> socket.socket:
        """A blocking stream to a service."""


def collect(phone: InfoSource, previous: bytes | None = None, *, observer: Observer = ignore) -> bytes:
    """Info.plist for a backup made now, as XML.

    Args:
        phone: an opened phone.
        previous: the Info.plist of the snapshot before, whose GUID is kept; None or damaged: a new one.
        observer: is told of parts that are missing.

    Raises:
        ConnectionLost: lockdown itself is gone.
    """
    basics = phone.values("")
    info: dict[str, object] = {
        name: text for name, key in _IDENTITY if (text := values.text(basics, key)) is not None
    }
    if phone.facts.product_name is not None:
        info["Product Name"] = phone.facts.product_name
    info["Last Backup Date"] = datetime.now(UTC).replace(tzinfo=None, microsecond=0)  # plists know UTC only
    info["GUID"] = _guid(previous)
    info["Target Identifier"] = phone.udid
    info["Target Type"] = "Device"
    info["Unique Identifier"] = phone.udid.upper()
    info["iTunes Settings"] = dict(phone.values("com.apple.iTunes"))
    minimum = phone.value("com.apple.mobile.iTunes", "MinITunesVersion")
    info["iTunes Version"] = minimum if isinstance(minimum, str) and minimum else _OLDEST_ITUNES
    no_files: dict[str, object] = {"iTunes Files": {}}
    no_apps: dict[str, object] = {"Applications": {}, "Installed Applications": []}
    info |= _or_caution(lambda: _files(phone), "its iTunes and Books settings", no_files, observer)
    info |= _or_caution(lambda: _apps(phone, observer), "its list of apps", no_apps, observer)
    return plistlib.dumps({key: _clean(value) for key, value in info.items()})


def _or_caution(work: Callable[[], T], part: str, instead: T, observer: Observer) -> T:
    try:
        return work()
    except IbackupError as error:
        observer(
            Caution(
                f"The phone did not give {part}: {error.what}",
                "The backup goes on; after a restore, apps may have to be downloaded by hand.",
            )
        )
        return instead


def _guid(previous: bytes | None) -> str:
    if previous is not None:
        with contextlib.suppress(IbackupError):  # damaged: a new one does as well
            known = values.text(values.load_dict(previous, "The previous backup"), "GUID") or ""
            if re.fullmatch(r"[0-9A-Fa-f]{32}", known):
                return known
    return uuid.uuid4().hex.upper()


def _files(phone: InfoSource) -> dict[str, object]:
    """The small files that iTunes keeps on a phone."""
    with Afc(phone.start_service(afc_service.SERVICE), afc_service.SERVICE) as afc:
        contents = {name: _file(afc, _ITUNES_FOLDER + name) for name in _ITUNES_FILES}
        books = _file(afc, _BOOKS_FILE)
    found: dict[str, object] = {
        "iTunes Files": {name: data for name, data in contents.items() if data is not None}
    }
    if books is not None:
        found["iBooks Data 2"] = books
    return found


def _file(afc: Afc, path: str) -> bytes | None:
    """One of them; one that the phone does not give takes none of the others along."""
    try:
        return afc.read_file(path, _LARGEST_FILE)
    except AfcRefused as error:
        _log.debug("left out of Info.plist: %s", error.what)
        return None


def _apps(phone: InfoSource, observer: Observer) -> dict[str, object]:
    """Every app's identifier, and of those from the App Store what a restore needs to download them again."""
    with PlistStream(phone.start_service(APPS_SERVICE), APPS_SERVICE) as stream:
        apps = _browse(stream)
    from_store: dict[str, dict[str, bytes]] = {}
    total = 0
    for bundle_id, app in apps.items():
        licence, metadata = values.data(app, "ApplicationSINF"), values.data(app, "iTunesMetadata")
        if licence is None or metadata is None or max(len(licence), len(metadata)) > _LARGEST_PART:
            continue
        total += len(licence) + len(metadata)
        if total > _LARGEST_APPS:
            observer(Caution("The phone's apps come with too much data; some are left out of Info.plist."))
            break
        from_store[bundle_id] = {"ApplicationSINF": licence, "iTunesMetadata": metadata}
    if from_store:
        _or_caution(
            lambda: _add_icons(phone, from_store, _LARGEST_APPS - total),
            "the icons of its apps",
            None,
            observer,
        )
    return {"Applications": from_store, "Installed Applications": list(apps)}


def _browse(stream: PlistStream) -> dict[str, Values]:
    """The user's apps by identifier, in the phone's order."""
    stream.send(
        {
            "Command": "Browse",
            "ClientOptions": {
                "ApplicationType": "User",
                "ReturnAttributes": ["CFBundleIdentifier", "ApplicationSINF", "iTunesMetadata"],
            },
        }
    )
    deadline = time.monotonic() + _LIST_SECONDS
    apps: dict[str, Values] = {}
    while len(apps) <= _MOST_APPS:
        answer = stream.receive(max(deadline - time.monotonic(), 0.0))
        for item in values.sequence(answer.get("CurrentList")):
            app = values.mapping(item) or NOTHING
            bundle_id = values.text(app, "CFBundleIdentifier")
            if bundle_id is not None:
                apps[bundle_id] = app
        if answer.get("Status") == "Complete" or "Error" in answer:
            break
    return apps


def _add_icons(phone: InfoSource, apps: Mapping[str, dict[str, bytes]], room: int) -> None:
    """Each app's icon, until the time for all of them is over; they are only shown while a restore downloads."""
    deadline = time.monotonic() + _ALL_ICONS_SECONDS
    with PlistStream(phone.start_service(ICONS_SERVICE), ICONS_SERVICE) as stream:
        for bundle_id, app in apps.items():
            if time.monotonic() > deadline:
                return
            icon = values.data(
                stream.ask({"command": "getIconPNGData", "bundleId": bundle_id}, _ICON_SECONDS), "pngData"
            )
            if icon is not None and len(icon) <= min(_LARGEST_PART, room):
                app["PlaceholderIcon"] = icon
                room -= len(icon)


def _clean(value: object, depth: int = 0) -> object:
    """The value as XML can hold it: no control characters in texts, no types that only binary plists have."""
    if isinstance(value, str):
        return "".join(char for char in value if char in "\t\n\r" or (char >= " " and char not in _NO_XML))
    if isinstance(value, bool | bytes | datetime):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else 0.0
    if isinstance(value, dict) and depth < _DEEPEST:
        return {_clean(key): _clean(item, depth + 1) for key, item in value.items() if isinstance(key, str)}
    if isinstance(value, list) and depth < _DEEPEST:
        return [_clean(item, depth + 1) for item in value]
    return ""
