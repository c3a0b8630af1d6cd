"""What a check finds, and the steps that help."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ibackup.base.settings_paths import SettingsPlace


class FindingLevel(StrEnum):
    """How certain a check is that it found the cause."""

    BLOCKER = "blocker"  # iCloud Backup cannot succeed while this is so
    LIKELY = "likely"
    POSSIBLE = "possible"
    FINE = "fine"
    UNSEEN = "unseen"  # cannot be seen from this computer


_LOWER = {
    FindingLevel.BLOCKER: FindingLevel.LIKELY,
    FindingLevel.LIKELY: FindingLevel.POSSIBLE,
    FindingLevel.POSSIBLE: FindingLevel.FINE,
}
RANK = {level: rank for rank, level in enumerate(FindingLevel)}
CAUSES = (FindingLevel.BLOCKER, FindingLevel.LIKELY, FindingLevel.POSSIBLE)


def lower(level: FindingLevel) -> FindingLevel:
    """One level less certain; fine and unseen stay the same."""
    return _LOWER.get(level, level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do. ``{noun}`` in a text becomes iPhone or iPad.

    Attributes:
        text: what to do, and its price.
        place: where in Settings.
        disruption: 0 look, wait; 1 charger, Wi-Fi, lock, switch, clock; 2 restart, another Wi-Fi; 3 apps of the
            backup, a watched attempt; 4 free or buy storage, update; 5 sign out and in; 6 reset network settings;
            7 delete this phone's iCloud backup.
        removes: whether it can remove the cause; looking does not.
        risky: data can be lost, so make a local backup first.
    """

    text: str
    place: SettingsPlace | None = None
    disruption: int = 0
    removes: bool = True
    risky: bool = False


@dataclass(frozen=True, slots=True)
class FindingText:
    """One piece of evidence: what was seen, where, and the date it refers to."""

    text: str
    source: str = ""
    date: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding:
    """What one check found.

    Attributes:
        id: of the check.
        title: what was found: a sentence without its full stop, able to follow a colon.
        guess: it rests on an estimate or on habits, so a clear error code from the phone beats it.
        stands: it applies despite a recent success: a switch that is off now, an error after that success.
        advice: iCloud Backup works; this is only good to know.
    """

    id: str
    level: FindingLevel
    title: str
    evidence: tuple[FindingText, ...] = ()
    steps: tuple[Step, ...] = ()
    guess: bool = False
    stands: bool = False
    advice: bool = False
