"""Advice that this user is given once, and not at every look."""

import contextlib
import os

from ibackup.store.disk import durable
from ibackup.store.records.used_stores import state_dir


def is_first_time(advice: str) -> bool:
    """Whether this advice, a short file name, was never given before; from now on it was.

    False also where that cannot be remembered: advice at every look would be a nuisance.
    """
    path = os.path.join(state_dir(), f"told-{advice}")
    if os.path.lexists(path):
        return False
    with contextlib.suppress(OSError):
        durable.make_dir(state_dir(), parents=True)
        durable.write_file(path, b"")
        return True
    return False
