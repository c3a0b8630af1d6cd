"""The files of a backup that an export reads, for a backup of which not every file is here."""

from collections.abc import Collection

from ibackup.apple.app_places import PHOTOS
from ibackup.explore.selection import PRESETS, Rule, Selection


def needed_by(kinds: Collection[str]) -> Selection:
    """The files that these kinds are made from; a few more than they read."""
    # People's names are in the contacts; a picture's album and thumbnail are beside the pictures.
    rules = [Rule(PHOTOS.domain)] if "photos" in kinds else []
    rules += [rule for kind in ("contacts", *kinds) for rule in PRESETS[kind]]
    return Selection(tuple(dict.fromkeys(rules)))
