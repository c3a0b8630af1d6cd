"""An export as a zip that is sent while it is made: nothing of it is written to the disk of this computer.

The export runs in a thread of its own and on a copy of the open backup of its own, so that pages need not wait for
it. It stops where it is when the browser takes no more.
"""

import io
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.base import slices
from ibackup.base.errors import IbackupError
from ibackup.explore.target_names import Namer, NameRules, Renamed
from ibackup.export.export_request import Exported, ExportRequest
from ibackup.export.export_target import ExportTarget, TextDraft
from ibackup.export.exporting import MISSING, export_into, gap_text
from ibackup.view.zip_stream import ZipMember, zip_stream

if TYPE_CHECKING:
    from ibackup.apple.entry import Entry
    from ibackup.base.confined import Parts
    from ibackup.explore.file_times import Times

_WAITING: Final = 16
_BLOCK: Final = 256 * 1024
_LOOK_S: Final = 0.5
_MOST_NAMED: Final = 1000


class ExportStream:
    """The bytes of the zip of an export, made as they are read; close it, also when nothing was read.

    Args:
        backup: unlocked, and used by nothing else; it is closed at the end.
        request: what to export, with one text format: its ``to`` counts for nothing.

    Raises:
        IbackupError, OSError: at once if the export fails before its first file, or while it is read; what was
            sent until then is no whole zip.
    """

    def __init__(self, backup: Backup, request: ExportRequest) -> None:
        self._pipe = _Pipe()
        self._thread = threading.Thread(
            target=_run, args=(self._pipe, backup, request), name="export", daemon=True
        )
        self._thread.start()
        self._chunks = zip_stream(_members(self._pipe))
        try:
            self._first: bytes | None = next(self._chunks, b"")
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        return next(self._chunks) if first is None else first

    def close(self) -> None:
        """Stop the export if it still runs, and close its backup."""
        self._pipe.abandon()
        slices.join(self._thread)


class _Abandoned(Exception):
    """Nobody takes the zip any more."""


class _Begin:
    """The beginning of a file; its content follows, and then ``_END``."""

    def __init__(self, path: str, modified: float) -> None:
        self.path = path
        self.modified = int(modified)


_END: Final = b""
_Item = bytes | _Begin | BaseException | None


class _Pipe:
    """From the thread that makes the zip's members to the one that sends them."""

    def __init__(self) -> None:
        self._items: queue.Queue[_Item] = queue.Queue(_WAITING)
        self._abandoned = threading.Event()

    def put(self, item: _Item) -> None:
        """Hand on an item once there is space for it. Raises _Abandoned."""
        while not self._abandoned.is_set():
            with suppress(queue.Full):
                self._items.put(item, timeout=_LOOK_S)
                return
        raise _Abandoned

    def get(self) -> _Item:
        """The next item; None at the end. Raises what the maker raised."""
        item = self._items.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def abandon(self) -> None:
        """Take no more."""
        self._abandoned.set()


def _run(pipe: _Pipe, backup: Backup, request: ExportRequest) -> None:
    with backup:
        try:
            result = Exported()
            target = _ZipTarget(pipe, backup, result)
            export_into(target, backup, request, result)
            target.tell_missing()
            pipe.put(None)
        except _Abandoned:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised where the zip is read
            with suppress(_Abandoned):
                pipe.put(error)


def _members(pipe: _Pipe) -> Iterator[ZipMember]:
    while (item := pipe.get()) is not None:
        if isinstance(item, _Begin):
            yield ZipMember(item.path, item.modified, lambda: io.BufferedReader(_Content(pipe), _BLOCK))


