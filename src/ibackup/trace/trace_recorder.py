"""Writes a trace during a session: one JSON object per line, flushed at once, so that a crash loses nothing.

docs/first-real-phone.md describes the lines. If anything goes wrong here, it warns once and stops recording. The
backup never fails because of it.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from ibackup import __version__
from ibackup.apple import plists
from ibackup.apple.format_errors import FormatError
from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.exit_codes import ExitCode
from ibackup.trace.redaction import Redaction, coarse, rounded
from ibackup.trace.tapping import Way

FORMAT: Final = 1
ROWS: Final = 128
"""Files in one line at most."""
FULL: Final = 256 << 20
"""Above this size, files are only counted, because the phone decides how many there are."""
_LAST: Final = 320 << 20
_PLIST_BYTES: Final = 256 << 10
_PLISTS: Final = ("Status.plist", "Manifest.plist")


class Recorder:
    """A trace under construction; a context manager that writes how it ended.

    Args:
        path: where; nothing may exist there yet, not even a dangling link.
        command: what is recorded, as in "encryption on".
        warn: called once if the trace cannot be continued.

    Raises:
        UsageError: the path exists already, or nothing can be created there.
    """

    def __init__(self, path: str, command: str, warn: Callable[[str], None]) -> None:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except FileExistsError:
            raise UsageError(
                f"{path} exists already.",
                hint="A trace needs a new file: choose another name.",
            ) from None
        except (OSError, ValueError) as error:
            why = f"({getattr(error, 'strerror', None) or error})"
            raise UsageError(
                f"The trace cannot be written to {path}.", why=why, hint="Choose another place for it."
            ) from None
        self.path = path
        self.exit_code: int | None = None
        self._file: int | None = fd
        self._warn = warn
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._channels = 0
        self._written = 0
        self.redaction = Redaction()
        about = {"trace": FORMAT, "tool": f"ibackup {__version__}", "command": command}
        self.write(about | {"system": sys.platform, "python": ".".join(map(str, sys.version_info[:3]))})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end: dict[str, object] = {
            "exit": self.exit_code,
            "error": kind.__name__ if kind is not None else None,
        }
        if isinstance(error, IbackupError):
            end |= {"exit": int(error.exit_code), "code": error.error_code}
        elif isinstance(error, KeyboardInterrupt):
            end["exit"] = int(ExitCode.INTERRUPTED)
        self.write({"t": self.now(), "end": end})
        with self._lock:
            self._stop()

    @property
    def whole(self) -> bool:
        """Whether everything has been written so far."""
        return self._file is not None

    @property
    def is_full(self) -> bool:
        """Whether files are now only counted."""
        return self._written > FULL

    def open(self, service: str) -> "RecordedChannel":
        """A connection was made; can be called from any thread."""
        with self._lock:
            self._channels += 1
            number = self._channels
        self.write({"t": self.now(), "c": number, "open": service})
        return RecordedChannel(self, number)

    def now(self) -> float:
        """Seconds since recording began."""
        return round(time.monotonic() - self._began, 3)

    def write(self, line: dict[str, object]) -> None:
        """Add a line; warns once about a failure."""
        with self._lock:
            if self._file is None:
                return
            try:
                data = (json.dumps(line, separators=(",", ":")) + "\n").encode("ascii")
                while data:
                    count = os.write(self._file, data)
                    self._written += count
                    data = data[count:]
            except (OSError, ValueError, RecursionError) as error:
                said = getattr(error, "strerror", None) or type(error).__name__
            else:
                if self._written <= _LAST:
                    return
                said = f"it is {self._written >> 20} MiB already"
            self._stop()
        self._warn(f"The trace ends here: ibackup could not write more of it ({said}).")

    def failed(self, error: Exception) -> None:
        """Something could not be recorded: our own fault, which must not affect the backup."""
        with self._lock:
            if self._file is None:
                return
            self._stop()
        self._warn(f"The trace ends here: ibackup could not record more of it ({type(error).__name__}).")

    def _stop(self) -> None:
        fd, self._file = self._file, None
        if fd is not None:
            os.close(fd)


class RecordedChannel:
    """One connection of a recorded session, see ``tapping.Channel``."""

    def __init__(self, recorder: Recorder, number: int) -> None:
        self._recorder = recorder
        self._number = number
        self._closed = False

    def said(self, way: Way, message: object, body: bytes = b"") -> None:
        """A message was sent or received."""
        self._note(lambda: self._message(way, message, body))

    def asked(self, operation: int, path: str, answer: int, status: int, size: int) -> None:
        """An AFC operation."""
        self._note(
            lambda: {
                "afc": operation,
                "path": self._recorder.redaction.path(path),
                "answer": answer,
                "status": status,
                "n": coarse(size),
            }
        )

    def files(self, way: Way) -> "RecordedFiles":
        """A list of files begins."""
        return RecordedFiles(self._recorder, self._note, way)

    def close(self, error: BaseException | None = None) -> None:
        """The connection is over."""
        if not self._closed:
            self._closed = True
            self._note(lambda: {"close": type(error).__name__ if error is not None else None})

    def _message(self, way: Way, message: object, body: bytes) -> dict[str, object]:
        if message is None:
            message = plists.load(body)
        line: dict[str, object] = {way: self._recorder.redaction.message(message)}
        if body and way == "<":  # the size of our messages would reveal the length of a password
            line["n"] = rounded(len(body)) if isinstance(message, list) else coarse(len(body))
            if not body.startswith(b"bplist"):
                line["xml"] = True
        return line

    def _note(self, make: Callable[[], dict[str, object]]) -> None:
        if not self._recorder.whole:
            return
        try:
            line = make()
        except Exception as error:  # noqa: BLE001 - see Recorder.failed
            self._recorder.failed(error)
        else:
            self._recorder.write({"t": self._recorder.now(), "c": self._number, **line})


class RecordedFiles:
    """The files of one list: name and size of each, about a hundred per line; for Status.plist, also its contents."""

    def __init__(
        self, recorder: Recorder, note: Callable[[Callable[[], dict[str, object]]], None], way: Way
    ) -> None:
        self._recorder = recorder
        self._note = note
        self._way = way
        self._rows: list[list[object]] = []
        self._counted = self._counted_bytes = 0
        self._path: str | None = None
        self._device_path = ""
        self._size = 0
        self._folder = ""
        self._kept: bytearray | None = None

    def begin(self, path: str, device_path: str = "") -> None:
        """A file begins."""
        self._path, self._device_path, self._size = path, device_path, 0
        self._kept = bytearray() if path.rpartition("/")[2] in _PLISTS else None

    def data(self, view: memoryview) -> None:
        """The next bytes of it."""
        self._size += len(view)
        if self._kept is not None:
            self._kept += view[: _PLIST_BYTES + 1 - len(self._kept)]

    def end(self, code: int, text: str) -> None:
        """The file is complete, or it failed."""
        self._take(code, text)

    def close(self) -> None:
        """The list ended or was interrupted; an unfinished file has no code."""
        if self._path is not None:
            self._take(None, "")
        self._flush()

    def _take(self, code: int | None, text: str) -> None:
        path, self._path = self._path or "", None
        if self._recorder.is_full:
            self._counted += 1
            self._counted_bytes += self._size
            return
        kept = self._kept
        if kept is not None:
            # Its contents come before it, because a player needs them first.
            self._flush()
            if kept:
                self._tell_plist(path.rpartition("/")[2], bytes(kept))
        self._add_row(path, self._size if kept is not None else rounded(self._size), code, text)
        if kept is not None or len(self._rows) >= ROWS:
            self._flush()

    def _add_row(self, path: str, size: int, code: int | None, text: str) -> None:
        redaction = self._recorder.redaction
        try:
            row: list[object] = [redaction.path(path), size]
            if self._device_path or code != 0:
                folder, _, name = redaction.path(self._device_path).rpartition("/")
                row.append(f"=/{name}" if folder == self._folder else f"{folder}/{name}")
                self._folder = folder
            if code != 0:
                row += [code, redaction.sentence(text)]
        except Exception as error:  # noqa: BLE001 - see Recorder.failed
            self._recorder.failed(error)
        else:
            self._rows.append(row)

    def _tell_plist(self, name: str, data: bytes) -> None:
        """The contents of Status.plist and Manifest.plist, as far as they may be recorded."""

        def line() -> dict[str, object]:
            said: object
            try:
                said = plists.load(data, limit=_PLIST_BYTES)
            except FormatError:
                return {"plist": name, "says": None}
            if isinstance(said, dict):
                said = {key: _outline(key, value) for key, value in said.items()}
            return {"plist": name, "says": self._recorder.redaction.value(said)}

        self._note(line)

    def _flush(self) -> None:
        rows, self._rows, self._folder = self._rows, [], ""
        counted, self._counted = (self._counted, self._counted_bytes), 0
        self._counted_bytes = 0
        if rows:
            self._note(lambda: {"files": self._way, "list": rows})
        if counted[0]:
            self._note(lambda: {"files": self._way, "count": counted[0], "bytes": rounded(counted[1])})


def _outline(key: str, value: object) -> object:
    """Values about apps, which may be long, are only counted."""
    return list(value) if key in ("Applications", "Containers") and isinstance(value, dict) else value
