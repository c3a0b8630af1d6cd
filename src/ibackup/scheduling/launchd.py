"""A launchd agent (launchd.plist(5)): one property list in ~/Library/LaunchAgents."""

import contextlib
import os
import plistlib
import sys
from datetime import time

from ibackup.errors import IbackupError
from ibackup.programs import must, run
from ibackup.scheduling.types import Installed, Job, Kind, Piece, Program
from ibackup.store import durable

_LIMIT = 1 << 20


class Launchd:
    """The agents of the user who runs this."""

    kind: Kind = "launchd"

    def __init__(self, program: Program = "nightly") -> None:
        self.program = program
        self.label = f"ibackup.{program}"
        self._place = os.path.expanduser(f"~/Library/LaunchAgents/{self.label}.plist")

    def missing(self) -> str:
        """MacOS."""
        return "" if sys.platform == "darwin" else "launchd is a part of macOS."

    def pieces(self, job: Job) -> tuple[Piece, ...]:
        """The property list."""
        members: dict[str, object] = {
            "Label": self.label,
            "ProgramArguments": list(job.whole_command),
            "EnvironmentVariables": dict(job.environment),
            "Umask": 0o077,
        }
        if job.at is not None:
            members["StartCalendarInterval"] = {"Hour": job.at.hour, "Minute": job.at.minute}
        else:
            members |= {"RunAtLoad": True, "KeepAlive": {"SuccessfulExit": False}}
        return (Piece(self._place, plistlib.dumps(members, sort_keys=False).decode()),)

    def install(self, job: Job) -> None:
        """Write it and have launchd load it, in place of an earlier one."""
        (piece,) = self.pieces(job)
        was_there = self.find() is not None
        try:
            durable.make_dir(os.path.dirname(piece.place), parents=True)
            durable.write_file(piece.place, piece.content.encode(), mode=0o644)
            _unload(self.label)
            must("launchctl", "bootstrap", _domain(), piece.place)
        except BaseException:
            if not was_there:
                with contextlib.suppress(OSError):
                    os.unlink(piece.place)
            raise

    def remove(self) -> bool:
        """Have launchd forget it, and remove the file."""
        if not os.path.lexists(self._place):
            return False
        _unload(self.label)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._place)
        return True

    def find(self) -> Installed | None:
        """The property list."""
        try:
            with open(self._place, "rb") as file:
                members = plistlib.loads(file.read(_LIMIT))
        except (OSError, ValueError, plistlib.InvalidFileException):
            return None
        starts = members.get("StartCalendarInterval") if isinstance(members, dict) else None
        return Installed(self.kind, _time(starts), self._place, program=self.program)

    def caveat(self) -> str:
        """A sleeping Mac makes up for it, one that is off does not."""
        return (
            "A Mac that sleeps at that time starts it when it wakes; one that is switched off, or at the login "
            "window, does not."
        )


def _time(starts: object) -> time | None:
    if not isinstance(starts, dict) or starts.keys() != {"Hour", "Minute"}:
        return None
    with contextlib.suppress(ValueError, TypeError):
        return time(starts["Hour"], starts["Minute"])
    return None


def _domain() -> str:
    """The user's desktop session, or, over ssh, the user's own domain (launchctl(1))."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    return f"gui/{user}" if run("launchctl", "print", f"gui/{user}").code == 0 else f"user/{user}"


def _unload(label: str) -> None:
    with contextlib.suppress(IbackupError):
        run("launchctl", "bootout", f"{_domain()}/{label}")
