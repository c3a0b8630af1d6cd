"""What can go wrong with the virtual iPhone: one small frozen type for each fault, independent of the others."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

BACKUP_SERVICE = "com.apple.mobilebackup2"

Phase: TypeAlias = Literal["uploading", "moving", "removing", "restoring"]
"""When a fault strikes: the SnapshotState of a backup, or the time when a restore fetches files."""

PathPlace: TypeAlias = Literal[
    "upload",
    "download",
    "move_source",
    "move_destination",
    "remove",
    "create_directory",
    "list",
    "copy_source",
    "copy_destination",
    "remove_directory",
]
"""Every place in a DeviceLink message that contains a path."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        times: how often it strikes before the phone works again; None: every time. Transport faults count
            once per connection, engine faults once per request (a backup, a restore).
    """

    times: int | None = None


# --- transport faults, applied by Stream and the servers


@dataclass(frozen=True, kw_only=True)
class DropAfterBytes(Fault):
    """The connection breaks (TCP reset) after `count` bytes in both directions together, counted inside TLS.

    Attributes:
        count: how many bytes.
        service: the service whose connection it is.
    """

    count: int
    service: str = BACKUP_SERVICE


@dataclass(frozen=True, kw_only=True)
class SilentAfterBytes(Fault):
    """The phone neither reads nor writes for `seconds` after `count` bytes, then continues.

    Attributes:
        count: how many bytes.
        seconds: how long it is silent.
        service: the service whose connection it is.
    """

    count: int
    seconds: float
    service: str = BACKUP_SERVICE


@dataclass(frozen=True, kw_only=True)
class StartServiceError(Fault):
    """Lockdown answers StartService with an error.

    Attributes:
        service: the service that does not start.
        error: lockdown's error string: PasswordProtected, InvalidService, …
    """

    service: str
    error: str


@dataclass(frozen=True, kw_only=True)
class StartSessionError(Fault):
    """Lockdown answers StartSession with an error.

    Attributes:
        error: lockdown's error string; InvalidHostID means that the phone forgot this computer.
    """

    error: str = "InvalidHostID"


@dataclass(frozen=True, kw_only=True)
class WirelessBreak(Fault):
    """A connection to lockdownd over a network breaks, as on some phones with iOS 26.6 and 27.

    Attributes:
        at: the request that is not answered, or the moment: when the connection is made, before TLS of the session,
            or when the computer first reads inside TLS.
        how: reset: a TCP reset; end: the phone hangs up; silence: it says nothing more.
    """

    at: Literal["connect", "QueryType", "GetValue", "StartSession", "TLS", "first read"] = "StartSession"
    how: Literal["reset", "end", "silence"] = "reset"


@dataclass(frozen=True, kw_only=True)
class SyncLockHeld(Fault):
    """AFC does not let the sync file be locked: another program has it. `times` counts the refused attempts.

    Attributes:
        status: AFC's status code; 19 is "would block", other codes mean that the phone cannot lock the file
            at all.
    """

    status: int = 19


# --- engine faults, applied by mobilebackup2


@dataclass(frozen=True, kw_only=True)
class DropInPhase(Fault):
    """The connection breaks during an operation.

    Attributes:
        phase: the part of the operation.
        after: how many DeviceLink messages of that phase come first.
    """

    phase: Phase
    after: int = 0


@dataclass(frozen=True, kw_only=True)
class ErrorCodeAt(Fault):
    """The request ends with an error from the phone.

    Attributes:
        where: before the first file, or after the last one.
        code: a code of MBErrorDomain.
        text: the error text; "" uses a text of the simulator.
    """

    where: Literal["start", "end"]
    code: int
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class SnapshotInTheWay(Fault):
    """Every backup fails at its start with error 3 until the phone restarts: a snapshot of its own is left over."""


@dataclass(frozen=True, kw_only=True)
class UnreadableFile(Fault):
    """The phone cannot read one file: its last chunk carries `code` and `text` instead of success.

    Attributes:
        domain: domain of the file.
        path: path relative to the domain.
        code: the chunk's code byte; 0x0B is what a phone usually sends.
        text: the error text after the code.
        after: bytes of the file sent before the error.
        heals: the file can be read when the phone tries again at the end, like a file that was being
            written.
    """

    domain: str
    path: str
    code: int = 0x0B
    text: str = "Input/output error"
    after: int = 0
    heals: bool = False


@dataclass(frozen=True, kw_only=True)
class OmittedFile(Fault):
    """The manifest names the file, but the phone never sends it and reports no error.

    Attributes:
        domain: domain of the file.
        path: path relative to the domain.
    """

    domain: str
    path: str


@dataclass(frozen=True, kw_only=True)
class LyingFile(Fault):
    """The bytes sent do not match the manifest.

    Attributes:
        domain: domain of the file.
        path: path relative to the domain.
        how: one byte differs, the end is missing, or nothing is sent; or the bytes are right and the mode
            in the manifest is a folder's.
    """

    domain: str
    path: str
    how: Literal["flipped", "short", "empty", "folder"] = "flipped"


@dataclass(frozen=True, kw_only=True)
class ResizedFile(Fault):
    """The manifest gives a different size for a file that is not sent again because its time is unchanged.

    This happens when a program changes a file through a memory map. The file must be in the previous
    backup.

    Attributes:
        domain: domain of the file.
        path: path relative to the domain.
        size: bytes in the manifest.
    """

    domain: str
    path: str
    size: int


@dataclass(frozen=True, kw_only=True)
class NoManifestDb(Fault):
    """The backup ends and no Manifest.db was sent; one from an earlier attempt stays in place."""


@dataclass(frozen=True, kw_only=True)
class HostileSchema(Fault):
    """Manifest.db has something in its schema that takes forever to evaluate.

    Attributes:
        sql: the SQL that adds it.
    """

    sql: str = (
        "PRAGMA ignore_check_constraints = ON;"
        "CREATE TABLE bait (x CHECK (instr(hex(zeroblob(9000000)), hex(zeroblob(4500000)) || '1')));"
        "INSERT INTO bait VALUES (1)"
    )


@dataclass(frozen=True, kw_only=True)
class NoRoom(Fault):
    """The phone finds too little space on the computer and asks it to purge (DeviceLink 400; otherwise error 105).

    Attributes:
        missing: bytes that the phone reports as missing, no matter what the computer has.
        purge_helps: whether there is enough space after the computer reports a purge.
    """

    missing: int = 2**30
    purge_helps: bool = False


@dataclass(frozen=True, kw_only=True)
class UserCancels(Fault):
    """Someone taps Cancel: syncCancelRequest, then error 202.

    Attributes:
        after: how many DeviceLink messages come first.
    """

    after: int = 0


@dataclass(frozen=True, kw_only=True)
class UnknownMessage(Fault):
    """The phone sends an unknown DeviceLink message.

    Attributes:
        name: the name of the message.
        count: how many times in a row.
    """

    name: str = "DLMessageMakeTea"
    count: int = 1


@dataclass(frozen=True, kw_only=True)
class HostilePath(Fault):
    """The phone names a path that it must not use.

    Attributes:
        place: the message that contains the path.
        path: the path.
    """

    place: PathPlace
    path: str


@dataclass(frozen=True, kw_only=True)
class GiantFrame(Fault):
    """A file chunk announces far too many bytes.

    Attributes:
        length: the announced length, an unsigned 32-bit number.
    """

    length: int = 0xFFFF_FFF0


@dataclass(frozen=True, kw_only=True)
class GiantPlist(Fault):
    """A DeviceLink message announces far too many bytes.

    Attributes:
        length: the announced length, an unsigned 32-bit number.
    """

    length: int = 0xFFFF_FFF0


FAULTS: tuple[type[Fault], ...] = (
    DropAfterBytes,
    SilentAfterBytes,
    StartServiceError,
    StartSessionError,
    WirelessBreak,
    SyncLockHeld,
    DropInPhase,
    ErrorCodeAt,
    SnapshotInTheWay,
    UnreadableFile,
    OmittedFile,
    LyingFile,
    ResizedFile,
    NoManifestDb,
    HostileSchema,
    NoRoom,
    UserCancels,
    UnknownMessage,
    HostilePath,
    GiantFrame,
    GiantPlist,
)
"""Every fault; in a spec file, the `fault` key is one of these names."""
