"""What Windows needs: the Apple Devices app, or iTunes, which bring the driver and the service."""

import shutil
from collections.abc import Iterator

from ibackup.readiness.types import Check

NO_USBMUXD = Check(
    "Apple Devices",
    "missing",
    "It is a part of the app Apple Devices (open it once after installing it), or of iTunes.",
    (
        'winget install --name "Apple Devices" --source msstore',
        'Start-Service "Apple Mobile Device Service"',
    ),
)


def before() -> Iterator[Check]:
    """Nothing comes before the service."""
    return iter(())


def after() -> Iterator[Check]:
    """The Task Scheduler's program."""
    if shutil.which("schtasks") is None:
        yield Check("scheduler", "missing", "schtasks, which speaks to the Task Scheduler, is not there.")
    else:
        yield Check("scheduler", "good", "The Task Scheduler is there.")