class _Content(io.RawIOBase):
    """The content of one file, from the pipe."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe
        self._left = b""
        self._ended = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        """See ``io.RawIOBase``."""
        if not self._left and not self._ended:
            item = self._pipe.get()
            self._left = item if isinstance(item, bytes) else b""
            self._ended = not self._left
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


class _ZipTarget(ExportTarget):
    """Hands everything to the pipe, one file after the other: what is copied waits until an open draft is whole."""

    def __init__(self, pipe: _Pipe, backup: Backup, result: Exported) -> None:
        self._pipe = pipe
        self._result = result
        self._namer = Namer(NameRules.everywhere(), self._renamed)
        self._placed: dict[str, Parts] = {}
        self._waiting: list[tuple[Entry, Parts, float]] = []
        self._drafting = False
        self._missing: list[str] = []
        self._copied = self._moved = 0
        self._made = 0.0
        with suppress(FormatError):
            date = backup.status.date
            self._made = date.timestamp() if date is not None else 0.0
        self.tick = lambda _files, _bytes: None

    def place(self, above: "Parts", name: str, key: str = "") -> "Parts":
        """See ``ExportTarget``."""
        if not key:
            return self._namer.place(above, name)
        if key not in self._placed:
            self._placed[key] = self._namer.place(above, name)
        return self._placed[key]

    def draft(self, parts: "Parts", modified: float | None = None) -> TextDraft:
        """See ``ExportTarget``. One at a time: what follows in the zip waits for it."""
        return _ZipDraft(self, parts, self._made if modified is None else modified)

    def is_as_written(self, parts: "Parts") -> bool:  # noqa: ARG002 - nothing was written earlier
        """See ``ExportTarget``."""
        return False

    def hard_link(self, there: "Parts", parts: "Parts") -> bool:  # noqa: ARG002 - a zip has none
        """See ``ExportTarget``."""
        return False

    def copy(self, entry: "Entry", parts: "Parts", times: "Times | None" = None) -> None:
        """See ``ExportTarget``."""
        modified = times.modified if times is not None else self._made
        if self._drafting:
            self._waiting.append((entry, parts, modified))
        else:
            self._send(entry, parts, modified)

    def flush(self) -> None:
        """See ``ExportTarget``."""
        waiting, self._waiting = self._waiting, []
        for entry, parts, modified in waiting:
            self._send(entry, parts, modified)

    def tell_missing(self) -> None:
        """Write down what the backup lacks, as the last file; nothing if it lacks nothing."""
        lines = [*self._missing, *map(gap_text, self._result.gaps)]
        if lines:
            self.write(self.place((), MISSING), [f"{line}\n" for line in lines])

    # -- what the drafts call ---------------------------------------------------------------------------------

    def begin(self, parts: "Parts", modified: float) -> None:
        """Begin a file. Raises RuntimeError if one is open."""
        if self._drafting:
            raise RuntimeError("a zip takes one draft at a time")
        self._drafting = True
        self._pipe.put(_Begin("/".join(parts), modified))

    def piece(self, data: bytes) -> None:
        """Add to the open file."""
        if data:
            self._pipe.put(data)

    def end(self) -> None:
        """End the open file, and send what waited for it."""
        self._pipe.put(_END)
        self._drafting = False
        self._result.files += 1
        self.flush()

    def _send(self, entry: "Entry", parts: "Parts", modified: float) -> None:
        path = "/".join(parts)
        try:
            source = entry.open()
        except (OSError, IbackupError) as error:
            self._miss(path, error)
            return
        with source:
            self._pipe.put(_Begin(path, modified))
            try:
                while block := source.read(_BLOCK):
                    self._pipe.put(block)
                    self._moved += len(block)
            except (OSError, IbackupError) as error:
                self._miss(path, error)
            self._pipe.put(_END)
        self._copied += 1
        self.tick(self._copied, self._moved)

    def _miss(self, path: str, error: Exception) -> None:
        self._result.troubles["missing"] += 1
        if len(self._missing) < _MOST_NAMED:
            why = error.what if isinstance(error, IbackupError) else "it is missing or damaged in the backup"
            self._missing.append(f"{path}: {why}")

    def _renamed(self, _renamed: Renamed) -> None:
        self._result.renamed += 1


class _ZipDraft:
    """A text or page on its way into the zip."""

    def __init__(self, target: _ZipTarget, parts: "Parts", modified: float) -> None:
        self._target = target
        self._parts = parts
        self._modified = modified
        self._block = bytearray()
        self.there = False

    def __enter__(self) -> Self:
        self._target.begin(self._parts, self._modified)
        return self

    def write(self, piece: bytes | str) -> None:
        """Add a piece."""
        self._block += piece.encode("utf-8", "replace") if isinstance(piece, str) else piece
        if len(self._block) >= _BLOCK:
            self._flush()

    def _flush(self) -> None:
        self._target.piece(bytes(self._block))
        self._block.clear()

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
            self._target.end()
            self.there = True
