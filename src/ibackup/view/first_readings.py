"""What takes long to read from a backup for the first time: read in the background, while the page says how far it is.

It is read from a copy of the open backup, so that other pages of it need not wait, and then kept with the backup.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from ibackup.apple.backup import Backup
from ibackup.base.how_far import HowFar
from ibackup.view.reckonings import Reckoning, Reckonings

if TYPE_CHECKING:
    from ibackup.view.asked import Asked
    from ibackup.view.shown_phones import ShownBackup

T = TypeVar("T")

_AT_ONCE_S: Final = 0.2
_PARTS: Final = 1000
_READINGS: Final = Reckonings(_AT_ONCE_S)
"""Apart from the reckonings of timelines: nobody who wants to read messages waits for the sizes of all apps."""


@dataclass(frozen=True)
class FirstReading(Generic[T]):
    """Something to read from a backup once.

    Attributes:
        key: under which ``OpenedBackup.once`` keeps it.
        what: is done, for people: "Reading the messages of this backup".
        page: whose name the navigation marks meanwhile.
        make: reads it from an unlocked backup that nothing else uses, and tells how far it is.
        move: has it use another backup of the same content from then on: the first one is closed.
    """

    key: Hashable
    what: str
    page: str
    make: Callable[[Backup, HowFar], T]
    move: Callable[[T, Backup], None] = lambda _made, _backup: None


class StillReading(Exception):
    """What a page shows is not read yet: the page that waits comes in its place."""

    def __init__(self, reading: FirstReading[T], reckoning: Reckoning) -> None:
        super().__init__(reading.what)
        self.what = reading.what
        self.page = reading.page
        self.done = reckoning.done / reckoning.total if reckoning.done else None


def read_first(asked: "Asked", shown: "ShownBackup", reading: FirstReading[T]) -> None:
    """See to it that a backup has been read. Call it outside of the ``with`` block of any backup.

    Raises:
        StillReading: that takes longer, and a page can say so; what is no page waits.
        IbackupError: it cannot be read.
    """
    opened, session = asked.house.opened, asked.session
    there = opened.peek(shown, session)
    if there is not None and there.has(reading.key):
        return

    def make(reckoning: Reckoning) -> bool:
        def how_far(share: float) -> None:
            reckoning.done = int(share * _PARTS)

        reckoning.total = _PARTS
        opened.read_apart(
            shown, session, reading.key, lambda backup: reading.make(backup, how_far), reading.move
        )
        return True

    key = (reading.key, shown.path)
    found = _READINGS.get(session, key, make, again=there is None or not there.has(reading.key))
    if not found.is_over:
        if asked.is_page:
            raise StillReading(reading, found)
        found.over.wait()
    if found.error is not None:
        raise found.error
