"""A task of Windows' Task Scheduler, written in its XML ([MS-TSCH] 2.5) and handed over by schtasks.

The elements of a task have a fixed order; the scheduler refuses another.
"""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from datetime import time
from html import escape

from ibackup.errors import IbackupError, UsageError
from ibackup.programs import must, run
from ibackup.scheduling.types import Installed, Job, Kind, Piece, Program

_AT = re.compile(r"<StartBoundary>[0-9-]{10}T([0-9]{2}):([0-9]{2}):")
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

    kind: Kind = "windows"

    def __init__(self, program: Program = "nightly") -> None:
        self.program = program
        self._task = rf"\ibackup\{program}"

    def missing(self) -> str:
        """Windows."""
        return "" if sys.platform == "win32" else "The Task Scheduler is a part of Windows."

    def pieces(self, job: Job) -> tuple[Piece, ...]:
        """The task. It starts with the user's own environment, so that none is written into it."""
        words = [*job.whole_command[1:]]
        if any(ord(char) < 32 for word in job.whole_command for char in word):
            raise UsageError("A path with a control character cannot stand in a task.", hint="Rename it.")
        text = _XML.format(
            task=self._task,
            trigger=_AT_LOGON.format(user=escape(_user())) if job.at is None else _DAILY.format(at=job.at),
            user=escape(_user()),
            program=escape(job.command[0]),
            arguments=escape(subprocess.list2cmdline(words)),
        )
        return (Piece(f"the task {self._task}", text),)

    def install(self, job: Job) -> None:
        """Hand it over, in place of an earlier one."""
        (piece,) = self.pieces(job)
        fd, name = tempfile.mkstemp(suffix=".xml")
        try:
            with open(fd, "wb") as file:
                file.write(piece.content.encode("utf-16"))  # with its mark, as schtasks wants it
            must("schtasks", "/Create", "/TN", self._task, "/XML", name, "/F")
        finally:
            os.unlink(name)
        if job.at is None:
            must("schtasks", "/Run", "/TN", self._task)  # the login that would start it is over

    def remove(self) -> bool:
        """Have it deleted."""
        if self.find() is None:
            return False
        must("schtasks", "/Delete", "/TN", self._task, "/F")
        return True

    def find(self) -> Installed | None:
        """What schtasks says of it."""
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
        """Only while the user is logged in: the phone's driver and the notifications are the user's."""
        return (
            "It starts only while you are logged in (a locked screen does no harm); a start that was missed is made "
            "up for at the next login."
        )


def _user() -> str:
    r"""``DOMAIN\user``, as the system knows this user."""
    domain, user = os.environ.get("USERDOMAIN", ""), os.environ.get("USERNAME", "")
    if not user:
        import getpass

        user = getpass.getuser()
    return f"{domain}\\{user}" if domain else user
