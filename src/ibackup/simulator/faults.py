"""What can go wrong with the virtual iPhone: one small frozen type per fault, each standing alone."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

BACKUP_SERVICE = "com.apple.mobilebackup2"

Phase: TypeAlias = Literal["uploading", "moving", "removing", "restoring"]
"""When a fault strikes: the SnapshotState of a backup, or while files are fetched for a restore."""

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
"""Every place in a DeviceLink message that carries a path."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        times: how often it strikes before the phone is well again; None is every time. What counts as once
            is a connection for faults of the transport, and a request (a backup, a restore) for faults of
            the engine.
    """

    times: int | None = None


# --- the transport: looked after by Stream and the servers


@dataclass(frozen=True, kw_only=True)
class DropAfterBytes(Fault):
    """The connection is torn (TCP reset) once `count` bytes have passed both ways, within TLS."""

    count: int
    service: str = BACKUP_SERVICE


@dataclass(frozen=True, kw_only=True)
class SilentAfterBytes(Fault):
    """The phone neither reads nor writes for `seconds` once `count` bytes have passed, then goes on."""

    count: int
    seconds: float
    service: str = BACKUP_SERVICE


@dataclass(frozen=True, kw_only=True)
class StartServiceError(Fault):
    """Lockdown answers StartService for `service` with `error` (PasswordProtected, InvalidService, …)."""

    service: str
    error: str


@dataclass(frozen=True, kw_only=True)
class StartSessionError(Fault):
    """Lockdown answers StartSession with `error`: InvalidHostID is a phone that forgot this computer."""

    error: str = "InvalidHostID"


@dataclass(frozen=True, kw_only=True)
class SyncLockHeld(Fault):
    """AFC answers an exclusive lock of the sync file with "would block": another computer holds it.

    `times` counts the refused attempts.
    """


# --- the engine: looked after by mobilebackup2


@dataclass(frozen=True, kw_only=True)
class DropInPhase(Fault):
    """The connection is torn in `phase`, after `after` DeviceLink messages of that phase."""

    phase: Phase
    after: int = 0


@dataclass(frozen=True, kw_only=True)
class ErrorCodeAt(Fault):
    """The request ends with an MBErrorDomain `code`, before the first file or after the last one."""

    where: Literal["start", "end"]
    code: int
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class UnreadableFile(Fault):
    """The phone cannot read one file: its last chunk carries `code` and `text` instead of success.

    Attributes:
        path: path relative to the domain.
        code: the chunk's code byte; 0x0B is what a phone usually sends.
        text: the error text after the code.
        after: bytes of the file sent before the error.
        heals: the file can be read when the phone tries once more at the end, as one that was being written.
    """

    domain: str
    path: str
    code: int = 0x0B
    text: str = "Input/output error"
    after: int = 0
    heals: bool = False


@dataclass(frozen=True, kw_only=True)
class OmittedFile(Fault):
    """The manifest names the file, but the phone leaves it out of the stream without a word."""

    domain: str
    path: str


@dataclass(frozen=True, kw_only=True)
class LyingFile(Fault):
    """The bytes sent are not those of the manifest: one byte differs, or the end is missing."""

    domain: str
    path: str
    how: Literal["flipped", "short"] = "flipped"


@dataclass(frozen=True, kw_only=True)
class NoManifestDb(Fault):
    """The backup ends without a Manifest.db having been sent."""


@dataclass(frozen=True, kw_only=True)
class NoRoom(Fault):
    """The phone finds too little room on the computer and asks it to purge (DeviceLink 400; else error 105).

    Attributes:
        missing: bytes the phone says are missing whatever the computer has.
        purge_helps: whether the room suffices once the computer says it has purged.
    """

    missing: int = 2**30
    purge_helps: bool = False


@dataclass(frozen=True, kw_only=True)
class UserCancels(Fault):
    """Somebody taps Cancel after `after` DeviceLink messages: syncCancelRequest, then error 202."""

    after: int = 0


@dataclass(frozen=True, kw_only=True)
class UnknownMessage(Fault):
    """The phone sends a DeviceLink message nobody knows."""

    name: str = "DLMessageMakeTea"


@dataclass(frozen=True, kw_only=True)
class HostilePath(Fault):
    """The phone names `path` in one message of the kind that `place` says."""

    place: PathPlace
    path: str


@dataclass(frozen=True, kw_only=True)
class GiantFrame(Fault):
    """A file chunk announces `length` bytes (an unsigned 32-bit number)."""

    length: int = 0xFFFF_FFF0


@dataclass(frozen=True, kw_only=True)
class GiantPlist(Fault):
    """A DeviceLink message announces `length` bytes (an unsigned 32-bit number)."""

    length: int = 0xFFFF_FFF0


FAULTS: tuple[type[Fault], ...] = (
    DropAfterBytes,
    SilentAfterBytes,
    StartServiceError,
    StartSessionError,
    SyncLockHeld,
    DropInPhase,
    ErrorCodeAt,
    UnreadableFile,
    OmittedFile,
    LyingFile,
    NoManifestDb,
    NoRoom,
    UserCancels,
    UnknownMessage,
    HostilePath,
    GiantFrame,
    GiantPlist,
)
"""Every fault there is; in a spec file a fault's `fault` key is the name of one of these."""
