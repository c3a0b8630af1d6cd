"""The texts and rows of ``ibackup fleet``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ibackup.base.counts import count_text
from ibackup.cli.shell.output import printable, rfc3339, time_text, wrap

if TYPE_CHECKING:
    from datetime import datetime

    from ibackup.copies.fleet.host_records import HostRecord
    from ibackup.copies.fleet.keeper_findings import KeeperFinding
    from ibackup.jobs.fleet.fleet_judging import FleetPhone, FleetProblem, FleetStanding
    from ibackup.jobs.fleet.fleet_keeping import Keeping

_MOST_LISTED = 30
"""Up to this many phones, all are listed; of more, only those with problems."""


def standing_members(standing: "FleetStanding") -> dict[str, object]:
    """A fleet for programs."""
    return {
        "phones": [_phone_members(phone) for phone in standing.phones],
        "problems": [_problem_members(each) for each in standing.problems],
    }


def standing_lines(standing: "FleetStanding") -> Iterator[str]:
    """A fleet for people: a sentence for all, then those that need a look."""
    wrong = [phone for phone in standing.phones if phone.problems]
    count = count_text(len(standing.phones), "phone")
    if not standing.phones:
        yield wrap("The fleet has no phones yet. `ibackup fleet enrol` adds them.")
    elif not wrong:
        yield wrap(f"{count}, all backed up in time and without damage.")
    elif len(standing.phones) == 1:
        yield wrap(f"{count}, with a problem.")
    else:
        yield wrap(f"{count}, {len(wrong)} of them with a problem.")
    for problem in standing.problems:
        yield wrap(f"! {problem.text}", hanging="  ")
    for phone in standing.phones if len(standing.phones) <= _MOST_LISTED else wrong:
        yield from _phone_lines(phone)


def host_members(record: "HostRecord") -> dict[str, object]:
    """A computer for programs."""
    return {
        "host": record.host,
        "phones": list(record.phones),
        "changed": rfc3339(record.changed),
        "revoked": record.revoked,
    }


def host_line(record: "HostRecord") -> str:
    """A computer for people."""
    what = "revoked" if record.revoked else "enrolled"
    return f"{record.host}  {count_text(len(record.phones), 'phone')}, {what} {time_text(record.changed)}"


def keeping_members(done: "Keeping") -> dict[str, object]:
    """A night of the keeper for programs."""
    return {
        "phones": [{"udid": udid} | _finding_members(each) for udid, each in done.findings.items()],
        "matched": list(done.matched),
        "rehearsed": done.rehearsed or None,
        "removed": {udid: list(ids) for udid, ids in done.removed.items()},
        "reports_removed": done.reports_removed,
        "locks_extended": done.locks_extended,
        "errors": {
            udid: {"exit_code": int(error.exit_code), "message": error.message, "hint": error.hint}
            for udid, error in done.errors.items()
        },
    }


def keeping_lines(done: "Keeping") -> Iterator[str]:
    """A night of the keeper for people."""
    whole = sum(each.good for udid, each in done.findings.items() if udid not in done.errors)
    yield wrap(f"{count_text(len(done.findings), 'repository', 'repositories')} checked, {whole} good.")
    if done.matched:
        yield wrap(f"Compared with their seals: {', '.join(done.matched)}.")
    if done.rehearsed:
        yield wrap(f"Restore tested: {done.rehearsed}.")
    removed = sum(len(ids) for ids in done.removed.values())
    if removed:
        yield wrap(f"Removed by your rules: {count_text(removed, 'snapshot')}.")
    if done.locks_extended:
        yield wrap(f"Locked for longer: {count_text(done.locks_extended, 'object')}.")
    for udid, finding in done.findings.items():
        for problem in finding.problems:
            yield wrap(f"! {udid}: {printable(problem)}", hanging="  ")
    for udid, error in done.errors.items():
        yield wrap(f"! {udid}: {printable(error.message)}", hanging="  ")


def _phone_members(phone: "FleetPhone") -> dict[str, object]:
    newest = phone.newest
    return {
        "udid": phone.udid,
        "name": phone.name,
        "hosts": list(phone.hosts),
        "snapshot": newest.snapshot if newest else None,
        "made": _time(newest.made if newest else None),
        "computer": phone.newest_host or None,
        "heard": _time(phone.heard),
        "keeper": _finding_members(phone.finding) if phone.finding else None,
        "problems": [_problem_members(each) for each in phone.problems],
    }


def _problem_members(problem: "FleetProblem") -> dict[str, object]:
    return {"kind": problem.kind, "text": problem.text}


def _finding_members(finding: "KeeperFinding") -> dict[str, object]:
    return {
        "snapshots": finding.snapshots,
        "newest": finding.newest or None,
        "checked": _time(finding.checked),
        "matched": _time(finding.matched),
        "rehearsed": _time(finding.rehearsed),
        "problems": list(finding.problems),
    }


def _phone_lines(phone: "FleetPhone") -> Iterator[str]:
    called = printable(phone.name) or phone.udid
    made = f"backed up {time_text(phone.newest.made)} by {phone.newest_host}" if phone.newest else "no backup"
    yield wrap(f"{'!' if phone.problems else ' '} {called}: {made}.", hanging="  ")
    for problem in phone.problems:
        yield wrap(f"  {printable(problem.text)}", hanging="  ")


def _time(moment: "datetime | None") -> str | None:
    return rfc3339(moment) if moment else None
