"""How many photos and videos are only in iCloud, so that a backup cannot hold them."""

from dataclasses import dataclass

from ibackup.apple.backup import Backup
from ibackup.contents.gaps import Gaps
from ibackup.contents.photos.photo_asset import Holds, Presence
from ibackup.contents.photos.photo_library import PhotoLibrary

_HERE = (Holds.ORIGINAL,)


@dataclass(frozen=True, slots=True)
class OnlyInICloud:
    """The pictures and films of the phone's owner, without recently deleted ones and those that others shared.

    Attributes:
        photos: all of them.
        only_in_icloud: those whose original this backup does not hold and iCloud Photos does.
        stand_ins: how many of these are here as a smaller version, an edit or a thumbnail.
        lost: those whose original is not here although the library does not say that iCloud Photos has it.
    """

    photos: int
    only_in_icloud: int
    stand_ins: int
    lost: int

    @classmethod
    def of(cls, backup: Backup, gaps: Gaps | None = None) -> "OnlyInICloud | None":
        """Count them; None if the backup has no library that can be read.

        Args:
            backup: unlocked.
            gaps: takes what cannot be read.

        Raises:
            NoRoom: there is no space for a temporary copy.
            FormatError: the backup's list of files cannot be read.
        """
        library = PhotoLibrary.open(backup, gaps if gaps is not None else Gaps())
        if library is None:
            return None
        with library:
            return counted(library)


def counted(library: PhotoLibrary) -> OnlyInICloud:
    """Count the photos of a library."""
    photos = cloud = stand_ins = lost = 0
    for asset in library.presences():
        if not asset.source.own or asset.trashed:
            continue
        photos += 1
        if asset.holds in _HERE:
            continue
        if _is_in_icloud(asset, cloud_is_on=library.files.cloud_is_on):
            cloud += 1
            stand_ins += asset.holds is not Holds.NOTHING
        else:
            lost += 1
    return OnlyInICloud(photos, cloud, stand_ins, lost)


def _is_in_icloud(asset: Presence, *, cloud_is_on: bool) -> bool:
    """Whether a missing original is in iCloud: the library says so, or a thumbnail shows that it was on the phone.

    What the number of a placeholder means is known from one source only, so a file that the phone did not send while
    iCloud Photos was on counts, too, if its thumbnail came.
    """
    return asset.placeholder or (cloud_is_on and asset.holds is not Holds.NOTHING)
