"""Small pictures of what is in a backup: the phone's own where the backup has them, otherwise scaled here.

They stay in memory, as long as the backup is open, and never more than a few megabytes of them.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from typing import BinaryIO, Final, NamedTuple

from starlette.responses import Response

from ibackup.apple.entry import Entry
from ibackup.base.errors import IbackupError
from ibackup.view.opened.media import SANDBOXED
from ibackup.view.opened.media_kinds import HEAD_BYTES, HEIC, Family, kind_of, size_of
from ibackup.view.opened.opened_backups import OpenedBackup
from ibackup.view.opened.pictures import PictureRefused, as_jpeg

SIDE: Final = 360
"""Pixels of the longer side of one that is scaled here."""
_AS_IS_BYTES: Final = 160 * 1024
_AS_IS_PIXELS: Final = 1_600_000
_MOST_KEPT: Final = 8 * 1024 * 1024  # bytes, for each open backup
_COST: Final = 300  # bytes of one that there is not
_MOST_TRIED: Final = 3
_NOTHING: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
"""A transparent GIF of one pixel."""


class Thumbnail(NamedTuple):
    """A small picture."""

    data: bytes
    content_type: str


class Thumbnails:
    """Those of one open backup that were asked for last. Safe to use from several threads."""

    def __init__(self, most: int = _MOST_KEPT) -> None:
        self._most = most
        self._bytes = 0
        self._kept: OrderedDict[str, Thumbnail | None] = OrderedDict()
        self._lock = threading.Lock()

    @classmethod
    def of(cls, _opened: OpenedBackup) -> "Thumbnails":
        """For ``OpenedBackup.once``."""
        return cls()

    def get(self, key: str) -> tuple[bool, Thumbnail | None]:
        """Whether it is known, and what it is: None if there is none."""
        with self._lock:
            if key not in self._kept:
                return False, None
            self._kept.move_to_end(key)
            return True, self._kept[key]

    def keep(self, key: str, found: Thumbnail | None) -> None:
        """Keep one; the least recently used ones make way."""
        with self._lock:
            if key not in self._kept:
                self._bytes += _cost(found)
                self._kept[key] = found
            while self._bytes > self._most and len(self._kept) > 1:
                self._bytes -= _cost(self._kept.popitem(last=False)[1])


def thumbnail(
    use: AbstractContextManager[OpenedBackup],
    key: str,
    files: Callable[[OpenedBackup], Iterable[Entry]],
) -> Thumbnail | None:
    """A small picture of something; None if there is none.

    Args:
        use: gives the open backup; it is free again while the picture is read and scaled.
        key: what it is of, in this backup.
        files: the pictures to make it from, the best first.

    Raises the errors of ``OpenedBackups.use``.
    """
    with ExitStack() as closing:
        with use as opened:
            shelf = opened.once(Thumbnails, Thumbnails.of)
            known, found = shelf.get(key)
            if known:
                return found
            sources: list[BinaryIO] = []
            for entry in files(opened):
                try:
                    source = closing.enter_context(entry.open())
                    found = _as_it_is(source) if entry.size <= _AS_IS_BYTES else None
                except (OSError, IbackupError):  # listed, but missing or damaged: the next may do
                    continue
                if found is not None:  # and what comes after it need not be looked for
                    shelf.keep(key, found)
                    return found
                sources.append(source)
                if len(sources) == _MOST_TRIED:
                    break
        found = next(filter(None, map(_small, sources)), None)
        shelf.keep(key, found)
        return found


def small_of(entries: Iterable[Entry]) -> Thumbnail | None:
    """The first of some files that is a small picture, or can be made one; None if none is."""
    for entry in entries:
        try:
            with entry.open() as source:
                if (found := _small(source)) is not None:
                    return found
        except (OSError, IbackupError):
            continue
    return None


def thumbnail_response(found: Thumbnail | None) -> Response:
    """An answer for an ``<img>``; of nothing a transparent one, so that the page's own square is seen."""
    found = found or Thumbnail(_NOTHING, "image/gif")
    return Response(found.data, headers=SANDBOXED, media_type=found.content_type)


def _small(source: BinaryIO) -> Thumbnail | None:
    """A file as a small picture: as it is if it is small already."""
    try:
        return _as_it_is(source) or Thumbnail(as_jpeg(source, SIDE), "image/jpeg")
    except (OSError, IbackupError, PictureRefused):
        return None


def _as_it_is(source: BinaryIO) -> Thumbnail | None:
    """A file that is a small picture already; None if it is not. Raises OSError, IbackupError."""
    source.seek(0)
    kind = kind_of(source.read(HEAD_BYTES))
    if kind is None or kind.family is not Family.PICTURE or kind is HEIC:
        return None
    size = size_of(source, kind)
    if size is None or size.pixels > _AS_IS_PIXELS:
        return None
    source.seek(0)
    data = source.read(_AS_IS_BYTES + 1)
    return Thumbnail(data, kind.content_type) if len(data) <= _AS_IS_BYTES else None


def _cost(found: Thumbnail | None) -> int:
    return _COST + (len(found.data) if found else 0)
