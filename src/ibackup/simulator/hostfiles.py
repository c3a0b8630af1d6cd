"""Status.plist and Manifest.plist: what a phone writes into them and reads from them."""

import plistlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, TypeAlias, cast, get_args

from ibackup.apple import plists
from ibackup.apple.format_errors import FormatError
from ibackup.simulator.spec import PhoneSpec

BackupState: TypeAlias = Literal["empty", "old", "new"]
SnapshotState: TypeAlias = Literal["uploading", "moving", "removing", "finished"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenStatusPlist:
    """Status.plist: the phone's transaction log on the computer."""

    uuid: str
    backup_state: BackupState
    snapshot_state: SnapshotState
    full: bool
    version: str = "3.3"

    @classmethod
    def parse(cls, data: bytes) -> "WrittenStatusPlist":
        """Read a Status.plist.

        Raises:
            ValueError: it is not one.
        """
        values = _dictionary(data)
        backup_state, snapshot_state = values.get("BackupState"), values.get("SnapshotState")
        if backup_state not in get_args(BackupState) or snapshot_state not in get_args(SnapshotState):
            raise ValueError(f"Status.plist says {backup_state!r}, {snapshot_state!r}")
        return cls(
            uuid=str(values.get("UUID", "")),
            backup_state=cast("BackupState", backup_state),
            snapshot_state=cast("SnapshotState", snapshot_state),
            full=bool(values.get("IsFullBackup", False)),
            version=str(values.get("Version", "0")),
        )

    @property
    def readable(self) -> bool:
        """Whether this phone can continue a backup of this format."""
        try:
            number = float(self.version)
        except ValueError:
            return False
        return 3.3 <= number < 4.0

    def dump(self) -> bytes:
        """Status.plist as the phone writes it, with the current date."""
        values = {
            "UUID": self.uuid,
            "Date": now(),
            "Version": self.version,
            "BackupState": self.backup_state,
            "SnapshotState": self.snapshot_state,
            "IsFullBackup": self.full,
        }
        return plistlib.dumps(values, fmt=plistlib.FMT_BINARY)


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenManifestPlist:
    """Manifest.plist; ``rest`` has the keys that the phone does not interpret."""

    encrypted: bool
    keybag: bytes
    manifest_key: bytes | None
    rest: Mapping[str, object]

    @classmethod
    def parse(cls, data: bytes) -> "WrittenManifestPlist":
        """Read a Manifest.plist.

        Raises:
            ValueError: it is not one.
        """
        values = _dictionary(data)
        keybag, key = values.pop("BackupKeyBag", None), values.pop("ManifestKey", None)
        encrypted = values.pop("IsEncrypted", None)
        if encrypted is False and keybag is None:
            keybag = b""  # some programs leave it out when nothing needs a key
        if not isinstance(keybag, bytes) or not isinstance(encrypted, bool):
            raise ValueError("Manifest.plist without BackupKeyBag or IsEncrypted")  # noqa: TRY004 - what came is wrong
        if key is not None and not isinstance(key, bytes):
            raise ValueError("Manifest.plist with a ManifestKey that is not data")
        return cls(encrypted=encrypted, keybag=keybag, manifest_key=key, rest=values)

    def with_keybag(self, keybag: bytes) -> "WrittenManifestPlist":
        """A copy with another keybag."""
        return replace(self, keybag=keybag)

    def dump(self) -> bytes:
        """Manifest.plist as the phone writes it."""
        values = dict(self.rest) | {"BackupKeyBag": self.keybag, "IsEncrypted": self.encrypted}
        if self.manifest_key is not None:
            values["ManifestKey"] = self.manifest_key
        return plistlib.dumps(values, fmt=plistlib.FMT_BINARY)


def about_phone(spec: PhoneSpec, lockdown: Mapping[str, object], *, passcode: bool) -> dict[str, object]:
    """What a new Manifest.plist says about the phone and its apps."""
    names = ("BuildVersion", "DeviceName", "ProductType", "ProductVersion", "SerialNumber", "UniqueDeviceID")
    applications = _applications(spec)
    return {
        **({"Containers": {name: {} for name in applications}} if spec.version >= (27,) else {}),
        "Version": "10.0",
        "Date": now(),
        "SystemDomainsVersion": "24.0",
        "WasPasscodeSet": passcode,
        "Lockdown": {
            **{name: lockdown[name] for name in names if name in lockdown},
            "com.apple.MobileDeviceCrashCopy": {},
            "com.apple.TerminalFlashr": {},
            "com.apple.mobile.data_sync": {},
            "com.apple.mobile.iTunes.accessories": {},
            "com.apple.mobile.wireless_lockdown": {"EnableWifiConnections": False},
        },
        "Applications": applications,
    }


def _applications(spec: PhoneSpec) -> dict[str, dict[str, object]]:
    applications: dict[str, dict[str, object]] = {}
    for app in spec.apps:
        applications[app.bundle_id] = {
            "CFBundleIdentifier": app.bundle_id,
            "CFBundleVersion": app.version,
            "ContainerContentClass": "Data/Application",
            "Path": f"/var/containers/Bundle/Application/{app.bundle_id}/{app.name}.app",
        }
        for group in app.groups:
            applications[group] = {"CFBundleIdentifier": group, "ContainerContentClass": "Shared/AppGroup"}
    return applications


def now() -> datetime:
    """The time as plistlib writes it: UTC without a time zone, in whole seconds."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def read_plist(data: bytes) -> dict[str, object] | None:
    """A property list whose root is a dictionary; None if it is not one."""
    with suppress(ValueError):
        return _dictionary(data)
    return None


def _dictionary(data: bytes) -> dict[str, object]:
    try:
        values = plists.load(data)  # a phone's reader also takes characters that XML forbids
    except FormatError as error:
        raise ValueError("not a property list") from error
    if not isinstance(values, dict):
        raise ValueError("not a dictionary")  # noqa: TRY004 - what came is wrong, not the caller
    return values
