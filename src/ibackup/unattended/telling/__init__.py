"""Tells people what happens while nobody looks: on the desktop, by push and mail, and by heartbeats.

Nothing here ever fails or delays a backup: messages go out from a thread of their own, and what could not be delivered
is told at the end.
"""

from ibackup.unattended.telling.messages import Message
from ibackup.unattended.telling.teller import Teller

__all__ = ["Message", "Teller"]
