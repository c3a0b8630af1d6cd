"""How all phones of a fleet are, from the small signed objects alone: no repository is opened, no password needed."""

import os
from copy import deepcopy
from dataclasses import asdict
from datetime import datetime

from ibackup.base.errors import IbackupError
from ibackup.config.config_schema import Config
from ibackup.copies.fleet.fleet_keys import NotGenuine
from ibackup.copies.fleet.keeper_findings import KeeperFindings
from ibackup.jobs.fleet.fleet_judging import FleetProblem, FleetStanding, SeenReports, judge
from ibackup.jobs.fleet.opened_fleet import OpenedFleet
from ibackup.store.disk import durable
from ibackup.store.disk.json_records import JsonRecord, RecordFlaw
from ibackup.store.disk.system_lock import changing
from ibackup.store.records.used_stores import state_dir

_SEEN = "fleet-seen.json"


def look_at_fleet(fleet: OpenedFleet, config: Config, now: datetime) -> FleetStanding:
    """Read and judge everything. Raises IbackupError: the place cannot be reached."""
    hosts = fleet.hosts()
    names = fleet.bucket.status_names()
    seen = _read_seen(fleet.keeper_key)
    findings, problem = read_findings(fleet)
    before = deepcopy(seen)
    standing = judge(
        hosts, names, fleet.bucket.statuses, seen, findings, lambda udid: config.rules(udid).max_age_s, now
    )
    if problem is not None:
        standing.problems.append(problem)
    if seen != before:
        _keep_seen(fleet.keeper_key, seen)
    return standing


def read_findings(fleet: OpenedFleet) -> tuple[KeeperFindings | None, FleetProblem | None]:
    """What the keeper found, and what is wrong with that. Raises IbackupError."""
    data = fleet.bucket.findings()
    if data is None:
        return None, None
    try:
        return KeeperFindings.opened(data, fleet.keeper_key), None
    except (NotGenuine, RecordFlaw):
        return None, FleetProblem("forged", "The keeper did not sign what is said to be its findings.")


def _read_seen(keeper_key: str) -> SeenReports:
    """What was seen before; a file that is missing or damaged counts as nothing."""
    try:
        record = JsonRecord.read(_path()).record(keeper_key)
        sequences, hosts = record.record("sequences"), record.record("hosts")
        return SeenReports(
            {name: sequences.number(name) for name in sequences.names()},
            {name: hosts.number(name) for name in hosts.names()},
            record.number("findings"),
        )
    except (OSError, RecordFlaw):
        return SeenReports()


def _keep_seen(keeper_key: str, seen: SeenReports) -> None:
    """Remember it, and what others saw meanwhile; that it cannot be written is no reason to stop."""
    try:
        durable.make_dir(state_dir(), parents=True)
        with changing(_path()):
            members = asdict(seen.with_more(_read_seen(keeper_key)))
            durable.write_file(_path(), JsonRecord({"schema": 1, keeper_key: members}).render())
    except (OSError, IbackupError):
        return


def _path() -> str:
    return os.path.join(state_dir(), _SEEN)
