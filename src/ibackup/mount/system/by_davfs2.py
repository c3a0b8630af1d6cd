"""Linux, for root: davfs2 mounts at any folder."""

import os
import shutil
from dataclasses import dataclass
from typing import ClassVar

from ibackup.base.programs import run
from ibackup.mount.system.system_mount import busy, program, refusal
from ibackup.mount.webdav_site import WebDavSite, port_of

_PROGRAM = "mount.davfs"
_CACHES = "/var/cache/davfs2"  # its group is the one that davfs2 runs as
_OPTIONS = "ro,nosuid,nodev,noexec,file_mode=400,dir_mode=500"
# Linux 6.13 and later list folders in larger pieces than davfs2 has room for. It has nothing to lock.
_SETTINGS = "buf_size 1024\nuse_locks 0\n"


@dataclass(frozen=True, slots=True)
class ByDavfs2:
    """davfs2 copies each file that is opened into a folder of ours, which goes when it is unmounted."""

    name: ClassVar[str] = "davfs2"
    makes_place: ClassVar[bool] = False

    def why_not(self) -> str:
        """It needs davfs2 and root."""
        if program(_PROGRAM) is None or not os.path.isdir(_CACHES):
            return "davfs2 is not installed. On Debian: apt install davfs2."
        return "" if os.geteuid() == 0 else "davfs2 needs root."

    def mount(self, site: WebDavSite, at: str) -> str:
        """The user and the password are what it asks for on standard input. Raises IbackupError."""
        self._forget_copies(site.url)
        copies = _copies(site.url)
        os.mkdir(copies, 0o700)
        os.chown(copies, -1, os.stat(_CACHES).st_gid)
        os.chmod(copies, 0o770)  # noqa: S103 - davfs2 itself is no longer root
        settings = os.path.join(copies, "davfs2.conf")
        with open(settings, "x", encoding="ascii") as file:
            file.write(f"{_SETTINGS}cache_dir {copies}\n")
        done = run(
            program(_PROGRAM) or _PROGRAM,
            "-o",
            f"conf={settings},{_OPTIONS}",
            site.url,
            at,
            given=f"{site.user}\n{site.password}\n",
            variables={"no_proxy": "127.0.0.1"},
        )
        if done.code:
            self._forget_copies(site.url)
            raise refusal(_PROGRAM, done)
        return at

    def unmount(self, at: str, address: str, *, forced: bool = False) -> None:
        """Raises IbackupError."""
        if _is_mounted(address):  # by now the place may be another one's
            # davfs2's own umount, which -i leaves out, waits for it and cannot be forced.
            done = run("umount", *(["-i", "-l"] if forced else []), "--", at)
            if done.code and _is_mounted(address):
                raise busy(at, done)
        self._forget_copies(address)

    def _forget_copies(self, address: str) -> None:
        shutil.rmtree(_copies(address), ignore_errors=True)


def _is_mounted(address: str) -> bool:
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as mounts:
        return any(line.startswith(f"http://127.0.0.1:{port_of(address)}/ ") for line in mounts)


def _copies(address: str) -> str:
    """The folder for what davfs2 copies, one for each port."""
    return os.path.join(_CACHES, f"ibackup-{port_of(address)}")
