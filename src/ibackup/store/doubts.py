"""Runs whose last files may not be on the disk, although the computer never went down: the disk failed, or was pulled.

What the system says of these files afterwards proves nothing: a write-back that failed is reported once, and a disk
that comes back has whatever had reached it. It cannot be written down beside them, on that disk; so the user's own
state remembers it.
"""

import contextlib
import os

from ibackup.store import durable
from ibackup.store.known import state_dir
from ibackup.store.run import is_run_id

_FOLDER = "doubts"


def note(run_id: str) -> None:
    """Remember that what this run wrote last is not to be trusted; where that cannot be written, nobody is helped."""
    with contextlib.suppress(OSError):
        durable.make_dir(os.path.join(state_dir(), _FOLDER), parents=True)
        durable.write_file(_place(run_id), b"")


def is_noted(run_id: str) -> bool:
    """Whether that was remembered of a run, whose name comes from a store that may be anybody's."""
    return is_run_id(run_id) and os.path.lexists(_place(run_id))


def settle(run_id: str) -> None:
    """What this run left was looked at, file by file."""
    if is_noted(run_id):
        with contextlib.suppress(OSError):
            os.unlink(_place(run_id))


def _place(run_id: str) -> str:
    return os.path.join(state_dir(), _FOLDER, run_id)
