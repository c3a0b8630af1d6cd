"""A fleet as metrics for Prometheus."""

from datetime import datetime
from typing import get_args

from ibackup.jobs.fleet.fleet_judging import FleetStanding, ProblemKind
from ibackup.jobs.overview.metric_sheet import MetricSheet, at


def render_fleet(standing: FleetStanding, now: datetime) -> str:
    """The metrics, one gauge after the other; times are seconds since 1970."""
    sheet = MetricSheet()
    sheet.gauge("fleet_timestamp_seconds", "When this was written.", now.timestamp())
    sheet.gauge("fleet_exit_code", "0 all good, 4 damage or tampering, 30 stale.", int(standing.code))
    sheet.gauge("fleet_phones", "Phones in the fleet.", len(standing.phones))
    for kind in get_args(ProblemKind):
        count = sum(each.kind == kind for each in standing.all_problems)
        sheet.gauge("fleet_problems", "What is wrong, by kind.", count, kind=kind)
    for phone in standing.phones:
        labels = {"udid": phone.udid, "phone": phone.name}
        made = phone.newest.made if phone.newest else None
        sheet.gauge(
            "fleet_phone_backup_timestamp_seconds", "Date of its newest good backup.", at(made), **labels
        )
        sheet.gauge(
            "fleet_phone_heard_timestamp_seconds", "When it was last reported.", at(phone.heard), **labels
        )
        sheet.gauge(
            "fleet_phone_problems", "How many things are wrong with it.", len(phone.problems), **labels
        )
    return sheet.text()
