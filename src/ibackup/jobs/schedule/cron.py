"""A line in the user's crontab, in its own block; every other line stays the same, byte for byte.

The line sets its environment itself, because a variable set in a crontab applies to all lines below it, which are
not ours.
"""

import contextlib
import os
import re
import shlex
import shutil
import sys
from datetime import time
from pathlib import Path

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.programs import must, run
from ibackup.jobs.schedule.schedule_types import Installed, Piece, Program, ScheduledCommand, SchedulerKind

PLACE = "the crontab"
BEGIN = "# >>> ibackup: made by `ibackup schedule install`, taken away by `ibackup schedule remove`"
END = "# <<< ibackup"
NOT_RUNNING = "cron is not running, so nothing starts the backup: `sudo service cron start`."
_DAEMONS = (b"cron", b"crond", b"fcron", b"dcron", b"bcron-sched")
_LONGEST = 990  # cron itself accepts 1000 characters of command
_TIME = re.compile(r"([0-9]{1,2}) ([0-9]{1,2}) \* \* \* ")
# The wording of the various crons. Nothing else may count as an empty crontab, because it would be overwritten.
_NO_CRONTAB = re.compile(r"no crontab for|No such file|does not exist", re.IGNORECASE)


class Cron:
    """The crontab of the user who runs this."""

    kind: SchedulerKind = "cron"

    def __init__(self, program: Program = "nightly") -> None:
        self.program = program

    def missing(self) -> str:
        """The program that reads and writes crontabs; cron starts programs, but keeps none running."""
        if self.program == "watch":
            return "cron does not keep programs running."
        return "" if shutil.which("crontab") else "There is no cron here (no `crontab` command)."

    def pieces(self, job: ScheduledCommand) -> tuple[Piece, ...]:
        """The block."""
        return (Piece(PLACE, _block(job)),)

    def install(self, job: ScheduledCommand) -> None:
        """Put the block at the end, or where it was."""
        before = _read()
        after = _with(before, _block(job))
        if after != before:
            must("crontab", "-", given=after)

    def remove(self) -> bool:
        """Remove the block, and the crontab if nothing else is in it."""
        if self.missing():
            return False
        before = _read()
        after = _with(before, "")
        if after == before:
            return False
        if after:
            must("crontab", "-", given=after)
        else:
            must("crontab", "-r")
        return True

    def find(self) -> Installed | None:
        """The block, as `crontab -l` shows it."""
        if self.missing():
            return None
        lines = _read().splitlines()
        if BEGIN not in lines or END not in lines:
            return None
        own = lines[lines.index(BEGIN) + 1 : lines.index(END)]
        found = [match for line in own if (match := _TIME.match(line))]
        at = time(int(found[0][2]), int(found[0][1])) if len(found) == 1 else None
        problem = "" if found else "Its line in the crontab is gone."
        return Installed(self.kind, at, PLACE, problem or ("" if is_running() else NOT_RUNNING))

    def caveat(self) -> str:
        """Cron does not make up for a start that it missed."""
        return "If the computer is off or asleep at that time, cron skips the backup; a systemd timer makes up for it."


def is_running(root: Path = Path("/")) -> bool:
    """Whether the daemon that reads crontabs is running; True if unknown.

    Args:
        root: the folder that contains the system's files.
    """
    processes = root / "proc"
    if not sys.platform.startswith("linux"):
        return True  # launchd starts it on macOS when there is a crontab
    if any((root / "run/systemd").glob("generator*/cron-*.timer")):
        return True  # systemd-cron reads crontabs itself
    for name in ("crond.pid", "cron.pid"):
        with contextlib.suppress(OSError, ValueError):
            if (processes / str(int((root / "run" / name).read_text(encoding="ascii")))).exists():
                return True
    for process in processes.glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):  # it has ended since
            if process.read_bytes().strip() in _DAEMONS:
                return True
    return False


def _block(job: ScheduledCommand) -> str:
    if job.at is None:
        raise UsageError(
            "cron does not keep programs running.", hint="Choose another --kind, or leave it out."
        )
    words = [f"{name}={value}" for name, value in job.environment]
    command = ["/usr/bin/env", *words, *job.whole_command] if words else [*job.whole_command]
    line = shlex.join(command).replace("%", r"\%")  # cron treats a bare one as the end of the command
    if "\n" in line or "\r" in line:
        raise UsageError("A crontab cannot contain a path with a line break.", hint="Choose another --kind.")
    if len(os.fsencode(line)) > _LONGEST:
        raise UsageError(
            f"The command would exceed the {_LONGEST} characters that cron accepts.",
            hint="Use a shorter PATH for this command: PATH=/usr/local/bin:/usr/bin:/bin ibackup schedule install …",
        )
    return f"{BEGIN}\n{job.at.minute} {job.at.hour} * * * {line}\n{END}\n"


def _read() -> str:
    done = run("crontab", "-l")
    if done.code == 0:
        return done.out
    if _NO_CRONTAB.search(done.err):
        return ""
    raise IbackupError(
        f"The crontab cannot be read: {' '.join(done.err.split())[:300] or f'crontab -l ended with {done.code}'}.",
        hint="`crontab -l` must work; a file /etc/cron.allow may keep you out.",
    )


def _with(text: str, block: str) -> str:
    """A crontab with this block in place of ours; an empty block removes ours.

    Raises:
        IbackupError: our block has lost one of its markers.
    """
    lines = text.splitlines(keepends=True)
    marks = [line.rstrip("\r\n") for line in lines]
    begins, ends = marks.count(BEGIN), marks.count(END)
    if (begins, ends) == (0, 0):
        if not block:
            return text
        return f"{text}\n{block}" if text and not text.endswith("\n") else text + block
    if (begins, ends) != (1, 1) or marks.index(BEGIN) > marks.index(END):
        raise IbackupError(
            "Someone changed ibackup's block in the crontab: its first and last lines do not match.",
            hint=f"Remove all of it with `crontab -e`. It begins with {BEGIN[:11]!r} and ends with {END!r}.",
        )
    return "".join([*lines[: marks.index(BEGIN)], block, *lines[marks.index(END) + 1 :]])
