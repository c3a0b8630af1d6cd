"""A line in the user's crontab, in a block of its own; every other line stays as it is, byte for byte.

The line carries its environment itself: a variable that is set in a crontab holds for all lines below it, which are
not ours.
"""

import os
import re
import shlex
import shutil
from datetime import time

from ibackup.errors import IbackupError, UsageError
from ibackup.programs import must, run
from ibackup.scheduling.types import Installed, Job, Kind, Piece, Program

PLACE = "the crontab"
BEGIN = "# >>> ibackup: made by `ibackup schedule install`, taken away by `ibackup schedule remove`"
END = "# <<< ibackup"
_LONGEST = 990  # cron itself takes 1000 characters of command
_TIME = re.compile(r"([0-9]{1,2}) ([0-9]{1,2}) \* \* \* ")
# As the several crons say it. Anything else must not be taken for an empty crontab, which would then be written.
_NO_CRONTAB = re.compile(r"no crontab for|No such file|does not exist", re.IGNORECASE)


class Cron:
    """The crontab of the user who runs this."""

    kind: Kind = "cron"

    def __init__(self, program: Program = "nightly") -> None:
        self.program = program

    def missing(self) -> str:
        """The program that reads and writes crontabs; cron starts, and keeps nothing running."""
        if self.program == "watch":
            return "cron keeps no program running."
        return "" if shutil.which("crontab") else "There is no cron here (no `crontab` command)."

    def pieces(self, job: Job) -> tuple[Piece, ...]:
        """The block."""
        return (Piece(PLACE, _block(job)),)

    def install(self, job: Job) -> None:
        """Put the block at the end, or where it was."""
        before = _read()
        after = _with(before, _block(job))
        if after != before:
            must("crontab", "-", given=after)

    def remove(self) -> bool:
        """Take the block away; a crontab that held nothing else goes with it."""
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
        return Installed(
            self.kind, at, PLACE, "" if found else "Its line in the crontab is not there any more."
        )

    def caveat(self) -> str:
        """Cron does not make up for a start that it missed."""
        return "cron starts nothing later when the computer was off or asleep at that time; a systemd timer does."


def _block(job: Job) -> str:
    if job.at is None:
        raise UsageError("cron keeps no program running.", hint="Choose another --kind, or leave it away.")
    words = [f"{name}={value}" for name, value in job.environment]
    command = ["/usr/bin/env", *words, *job.whole_command] if words else [*job.whole_command]
    line = shlex.join(command).replace("%", r"\%")  # to cron a bare one ends the command
    if "\n" in line or "\r" in line:
        raise UsageError("A line break in a path cannot stand in a crontab.", hint="Choose another --kind.")
    if len(os.fsencode(line)) > _LONGEST:
        raise UsageError(
            f"The command would be longer than the {_LONGEST} characters that cron takes.",
            hint="Make PATH shorter for this once: PATH=/usr/local/bin:/usr/bin:/bin ibackup schedule install …",
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
    """A crontab with this block in place of ours; an empty one takes ours away.

    Raises:
        IbackupError: our block has lost one of its marks.
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
            "The block of ibackup in the crontab has been changed: its first and its last line do not fit.",
            hint=f"Take all of it away with `crontab -e`. It begins with {BEGIN[:11]!r} and ends with {END!r}.",
        )
    return "".join([*lines[: marks.index(BEGIN)], block, *lines[marks.index(END) + 1 :]])
