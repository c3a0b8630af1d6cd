"""Where a second copy is, as restic writes it: a folder, or an address such as ``rest:``, ``sftp:``, ``s3:``."""

import contextlib
import os
import socket
import urllib.request
from dataclasses import dataclass, field
from typing import Literal, Self
from urllib.parse import SplitResult, urlsplit

from ibackup.base.errors import UsageError
from ibackup.base.masked_addresses import masked
from ibackup.copies.bucket_place import BucketPlace

AddressKind = Literal["folder", "rest", "sftp", "s3", "rclone", "cloud"]
_SCHEMES: dict[str, AddressKind] = {
    "rest": "rest",
    "sftp": "sftp",
    "s3": "s3",
    "rclone": "rclone",
    "b2": "cloud",
    "azure": "cloud",
    "gs": "cloud",
    "swift": "cloud",
}
_CONNECT_S = 5.0
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class CopyAddress:
    """Where a copy is.

    Attributes:
        text: as restic takes it; it may contain a password.
        path: of a folder; empty for others.
    """

    kind: AddressKind
    text: str = field(repr=False)
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> "CopyAddress":
        """Read an address. Raises UsageError."""
        scheme, colon, rest = text.partition(":")
        kind = _SCHEMES.get(scheme)
        if not text.isprintable() or not text.strip():
            raise UsageError("The address of the copy is not one line of text.", hint=_EXAMPLES)
        if scheme == "local" and colon:
            text = rest
        elif kind is not None and colon:
            if not rest.strip("/"):
                raise UsageError(f"The address {scheme}: lacks a place.", hint=_EXAMPLES)
            address = cls(kind, text)
            if kind == "s3" and address.bucket is None:
                raise UsageError(f"The address {address.shown} names no bucket.", hint=_EXAMPLES)
            return address
        path = os.path.abspath(os.path.expanduser(text))
        return cls("folder", path, path)

    def for_rclone(self) -> Self:
        """The same for rclone alone. Raises UsageError if that does not know such an address."""
        if self.kind not in ("folder", "rclone"):
            raise UsageError(
                f"rclone does not know the address {self.shown}.",
                hint="Give a folder on another disk, or rclone:REMOTE:PATH with a remote that you made with "
                "`rclone config`.",
            )
        return self

    @property
    def shown(self) -> str:
        """The address without a password."""
        return masked(self.text)

    @property
    def has_password(self) -> bool:
        """Whether the address itself contains one."""
        return self.shown != self.text

    @property
    def bucket(self) -> BucketPlace | None:
        """Where in a bucket it is; None if it is elsewhere."""
        url = self._url() if self.kind == "s3" else None
        return BucketPlace.in_url(url) if url else None

    def reachable(self) -> bool:
        """Whether its host answers, as far as that can be tried quickly; True where it cannot."""
        url = self._url()
        if url is None or not url.hostname or urllib.request.getproxies().get(url.scheme):
            return True
        with contextlib.suppress(OSError, ValueError):
            port = url.port or _PORTS.get(url.scheme, 443)
            socket.create_connection((url.hostname, port), timeout=_CONNECT_S).close()
            return True
        return False

    def unmounted(self) -> bool:
        """Whether the folder is not there, or empty, and its disk may therefore not be mounted."""
        if self.kind != "folder" or _holds_something(self.path):
            return False
        folder = self.path
        while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
            folder = os.path.dirname(folder)
        # A disk that is there and lacks the folder has lost it.
        return not (
            os.path.ismount(folder) and os.path.dirname(folder) != folder and _holds_something(folder)
        )

    def _url(self) -> SplitResult | None:
        if self.kind not in ("rest", "s3"):
            return None
        rest = self.text.partition(":")[2]
        with contextlib.suppress(ValueError):
            return urlsplit(rest if "://" in rest else f"https://{rest.lstrip('/')}")
        return None


_EXAMPLES = (
    "Give a folder on another disk, or an address of restic's: rest:https://host/path, sftp:user@host:/path, "
    "s3:https://host/bucket/path or rclone:remote:path."
)


def _holds_something(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.name != "lost+found" for entry in entries)
    except OSError:
        return False
