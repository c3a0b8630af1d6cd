"""What a page asks a worker process to do, and how that travels: as one line of JSON to its standard input."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, Self

JobKind = Literal["backup", "verify", "rehearse", "heal", "restore", "prune", "encryption", "export"]


@dataclass(frozen=True, slots=True)
class BackUpWork:
    """Back up the phone.

    Attributes:
        full: have the phone send everything again.
        copies: on a disk without links, whether each backup may be a full copy; None: as the store remembers.
        new_key: the person said that it is their phone, though its key is another one than before.
        wait: seconds to wait for a phone that is not connected.
        keep: keep the order's password for the nights if it opens the new backup.
    """

    kind: ClassVar[JobKind] = "backup"
    full: bool = False
    copies: bool | None = None
    new_key: bool = False
    wait: float = 0.0
    keep: bool = False


@dataclass(frozen=True, slots=True)
class VerifyWork:
    """Read a backup in full; ``level`` as ``apple.verify.findings.Level`` has it."""

    kind: ClassVar[JobKind] = "verify"
    snapshot: str = "latest"
    level: str = "full"


@dataclass(frozen=True, slots=True)
class RehearseWork:
    """Rehearse a restore on a virtual iPhone."""

    kind: ClassVar[JobKind] = "rehearse"
    snapshot: str = "latest"


@dataclass(frozen=True, slots=True)
class HealWork:
    """Repair a damaged backup with what a second copy has."""

    kind: ClassVar[JobKind] = "heal"
    snapshot: str


@dataclass(frozen=True, slots=True)
class RestoreWork:
    """Put a backup back on the connected phone, or only check whether that would work.

    Attributes:
        snapshot: the backup.
        target: the UDID of the phone that is restored; empty for the one whose backup it is.
        only_check: send nothing.
        settings, system, reboot, remove, install_apps: as in ``RestoreOptions``.
        verify, despite_flaws, may_erase: as in ``RestoreRequest``.
        new_key: as for a backup.
    """

    kind: ClassVar[JobKind] = "restore"
    snapshot: str = "latest"
    target: str = ""
    only_check: bool = False
    settings: bool = True
    system: bool = True
    reboot: bool = True
    remove: bool = False
    install_apps: bool = True
    verify: bool = True
    despite_flaws: bool = False
    may_erase: bool = False
    new_key: bool = False


@dataclass(frozen=True, slots=True)
class PruneWork:
    """Remove old backups by the config's rule for the phone.

    Attributes:
        shown: the ids that the person saw and agreed to; nothing else is removed.
    """

    kind: ClassVar[JobKind] = "prune"
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EncryptionWork:
    """Switch encryption on or off, or change the password.

    Attributes:
        old, new: the passwords as typed in the page.
        keep: keep the new one for the nights: in the system's keychain, or where there is none in a file.
    """

    kind: ClassVar[JobKind] = "encryption"
    action: Literal["on", "off", "change"]
    old: str | None = field(default=None, repr=False)
    new: str | None = field(default=None, repr=False)
    keep: bool = False


@dataclass(frozen=True, slots=True)
class ExportWork:
    """Write what is in a backup to a folder of this computer.

    Attributes:
        to: the folder.
        kinds: names of ``export.kinds.KINDS``; empty for all.
        names, formats, vcard, note_format, jpeg, immich, overwrite: as in ``ExportRequest``.
        since, until: moments in RFC 3339, empty for no limit.
        later: a later snapshot: only what it does not have any more; empty for everything.
    """

    kind: ClassVar[JobKind] = "export"
    to: str
    snapshot: str = "latest"
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    formats: tuple[str, ...] = ("html", "json", "csv")
    vcard: str = "3.0"
    note_format: str = "html"
    jpeg: bool = False
    immich: bool = False
    overwrite: bool = False
    later: str = ""


Work = (
    BackUpWork | VerifyWork | RehearseWork | HealWork | RestoreWork | PruneWork | EncryptionWork | ExportWork
)
_WORKS: tuple[type[Work], ...] = (
    BackUpWork,
    VerifyWork,
    RehearseWork,
    HealWork,
    RestoreWork,
    PruneWork,
    EncryptionWork,
    ExportWork,
)


@dataclass(frozen=True, slots=True)
class JobOrder:
    """One job.

    Attributes:
        udid: of the phone whose backups it is about.
        work: what to do.
        store: the path of the store; empty for a backup folder of another program.
        folder: that folder.
        config: the config file that the user named; None for the usual one.
        password: of the phone's backups, if the session that asked has opened them, or it was typed for this job. A
            job that shows or hands out contents uses no other; those that only make or prove a backup also use the
            config's sources.
    """

    udid: str
    work: Work
    store: str = ""
    folder: str = ""
    config: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def kind(self) -> JobKind:
        """What kind of job it is."""
        return self.work.kind

    def to_line(self) -> bytes:
        """The order for the worker's standard input. It may hold passwords: it goes nowhere else."""
        return json.dumps({**asdict(self), "kind": self.kind}).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Read it. Raises ValueError, KeyError or TypeError: it is no order."""
        members: dict[str, Any] = json.loads(line)
        kind = members.pop("kind")
        make: Any = next(each for each in _WORKS if each.kind == kind)
        given = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in members.pop("work").items()
        }
        return cls(work=make(**given), **members)
