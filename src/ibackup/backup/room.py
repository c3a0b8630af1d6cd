"""About how much will come, about how long it will take, and whether there is room: estimates, which never refuse."""

from dataclasses import dataclass

from ibackup.device import PhoneFacts
from ibackup.events import Caution, Note, Observer
from ibackup.store import Snapshot

_USB_BYTES_PER_SECOND = 30_000_000
# A part of what a phone calls used is iOS itself, apps and caches, none of which a backup holds.
_BACKED_UP_SHARE = 0.7
_NEW_SHARE = 20  # a twentieth of a backup is new in the next one, if the owner takes photos and videos
_PHONES_OWN_MARGIN = 128 << 20


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will probably bring.

    Attributes:
        bytes: to be received, None when nothing tells.
        seconds: to receive them over USB 2.
        first: whether everything comes, not only what is new.
        usual_bytes: what may well be new since the last backup.
    """

    bytes: int | None
    first: bool
    usual_bytes: int = 0

    @property
    def seconds(self) -> float | None:
        """How long that takes over a cable of the slow kind."""
        return None if self.bytes is None else self.bytes / _USB_BYTES_PER_SECOND


def estimate(facts: PhoneFacts, base: Snapshot | None, kept_bytes: int) -> Estimate:
    """What will come, by what the phone has used and what is here already.

    Args:
        facts: of the phone.
        base: the snapshot that this run starts from, or None.
        kept_bytes: what a broken run left, which need not come again.
    """
    used = facts.used_bytes
    if used is None:
        return Estimate(None, base is None)
    expected = int(used * _BACKED_UP_SHARE)
    here = max(base.meta.bytes if base else 0, kept_bytes)
    usual = max(base.meta.bytes // _NEW_SHARE - kept_bytes, 0) if base else 0
    return Estimate(max(expected - here, 0), base is None, usual)


def tell(found: Estimate, path: str, free: int, observe: Observer) -> None:
    """Say where to, about how much and about how long; warn when the disk looks too small."""
    if found.bytes is None or found.seconds is None:
        observe(Note(f"Backing up to {path}."))
    elif found.first:
        minutes = max(round(found.seconds / 60), 1)
        observe(
            Note(
                f"Backing up to {path}. Everything is sent: at most about {_size(found.bytes)}, "
                f"about {_minutes(minutes)} over USB. You can go on using the phone."
            )
        )
    else:
        observe(Note(f"Backing up to {path}. Only what is new is transferred, usually in a few minutes."))
    expected = (found.bytes or 0) if found.first else found.usual_bytes
    if expected + _PHONES_OWN_MARGIN > free:
        more = f"{'at most about' if found.first else 'some'} {_size(expected)}"
        observe(
            Caution(
                f"There may not be enough room: {_size(free)} free, {more} to come.",
                "The phone knows exactly and says so before it sends anything.",
            )
        )


def _size(count: int) -> str:
    if count >= 995_000_000_000:
        return f"{count / 1e12:.1f} TB"
    if count >= 995_000_000:
        return f"{count / 1e9:.0f} GB"
    return f"{max(count / 1e6, 1):.0f} MB"


def _minutes(count: int) -> str:
    if count < 90:
        return f"{count} min"
    return f"{count / 60:.1f} h"
