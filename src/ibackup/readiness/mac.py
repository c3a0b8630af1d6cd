"""What macOS needs: nothing to talk to phones, and Full Disk Access to read what Finder keeps."""

import os
from collections.abc import Iterator

from ibackup.readiness.types import Check

NO_USBMUXD = Check(
    "usbmuxd",
    "missing",
    "macOS starts it by itself; without it Finder sees no phone either. Restart the Mac.",
    ("sudo killall -HUP usbmuxd",),
)
# Guarded, always there, and nobody's secrets are looked at: only whether it opens.
_GUARDED = "~/Library/Application Support/com.apple.TCC"
_SETTINGS = 'open "x-apple.systempreferences:com.apple.preference.security?Privacy_AllFiles"'


def before() -> Iterator[Check]:
    """Nothing comes before usbmuxd."""
    return iter(())


def after(guarded: str = _GUARDED) -> Iterator[Check]:
    """Full Disk Access of the program that runs this, a terminal as a rule."""
    try:
        os.listdir(os.path.expanduser(guarded))
    except PermissionError:
        yield Check(
            "Full Disk Access",
            "advice",
            "This program may not read Finder's backups (verify, import, to-finder). Switch it on for your terminal, "
            "then quit and open that again. Backups into a store of your own do not need it.",
            (_SETTINGS,),
        )
    except OSError:
        yield Check("Full Disk Access", "advice", "Whether it is given could not be found out.", (_SETTINGS,))
    else:
        yield Check("Full Disk Access", "good", "Finder's backups can be read.")
