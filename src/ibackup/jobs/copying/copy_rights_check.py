"""Finds out whether this computer could destroy a second copy."""

from ibackup.base.events import Observer, PhaseStarted
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.copies.rights.copy_rights import CopyRights
from ibackup.store.disk import record_times


def check_rights(copy: OpenedCopy, observe: Observer) -> CopyRights:
    """Try what a thief would, on an object of its own, and keep what came of it.

    Raises:
        IbackupError: the copy cannot be used, or nothing can be added to it: see ``copy_errors``.
    """
    with copy.alone():
        observe(PhaseStarted("copy", f"Looking at the copy {copy.name}."))
        copy.require()
        observe(PhaseStarted("verify", f"Trying what this computer may do to the copy {copy.name}."))
        found = CopyRights(copy.config.repository_id, record_times.now(), copy.engine.try_rights())
        found.write(copy.name)
    return found
