"""A shortcut in the Start menu, by the WScript.Shell object of Windows Script Host, from PowerShell."""

import os
import subprocess
from collections.abc import Sequence

from ibackup.base.programs import powershell
from ibackup.jobs.start_icon.icon_types import COMMENT, NAME, StartIcon

# Texts come through the environment and are never part of the script.
_SCRIPT = """
$ErrorActionPreference = 'Stop'
$link = (New-Object -ComObject WScript.Shell).CreateShortcut($env:IBACKUP_ICON_PATH)
$link.TargetPath = $env:IBACKUP_ICON_PROGRAM
$link.Arguments = $env:IBACKUP_ICON_ARGUMENTS
$link.Description = $env:IBACKUP_ICON_COMMENT
$link.Save()
"""


def icon(command: Sequence[str], picture: bytes) -> StartIcon:  # noqa: ARG001 - a shortcut takes no SVG
    """The start icon.

    Args:
        command: what it starts.
        picture: not used.
    """
    menu = os.path.join(os.environ.get("APPDATA", ""), "Microsoft", "Windows", "Start Menu", "Programs")
    return StartIcon(
        (),
        "the Start menu",
        powershell(_SCRIPT),
        (
            ("IBACKUP_ICON_PATH", os.path.join(menu, f"{NAME}.lnk")),
            ("IBACKUP_ICON_PROGRAM", command[0]),
            ("IBACKUP_ICON_ARGUMENTS", subprocess.list2cmdline(command[1:])),
            ("IBACKUP_ICON_COMMENT", COMMENT),
        ),
    )
