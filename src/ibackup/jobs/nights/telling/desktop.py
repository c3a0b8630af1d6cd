"""Notifications on this computer's screen, with the system's own tools."""

import os
import subprocess
import sys

from ibackup.base.programs import NO_WINDOW
from ibackup.jobs.nights.telling.message_texts import Message

_SECONDS = 10.0


def show(message: Message) -> str:
    """Show a message; returns why that was impossible. If nobody is logged in, a night does not report that."""
    if sys.platform == "darwin":
        from ibackup.jobs.nights.telling import desktop_macos as system
    elif sys.platform == "win32":
        from ibackup.jobs.nights.telling import desktop_windows as system
    else:
        from ibackup.jobs.nights.telling import desktop_linux as system
    found = system.program(message.title, message.text, urgent=message.urgent)
    if found is None:
        return "no desktop session was found here, or its program for notifications (notify-send) is not installed"
    command, environment = found
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
            creationflags=NO_WINDOW,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"{command[0]} could not be run ({type(error).__name__})"
    return f"{command[0]} ended with {done.returncode}" if done.returncode else ""
