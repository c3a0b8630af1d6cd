"""An application bundle in ~/Applications: a property list and a script (Bundle Programming Guide)."""

import os
import plistlib
import shlex
from collections.abc import Sequence

from ibackup.jobs.start_icon.icon_types import NAME, IconFile, StartIcon


def icon(command: Sequence[str], picture: bytes) -> StartIcon:  # noqa: ARG001 - a bundle takes no SVG
    """The start icon.

    Args:
        command: what it starts.
        picture: not used.
    """
    bundle = os.path.expanduser(f"~/Applications/{NAME}.app/Contents")
    about = {
        "CFBundleName": NAME,
        "CFBundleIdentifier": "io.github.ibackup.open",
        "CFBundleExecutable": NAME,
        "CFBundlePackageType": "APPL",
        "CFBundleVersion": "1",
        "LSUIElement": True,  # no place in the Dock: its window is the browser's
    }
    script = f"#!/bin/sh\nexec {shlex.join(command)}\n"
    return StartIcon(
        (
            IconFile(os.path.join(bundle, "Info.plist"), plistlib.dumps(about)),
            IconFile(os.path.join(bundle, "MacOS", NAME), script.encode(), 0o755),
        ),
        "Applications in your home folder",
    )
