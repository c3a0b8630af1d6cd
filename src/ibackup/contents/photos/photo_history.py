"""In which backups of a phone each picture is, and which ones are gone from the phone.

The lists of files say it: a picture is a file of the camera roll, or a small version of one that is only in iCloud.
A library is read only where its backup has a file
that the newest one does not have, to learn which picture that was, and whether it is still on the phone elsewhere, for
example only in iCloud. Each backup takes about a second, so it is done a few at a time, from the newest on.
"""

import threading
import time
from collections.abc import Callable, Container, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from ibackup.apple.app_places import PHOTOS
from ibackup.apple.backup import Backup
from ibackup.base.errors import IbackupError, NoRoom
from ibackup.contents.app_database import AppDatabase
from ibackup.contents.gaps import Gaps
from ibackup.contents.photos.camera_files import originals, pictured, place_of
from ibackup.contents.photos.photo_lines import PhotoLine, PhotoMark, lines

MOST_BACKUPS: Final = 400
"""Looked at, from the newest on."""
_NOT_GONE: Final = int(PhotoMark.OF_OTHERS | PhotoMark.UNSEEN | PhotoMark.HIDDEN)


class DatedBackup(Protocol):
    """A backup of the phone: a ``ShownBackup``."""

    @property
    def id(self) -> str:
        """Stands for it."""

    @property
    def path(self) -> str:
        """The folder in Apple's format."""

    @property
    def made(self) -> datetime | None:
        """The date of its data."""


@dataclass(frozen=True, slots=True)
class GonePhoto:
    """A picture or film that an older backup has and the newest does not.

    Attributes:
        line: what the library of `backup` says of it.
        backup: the id of the newest backup that has it; of the newest with the original, if there is one.
        after: the date of the newest backup that has anything of it.
        before: the date of the next one that can be read, which does not have it.
        is_small: whether only a small version is left, in every backup that was looked at.
    """

    line: PhotoLine
    backup: str
    after: datetime | None
    before: datetime | None
    is_small: bool = False


class PhotoHistory:
    """What the backups of one phone say together. Safe to use from several threads.

    Args:
        backups: all of the phone's, oldest first.
        on_phone: the ids of the pictures in the library of the newest.
        unlock: opens an encrypted backup if it can.
        found: called with each photo that is gone, while the backup that has it is open.
    """

    def __init__(
        self,
        backups: Sequence[DatedBackup],
        on_phone: Container[str],
        unlock: Callable[[Backup], None],
        found: Callable[[Backup, GonePhoto], None] = lambda _backup, _photo: None,
    ) -> None:
        self._backups = tuple(reversed(backups))[:MOST_BACKUPS]
        self._on_phone = on_phone
        self._unlock = unlock
        self._found = found
        self._sizes: dict[int, int] = {}
        self._other_sizes: set[tuple[int, int]] = set()
        self._found_in: dict[int, int] = {}
        self._pictured: set[int] = set()
        self._gone: list[GonePhoto] = []
        self._gone_places: dict[str, int] = {}
        self._unread: list[str] = []
        self._last_read: DatedBackup | None = None
        self._looked_at = 0
        self._closed = False
        self._lock = threading.Lock()

    # -- what is known --------------------------------------------------------------------------------------

    @property
    def looked_at(self) -> int:
        """How many backups were looked at, from the newest on."""
        return self._looked_at

    @property
    def total(self) -> int:
        """How many there are to look at."""
        return len(self._backups)

    @property
    def done(self) -> bool:
        """Whether all were looked at."""
        return self._looked_at >= len(self._backups)

    @property
    def gone(self) -> Sequence[GonePhoto]:
        """The pictures that are gone, as far as is known: those that went last come first."""
        return self._gone

    @property
    def unread(self) -> Sequence[str]:
        """The ids of backups that could not be looked into: with another password, or damaged."""
        return self._unread

    def backups_with(self, path: str) -> list[str]:
        """The ids of the backups that have a file of the camera roll, among those looked at; the newest first."""
        found = self._found_in.get(place_of(path), 0)
        return [each.id for place, each in enumerate(self._backups[: self._looked_at]) if found >> place & 1]

    # -- looking --------------------------------------------------------------------------------------------

    def look(self, seconds: float) -> None:
        """Look at further backups for about so long, at one at least.

        Raises:
            NoRoom: there is no space for a temporary copy.
        """
        end = time.monotonic() + seconds
        with self._lock:
            while not self.done and not self._closed:
                self._look_at(self._backups[self._looked_at], self._looked_at)
                self._looked_at += 1
                if time.monotonic() >= end:
                    return

    def close(self) -> None:
        """Forget everything; nothing is looked at any more."""
        self._closed = True
        with self._lock:
            self._gone.clear()
            self._found_in.clear()
            self._sizes.clear()
            self._pictured.clear()

    def _look_at(self, shown: DatedBackup, place: int) -> None:
        try:
            with Backup.open(shown.path, known=True) as backup:
                backup.salvage()
                if not backup.unlocked:
                    self._unlock(backup)
                self._compare(backup, shown, place)
        except NoRoom:
            raise
        except (IbackupError, OSError):
            self._unread.append(shown.id)

    def _compare(self, backup: Backup, shown: DatedBackup, place: int) -> None:
        bit = 1 << place
        missing: set[int] = set()
        for key, size in originals(backup):
            known = self._found_in.get(key, 0)
            self._found_in[key] = known | bit
            if place == 0:
                self._sizes[key] = size
            elif not known:
                missing.add(key)
            elif self._sizes.get(key, size) != size and (key, size) not in self._other_sizes:
                self._other_sizes.add((key, size))  # another picture may have got its name
                missing.add(key)
        small = {key for key in pictured(backup) if key not in self._found_in} - self._pictured
        self._pictured |= small
        if missing or (small and place):
            self._name(backup, shown, missing, small)
        self._last_read = shown

    def _name(self, backup: Backup, shown: DatedBackup, missing: set[int], small: set[int]) -> None:
        """Find out which pictures the files belong to that are not in any newer backup.

        Args:
            backup: it, open.
            shown: the same.
            missing: the places of those originals.
            small: of pictures that have a small version here, and an original neither here nor later.
        """
        database = AppDatabase.of(backup, [PHOTOS], "photos", Gaps())
        if database is None:
            return
        newer = self._last_read
        with closing(database):
            for line in lines(database, lambda _path: True):
                if line.marks & _NOT_GONE or line.id in self._on_phone or not line.path:
                    continue
                here, at = place_of(line.path), self._gone_places.get(line.id)
                if here not in missing and (here not in small or at is not None):
                    continue
                photo = GonePhoto(
                    line, shown.id, shown.made, newer.made if newer else None, is_small=here not in missing
                )
                if at is None:
                    self._gone_places[line.id] = len(self._gone)
                    self._gone.append(photo)
                elif self._gone[at].is_small:  # it went later; this backup has the original
                    later = self._gone[at]
                    photo = self._gone[at] = replace(photo, after=later.after, before=later.before)
                else:
                    continue
                self._found(backup, photo)
