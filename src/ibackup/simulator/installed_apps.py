"""What the phone reports about its installed apps; installation_proxy and springboard read it."""

import hashlib
import plistlib
import struct
import uuid
import zlib
from collections.abc import Iterator

from ibackup.simulator.spec import AppSpec, PhoneSpec


def installed(spec: PhoneSpec, *, placeholders: bool = False) -> Iterator[dict[str, object]]:
    """Every app, with the attribute names of installation_proxy; the phone's own apps come last.

    Args:
        spec: the phone.
        placeholders: include apps that are still to be downloaded.
    """
    for app in spec.apps:
        if placeholders or not app.placeholder:
            yield _user_app(spec, app)
    for bundle_id, name in (("com.apple.mobilesafari", "Safari"), ("com.apple.Preferences", "Settings")):
        yield {
            "ApplicationType": "System",
            "CFBundleDisplayName": name,
            "CFBundleExecutable": name,
            "CFBundleIdentifier": bundle_id,
            "CFBundleName": name,
            "CFBundleShortVersionString": spec.ios_version,
            "CFBundleVersion": spec.ios_version,
            "Path": f"/Applications/{name}.app",
        }


def bundle_path(spec: PhoneSpec, app: AppSpec) -> str:
    """Where the app's bundle is on the phone."""
    folder = uuid.uuid5(uuid.NAMESPACE_DNS, f"{spec.udid}.{app.bundle_id}")
    return f"/private/var/containers/Bundle/Application/{str(folder).upper()}/{_executable(app)}.app"


def container_path(spec: PhoneSpec, name: str) -> str:
    """Where the data of an app or an app group is on the phone."""
    folder = uuid.uuid5(uuid.NAMESPACE_DNS, f"{spec.udid}.data.{name}")
    return f"/private/var/mobile/Containers/Data/Application/{str(folder).upper()}"


def icon(bundle_id: str) -> bytes:
    """The app's icon: a PNG of 60 by 60 pixels, in a color that differs for each app."""
    size, colour = 60, hashlib.sha256(bundle_id.encode()).digest()[:3]
    rows = (b"\0" + colour * size) * size  # each row begins with its filter: none
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)  # 8 bits of red, green and blue
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _executable(app: AppSpec) -> str:
    return app.name.replace(" ", "")


def _user_app(spec: PhoneSpec, app: AppSpec) -> dict[str, object]:
    values: dict[str, object] = {
        "ApplicationType": "User",
        "CFBundleDisplayName": app.name,
        "CFBundleExecutable": _executable(app),
        "CFBundleIdentifier": app.bundle_id,
        "CFBundleName": app.name,
        "CFBundleShortVersionString": app.version,
        "CFBundleVersion": app.version,
        "DynamicDiskUsage": app.data_size,
        "StaticDiskUsage": app.program_size,
        "Container": container_path(spec, app.bundle_id),
        "GroupContainers": {group: container_path(spec, group) for group in app.groups},
        "IsUpgradeable": True,
        "MinimumOSVersion": "15.0",
        "Path": bundle_path(spec, app),
        "SignerIdentity": "Apple iPhone OS Application Signing",
        "UIDeviceFamily": [1],
    }
    if app.from_store:
        values["ApplicationSINF"] = hashlib.sha512(f"sinf {spec.seed} {app.bundle_id}".encode()).digest() * 8
        values["iTunesMetadata"] = _store_metadata(app)
    return values


def _store_metadata(app: AppSpec) -> bytes:
    number = int.from_bytes(hashlib.sha256(app.bundle_id.encode()).digest()[:4], "big")
    metadata = {
        "bundleShortVersionString": app.version,
        "bundleVersion": app.version,
        "itemId": number,
        "itemName": app.name,
        "kind": "software",
        "softwareVersionBundleId": app.bundle_id,
    }
    return plistlib.dumps(metadata, fmt=plistlib.FMT_BINARY)
