"""Property lists from outside: bounded parsing, and the three plists of a backup as frozen records.

Facts about the format: docs/format.md, "Property lists".
"""

import plistlib
import re
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self
from xml.parsers.expat import ExpatError

from ibackup.apple.bplist import check, simple
from ibackup.apple.format_errors import FormatError

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 64
MAX_OBJECTS = 1_000_000

_UNREADABLE = (
    plistlib.InvalidFileException,
    ExpatError,
    ValueError,  # covers numbers, dates and UnicodeDecodeError
    TypeError,
    LookupError,  # also for an unknown encoding
    AttributeError,  # plistlib's XML reader meets an end tag without its start
    OverflowError,
    RecursionError,
    struct.error,
)


def load(
    data: bytes,
    *,
    limit: int = MAX_BYTES,
    max_objects: int = MAX_OBJECTS,
    max_depth: int = MAX_DEPTH,
    part: str = "A property list",
) -> object:
    """Parse an untrusted binary or XML property list.

    Args:
        data: the whole plist.
        limit: bytes allowed.
        max_objects: objects allowed; a shared object counts once for each reference.
        max_depth: containers within containers allowed.
        part: its name in an error.

    Raises:
        FormatError: too long, too deep, too many objects, or not a plist.
    """
    if not data:
        raise FormatError(part, "it is empty")
    if len(data) > limit:
        raise FormatError(part, f"it has {len(data):,} bytes; the limit is {limit:,}")
    binary = data.startswith(b"bplist00")
    if binary:
        simply = simple(data, max_objects=max_objects, max_depth=max_depth)
        if simply is not None:
            return simply
        flaw = check(data, max_objects=max_objects, max_depth=max_depth)
        if flaw:
            raise FormatError(part, flaw)
    try:
        # plistlib refuses XML that declares entities, so nothing expands.
        value: object = plistlib.loads(data, fmt=plistlib.FMT_BINARY if binary else plistlib.FMT_XML)
    except _UNREADABLE:
        value = None if binary else _mended(data)
        if value is None:
            raise FormatError(part, "it is damaged, or not a property list") from None
    if not binary:
        _check_depth(value, max_depth, max_objects, part)
    return value


# What XML 1.0 forbids, as a byte and as a reference, and the form of a date.
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_REFERENCE = re.compile(rb"&#(?:x([0-9A-Fa-f]{1,8})|([0-9]{1,8}));")
_DATE = re.compile(rb"<date>[^<]{0,64}</date>")


def _mended(data: bytes) -> object | None:
    """An XML property list with forbidden characters replaced by "?" and without impossible dates.

    Programs write the phone's own texts into XML unchanged, and the name of a phone can contain anything.
    None if something else is wrong with it, too.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None  # UTF-16, where nearly every byte would be forbidden
    try:
        text = data.decode("utf-8", "replace").replace("\ufffe", "?").replace("\uffff", "?").encode()
        text = _DATE.sub(_real_date, _REFERENCE.sub(_allowed, _FORBIDDEN.sub(b"?", text)))
        value: object = plistlib.loads(text, fmt=plistlib.FMT_XML)
    except _UNREADABLE:
        return None
    return value


def _allowed(reference: "re.Match[bytes]") -> bytes:
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    fine = (
        code in {9, 10, 13} or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000
    )
    return reference[0] if fine else b"?"


def _real_date(element: "re.Match[bytes]") -> bytes:
    try:
        plistlib.loads(b"<plist>" + element[0] + b"</plist>", fmt=plistlib.FMT_XML)
    except _UNREADABLE:
        return b"<string>?</string>"
    return element[0]


def _check_depth(value: object, max_depth: int, max_objects: int, part: str) -> None:
    """XML is parsed without recursion; code that walks the result should be safe too."""
    level: list[object] = [value]
    count = depth = 0
    while level:
        count += len(level)
        if depth > max_depth or count > max_objects:
            raise FormatError(part, "it is nested too deeply or has too many objects")
        below: list[object] = []
        for entry in level:
            if isinstance(entry, dict):
                below.extend(entry.values())
            elif isinstance(entry, list):
                below.extend(entry)
        level = below
        depth += 1


class Fields:
    """The keys of a plist dictionary, each read as the type it must have."""

    __slots__ = ("_part", "_values")

    def __init__(self, value: object, part: str) -> None:
        if not isinstance(value, dict):
            raise FormatError(part, f"it has {_named(value)} where a dictionary belongs")
        self._values: dict[object, object] = value
        self._part = part

    @classmethod
    def parse(cls, data: bytes, part: str, limit: int = MAX_BYTES) -> Self:
        """Parse a plist whose root is a dictionary."""
        return cls(load(data, limit=limit, part=part), part)

    def odd(self, key: str, value: object, wanted: str) -> FormatError:
        """The error for a key with a value of the wrong type."""
        return FormatError(self._part, f"its {key} is {_named(value)}, not {wanted}")

    def need(self, key: str) -> None:
        """Raise FormatError if a key is missing."""
        if key not in self._values:
            raise FormatError(self._part, f"it has no {key}")

    def text(self, key: str) -> str:
        """A string; empty if it is missing."""
        value = self._values.get(key, "")
        if not isinstance(value, str):
            raise self.odd(key, value, "text")
        return value

    def told(self, key: str) -> str:
        """A string for people; a number becomes a string, anything else an empty string."""
        value = self._values.get(key, "")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        return value if isinstance(value, str) else ""

    def flag(self, key: str) -> bool:
        """A boolean, or 0 or 1; False if it is missing."""
        value = self._values.get(key, False)
        if not isinstance(value, int) or value not in (0, 1):
            raise self.odd(key, value, "true or false")
        return bool(value)

    def data(self, key: str) -> bytes | None:
        """Bytes; None if they are missing."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, bytes):
            raise self.odd(key, value, "data")
        return value

    def date(self, key: str, *, strict: bool = True) -> datetime | None:
        """A point in time, UTC; None if it is missing or, unless ``strict``, something else."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, datetime):
            if not strict:
                return None
            raise self.odd(key, value, "a date")
        return value.replace(tzinfo=UTC)  # plist dates are UTC without a time zone

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty if it is missing or something else."""
        value = self._values.get(key, [])
        if not isinstance(value, list):
            return ()
        return tuple(entry for entry in value if isinstance(entry, str))

    def fields(self, key: str) -> "Fields":
        """A dictionary; empty if it is missing."""
        return Fields(self._values.get(key, {}), f"{key} of {self._part}")

    def keys(self) -> tuple[str, ...]:
        """The names of all keys."""
        return tuple(key for key in self._values if isinstance(key, str))


