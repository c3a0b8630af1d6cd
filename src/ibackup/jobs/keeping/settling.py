"""Whether another program may still be writing a backup.

Finder rewrites Info.plist minutes after the phone has reported the backup as finished, and empties it first.
"""

import os
import time

from ibackup.base.durations import at_least
from ibackup.base.errors import PhoneBusy
from ibackup.base.events import Note, Observer

SETTLED_AFTER_S = 15 * 60.0
_WATCHED = ("Info.plist", "Status.plist", "Snapshot")  # the last exists while a backup is made
_STAMPED = ("Info.plist", "Status.plist", "Manifest.plist", "Manifest.db", "Manifest.mbdb")
_LOOK_EVERY_S = 5.0

Stamp = tuple[tuple[int, int, int] | None, ...]


def seconds_to_wait(path: str, now: float) -> float:
    """How long until a backup folder counts as settled; 0 if it does.

    Args:
        path: the backup folder.
        now: seconds since 1970. If a file server's clock is far ahead, the times mean nothing.
    """
    ages = [now - stamp[1] / 1e9 for stamp in _stamps(path, _WATCHED) if stamp is not None]
    return max((SETTLED_AFTER_S - age for age in ages if abs(age) < SETTLED_AFTER_S), default=0.0)


def wait_until_settled(path: str, patience: float, observe: Observer) -> None:
    """Wait as long as patience allows.

    Args:
        path: the backup folder.
        patience: seconds.
        observe: gets a note if there is something to wait for.

    Raises:
        PhoneBusy: it was changed too recently.
    """
    deadline = time.monotonic() + patience
    told = False
    while (rest := seconds_to_wait(path, time.time())) > 0:
        left = deadline - time.monotonic()
        if left <= 0 or (not told and rest > left):
            raise _unsettled(path, rest)
        if not told:
            observe(
                Note(
                    f"{path} was changed a moment ago. Waiting {at_least(rest)} until no other program writes "
                    "to it."
                )
            )
            told = True
        time.sleep(min(rest, left, _LOOK_EVERY_S))


def stamp(path: str) -> Stamp:
    """Shows whether a backup changed while it was read: number, time and size of its own files."""
    return tuple(_stamps(path, _STAMPED))


def refuse_changed(path: str, before: Stamp) -> None:
    """Raise PhoneBusy if a backup has changed since the stamp was taken."""
    if stamp(path) != before:
        raise changed(path)


def changed(path: str) -> PhoneBusy:
    """The error for a backup that changed while it was read."""
    return PhoneBusy(
        f"The backup {path} changed while it was being read.",
        why="Another program is writing to it.",
        hint="Wait until that program is done, then run the command again. Nothing was imported.",
    )


def _stamps(path: str, names: tuple[str, ...]) -> list[tuple[int, int, int] | None]:
    found: list[tuple[int, int, int] | None] = []
    for name in names:
        try:
            facts = os.lstat(os.path.join(path, name))
        except FileNotFoundError:
            found.append(None)
        else:
            found.append((facts.st_ino, facts.st_mtime_ns, facts.st_size))
    return found


def _unsettled(path: str, rest: float) -> PhoneBusy:
    return PhoneBusy(
        f"The backup {path} was changed less than 15 minutes ago.",
        why="Finder keeps writing for some minutes after it reports that a backup is done.",
        hint=f"Run the command again in {at_least(rest)}, or let ibackup wait with --wait 20m. If another "
        "program made the backup and is done, use --settled.",
    )
