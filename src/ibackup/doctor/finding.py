"""What a check finds, and the steps that help."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ibackup.doctor.settings import Place


class Level(StrEnum):
    """How sure a check is that it found the cause."""

    BLOCKER = "blocker"  # iCloud Backup cannot succeed while this is so
    LIKELY = "likely"
    POSSIBLE = "possible"
    FINE = "fine"
    UNSEEN = "unseen"  # cannot be seen from this computer


_LOWER = {Level.BLOCKER: Level.LIKELY, Level.LIKELY: Level.POSSIBLE, Level.POSSIBLE: Level.FINE}
RANK = {level: rank for rank, level in enumerate(Level)}
CAUSES = (Level.BLOCKER, Level.LIKELY, Level.POSSIBLE)


def lower(level: Level) -> Level:
    """One level less sure; fine and unseen stay as they are."""
    return _LOWER.get(level, level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do. ``{noun}`` in a text becomes iPhone or iPad.

    Attributes:
        text: what to do, and what it costs.
        place: where in Settings.
        disruption: 0 look, wait; 1 charger, Wi-Fi, lock, switch, clock; 2 restart, another Wi-Fi; 3 apps of the
            backup, a watched attempt; 4 free or buy storage, update; 5 sign out and in; 6 reset network settings;
            7 delete this phone's iCloud backup.
        removes: whether it can remove the cause; looking does not.
        risky: something can be lost, so a local backup comes first.
    """

    text: str
    place: Place | None = None
    disruption: int = 0
    removes: bool = True
    risky: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One piece of evidence: what was seen, where, and when that was so."""

    text: str
    source: str = ""
    date: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        id: of the check.
        title: what is so, a sentence without its full stop that can follow a colon.
        guess: it rests on an estimate or on habits, so a clear code of the phone beats it.
        stands: it holds in spite of a recent success: a switch that is off now, an error newer than that.
        advice: iCloud Backup works; this is only worth knowing.
    """

    id: str
    level: Level
    title: str
    evidence: tuple[Said, ...] = ()
    steps: tuple[Step, ...] = ()
    guess: bool = False
    stands: bool = False
    advice: bool = False
