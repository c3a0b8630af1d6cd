"""Linux, in a desktop session: ``gio mount``, as the file manager does it."""

import contextlib
import glob
import os
from dataclasses import dataclass
from typing import ClassVar

from ibackup.base.errors import IbackupError
from ibackup.base.programs import run
from ibackup.mount.system.system_mount import busy, program, refusal
from ibackup.mount.webdav_site import WebDavSite, port_of

_PACKAGES = "On Debian: apt install libglib2.0-bin gvfs-backends gvfs-fuse."


@dataclass(frozen=True, slots=True)
class ByGvfs:
    """GVfs has a place of its own for everything that it mounts; ``at`` becomes a link to it."""

    name: ClassVar[str] = "gvfs"
    makes_place: ClassVar[bool] = True

    def why_not(self) -> str:
        """It needs GVfs and its bus."""
        if program("gio") is None or not _has_backend():
            return f"GVfs is not installed. {_PACKAGES}"
        bus = os.path.join(_runtime(), "bus")
        if "DBUS_SESSION_BUS_ADDRESS" not in os.environ and not os.path.exists(bus):
            return "GVfs needs a desktop session."
        return ""

    def mount(self, site: WebDavSite, at: str) -> str:
        """The password is what it asks for on standard input. Raises IbackupError."""
        address = _as_dav(site.with_user)
        done = run("gio", "mount", address, given=f"{site.password}\n")
        if done.code:
            raise refusal("`gio mount`", done)
        place = _place(address)
        if place is None:  # without gvfs-fuse only the file manager shows it
            return address
        try:
            os.symlink(place, at)
        except OSError as error:
            self.unmount(at, address, forced=True)
            raise IbackupError(f"The link {at!r} could not be made: {error.strerror}.") from None
        return at

    def unmount(self, at: str, address: str, *, forced: bool = False) -> None:
        """Raises IbackupError."""
        place = _place(address)
        done = run("gio", "mount", "-u", *(["-f"] if forced else []), _as_dav(address))
        if done.code and place is not None and not forced:
            raise busy(at, done)
        with contextlib.suppress(OSError):
            if f"port={port_of(address)}," in os.readlink(at):
                os.unlink(at)


def _as_dav(address: str) -> str:
    return address.replace("http:", "dav:")


def _has_backend() -> bool:
    folders = (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    return any(os.path.exists(os.path.join(each, "gvfs", "mounts", "dav.mount")) for each in folders)


def _runtime() -> str:
    return os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"


def _place(address: str) -> str | None:
    """Where GVfs shows an address as files."""
    found = glob.glob(os.path.join(glob.escape(_runtime()), "gvfs", f"dav:*port={port_of(address)},*"))
    return found[0] if found else None
