"""What the function of a kind gets: the backup, the request, the folder to write into, and where to report."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from functools import cached_property
from typing import Final, NamedTuple

from ibackup.apple.backup import Backup
from ibackup.apple.format_errors import FormatError
from ibackup.base.confined import Parts
from ibackup.base.events import Observer, PhaseStarted, Progress
from ibackup.contents.gaps import Gaps
from ibackup.export.export_request import Exported, ExportRequest
from ibackup.export.export_target import ExportTarget

_SHOWN_EACH = 500  # things

_CLOCKS_DIFFER: Final = timedelta(days=1)
Ids = Callable[[Backup, Gaps], Iterator[str]]


class IndexLine(NamedTuple):
    """A line of the page that links everything.

    Attributes:
        title: of the kind: "Messages".
        page: what it links to; None for a line without a link.
        about: what is there: "12 conversations, 4,310 messages".
    """

    title: str
    page: Parts | None
    about: str


class Export:
    """One run; each kind's function gets it.

    Attributes:
        backup: unlocked.
        request: what to export.
        folder: takes everything that is written.
        gaps: takes what cannot be read.
        index: the lines of the page that links everything; each kind adds its own.
    """

    def __init__(
        self,
        backup: Backup,
        request: ExportRequest,
        folder: ExportTarget,
        result: Exported,
        observer: Observer,
    ) -> None:
        self.backup = backup
        self.request = request
        self.folder = folder
        self.gaps = Gaps()
        self.index: list[IndexLine] = []
        self._result = result
        self._observer = observer
        self._later: set[bytes] | None = None
        self._unfound: list[tuple[str, str]] = []
        self._kind = ""
        self._copied = self._moved = self._seen = self._expected = 0

    def begin(self, kind: str, title: str, ids: Ids | None) -> None:
        """Begin a kind.

        Args:
            kind: its name.
            title: its title for people.
            ids: gives the id of everything of this kind in a backup, for ``wants``; None if its things have no
                ids.
        """
        self._kind = kind
        self._later = None
        self._seen = self._expected = 0
        self._observer(PhaseStarted("export", f"Exporting {title}."))
        if self.request.later is not None and ids is not None:
            # What the later backup does not let us read counts as gone: better once too often than lost.
            self._later = {_short(each) for each in ids(self.request.later, Gaps())}

    def expect(self, things: int) -> None:
        """Say how many things ``wants`` will be asked about, so that the time left can be shown."""
        self._expected = things

    def copied(self, files: int, moved: int) -> None:
        """Take how many files and bytes the folder has copied."""
        self._copied, self._moved = files, moved
        self._show()

    def _show(self) -> None:
        percent = min(100.0, 100 * self._seen / self._expected) if self._expected else None
        self._observer(Progress("export", percent=percent, bytes=self._moved, files=self._copied))

    def wants(self, thing: str, moment: datetime | None = None) -> bool:
        """Whether something is to be exported: not in the later backup, if there is one, and within the dates.

        Args:
            thing: its id, as the kind's ``ids`` gives it.
            moment: its time; None if it has none, which is left out only if the user asked for dates.
        """
        self._seen += 1
        if not self._seen % _SHOWN_EACH:
            self._show()
        if self._later is not None and _short(thing) in self._later:
            return False
        since, until = self.request.since, self.request.until
        if since is None and until is None:
            return True
        if moment is None:
            return False
        return (since is None or moment >= since) and (until is None or moment < until)

    @cached_property
    def _made(self) -> datetime | None:
        """When the backup was made; None if it does not say."""
        plists: tuple[Callable[[], datetime | None], ...] = (
            lambda: self.backup.status.date,
            lambda: self.backup.info.last_backup_date,
            lambda: self.backup.manifest.date,
        )
        for date in plists:
            with suppress(FormatError):
                if (found := date()) is not None:
                    return found
        return None

    def can_be(self, moment: datetime) -> bool:
        """Whether something of this time can be in the backup, and is not scheduled or from a clock set wrongly."""
        return self._made is None or moment - self._made <= _CLOCKS_DIFFER

    def count(self, noun: str, number: int = 1) -> None:
        """Count what was exported, by its plural noun: "messages"."""
        if number:
            self._result.counts[noun] += number

    def nothing(self, reason: str = "") -> None:
        """Say that the backup has nothing of this kind, and why, if that is known: "it is not encrypted"."""
        self._unfound.append((self._kind, reason))

    @property
    def unfound(self) -> tuple[tuple[str, str], ...]:
        """The kinds of which there is nothing, each with the reason."""
        return tuple(self._unfound)

    def local(self, moment: datetime) -> datetime:
        """A moment in the zone in which times are shown to people."""
        return in_zone(moment, self.request.zone)


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """A moment in a zone; unchanged at the ends of the calendar, where it has none there."""
    try:
        return moment.astimezone(zone)
    except (OverflowError, ValueError):
        return moment


def _short(thing: str) -> bytes:
    """A stand-in for an id that takes little memory."""
    return hashlib.blake2b(thing.encode("utf-8", "surrogatepass"), digest_size=8).digest()
