"""Estimates: about how much the phone will send, how long that takes, and whether there is space.

They never stop a backup.
"""

from dataclasses import dataclass

from ibackup.base import disks
from ibackup.base.durations import rough_duration
from ibackup.base.events import Caution, Note, Observer
from ibackup.base.sizes import rough_size
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.store.records.snapshot import Snapshot

_USB_BYTES_PER_SECOND = 30_000_000
# Part of the used space is iOS itself, apps and caches, which are not in a backup.
_BACKED_UP_SHARE = 0.7
_NEW_SHARE = 20  # about a twentieth of the next backup is new, if its owner takes photos and videos
_PHONES_OWN_MARGIN = 128 << 20
_ADVISE_CABLE_BYTES = 20 * 10**9


@dataclass(frozen=True, slots=True)
class BackupEstimate:
    """What a run will probably receive.

    Attributes:
        bytes: to receive; None if unknown.
        seconds: how long that takes over USB 2.
        first: whether the phone sends everything, not only what is new.
        usual_bytes: about how much is new since the last backup.
    """

    bytes: int | None
    first: bool
    usual_bytes: int = 0

    @property
    def seconds(self) -> float | None:
        """How many seconds that takes over a slow cable."""
        return None if self.bytes is None else self.bytes / _USB_BYTES_PER_SECOND


def estimate(facts: PhoneFacts, base: Snapshot | None, kept_bytes: int) -> BackupEstimate:
    """Estimate what the phone will send, from its used space and what is already here.

    Args:
        facts: of the phone.
        base: the snapshot that this run starts from, or None.
        kept_bytes: what an interrupted run left, which need not be sent again.
    """
    used = facts.used_bytes
    if used is None:
        return BackupEstimate(None, base is None)
    expected = int(used * _BACKED_UP_SHARE)
    here = max(base.meta.bytes if base else 0, kept_bytes)
    usual = max(base.meta.bytes // _NEW_SHARE - kept_bytes, 0) if base else 0
    return BackupEstimate(max(expected - here, 0), base is None, usual)


def tell(found: BackupEstimate, path: str, free: int, observe: Observer, *, by_cable: bool = True) -> None:
    """Announce where the backup goes, about how much and how long; warn if the disk looks too small."""
    if found.bytes is None or found.seconds is None:
        observe(Note(f"Backing up to {path}."))
    elif found.first:
        large = not by_cable and found.bytes > _ADVISE_CABLE_BYTES
        how_long = f"about {rough_duration(max(found.seconds, 60))} over USB"
        if not by_cable:
            how_long = "which takes much longer over Wi-Fi than over a cable"
        observe(
            Note(
                f"Backing up to {path}. Everything is sent: at most about {rough_size(found.bytes)}, {how_long}. "
                "You can keep using the phone."
            )
        )
        if large:
            observe(
                Caution(
                    "The first backup of a phone with so much on it is better made over a cable.",
                    "To do that, press Ctrl-C, connect it and run the command again: what has arrived is kept. Later "
                    "backups transfer only what is new.",
                )
            )
    else:
        observe(Note(f"Backing up to {path}. Only new data is transferred, usually in a few minutes."))
    expected = (found.bytes or 0) if found.first else found.usual_bytes
    if expected + _PHONES_OWN_MARGIN > free:
        more = f"{'at most about' if found.first else 'some'} {rough_size(max(expected, 1_000_000))}"
        observe(
            Caution(
                f"There may not be enough space: {rough_size(free)} free, {more} to come.",
                "The iPhone stops before sending anything if it does not fit.",
            )
        )


def tell_format(path: str, observe: Observer) -> None:
    """Warn of a disk that cannot store a long video: before the first backup, it is easy to use another one."""
    if not disks.holds_large_files(path):
        observe(
            Caution(
                "This disk is formatted as FAT, which cannot store files above 4 GB: one long video ends the backup.",
                "Use a disk formatted as APFS, NTFS, ext4, Btrfs, XFS or exFAT.",
            )
        )