def _named(value: object) -> str:
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "text",
        bytes: "data",
        list: "a list",
        dict: "a dictionary",
        datetime: "a date",
    }
    return names.get(type(value), "something else")


@dataclass(frozen=True, slots=True)
class InfoPlist:
    """``Info.plist``, which the computer writes. Each program writes its own, so no value is required.

    Texts are empty if the key is missing. A restore does not use its values, so a value of an odd type is not
    damage; it counts as missing.
    """

    device_name: str
    display_name: str
    product_type: str
    product_name: str
    product_version: str
    build_version: str
    serial_number: str
    unique_identifier: str
    target_identifier: str
    phone_number: str
    last_backup_date: datetime | None
    installed_applications: tuple[str, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read it. Raises FormatError."""
        fields = Fields.parse(data, "Info.plist")
        return cls(
            device_name=fields.told("Device Name"),
            display_name=fields.told("Display Name"),
            product_type=fields.told("Product Type"),
            product_name=fields.told("Product Name"),
            product_version=fields.told("Product Version"),
            build_version=fields.told("Build Version"),
            serial_number=fields.told("Serial Number"),
            unique_identifier=fields.told("Unique Identifier"),
            target_identifier=fields.told("Target Identifier"),
            phone_number=fields.told("Phone Number"),
            last_backup_date=fields.date("Last Backup Date", strict=False),
            installed_applications=fields.texts("Installed Applications"),
        )


@dataclass(frozen=True, slots=True)
class StatusPlist:
    """``Status.plist``, which the phone writes last.

    Attributes:
        uuid: of this backup.
        date: when it was written, UTC.
        version: "3.3" today.
        backup_state: "empty", "old" or "new".
        snapshot_state: "uploading", "moving", "removing" or "finished".
        is_full_backup: False for an incremental one.
    """

    uuid: str
    date: datetime | None
    version: str
    backup_state: str
    snapshot_state: str
    is_full_backup: bool

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read it. Raises FormatError."""
        fields = Fields.parse(data, "Status.plist", limit=1024 * 1024)
        fields.need("SnapshotState")
        return cls(
            uuid=fields.text("UUID"),
            date=fields.date("Date", strict=False),
            version=fields.text("Version"),
            backup_state=fields.text("BackupState"),
            snapshot_state=fields.text("SnapshotState"),
            is_full_backup=fields.flag("IsFullBackup"),
        )

    @property
    def is_finished(self) -> bool:
        """Whether the phone says that it completed this backup; that alone proves nothing."""
        return self.snapshot_state == "finished" and self.backup_state in {"new", ""}


@dataclass(frozen=True, slots=True)
class LockdownValues:
    """What ``Manifest.plist`` says about the phone; texts are empty if the key is missing."""

    device_name: str
    product_type: str
    product_version: str
    build_version: str
    serial_number: str
    unique_device_id: str


@dataclass(frozen=True, slots=True)
class ManifestPlist:
    """``Manifest.plist``, which the phone writes.

    Attributes:
        version: "10.0" with Manifest.db, "9.1" and less with Manifest.mbdb.
        date: when it was written, UTC.
        system_domains_version: version of the phone's own list of domains.
        is_encrypted: whether file contents are encrypted.
        was_passcode_set: whether the phone had a passcode.
        keybag: present in most backups, even in unencrypted ones.
        manifest_key: 44 bytes, the wrapped key of Manifest.db; None if that is plain.
        lockdown: facts about the phone.
        applications: bundle identifiers of its apps.
    """

    version: str
    date: datetime | None
    system_domains_version: str
    is_encrypted: bool
    was_passcode_set: bool
    keybag: bytes | None = field(repr=False)
    manifest_key: bytes | None = field(repr=False)
    lockdown: LockdownValues
    applications: tuple[str, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read it. Raises FormatError."""
        fields = Fields.parse(data, "Manifest.plist")
        fields.need("IsEncrypted")
        encrypted = fields.flag("IsEncrypted")
        if encrypted:
            fields.need("BackupKeyBag")
        lockdown = fields.fields("Lockdown")
        return cls(
            version=fields.text("Version"),
            date=fields.date("Date"),
            system_domains_version=fields.text("SystemDomainsVersion"),
            is_encrypted=encrypted,
            was_passcode_set=fields.flag("WasPasscodeSet"),
            keybag=fields.data("BackupKeyBag"),
            manifest_key=fields.data("ManifestKey"),
            lockdown=LockdownValues(
                device_name=lockdown.told("DeviceName"),
                product_type=lockdown.told("ProductType"),
                product_version=lockdown.told("ProductVersion"),
                build_version=lockdown.told("BuildVersion"),
                serial_number=lockdown.told("SerialNumber"),
                unique_device_id=lockdown.told("UniqueDeviceID"),
            ),
            applications=fields.fields("Applications").keys(),
        )
