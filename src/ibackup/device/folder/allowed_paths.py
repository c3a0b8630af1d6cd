"""Which paths a phone may name: an allow-list.

Paths on the wire are relative to the folder above the backup and begin with the phone's UDID. Below it a
backup has known names. A plain name that the format does not know is accepted too, because the next iOS may
bring one.
"""

import re
from typing import Final

from ibackup.apple.file_ids import FILE_ID
from ibackup.base.confined import Parts, PathRefused, parse

MAX_UNKNOWN_DEPTH: Final = 4

_BLOB_NAME = "(?P<folder>[0-9a-f]{2})/((?P=folder)[0-9a-f]{38})"
_BLOB = re.compile(f"(?:Snapshot/)?{_BLOB_NAME}", re.ASCII)
_FOLDER = re.compile(r"[0-9a-f]{2}", re.ASCII)
_FILES = frozenset(
    ["Info.plist", "Status.plist", "Manifest.plist", "Manifest.db", "Manifest.mbdb", "Manifest.mbdx"]
)
_SNAPSHOT = "Snapshot"
_BY_FOLDED = {name.casefold(): name for name in (*_FILES, _SNAPSHOT)}


class BackupPaths:
    """The paths below one phone's backup folder."""

    def __init__(self, udid: str) -> None:
        self.udid = udid
        self._blob = re.compile(f"{re.escape(udid)}/(?:({_SNAPSHOT})/)?{_BLOB_NAME}", re.ASCII).fullmatch

    def blob(self, path: str) -> Parts | None:
        """The name of a file's content, which nearly all paths are; None for anything else."""
        found = self._blob(path)
        if found is None:
            return None
        parts = found.groups()
        return parts if parts[0] else parts[1:]

    def parse(self, path: str) -> Parts:
        """The names below the ``<UDID>`` folder; ``()`` is that folder itself.

        Raises:
            PathRefused: it is outside of it, not a plain name, too deep, or a known name in another spelling.
        """
        blob = self.blob(path)
        if blob is not None:
            return blob
        parts = parse(path)
        if parts[0] != self.udid:
            raise PathRefused(path, "is outside the backup folder")
        parts = parts[1:]
        if len(parts) > MAX_UNKNOWN_DEPTH:
            raise PathRefused(path, f"is deeper than {MAX_UNKNOWN_DEPTH} folders")
        for name in parts:
            # On a file system that ignores case, one file would have two names.
            if name != (known := _BY_FOLDED.get(name.casefold(), name)):
                raise PathRefused(path, f"is {known} in another spelling")
            if name.lower() != name and (_FOLDER.fullmatch(name.lower()) or FILE_ID.fullmatch(name.lower())):
                raise PathRefused(path, "is the name of a file or folder of a backup in another spelling")
        return parts

    def parse_inside(self, path: str) -> Parts:
        """The same for paths that must not be the ``<UDID>`` folder itself."""
        parts = self.parse(path)
        if not parts:
            raise PathRefused(path, "is the backup folder itself")
        return parts

    @staticmethod
    def is_known(parts: Parts) -> bool:
        """Whether the format knows a file or a folder of this name."""
        if parts[:1] == (_SNAPSHOT,):
            parts = parts[1:]
        if len(parts) == 2:
            return bool(_BLOB.fullmatch("/".join(parts)))
        if len(parts) == 1:
            name = parts[0]
            return name in _FILES or bool(_FOLDER.fullmatch(name) or FILE_ID.fullmatch(name))
        return not parts
