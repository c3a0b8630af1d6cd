"""What Windows needs: the Apple Devices app, or iTunes, which install the driver and the service."""

import shutil
from collections.abc import Iterator

from ibackup.jobs.readiness.check_result import ComputerCheck

NO_USBMUXD = ComputerCheck(
    "Apple Devices",
    "missing",
    "It is part of the Apple Devices app (open it once after installing) or of iTunes.",
    (
        'winget install --name "Apple Devices" --source msstore',
        'Start-Service "Apple Mobile Device Service"',
    ),
)


def before() -> Iterator[ComputerCheck]:
    """Nothing is needed before the service."""
    return iter(())


def after() -> Iterator[ComputerCheck]:
    """The Task Scheduler's program."""
    if shutil.which("schtasks") is None:
        yield ComputerCheck("scheduler", "missing", "schtasks, the Task Scheduler's command, is missing.")
    else:
        yield ComputerCheck("scheduler", "good", "The Task Scheduler is available.")
