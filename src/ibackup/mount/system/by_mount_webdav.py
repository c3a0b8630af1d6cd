"""macOS: its own ``mount_webdav``, which anyone may run for a folder of theirs."""

import struct
import subprocess
import tempfile
from dataclasses import dataclass
from typing import ClassVar

from ibackup.base.errors import IbackupError
from ibackup.base.programs import Done, outcome, run
from ibackup.mount.system.system_mount import busy, program, refusal
from ibackup.mount.webdav_site import WebDavSite, port_of

_PROGRAM = "mount_webdav"
_SECONDS = 30


@dataclass(frozen=True, slots=True)
class ByMountWebdav:
    """What the Finder uses, without its windows."""

    name: ClassVar[str] = "mount_webdav"
    makes_place: ClassVar[bool] = False

    def why_not(self) -> str:
        """It is a part of macOS."""
        return "" if program(_PROGRAM) is not None else "mount_webdav is a part of macOS."

    def mount(self, site: WebDavSite, at: str) -> str:
        """With ``-a 0``, it reads the user and the password from its standard input, a file. Raises IbackupError."""
        command = [program(_PROGRAM) or _PROGRAM, "-S", "-a", "0", "-o", "rdonly,nosuid,nodev"]
        with tempfile.TemporaryFile() as file:  # it has no name, and may be read from the beginning again
            file.write(credentials(site.user, site.password))
            file.flush()
            try:
                with subprocess.Popen(
                    [*command, "-v", "ibackup", site.url, at],
                    stdin=file,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                ) as process:
                    out, err = outcome(process, _SECONDS)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise IbackupError(f"{_PROGRAM} did not work: {type(error).__name__}.") from None
            finally:
                file.seek(0)
                file.truncate()
        if process.returncode:
            raise refusal(
                _PROGRAM,
                Done(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")),
            )
        return at

    def unmount(self, at: str, address: str, *, forced: bool = False) -> None:
        """Raises IbackupError."""
        if (
            f"http://127.0.0.1:{port_of(address)}/ on " in run("mount").out
        ):  # by now the place may be another one's
            done = run("umount", *(["-f"] if forced else []), at)
            if done.code:
                raise busy(at, done)


def credentials(user: str, password: str) -> bytes:
    """As Apple's webdavfs reads them: user, password, and the same for a proxy, each after its length (32 bits)."""
    parts = (user.encode(), password.encode(), b"", b"")
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)
