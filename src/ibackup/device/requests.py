"""What a phone asks for during a backup or a restore, as typed records: the one place that knows the layouts.

A message is its name, then its parameters. Most end with options, which nobody needs, and the overall progress (a
real from 0 to 100); phones that leave out what comes last are understood.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ibackup.device.frames import EMPTY, broken
from ibackup.errors import ProtocolBroken


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Every request; ``progress`` is the phone's own figure for the whole job, 0 to 100, None without one."""

    progress: float | None = None


@dataclass(frozen=True, slots=True)
class DownloadFiles(Request):
    """Send these files to the phone, which thinks that they have ``total`` bytes."""

    paths: tuple[str, ...]
    total: int | None


@dataclass(frozen=True, slots=True)
class UploadFiles(Request):
    """Files follow, about ``total`` bytes."""

    total: int | None


@dataclass(frozen=True, slots=True)
class MoveItems(Request):
    """Move each source to its target; the targets are replaced."""

    moves: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RemoveItems(Request):
    """Remove files, and folders with all they hold."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CreateDirectory(Request):
    """Make a folder; one that exists is fine."""

    path: str


@dataclass(frozen=True, slots=True)
class ListDirectory(Request):
    """Say what a folder holds."""

    path: str


@dataclass(frozen=True, slots=True)
class CopyItem(Request):
    """Copy a file, or a folder with all it holds."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class FreeSpace(Request):
    """Say how many bytes are free."""


@dataclass(frozen=True, slots=True)
class PurgeSpace(Request):
    """Make ``wanted`` bytes free."""

    wanted: int | None


@dataclass(frozen=True, slots=True)
class Process(Request):
    """A message of mobilebackup2 itself; a Response ends the job."""

    message: Mapping[object, object]


@dataclass(frozen=True, slots=True)
class Disconnect(Request):
    """The phone says goodbye."""

    reason: str


_Message = Sequence[object]


def parse(message: _Message) -> Request:
    """Turn a message into its record.

    Raises:
        ProtocolBroken: a message that nobody knows, or one without what it needs.
    """
    name = str(message[0])
    maker = _MAKERS.get(name)
    if maker is None:
        raise broken(f"The phone sent a message that is not known here: {name[:80]!a}.")
    return maker(message)


def _download(message: _Message) -> Request:
    return DownloadFiles(_paths(message), _integer(message, 4), progress=_progress(message, 3))


def _upload(message: _Message) -> Request:
    return UploadFiles(_integer(message, 3), progress=_progress(message, 2))


def _move(message: _Message) -> Request:
    moves = _at(message, 1)
    if not isinstance(moves, dict):
        raise _odd(message)
    pairs = tuple((_text(message, source), _text(message, target)) for source, target in moves.items())
    return MoveItems(pairs, progress=_progress(message, 3))


def _remove(message: _Message) -> Request:
    return RemoveItems(_paths(message), progress=_progress(message, 3))


def _remove_directory(message: _Message) -> Request:
    return RemoveItems((_text(message, _at(message, 1)),), progress=_progress(message, 3))


def _create(message: _Message) -> Request:
    return CreateDirectory(_text(message, _at(message, 1)), progress=_progress(message, 3))


def _list(message: _Message) -> Request:
    return ListDirectory(_text(message, _at(message, 1)), progress=_progress(message, 3))


def _copy(message: _Message) -> Request:
    source, target = _text(message, _at(message, 1)), _text(message, _at(message, 2))
    return CopyItem(source, target, progress=_progress(message, 4))


def _free(_message: _Message) -> Request:
    return FreeSpace()


def _purge(message: _Message) -> Request:
    return PurgeSpace(_integer(message, 1))


def _process(message: _Message) -> Request:
    content = _at(message, 1)
    if not isinstance(content, dict):
        raise _odd(message)
    return Process(content)


def _disconnect(message: _Message) -> Request:
    reason = _at(message, 1)
    return Disconnect(reason if isinstance(reason, str) and reason != EMPTY else "")


_MAKERS: Final = {
    "DLMessageDownloadFiles": _download,
    "DLMessageUploadFiles": _upload,
    "DLMessageMoveItems": _move,
    "DLMessageMoveFiles": _move,
    "DLMessageRemoveItems": _remove,
    "DLMessageRemoveFiles": _remove,
    "DLMessageRemoveDirectory": _remove_directory,
    "DLMessageCreateDirectory": _create,
    "DLContentsOfDirectory": _list,
    "DLMessageCopyItem": _copy,
    "DLMessageGetFreeDiskSpace": _free,
    "DLMessagePurgeDiskSpace": _purge,
    "DLMessageProcessMessage": _process,
    "DLMessageDisconnect": _disconnect,
}


def _at(message: _Message, index: int) -> object:
    return message[index] if index < len(message) else None


def _odd(message: _Message) -> ProtocolBroken:
    return broken(f"The phone sent a {message[0]} without what belongs in it.")


def _text(message: _Message, value: object) -> str:
    if not isinstance(value, str):
        raise _odd(message)
    return value


def _paths(message: _Message) -> tuple[str, ...]:
    value = _at(message, 1)
    if not isinstance(value, list):
        raise _odd(message)
    return tuple(_text(message, path) for path in value)


def _progress(message: _Message, index: int) -> float | None:
    """The progress, or None for what is none: it is only shown, so nonsense is no reason to stop."""
    value = _at(message, index)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return float(value)


def _integer(message: _Message, index: int) -> int | None:
    """A count of bytes, or None for what is none."""
    value = _at(message, index)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
