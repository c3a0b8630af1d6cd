"""A launchd agent (launchd.plist(5)): one property list in ~/Library/LaunchAgents."""

import contextlib
import os
import plistlib
import sys
import time
from datetime import time as time_of_day

from ibackup.base.errors import IbackupError
from ibackup.base.programs import must, run
from ibackup.jobs.schedule.schedule_types import Installed, Piece, Program, ScheduledCommand, SchedulerKind
from ibackup.store.disk import durable

_LIMIT = 1 << 20
_TRIES = 20
_PAUSE_S = 0.5
_NOT_LOADED = "launchd has not loaded it: run `ibackup schedule install` again."


class Launchd:
    """The agents of the user who runs this."""

    kind: SchedulerKind = "launchd"

    def __init__(self, program: Program = "nightly") -> None:
        self.program = program
        self.label = f"ibackup.{program}"
        self._place = os.path.expanduser(f"~/Library/LaunchAgents/{self.label}.plist")

    def missing(self) -> str:
        """MacOS."""
        return "" if sys.platform == "darwin" else "launchd is a part of macOS."

    def pieces(self, job: ScheduledCommand) -> tuple[Piece, ...]:
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

    def install(self, job: ScheduledCommand) -> None:
        """Write it and have launchd load it, replacing an earlier one."""
        (piece,) = self.pieces(job)
        was_there = os.path.lexists(self._place)
        try:
            durable.make_dir(os.path.dirname(piece.place), parents=True)
            durable.write_file(piece.place, piece.content.encode(), mode=0o644)
            _unload(self.label)
            _load(piece.place)
        except BaseException:
            if not was_there:
                with contextlib.suppress(OSError):
                    os.unlink(piece.place)
            raise

    def remove(self) -> bool:
        """Unload it from launchd and remove the file."""
        if not os.path.lexists(self._place):
            return False
        _unload(self.label)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._place)
        return True

    def find(self) -> Installed | None:
        """The property list; launchd is asked whether it has loaded it."""
        try:
            with open(self._place, "rb") as file:
                members = plistlib.loads(file.read(_LIMIT))
        except (OSError, ValueError, plistlib.InvalidFileException):
            return None
        starts = members.get("StartCalendarInterval") if isinstance(members, dict) else None
        problem = "" if _is_loaded(self.label) else _NOT_LOADED
        return Installed(self.kind, _time(starts), self._place, problem, program=self.program)

    def caveat(self) -> str:
        """A sleeping Mac makes up for a missed start; one that is off does not."""
        return (
            "If the Mac is asleep at that time, the backup starts when it wakes. If it is switched off or at the login "
            "window, the backup is skipped."
        )


def _time(starts: object) -> time_of_day | None:
    if not isinstance(starts, dict) or starts.keys() != {"Hour", "Minute"}:
        return None
    with contextlib.suppress(ValueError, TypeError):
        return time_of_day(starts["Hour"], starts["Minute"])
    return None


def _domain() -> str:
    """The user's desktop session, or, over ssh, the user's own domain (launchctl(1))."""
    desktop, user = _domains()
    return desktop if run("launchctl", "print", desktop).code == 0 else user


def _domains() -> tuple[str, str]:
    user = os.getuid() if hasattr(os, "getuid") else 0
    return f"gui/{user}", f"user/{user}"


def _load(place: str) -> None:
    """Have launchd load an agent. Unloading takes a moment, and until then launchd refuses."""
    for _ in range(_TRIES):
        if run("launchctl", "bootstrap", _domain(), place).code == 0:
            return
        time.sleep(_PAUSE_S)
    must("launchctl", "bootstrap", _domain(), place)


def _unload(label: str) -> None:
    """Unload an agent from launchd, and wait until it is gone."""
    with contextlib.suppress(IbackupError):
        for _ in range(_TRIES):
            run("launchctl", "bootout", f"{_domain()}/{label}")
            if not _is_loaded(label):
                return
            time.sleep(_PAUSE_S)


def _is_loaded(label: str) -> bool:
    """Whether launchd knows an agent; True if that cannot be checked."""
    with contextlib.suppress(IbackupError):
        return any(run("launchctl", "print", f"{domain}/{label}").code == 0 for domain in _domains())
    return True
