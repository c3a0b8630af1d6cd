"""What a restore left on a virtual iPhone."""

from collections.abc import Mapping
from dataclasses import dataclass

RESTORED = "restored"
"""The key in a phone's memory."""


@dataclass(frozen=True, slots=True)
class RestoredFile:
    """A restored file: plaintext bytes, their SHA-256, and LastModified in Unix seconds."""

    domain: str
    path: str
    size: int
    sha256: bytes
    modified: int


@dataclass(frozen=True)
class Restored:
    """What a Restore request left on the phone.

    Attributes:
        source: the identifier of the restored backup.
        options: the options of the request.
        files: the regular files by file ID; empty on a phone that does not keep them.
        count: how many regular files.
        folders: how many folders.
        links: how many links.
        digests: how many files matched the digest in their record.
        compared: how many were compared with this phone's own files, because it made the backup.
        only: the apps that were requested; empty for everything.
        apps: the apps that RestoreApplications.plist lists to install.
    """

    source: str
    options: Mapping[str, object]
    files: Mapping[str, RestoredFile]
    count: int
    folders: int
    links: int
    digests: int
    compared: int
    only: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
