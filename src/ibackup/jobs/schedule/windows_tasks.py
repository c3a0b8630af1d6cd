"""A task of Windows' Task Scheduler, written in its XML ([MS-TSCH] 2.5) and installed with schtasks.

The elements of a task have a fixed order; the scheduler refuses any other.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from datetime import time
from html import escape

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.programs import must, run
from ibackup.jobs.schedule.schedule_types import Installed, Piece, Program, ScheduledCommand, SchedulerKind

_AT = re.compile(r"<StartBoundary>[0-9-]{10}T([0-9]{2}):([0-9]{2}):")
_NO_NAME = re.compile(r'[\\/:*?"<>|]')
_XML = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Backs up the iPhones of this user. Made by "ibackup schedule install".</Description>
    <URI>{task}</URI>
  </RegistrationInfo>
  <Triggers>
{trigger}  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>{user}</UserId>
      <LogonType>InteractiveToken</LogonType>
      <RunLevel>LeastPrivilege</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <AllowHardTerminate>true</AllowHardTerminate>
    <StartWhenAvailable>true</StartWhenAvailable>
    <Enabled>true</Enabled>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>5</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{program}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
_DAILY = """\
    <CalendarTrigger>
      <StartBoundary>2026-01-01T{at:%H:%M}:00</StartBoundary>
      <Enabled>true</Enabled>
      <ScheduleByDay>
        <DaysInterval>1</DaysInterval>
      </ScheduleByDay>
    </CalendarTrigger>
"""
_AT_LOGON = """\
    <LogonTrigger>
      <Enabled>true</Enabled>
      <UserId>{user}</UserId>
    </LogonTrigger>
"""


class Windows:
    """The tasks of the user who runs this."""

    kind: SchedulerKind = "windows"

    def __init__(self, program: Program = "nightly") -> None:
        self.program = program
        # Tasks belong to the computer, so each user needs a separate name.
        self._task = rf"\ibackup\{program} of {_NO_NAME.sub('.', _user())}"

    def missing(self) -> str:
        """Windows."""
        return "" if sys.platform == "win32" else "The Task Scheduler is a part of Windows."

    def pieces(self, job: ScheduledCommand) -> tuple[Piece, ...]:
        """The task. It starts with the user's own environment, so none is written into it."""
        words = [*job.whole_command[1:]]
        if any(ord(char) < 32 for word in job.whole_command for char in word):
            raise UsageError("A task cannot contain a path with a control character.", hint="Rename it.")
        text = _XML.format(
            task=escape(self._task),
            trigger=_AT_LOGON.format(user=escape(_user())) if job.at is None else _DAILY.format(at=job.at),
            user=escape(_user()),
            program=escape(job.command[0]),
            arguments=escape(subprocess.list2cmdline(words)),
        )
        return (Piece(f"the task {self._task}", text),)

    def install(self, job: ScheduledCommand) -> None:
        """Install it, replacing an earlier one."""
        (piece,) = self.pieces(job)
        fd, name = tempfile.mkstemp(suffix=".xml")
        try:
            with open(fd, "wb") as file:
                file.write(piece.content.encode("utf-16"))  # with a byte order mark, which schtasks needs
            must("schtasks", "/Create", "/TN", self._task, "/XML", name, "/F")
        finally:
            os.unlink(name)
        if job.at is None:
            must("schtasks", "/Run", "/TN", self._task)  # the login that would start it has already happened

    def remove(self) -> bool:
        """Have it deleted."""
        if self.find() is None:
            return False
        must("schtasks", "/Delete", "/TN", self._task, "/F")
        return True

    def find(self) -> Installed | None:
        """What schtasks says about it."""
        if self.missing():
            return None
        with contextlib.suppress(IbackupError):
            done = run("schtasks", "/Query", "/TN", self._task, "/XML")
            if done.code == 0:
                match = _AT.search(done.out)
                at = time(int(match[1]), int(match[2])) if match else None
                return Installed(self.kind, at, f"the task {self._task}", program=self.program)
        return None

    def caveat(self) -> str:
        """Only while the user is logged in: the phone's driver and the notifications belong to the user."""
        return (
            "It starts only while you are logged in (a locked screen is fine). If it misses a start, it runs at your "
            "next login."
        )


def _user() -> str:
    r"""``DOMAIN\user``, as the system knows this user."""
    domain, user = os.environ.get("USERDOMAIN", ""), os.environ.get("USERNAME", "")
    if not user:
        import getpass

        user = getpass.getuser()
    return f"{domain}\\{user}" if domain else user
