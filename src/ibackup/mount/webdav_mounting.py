"""Serves a tree by WebDAV, and has the system mount it at a place."""

from collections.abc import Callable
from contextlib import suppress

from ibackup.base.errors import IbackupError
from ibackup.mount.path_lookup import PathLookup
from ibackup.mount.system.system_mount import WITHOUT_PLACE, SystemMount
from ibackup.mount.unmounting import MountRecord
from ibackup.mount.webdav_face import serve_webdav
from ibackup.mount.webdav_site import WebDavSite


def mount_by_webdav(
    lookup: PathLookup,
    at: str | None,
    by: SystemMount | None,
    ready: Callable[[str, WebDavSite], object],
    *,
    idle_s: float = 0.0,
) -> None:
    """Serve a tree until Ctrl-C or ``unmount``, mounted if there is a way to do it.

    Args:
        lookup: the tree.
        at: a prepared place; None: only an address.
        by: how to mount it there.
        ready: gets where the files are, or the address, and the site.
        idle_s: end after so many seconds without use; 0: never.

    Raises:
        IbackupError: the system refuses.
    """
    records: list[MountRecord] = []

    def answers(site: WebDavSite) -> None:
        if at is None or by is None:
            records.append(MountRecord.made(site.url))
            ready(site.url, site)
        else:
            records.append(MountRecord.made(at, by.name, site.with_user))
            try:
                place = by.mount(site, at)
            except OSError as error:
                raise IbackupError(
                    f"Nothing could be mounted at {at!r}: {error.strerror}.", hint=WITHOUT_PLACE
                ) from None
            ready(place, site)

    def over() -> None:
        for record in records:
            if record.is_wanted:  # otherwise `unmount` has done it
                try:
                    record.undo()
                except IbackupError:
                    with suppress(IbackupError):
                        record.undo(forced=True)

    try:
        is_over = lambda: not all(each.is_wanted for each in records)  # noqa: E731
        serve_webdav(lookup, answers, over=over, idle_s=idle_s, is_over=is_over)
    finally:
        for each in records:
            each.forget()
