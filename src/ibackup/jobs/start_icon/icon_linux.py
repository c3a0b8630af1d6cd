"""A desktop entry (freedesktop.org's Desktop Entry Specification 1.5) and its picture (Icon Theme Specification)."""

import os
from collections.abc import Sequence

from ibackup.jobs.start_icon.icon_types import COMMENT, NAME, IconFile, StartIcon

_RESERVED = " \t\n\"'\\><~|&;$*?#()`"


def icon(command: Sequence[str], picture: bytes) -> StartIcon:
    """The start icon.

    Args:
        command: what it starts.
        picture: an SVG.
    """
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    entry = (
        "[Desktop Entry]\n"
        "Type=Application\n"
        f"Name={NAME}\n"
        f"Comment={COMMENT}\n"
        f"Exec={' '.join(_quoted(each) for each in command)}\n"
        f"Icon={NAME}\n"
        "Terminal=false\n"
        "Categories=Utility;Archiving;\n"
        "Keywords=iPhone;iPad;backup;restore;photos;messages;\n"
        "StartupNotify=false\n"
    )
    return StartIcon(
        (
            IconFile(os.path.join(data, "icons/hicolor/scalable/apps", f"{NAME}.svg"), picture),
            IconFile(os.path.join(data, "applications", f"{NAME}.desktop"), entry.encode()),
        ),
        "your desktop's list of programs",
    )


def _quoted(word: str) -> str:
    """A word of ``Exec``: quoted by its rules, then escaped as a string of the file, and no field code."""
    if any(each in word for each in _RESERVED) or not word:
        inside = "".join(f"\\{each}" if each in '"`$\\' else each for each in word)
        word = f'"{inside}"'
    return word.replace("\\", "\\\\").replace("%", "%%").replace("\n", "\\n").replace("\t", "\\t")
