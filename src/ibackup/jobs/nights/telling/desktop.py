"""Notifications on this computer's screen, with the system's own tools."""

import sys

from ibackup.base import programs
from ibackup.base.errors import IbackupError
from ibackup.jobs.nights.telling.message_texts import Message


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
        done = programs.run(*command, variables=environment)
    except IbackupError:
        return f"{command[0]} could not be run"  # its arguments may be a phone's name
    return f"{command[0]} ended with {done.code}" if done.code else ""
