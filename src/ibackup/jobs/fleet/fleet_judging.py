"""What the reports of a fleet's computers say about each phone, and which of them are not what they claim to be.

Anyone who can write to the bucket can add objects, put old ones back and remove new ones. So a report counts only if
its computer's key signed it, its name is the one that it says, and no later one was seen before. The keeper's own
records can be put back or removed there too: so it is remembered how far each had come.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from ibackup.base.counts import count_text
from ibackup.base.exit_codes import ExitCode
from ibackup.copies.fleet.fleet_keys import NotGenuine
from ibackup.copies.fleet.host_records import HostRecord
from ibackup.copies.fleet.host_statuses import HostStatus, ReportedBackup, StatusName
from ibackup.copies.fleet.keeper_findings import KeeperFinding, KeeperFindings
from ibackup.jobs.fleet.opened_fleet import Hosts
from ibackup.store.disk import record_times
from ibackup.store.disk.json_records import RecordFlaw
from ibackup.store.freshness import is_ahead, is_stale

Read = Callable[[Collection[StatusName]], Mapping[StatusName, bytes]]
ProblemKind = Literal["damaged", "forged", "replayed", "future", "silent", "stale"]
_WORST: tuple[ProblemKind, ...] = ("damaged", "forged", "replayed")
_CLOCKS_DIFFER = timedelta(minutes=10)
_REPORTS_KEPT = 3
"""How many reports of each computer about each phone stay in the bucket."""
_MOST_NAMED = 10
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
    """How far each thing in the bucket had come when this computer saw it last.

    Attributes:
        sequences: the highest number of the reports of each computer and phone, as ``UDID/HOST/GENERATION`` of its key.
        hosts: when the keeper last wrote the record of each computer, in seconds since 1970.
        findings: when it last wrote its findings, in seconds since 1970; 0 if there were none.
    """

    sequences: dict[str, int] = field(default_factory=dict)
    hosts: dict[str, int] = field(default_factory=dict)
    findings: int = 0

    def with_more(self, other: "SeenReports") -> "SeenReports":
        """The furthest of both."""
        return SeenReports(
            _furthest(self.sequences, other.sequences),
            _furthest(self.hosts, other.hosts),
            max(self.findings, other.findings),
        )


def _furthest(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}


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
    findings: KeeperFindings | None,
    max_age_of: Callable[[str], float],
    now: datetime,
) -> FleetStanding:
    """Judge every phone; adds to ``seen`` what is new.

    Args:
        hosts: who belongs to the fleet.
        names: of all reports, by phone and time.
        read: gets reports by their names; asked for many at once.
        seen: what was seen before.
        findings: what the keeper found, if it looked yet.
        max_age_of: how old a backup of a phone may be, in seconds.
        now: the time.
    """
    phones = {udid: FleetPhone(udid, hosts=able) for udid, able in hosts.phones().items()}
    standing = FleetStanding(list(phones.values()))
    standing.problems += _first_ones(
        [f"The keeper did not sign the record of the computer {host}." for host in hosts.forged]
    )
    standing.problems += _put_back(hosts, findings, seen)
    pending: dict[tuple[str, str], list[StatusName]] = {}
    strangers: dict[str, int] = {}
    for name in _newest_first(names, now):
        record = hosts.genuine.get(name.host)
        if record is None or name.udid not in record.phones:
            strangers[name.host] = strangers.get(name.host, 0) + 1
        else:
            pending.setdefault((name.udid, name.host), []).append(name)
    standing.problems += _first_ones(
        [
            f"{count_text(count, 'report')} in the name of {host}, about phones that are not its own."
            for host, count in sorted(strangers.items())
        ]
    )
    for _ in range(_MOST_TRIES):
        wanted = {key: left.pop(0) for key, left in pending.items() if left}
        data = read(tuple(wanted.values())) if wanted else {}
        for key, name in wanted.items():
            status = _counting(name, data.get(name), hosts.genuine[name.host], phones[name.udid], now)
            if status is not None:
                _take(status, hosts.genuine[name.host], phones[name.udid], seen)
                del pending[key]
    for phone in phones.values():
        phone.finding = findings.phones.get(phone.udid) if findings else None
        _judge_phone(phone, max_age_of(phone.udid), now)
    return standing


def _first_ones(texts: Sequence[str]) -> list[FleetProblem]:
    """What is forged, as problems; anyone who can write to the bucket can make thousands."""
    more = len(texts) - _MOST_NAMED
    named = [*texts[:_MOST_NAMED], *([f"And {more} more of this kind."] if more > 0 else [])]
    return [FleetProblem("forged", text) for text in named]


def _newest_first(names: Sequence[StatusName], now: datetime) -> Iterator[StatusName]:
    """The names, newest first. Of those from the future one is enough to name: others would hide what is true."""
    ahead: set[tuple[str, str]] = set()
    latest = record_times.as_id(now + _CLOCKS_DIFFER)
    for name in sorted(names, reverse=True):
        key = (name.udid, name.host)
        if name.when <= latest or key not in ahead:
            yield name
        if name.when > latest:
            ahead.add(key)


def replaced(hosts: Hosts, names: Sequence[StatusName], read: Read, now: datetime) -> list[StatusName]:
    """The reports that newer ones of the same computer about the same phone replaced.

    Only newer ones that count replace any: others, put there to push the true ones out, do not. One from the future is
    replaced when the computer, with its clock set right, has reported after it.

    Args:
        hosts: as for ``judge``.
        names: as for ``judge``.
        read: as for ``judge``.
        now: the time.
    """
    latest = record_times.as_id(now + _CLOCKS_DIFFER)
    groups: dict[tuple[str, str], tuple[list[StatusName], list[StatusName]]] = {}
    for name in sorted(names, reverse=True):
        if name.host in hosts.genuine:
            past, ahead = groups.setdefault((name.udid, name.host), ([], []))
            (ahead if name.when > latest else past).append(name)
    tried = {
        key: (past[: _REPORTS_KEPT + _MOST_TRIES], ahead[:_MOST_TRIES])
        for key, (past, ahead) in groups.items()
        if len(past) > _REPORTS_KEPT or ahead
    }
    data = read([name for past, ahead in tried.values() for name in (*past, *ahead)])
    gone: list[StatusName] = []
    for (udid, host), (past, ahead) in tried.items():
        record, phone = hosts.genuine[host], FleetPhone(udid)
        counting = [
            status for name in past if (status := _counting(name, data.get(name), record, phone, now))
        ]
        if len(counting) >= _REPORTS_KEPT:
            oldest = counting[_REPORTS_KEPT - 1].name
            gone += [name for name in groups[udid, host][0] if name < oldest]
        for name in ahead if counting else ():
            status = _counting(name, data.get(name), record, phone, record_times.from_id(name.when))
            if status is not None and status.sequence < counting[0].sequence:
                gone.append(name)
    return gone


def _put_back(hosts: Hosts, findings: KeeperFindings | None, seen: SeenReports) -> list[FleetProblem]:
    """What was there before and is gone, or older than it was; adds to ``seen`` what is new."""
    found = []
    for host, before in seen.hosts.items():
        record = hosts.genuine.get(host)
        if record is None and host not in hosts.forged:
            found.append(FleetProblem("replayed", f"The record of the computer {host} is gone."))
        elif record is not None and record.changed.timestamp() < before:
            found.append(FleetProblem("replayed", f"An old record of the computer {host} was put back."))
    for host, record in hosts.genuine.items():
        seen.hosts[host] = max(seen.hosts.get(host, 0), int(record.changed.timestamp()))
    written = int(findings.written.timestamp()) if findings else 0
    if written < seen.findings:
        what = "Old findings of the keeper were put back." if findings else "The keeper's findings are gone."
        found.append(FleetProblem("replayed", what))
    seen.findings = max(seen.findings, written)
    return found


def _counting(
    name: StatusName, data: bytes | None, host: HostRecord, phone: FleetPhone, now: datetime
) -> HostStatus | None:
    """The report if it counts; what is wrong with it goes to the phone's problems."""
    if data is None:
        return None  # removed since it was listed, or too long to be one of ours
    try:
        status = HostStatus.opened(data, host.public_key)
    except (NotGenuine, RecordFlaw):
        if name.when <= record_times.as_id(host.changed):
            return None  # it was made before the keeper wrote the record, perhaps with an earlier key
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


def _take(status: HostStatus, host: HostRecord, phone: FleetPhone, seen: SeenReports) -> None:
    """Take up a report that counts, and compare its number with what was seen before."""
    key = f"{status.udid}/{status.host}/{host.generation}"
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
    if phone.finding is not None:
        phone.problems += _found_by_keeper(phone.finding, max_age_s, now)
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


def _found_by_keeper(finding: KeeperFinding, max_age_s: float, now: datetime) -> Iterator[FleetProblem]:
    """What the keeper's own look says, whatever the computers report."""
    if not finding.good:
        yield FleetProblem("damaged", f"The keeper: {finding.problems[0]}")
    if finding.checked is None:
        yield FleetProblem("silent", "The keeper could not check its repository yet.")
    elif is_stale(finding.checked, max_age_s, now):
        yield FleetProblem("silent", f"The keeper last checked its repository {_readable(finding.checked)}.")
    elif finding.newest and is_stale(record_times.from_id(finding.newest), max_age_s, finding.checked):
        when = _readable(record_times.from_id(finding.newest))
        yield FleetProblem(
            "stale", f"The newest snapshot that the keeper found in its repository is from {when}."
        )


def _when(name: StatusName) -> str:
    return _readable(record_times.from_id(name.when))


def _readable(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
