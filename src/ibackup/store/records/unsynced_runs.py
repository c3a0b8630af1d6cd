"""Runs whose last files may not be on the disk although the computer kept running: the disk failed or was pulled.

What the system reports about these files afterwards proves nothing: it reports a failed write only once, and
a returning disk has only what had reached it. This cannot be recorded on that disk itself, so the user's own
state remembers it.
"""

import contextlib
import os

from ibackup.base import held
from ibackup.store.disk import durable
from ibackup.store.records.run_record import is_run_id
from ibackup.store.records.used_stores import state_dir

_FOLDER = "doubts"


def note(run_id: str) -> None:
    """Remember not to trust what this run wrote last; if that cannot be written, ignore it."""
    with contextlib.suppress(OSError):
        durable.make_dir(os.path.join(state_dir(), _FOLDER), parents=True)
        durable.write_file(_place(run_id), b"")


def is_noted(run_id: str) -> bool:
    """Whether that was remembered for a run, whose name comes from an untrusted store."""
    return is_run_id(run_id) and os.path.lexists(_place(run_id))


def settle(run_id: str) -> None:
    """Forget it: what this run left was checked, file by file."""
    if is_noted(run_id):
        with contextlib.suppress(OSError):
            held.unlink(_place(run_id))


def _place(run_id: str) -> str:
    return os.path.join(state_dir(), _FOLDER, run_id)
