"""What the reports of a fleet's computers say about each phone, and which of them are not what they claim to be.

Anyone who can write to the bucket can add objects, put old ones back and remove new ones. So a report counts only if
its computer's key signed it, its name is the one that it says, and no later one was seen before.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from ibackup.base.exit_codes import ExitCode
from ibackup.copies.fleet.fleet_keys import NotGenuine
from ibackup.copies.fleet.host_records import HostRecord
from ibackup.copies.fleet.host_statuses import HostStatus, ReportedBackup, StatusName
from ibackup.copies.fleet.keeper_findings import KeeperFinding
from ibackup.jobs.fleet.opened_fleet import Hosts
from ibackup.store.disk import record_times
from ibackup.store.disk.json_records import RecordFlaw
from ibackup.store.freshness import is_ahead, is_stale

Read = Callable[[Collection[StatusName]], Mapping[StatusName, bytes]]
ProblemKind = Literal["damaged", "forged", "replayed", "future", "silent", "stale"]
_WORST: tuple[ProblemKind, ...] = ("damaged", "forged", "replayed")
_CLOCKS_DIFFER = timedelta(minutes=10)
_MOST_TRIES = 5
"""How many reports of one computer about one phone are looked at until one counts."""


@dataclass(frozen=True, slots=True)
class FleetProblem:
    """One thing that is wrong, as a sentence."""

    kind: ProblemKind
    text: str


@dataclass
class FleetPhone:
    """One phone of the fleet.

    Attributes:
        name: as its owner called it; empty if nobody has reported it yet.
        hosts: the computers that may back it up now.
        newest: the newest good backup that any of them has, and ``newest_host`` the computer.
        heard: when the newest report was made, UTC.
        reports: the newest report of each computer that counts.
        finding: what the keeper itself found last.
        problems: what is wrong.
    """

    udid: str
    name: str = ""
    hosts: tuple[str, ...] = ()
    newest: ReportedBackup | None = None
    newest_host: str = ""
    heard: datetime | None = None
    reports: list[HostStatus] = field(default_factory=list)
    finding: KeeperFinding | None = None
    problems: list[FleetProblem] = field(default_factory=list)


@dataclass
class SeenReports:
    """The highest number that this computer has seen of each computer and phone, as ``UDID/HOST``."""

    sequences: dict[str, int] = field(default_factory=dict)


@dataclass
class FleetStanding:
    """All phones of a fleet, by UDID; ``problems`` are about the fleet as a whole."""

    phones: list[FleetPhone]
    problems: list[FleetProblem] = field(default_factory=list)

    @property
    def all_problems(self) -> list[FleetProblem]:
        """Those of the phones, too."""
        return [*self.problems, *(each for phone in self.phones for each in phone.problems)]

    @property
    def code(self) -> ExitCode:
        """Damage, and what someone tampered with, before staleness; a fleet without phones is stale."""
        kinds = {each.kind for each in self.all_problems}
        if kinds & set(_WORST):
            return ExitCode.DAMAGE
        return ExitCode.STALE if kinds or not self.phones else ExitCode.OK


def judge(
    hosts: Hosts,
    names: Sequence[StatusName],
    read: Read,
    seen: SeenReports,
    findings: Mapping[str, KeeperFinding],
    max_age_of: Callable[[str], float],
    now: datetime,
) -> FleetStanding:
    """Judge every phone; adds to ``seen`` what is new.

    Args:
        hosts: who belongs to the fleet.
        names: of all reports, by phone and time.
        read: gets reports by their names; asked for many at once.
        seen: what was seen before.
        findings: what the keeper found, by UDID.
        max_age_of: how old a backup of a phone may be, in seconds.
        now: the time.
    """
    phones = {udid: FleetPhone(udid, hosts=able) for udid, able in hosts.phones().items()}
    standing = FleetStanding(list(phones.values()))
    standing.problems += [
        FleetProblem("forged", f"The keeper did not sign the record of the computer {host}.")
        for host in hosts.forged
    ]
    pending: dict[tuple[str, str], list[StatusName]] = {}
    strangers: dict[str, int] = {}
    for name in sorted(names, reverse=True):
        record = hosts.genuine.get(name.host)
        if record is None or name.udid not in record.phones:
            strangers[name.host] = strangers.get(name.host, 0) + 1
        else:
            pending.setdefault((name.udid, name.host), []).append(name)
    standing.problems += [
        FleetProblem(
            "forged", f"{count} reports are in the name of {host}, about phones that are not its own."
        )
        for host, count in sorted(strangers.items())
    ]
    for _ in range(_MOST_TRIES):
        wanted = {key: left.pop(0) for key, left in pending.items() if left}
        data = read(tuple(wanted.values())) if wanted else {}
        for key, name in wanted.items():
            status = _counting(name, data.get(name), hosts.genuine[name.host], phones[name.udid], now)
            if status is not None:
                _take(status, phones[name.udid], seen)
                del pending[key]
    for phone in phones.values():
        phone.finding = findings.get(phone.udid)
        _judge_phone(phone, max_age_of(phone.udid), now)
    return standing


def _counting(
    name: StatusName, data: bytes | None, host: HostRecord, phone: FleetPhone, now: datetime
) -> HostStatus | None:
    """The report if it counts; what is wrong with it goes to the phone's problems."""
    if data is None:
        return None  # removed since it was listed, or too long to be one of ours
    try:
        status = HostStatus.opened(data, host.public_key)
    except (NotGenuine, RecordFlaw):
        phone.problems.append(
            FleetProblem("forged", f"{host.host} did not sign the report of {_when(name)}.")
        )
        return None
    if status.name != name:
        phone.problems.append(
            FleetProblem(
                "replayed",
                f"The report of {host.host} from {_when(status.name)} is there again under another name.",
            )
        )
        return None
    if status.written - now > _CLOCKS_DIFFER:
        phone.problems.append(
            FleetProblem("future", f"{host.host} reports from the future: {_when(name)}. Check its clock.")
        )
        return None
    if host.revoked and status.written > host.changed:
        phone.problems.append(
            FleetProblem("forged", f"{host.host} was revoked, and still reports ({_when(name)}).")
        )
        return None
    return status


