"""Which way this system has to mount a WebDAV address."""

import sys

from ibackup.base.errors import IbackupError
from ibackup.mount.system.by_davfs2 import ByDavfs2
from ibackup.mount.system.by_gvfs import ByGvfs
from ibackup.mount.system.by_mount_webdav import ByMountWebdav
from ibackup.mount.system.by_windows_redirector import ByWindowsRedirector
from ibackup.mount.system.system_mount import WITHOUT_PLACE, SystemMount

_ALL: tuple[SystemMount, ...] = (ByDavfs2(), ByGvfs(), ByMountWebdav(), ByWindowsRedirector())


def system_mount(no_fuse: str = "") -> SystemMount:
    """The way to mount here.

    Args:
        no_fuse: why FUSE, which would be better, cannot do it; empty if nobody asked for it.

    Raises:
        IbackupError: there is none.
    """
    if sys.platform == "darwin":
        candidates: tuple[SystemMount, ...] = (ByMountWebdav(),)
    elif sys.platform == "win32":
        candidates = (ByWindowsRedirector(),)
    else:
        candidates = (ByDavfs2(), ByGvfs())
    reasons = [no_fuse] if no_fuse else []
    for each in candidates:
        reason = each.why_not()
        if not reason:
            return each
        reasons.append(reason)
    raise IbackupError(
        "This system has nothing that shows folders at --at.",
        why=" ".join(reasons),
        hint=WITHOUT_PLACE,
    )


def mounted_by(name: str) -> SystemMount | None:
    """The way of that name; None for FUSE, and for an address that nothing mounts."""
    return next((each for each in _ALL if each.name == name), None)
