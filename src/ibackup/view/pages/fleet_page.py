"""Fleet: how all phones of all computers are, as `ibackup fleet status` says it."""

from datetime import UTC, datetime

from starlette.responses import Response

from ibackup.base.errors import IbackupError
from ibackup.jobs.fleet.fleet_overview import look_at_fleet
from ibackup.jobs.fleet.opened_fleet import OpenedFleet
from ibackup.view.asked import Asked
from ibackup.view.way import Way


def fleet(asked: Asked) -> Response:
    """All phones of the fleet that this computer belongs to."""
    config = asked.house.config
    standing = None
    error = None
    if config.fleet.bucket is not None:
        try:
            standing = look_at_fleet(OpenedFleet.open(config.fleet), config, datetime.now(UTC))
        except IbackupError as raised:
            error = raised
    return asked.render("fleet.html", title="Fleet", page="fleet", standing=standing, error=error)


WAYS = (Way("GET", "/fleet", fleet),)
