"""What a phone asks for during a backup or a restore, as typed records. Only this file knows their layouts.

A message is its name, then its parameters. Most end with options, which we do not need, and the overall progress (a
real from 0 to 100). A phone may leave out the last elements.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ibackup.base.errors import ProtocolBroken
from ibackup.device.devicelink.frames_and_chunks import EMPTY, broken


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneRequest:
    """Any request. ``progress`` is the phone's own figure for the whole job, 0 to 100; None if it gives none."""

    progress: float | None = None


@dataclass(frozen=True, slots=True)
class DownloadFiles(PhoneRequest):
    """Send these files to the phone, which expects about ``total`` bytes."""

    paths: tuple[str, ...]
    total: int | None


@dataclass(frozen=True, slots=True)
class UploadFiles(PhoneRequest):
    """Receive files, about ``total`` bytes."""

    total: int | None


@dataclass(frozen=True, slots=True)
class MoveItems(PhoneRequest):
    """Move each source to its target, and replace what is there."""

    moves: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RemoveItems(PhoneRequest):
    """Remove files, and folders with their contents."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CreateDirectory(PhoneRequest):
    """Make a folder; it may already exist."""

    path: str


@dataclass(frozen=True, slots=True)
class ListDirectory(PhoneRequest):
    """List a folder."""

    path: str


@dataclass(frozen=True, slots=True)
class CopyItem(PhoneRequest):
    """Copy a file, or a folder with its contents."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class FreeSpace(PhoneRequest):
    """Report how many bytes are free."""


@dataclass(frozen=True, slots=True)
class PurgeSpace(PhoneRequest):
    """Free ``wanted`` bytes."""

    wanted: int | None


@dataclass(frozen=True, slots=True)
class Process(PhoneRequest):
    """A message of mobilebackup2 itself; a Response ends the job."""

    message: Mapping[object, object]


@dataclass(frozen=True, slots=True)
class Disconnect(PhoneRequest):
    """The phone says goodbye."""

    reason: str


@dataclass(frozen=True, slots=True)
class UnknownRequest(PhoneRequest):
    """An unknown message; ``name`` is the phone's name for it."""

    name: str


_Message = Sequence[object]


def parse(message: _Message) -> PhoneRequest:
    """Parse a message.

    Raises:
        ProtocolBroken: the message lacks something that it needs.
    """
    name = str(message[0])
    maker = _MAKERS.get(name)
    return UnknownRequest(name) if maker is None else maker(message)


def _download(message: _Message) -> PhoneRequest:
    return DownloadFiles(_paths(message), _integer(message, 4), progress=_progress(message, 3))


def _upload(message: _Message) -> PhoneRequest:
    return UploadFiles(_integer(message, 3), progress=_progress(message, 2))


def _move(message: _Message) -> PhoneRequest:
    moves = _at(message, 1)
    if not isinstance(moves, dict):
        raise _odd(message)
    pairs = tuple((_text(message, source), _text(message, target)) for source, target in moves.items())
    return MoveItems(pairs, progress=_progress(message, 3))


def _remove(message: _Message) -> PhoneRequest:
    return RemoveItems(_paths(message), progress=_progress(message, 3))


def _remove_directory(message: _Message) -> PhoneRequest:
    return RemoveItems((_text(message, _at(message, 1)),), progress=_progress(message, 3))


def _create(message: _Message) -> PhoneRequest:
    return CreateDirectory(_text(message, _at(message, 1)), progress=_progress(message, 3))


def _list(message: _Message) -> PhoneRequest:
    return ListDirectory(_text(message, _at(message, 1)), progress=_progress(message, 3))


def _copy(message: _Message) -> PhoneRequest:
    source, target = _text(message, _at(message, 1)), _text(message, _at(message, 2))
    return CopyItem(source, target, progress=_progress(message, 4))


def _free(_message: _Message) -> PhoneRequest:
    return FreeSpace()


def _purge(message: _Message) -> PhoneRequest:
    return PurgeSpace(_integer(message, 1))


def _process(message: _Message) -> PhoneRequest:
    content = _at(message, 1)
    if not isinstance(content, dict):
        raise _odd(message)
    return Process(content)


def _disconnect(message: _Message) -> PhoneRequest:
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
    """The progress, or None if it makes no sense: it is only shown, so that is no reason to stop."""
    value = _at(message, index)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return float(value)


def _integer(message: _Message, index: int) -> int | None:
    """A number of bytes, or None if it is not one."""
    value = _at(message, index)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
