"""What file managers, file servers and sync programs leave in any folder: not part of a backup, not damage."""

from typing import Final

_NAMES: Final = frozenset(
    [
        "icon\r",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "lost+found",
        "network trash folder",
        "recycler",
        "system volume information",
        "temporary items",
        "thevolumesettingsfolder",
    ]
)
_LONGEST: Final = max(map(len, _NAMES))
_MARKS: Final = (".", "@", "#")
"""Beginnings of names that no backup has.

Hidden files (.DS_Store, ._x, .nfs0000…, .stfolder, .AppleDouble) and files of NAS devices (@eaDir, @Recycle,
#recycle, #snapshot).
"""


def is_litter(name: str) -> bool:
    """Whether a file or folder with this name belongs to another program, not to the backup."""
    return name.startswith(_MARKS) or (len(name) <= _LONGEST and name.lower() in _NAMES)


def is_in_litter(path: str) -> bool:
    """The same for a path with forward slashes: also everything below such a folder."""
    return any(map(is_litter, path.split("/")))
