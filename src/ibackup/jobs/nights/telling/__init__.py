"""Sends notifications about unattended runs: on the desktop, by push and mail, and by heartbeats.

Nothing here ever fails or delays a backup: messages are sent from a separate thread, and undelivered ones are
reported at the end.
"""
