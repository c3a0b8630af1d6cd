"""What the ways in which systems mount a WebDAV address have in common."""

import shutil
from typing import ClassVar, Protocol

from ibackup.base.errors import IbackupError
from ibackup.base.programs import Done
from ibackup.mount.webdav_site import WebDavSite

WITHOUT_PLACE = "`ibackup mount --kind webdav` without --at shows an address that you can open in a browser."


class SystemMount(Protocol):
    """One way to mount an address.

    Attributes:
        name: in the record of what is mounted.
        makes_place: whether the place must not exist yet, since mounting makes it.
    """

    name: ClassVar[str]
    makes_place: ClassVar[bool]

    def why_not(self) -> str:
        """Why it cannot be used here, a sentence with what to do; empty if it can."""

    def mount(self, site: WebDavSite, at: str) -> str:
        """Mount the address, and return where its files are: ``at``, unless the system has another place for it.

        The password goes through standard input, a file without a name, or the memory of this process.

        Raises:
            IbackupError: the system refuses.
        """

    def unmount(self, at: str, address: str, /, *, forced: bool = False) -> None:
        """Undo it, also what a crash left.

        Args:
            at: as ``mount`` was told.
            address: of the site, with its user.
            forced: although it is in use, or its server is gone.

        Raises:
            IbackupError: it is in use.
        """


def program(name: str) -> str | None:
    """The path of a program, also of one that only the administrator's PATH has."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def refusal(what: str, done: Done) -> IbackupError:
    """The error for a program that refused to mount."""
    said = " ".join((done.err.strip() or done.out.strip()).split())[:300] or f"exit code {done.code}"
    return IbackupError(
        f"{what} failed: {said.rstrip('.')}.",
        hint=WITHOUT_PLACE,
    )


def busy(at: str, done: Done) -> IbackupError:
    """The error for a program that refused to unmount."""
    said = " ".join(done.err.split())[:300] or f"exit code {done.code}"
    return IbackupError(
        f"{at!r} could not be unmounted: {said.rstrip('.')}.",
        hint="Close what is open there, and leave the folder in every terminal. Then try again.",
    )
