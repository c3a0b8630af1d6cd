"""Notifications on this computer's own screen, by the system's own means."""

import contextlib
import os
import subprocess
import sys

from ibackup.unattended.telling.messages import Message

_SECONDS = 10.0


def show(message: Message) -> None:
    """Show a message, where there is a screen; nobody may be logged in, so that none is no problem to tell of."""
    if sys.platform == "darwin":
        from ibackup.unattended.telling import desktop_macos as system
    elif sys.platform == "win32":
        from ibackup.unattended.telling import desktop_windows as system
    else:
        from ibackup.unattended.telling import desktop_linux as system
    found = system.program(message.title, message.text, urgent=message.urgent)
    if found is None:
        return
    command, environment = found
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
