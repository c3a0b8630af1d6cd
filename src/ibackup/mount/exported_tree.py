"""What a backup contains, made on the fly: the export of one kind, kept as nodes in place of files on a disk.

Texts and pages are kept compressed in memory. What an export would copy is only named, and opened when it is read.
"""

import re
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from types import TracebackType
from typing import BinaryIO, Final, Self

from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.apple.format_errors import FormatError
from ibackup.base.confined import Parts
from ibackup.contents.time_zones import local_zone
from ibackup.explore.file_times import Times
from ibackup.explore.target_names import Namer, NameRules
from ibackup.export.export_request import Exported, ExportRequest
from ibackup.export.export_target import ExportTarget, TextDraft, relative_link
from ibackup.export.exporting import MISSING, export_into, gap_text
from ibackup.mount.mount_nodes import FixedFolder, MountedFile, MountedNode

KINDS: Final[Mapping[str, str]] = {
    "photos": "Photos",
    "messages": "Messages",
    "notes": "Notes",
    "voice-memos": "Voice Memos",
}
"""The kinds that have a folder of their own, and what it is called."""
CONTACTS: Final = "contacts"
_MONTH = re.compile(r"(\d{4})-(\d\d)")
_FRONT: Final = "index.html"

OpenEntry = Callable[[str, str], BinaryIO]
"""Opens a file by its domain and path. Raises OSError, IbackupError."""


def exported(
    backup: Backup, kind: str, opens: OpenEntry, made: int, *, later: Backup | None = None
) -> Mapping[str, MountedNode]:
    """Everything of a kind in a backup.

    Args:
        backup: unlocked.
        kind: of ``export.kinds``.
        opens: opens a file of this backup when it is read, perhaps much later.
        made: when it was made.
        later: only what this later backup does not have any more.

    Raises:
        IbackupError: it cannot be read.
    """
    target = _Tree(kind, opens, made)
    request = ExportRequest("", (kind,), formats=frozenset({"html"}), zone=local_zone(), later=later)
    result = Exported()
    export_into(target, backup, request, result)
    missing = [*map(gap_text, result.gaps), *target.unreadable]
    if missing:
        target.write((MISSING,), [f"{line}\n" for line in missing])
    return target.top


class _Tree(ExportTarget):
    """Takes an export of one kind, without the folder that it makes for that.

    Attributes:
        unreadable: what could not be copied, and why.
    """

    def __init__(self, kind: str, opens: OpenEntry, made: int) -> None:
        self._kind = kind
        self._opens = opens
        self._made = made
        self._namer = Namer(NameRules.everywhere(), lambda _: None)
        self._placed: dict[str, Parts] = {}
        self._fronts: dict[Parts, Parts] = {}
        self._folders: dict[Parts, dict[str, MountedNode]] = {(): {}}
        self.unreadable: list[str] = []
        self.tick = lambda _files, _bytes: None

    @property
    def top(self) -> Mapping[str, MountedNode]:
        """What came of it: what is in its only folder, and beside it."""
        top = self._folders[()]
        inner = {name: node for name, node in top.items() if isinstance(node, FixedFolder)}
        if len(inner) != 1:
            return top
        [(name, folder)] = inner.items()
        return {**folder.children(), **{each: node for each, node in top.items() if each != name}}

    def place(self, above: Parts, name: str, key: str = "") -> Parts:
        """See ``ExportTarget``."""
        if not key:
            return self._namer.place(above, name)
        if key not in self._placed:
            self._placed[key] = self._namer.place(above, name)
        return self._placed[key]

    def link(self, page: Parts, target: Parts) -> str:
        """See ``ExportTarget``: between the places where they are shown."""
        return relative_link(self._shown(page), self._shown(target))

    def draft(self, parts: Parts, modified: float | None = None) -> TextDraft:
        """See ``ExportTarget``. What is for programs alone is left out."""
        keep = None if parts[-1].endswith(".json") else self
        return _Draft(keep, parts, self._made if modified is None else int(modified))

    def is_as_written(self, parts: Parts) -> bool:  # noqa: ARG002 - nothing was written earlier
        """See ``ExportTarget``."""
        return False

    def hard_link(self, there: Parts, parts: Parts) -> bool:
        """See ``ExportTarget``."""
        shown = self._shown(there)
        node = self._folders.get(shown[:-1], {}).get(shown[-1])
        if node is not None:
            self.put(parts, node)
        return True

    def copy(self, entry: Entry, parts: Parts, times: Times | None = None) -> None:
        """See ``ExportTarget``."""
        try:
            size, modified = entry.size, entry.mtime
        except FormatError as error:
            self.unreadable.append(f"{'/'.join(parts)}: {error.what}")
            return
        modified = int(times.modified) if times is not None else modified
        self.put(parts, MountedFile(size, modified, partial(self._opens, entry.domain, entry.relative_path)))

    def flush(self) -> None:
        """See ``ExportTarget``."""

    def put(self, parts: Parts, node: MountedNode) -> None:
        """Put a node to its place."""
        shown = self._shown(parts)
        self._inside(shown[:-1])[shown[-1]] = node

    def _inside(self, folder: Parts) -> dict[str, MountedNode]:
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = {}
            self._inside(folder[:-1])[folder[-1]] = FixedFolder(self._made, partial(_same, known))
        return known

    def _shown(self, parts: Parts) -> Parts:
        """Where a place of the export is shown: photos by year and month, a conversation's page beside its files."""
        if self._kind == "photos":
            return tuple(
                step
                for number, part in enumerate(parts)
                for step in (self._month(part) if number < len(parts) - 1 else (part,))
            )
        if self._kind == "messages" and len(parts) == 3 and parts[-1] == _FRONT:
            if parts not in self._fronts:
                self._fronts[parts] = self._namer.place(parts[:1], f"{parts[1]}.html")
            return self._fronts[parts]
        return parts

    @staticmethod
    def _month(part: str) -> Parts:
        match = _MONTH.fullmatch(part)
        return (match[1], match[2]) if match else (part,)


def _same(children: Mapping[str, MountedNode]) -> Mapping[str, MountedNode]:
    return children


class _Draft:
    """A text or page; ``tree`` is None for one that nobody will see."""

    def __init__(self, tree: _Tree | None, parts: Parts, modified: int) -> None:
        self._tree = tree
        self._parts = parts
        self._modified = modified
        self._packer = zlib.compressobj(1)
        self._packed = bytearray()
        self._size = 0
        self.there = False

    def __enter__(self) -> Self:
        return self

    def write(self, piece: bytes | str) -> None:
        """Add a piece."""
        if self._tree is not None:
            data = piece.encode("utf-8", "replace") if isinstance(piece, str) else piece
            self._size += len(data)
            self._packed += self._packer.compress(data)

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is None and self._tree is not None:
            packed = bytes(self._packed + self._packer.flush())
            self._tree.put(self._parts, MountedFile(self._size, self._modified, partial(_unpacked, packed)))
        self.there = kind is None


def _unpacked(packed: bytes) -> BinaryIO:
    return BytesIO(zlib.decompress(packed))
