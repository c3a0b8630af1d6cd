"""What macOS needs: nothing extra to talk to phones, and Full Disk Access to read Finder's backups."""

import os
from collections.abc import Iterator
from pathlib import Path

from ibackup.jobs.readiness.check_result import ComputerCheck

NO_USBMUXD = ComputerCheck(
    "usbmuxd",
    "missing",
    "macOS starts it automatically; without it, Finder sees no phone either. Restart the Mac.",
    ("sudo killall -HUP usbmuxd",),
)
# Protected and always there. Only whether it opens matters; nothing in it is read.
_GUARDED = "~/Library/Application Support/com.apple.TCC"
_SETTINGS = 'open "x-apple.systempreferences:com.apple.preference.security?Privacy_AllFiles"'


_PRIVACY = 'open "x-apple.systempreferences:com.apple.preference.security?Privacy"'


def agent(store: Path) -> Iterator[ComputerCheck]:
    """Permissions that a terminal has and launchd's agent may lack; macOS does not let a program check another's."""
    where = os.path.realpath(store)
    if where.startswith("/Volumes/"):
        yield ComputerCheck(
            "agent permissions",
            "advice",
            f"The store {where!r} is on another disk or a share. macOS asks once whether the agent that "
            "starts backups (shown as python) may read such disks and, for phones over Wi-Fi, reach the "
            "local network. Allow both: Files and Folders, Local Network.",
            ("launchctl kickstart gui/$(id -u)/ibackup.nightly", _PRIVACY),
        )


def before() -> Iterator[ComputerCheck]:
    """Nothing is needed before usbmuxd."""
    return iter(())


def after(guarded: str = _GUARDED) -> Iterator[ComputerCheck]:
    """Full Disk Access of the program that runs this, usually a terminal."""
    try:
        os.listdir(os.path.expanduser(guarded))
    except PermissionError:
        yield ComputerCheck(
            "Full Disk Access",
            "advice",
            "This program may not read Finder's backups (for verify, import, to-finder). Allow it for your "
            "terminal, then quit and reopen the terminal. Backups into your own store do not need it.",
            (_SETTINGS,),
        )
    except OSError:
        yield ComputerCheck(
            "Full Disk Access", "advice", "ibackup could not find out whether it is allowed.", (_SETTINGS,)
        )
    else:
        yield ComputerCheck("Full Disk Access", "good", "ibackup can read Finder's backups.")