def _take(status: HostStatus, phone: FleetPhone, seen: SeenReports) -> None:
    """Take up a report that counts, and compare its number with what was seen before."""
    key = f"{status.udid}/{status.host}"
    before = seen.sequences.get(key, 0)
    if status.sequence < before:
        phone.problems.append(
            FleetProblem(
                "replayed",
                f"Newer reports of {status.host} are gone: number {before} was there, now it is {status.sequence}.",
            )
        )
    seen.sequences[key] = max(before, status.sequence)
    phone.reports.append(status)


def _judge_phone(phone: FleetPhone, max_age_s: float, now: datetime) -> None:
    newest = max(phone.reports, key=lambda each: each.written, default=None)
    if newest is not None:
        phone.heard = newest.written
        phone.name = newest.device_name
    for report in phone.reports:
        backup = report.last_backup
        phone.problems += [FleetProblem("damaged", f"{report.host}: {text}") for text in report.damage]
        if backup is not None and is_ahead(backup.made, now):
            phone.problems.append(
                FleetProblem(
                    "future", f"{report.host} has a backup that is dated in the future: {backup.snapshot}."
                )
            )
        elif backup is not None and (phone.newest is None or backup.made > phone.newest.made):
            phone.newest, phone.newest_host = backup, report.host
    if phone.finding is not None and not phone.finding.good:
        phone.problems.append(FleetProblem("damaged", f"The keeper: {phone.finding.problems[0]}"))
    if newest is None:
        phone.problems.append(FleetProblem("silent", "No computer has reported it yet."))
    elif is_stale(newest.written, max_age_s, now):
        phone.problems.append(FleetProblem("silent", f"The last report is from {_when(newest.name)}."))
    if newest is not None and phone.newest is None:
        phone.problems.append(FleetProblem("stale", "It has no good backup."))
    elif phone.newest is not None and is_stale(phone.newest.made, max_age_s, now):
        phone.problems.append(
            FleetProblem("stale", f"The newest good backup is from {_readable(phone.newest.made)}.")
        )


def _when(name: StatusName) -> str:
    return _readable(record_times.from_id(name.when))


def _readable(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
