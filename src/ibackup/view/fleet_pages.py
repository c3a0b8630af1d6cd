"""The page about a fleet as a file of its own, which can lie in the bucket: no script, nothing from elsewhere."""

from datetime import datetime

from ibackup.jobs.fleet.fleet_judging import FleetStanding
from ibackup.view.rendering import page


def page_alone(standing: FleetStanding, now: datetime) -> str:
    """The whole page as HTML."""
    return page("fleet_alone.html", standing=standing, now=now)
