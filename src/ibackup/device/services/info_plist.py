"""Info.plist, the only file in a backup that the computer writes: the phone's name, its apps, iTunes' files.

It contains all that either idevicebackup2 or pymobiledevice3 writes. If the phone does not provide a part, ibackup
leaves it out with a warning; that never stops a backup.
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

from ibackup.apple import plist_values
from ibackup.apple.plist_values import NOTHING, Values
from ibackup.base.errors import IbackupError, PhoneRefused
from ibackup.base.events import Caution, Note, Observer, Silent, ignore
from ibackup.config.stall_limits import Limits
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.mux.channel import PlistStream
from ibackup.device.services import afc as afc_service
from ibackup.device.services.afc import Afc, AfcRefused

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

# Lockdown's names, and those in Info.plist, which has what the phone reports and nothing invented.
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
_LARGEST_PART = 1 << 20  # of one app's icon, licence or metadata
_LARGEST_APPS = 48 << 20  # of all of them: a reader may refuse an Info.plist above 64 MiB
_MOST_APPS = 5000
_APP_PARTS = ("ApplicationSINF", "iTunesMetadata")
_LONGEST_ID = 256
_DEEPEST = 32
_NO_XML = "\ufffe\uffff"


class InfoSource(Protocol):
    """The source of Info.plist: a Phone."""

    udid: str
    facts: PhoneFacts

    @property
    def limits(self) -> Limits:
        """How long it may be silent."""

    def value(self, domain: str, key: str) -> object:
        """One of lockdown's values."""

    def values(self, domain: str = "") -> Values:
        """A whole domain of lockdown's values."""

    def start_service(self, name: str, *, escrow: bool = False) -> socket.socket:
        """A blocking stream to a service."""


def collect(phone: InfoSource, previous: bytes | None = None, *, observer: Observer = ignore) -> bytes:
    """Info.plist for a new backup, as XML.

    Args:
        phone: an open phone.
        previous: the previous snapshot's Info.plist, whose GUID is kept; if it is None or damaged, there is a new one.
        observer: gets a warning for each missing part.

    Raises:
        ConnectionLost: lockdown itself is gone.
    """
    basics = phone.values("")
    info: dict[str, object] = {
        name: text for name, key in _IDENTITY if (text := plist_values.text(basics, key)) is not None
    }
    if phone.facts.product_name is not None:
        info["Product Name"] = phone.facts.product_name
    info["Last Backup Date"] = datetime.now(UTC).replace(tzinfo=None, microsecond=0)  # plists have only UTC
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
                "The backup continues; after a restore, you may have to download apps yourself.",
            )
        )
        return instead


def _guid(previous: bytes | None) -> str:
    if previous is not None:
        with contextlib.suppress(IbackupError):  # damaged: use a new one
            known = plist_values.text(plist_values.load_dict(previous, "The previous backup"), "GUID") or ""
            if re.fullmatch(r"[0-9A-Fa-f]{32}", known):
                return known
    return uuid.uuid4().hex.upper()


def _files(phone: InfoSource) -> dict[str, object]:
    """The small files that iTunes stores on a phone."""
    with Afc.to(phone, afc_service.SERVICE) as afc:
        contents = {name: _file(afc, _ITUNES_FOLDER + name) for name in _ITUNES_FILES}
        books = _file(afc, _BOOKS_FILE)
    found: dict[str, object] = {
        "iTunes Files": {name: data for name, data in contents.items() if data is not None}
    }
    if books is not None:
        found["iBooks Data 2"] = books
    return found


def _file(afc: Afc, path: str) -> bytes | None:
    """One of them. If the phone does not provide it, the others are still read."""
    try:
        return afc.read_file(path, _LARGEST_FILE)
    except AfcRefused as error:
        _log.debug("left out of Info.plist: %s", error.what)
        return None


def _apps(phone: InfoSource, observer: Observer) -> dict[str, object]:
    """Every app's identifier, and for apps from the App Store what a restore needs to download them again."""
    with PlistStream.to(phone, APPS_SERVICE) as stream:
        apps = _browse(stream, phone.limits, observer)
    from_store: dict[str, dict[str, bytes]] = {}
    total = 0
    for bundle_id, app in apps.items():
        licence, metadata = (
            plist_values.data(app, "ApplicationSINF"),
            plist_values.data(app, "iTunesMetadata"),
        )
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
    elif apps:
        observer(
            Caution(
                "None of the phone's apps can be downloaded again after a restore of this backup.",
                "Their data is in the backup. After a restore, install the apps yourself.",
            )
        )
    else:
        observer(Note("The phone lists no apps, so a restore of this backup downloads none."))
    return {"Applications": from_store, "Installed Applications": list(apps)}


def _browse(stream: PlistStream, limits: Limits, observer: Observer) -> dict[str, Values]:
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
    deadline = time.monotonic() + limits.apps_s
    apps: dict[str, Values] = {}
    held = 0
    while len(apps) < _MOST_APPS:
        answer = _page(stream, deadline, limits, observer)
        for item in plist_values.sequence(answer.get("CurrentList")):
            app = plist_values.mapping(item) or NOTHING
            bundle_id = plist_values.text(app, "CFBundleIdentifier")
            if bundle_id is None or len(bundle_id) > _LONGEST_ID or len(apps) >= _MOST_APPS:
                continue
            parts = {part: data for part in _APP_PARTS if (data := plist_values.data(app, part)) is not None}
            held += sum(map(len, parts.values()))
            # At most twice what fits is kept: enough to notice later that it does not fit.
            apps[bundle_id] = parts if held <= 2 * _LARGEST_APPS else plist_values.NOTHING
        if "Error" in answer:
            said = plist_values.printable(str(answer["Error"]))[:80]
            raise PhoneRefused(f"The phone does not list its apps ({said}).")
        if answer.get("Status") == "Complete":
            break
    return apps


def _page(stream: PlistStream, deadline: float, limits: Limits, observer: Observer) -> Values:
    """The next page of the list; says if it takes long."""
    began = time.monotonic()
    while (now := time.monotonic()) < deadline:
        answer = stream.poll(min(limits.say_every_s, deadline - now))
        if answer is not None:
            return answer
        text = "The phone is still putting its list of apps together. That is normal."
        observer(Silent("prepare", time.monotonic() - began, limits.apps_s, text))
    raise stream.silent()


def _add_icons(phone: InfoSource, apps: Mapping[str, dict[str, bytes]], room: int) -> None:
    """Each app's icon, until the time for all of them is up. They are only shown while a restore downloads apps."""
    deadline = time.monotonic() + phone.limits.icons_s
    with PlistStream.to(phone, ICONS_SERVICE) as stream:
        for bundle_id, app in apps.items():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            icon = plist_values.data(
                stream.ask({"command": "getIconPNGData", "bundleId": bundle_id}, left), "pngData"
            )
            if icon is not None and len(icon) <= min(_LARGEST_PART, room):
                app["PlaceholderIcon"] = icon
                room -= len(icon)


def _clean(value: object, depth: int = 0) -> object:
    """The value in a form that XML allows: no control characters in texts, no types that only binary plists have."""
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
