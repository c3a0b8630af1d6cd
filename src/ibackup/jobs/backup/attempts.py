"""What follows an attempt that the phone ended with an error: another attempt, or an explanation.

The phone asks for its passcode at each attempt, and may have to send 200 GB again. So a run makes at most one more
attempt. It makes none if an earlier run ended with the same error at the same place, and none that sends a lot again
unless the user wants everything again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ibackup.base.errors import PhoneRefused
from ibackup.base.settings_paths import SettingsPlace
from ibackup.base.sizes import size_text
from ibackup.device.refusals.error_texts import AGAIN
from ibackup.store.records.failed_endings import Ending, Place

CHEAP_BYTES = 1 << 30
"""More than this is not sent again unless the user wants it."""

SNAPSHOT_IN_THE_WAY, NOT_UPLOADED, CORRUPT = 3, 104, 205
_OWN = frozenset([SNAPSHOT_IN_THE_WAY, NOT_UPLOADED])  # the phone's own problem, which a restart fixes

_PLACES: dict[Place, str] = {
    "start": "before it sent anything",
    "uploading": "while it sent its files",
    "moving": "while it assembled the backup",
    "removing": "while it assembled the backup",
    "finished": "at the very end, after everything was sent",
}

Start = Literal["clone", "nothing"]
"""What an attempt starts from: the last backup, or nothing."""


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """An attempt that the phone ended.

    Attributes:
        code: of MBErrorDomain.
        place: where it ended.
        resumed: it continued an earlier one.
        based: it started from a clone of a snapshot.
        kept: bytes received, in this attempt and in those that it continued.
        whole: bytes of a whole backup, as far as known.
        failed_here: this computer could not do something that the phone requested.
    """

    code: int
    place: Place
    resumed: bool
    based: bool
    kept: int
    whole: int
    failed_here: bool = False

    @property
    def from_nothing(self) -> bool:
        """Whether everything was sent again."""
        return not self.resumed and not self.based

    @property
    def following(self) -> Start:
        """What another attempt would start from."""
        return "clone" if self.resumed and self.based else "nothing"

    @property
    def again(self) -> int:
        """How many bytes another attempt would send again, at least."""
        return self.whole if self.based and not self.resumed else self.kept


def find(ended: EndedAttempt, known: Sequence[Ending]) -> Ending | None:
    """The same ending in earlier runs; None if there is none."""
    return next((each for each in known if each.is_at(ended.code, ended.place)), None)


def following(ended: EndedAttempt, known: Sequence[Ending], *, full: bool) -> Start | None:
    """What another attempt should start from; None for no other attempt.

    Args:
        ended: the last attempt.
        known: how earlier runs ended.
        full: the user wants everything again.
    """
    doubted = ended.code == CORRUPT or (ended.code == NOT_UPLOADED and ended.resumed and ended.failed_here)
    if not doubted or find(ended, known) is not None:
        return None
    # A run that continued an earlier one has not sent everything, although the user wants that.
    if ended.again >= CHEAP_BYTES and not (full and ended.resumed):
        return None
    return ended.following


def explain(
    error: PhoneRefused,
    attempts: Sequence[EndedAttempt],
    known: Sequence[Ending],
    *,
    noun: str,
    ios_version: str | None,
) -> None:
    """Add to an error what was tried, what that means and what helps.

    Args:
        error: the one that ended the run; changed.
        attempts: of this run; the last one ended with this error.
        known: how earlier runs ended.
        noun: iPhone or iPad.
        ios_version: which path in Settings to name.
    """
    last = attempts[-1]
    before = find(last, known)
    twice = len(attempts) > 1 and (attempts[-2].code, attempts[-2].place) == (last.code, last.place)
    where = _PLACES[last.place]
    told = ""
    if before is not None:
        since = f"{before.first.day} {before.first:%B}"
        told = f"Every backup since {since} has ended like this, {where}, so ibackup did not try again."
    elif twice:
        start = "everything" if last.from_nothing else "what is new since the last backup"
        told = f"ibackup tried twice, and the second time the {noun} sent {start} again; both ended {where}."
    error.lasting = before is not None or twice or last.code in _OWN
    if before is not None or twice:
        told += f" So the cause is on the {noun}, not in what is stored here."
    # A phone's own words may end with or without a full stop.
    why = f"{error.why}." if told and error.why and error.why[-1] not in ".!?" else error.why
    error.why = f"{why} {told}".strip()
    full_tried = last.from_nothing or (before is not None and before.from_nothing)
    error.hint = _hint(error.hint, last, noun, ios_version, full_tried=full_tried)


def _hint(hint: str, last: EndedAttempt, noun: str, ios_version: str | None, *, full_tried: bool) -> str:
    kept = f": it continues from {size_text(last.kept)}" if last.kept else ""
    restart = f"Restart the {noun}, then run `ibackup now`{kept}."
    if last.code != CORRUPT:
        return hint.replace(AGAIN.format(noun=noun), restart)
    if full_tried:
        update = SettingsPlace.UPDATE.path(ios_version, noun)
        return f"{restart} If that does not help, update the {noun} in {update} first."
    whole = max(last.whole, last.kept)
    return (
        f"{restart} If that does not help, have the phone send everything again, about {size_text(whole)}: "
        "`ibackup now --full`. ibackup never does this without asking."
    )
