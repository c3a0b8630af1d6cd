"""``ibackup list``: list the snapshots in the store."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.identities import plain_name
from ibackup.base.sizes import size_text
from ibackup.cli.commands.snapshot_members import proof_members, snapshot_members
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.output import (
    phone_text,
    printable,
    rfc3339,
    styled,
    time_text,
    whole,
    wrap,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from ibackup.apple.found_folders import Glance
    from ibackup.store.freshness import Known
    from ibackup.store.phone_folder import PhoneFolder
    from ibackup.store.records.snapshot import BrokenSnapshot

_IMPORTED_AFTER = timedelta(days=1)  # a backup this much younger than its data was not made here


@ibackup_command("list")
@click.option(
    "--finder",
    is_flag=True,
    help="List the backups of Finder, iTunes or Apple Devices on this computer instead",
)
@click.option(
    "--copies",
    is_flag=True,
    help="Also say which second copies have each snapshot, and list what only they have",
)
def command(app: App, finder: bool, copies: bool) -> int:
    """List the snapshots in the store, by phone, newest last.

    "proven" shows when `ibackup verify` found a snapshot good, at the strongest level so far; "restorable" shows
    that `ibackup rehearse` did. `ibackup show SNAPSHOT` shows more. --copies says what the store knows; no copy is
    asked.
    """
    if finder:
        return _finder(app)
    from ibackup.cli.commands.list_of_copies import ListedCopies

    store = app.open_store()
    phones = [store.phone(app.udid)] if app.udid else store.phones()
    phones.sort(key=lambda phone: plain_name(app.phones.of(phone.udid).name))
    rows: list[dict[str, object]] = []
    unfinished: list[dict[str, object]] = []
    blocks: list[str] = []
    elsewhere = ListedCopies(app.config.copies if copies else ())
    for phone in phones:
        standing, runs = phone.standing(), _runs(phone)
        there = elsewhere.look(phone, [each.id for each in standing.entries])
        if not standing.entries and not runs and not there.lines:
            continue
        lines = [_phone_line(phone, standing.newest), *there.lines]
        for entry in standing.entries:
            row, line = _entry(phone, entry, there.note(entry.id) if copies else "")
            if copies:
                row["copies"] = list(there.copies.names.get(entry.id, ()))
            rows.append(row)
            lines.append(line)
            app.reporter.emit({"event": "snapshot", **row})
        unfinished += [row for row, _ in runs]
        lines += [line for _, line in runs]
        blocks.append("\n".join(lines))
    if hint := elsewhere.hint:
        blocks.append(wrap(hint))
    text = "\n\n".join(blocks) or wrap(f"No snapshots in '{store.path}' yet. Make one with `ibackup now`.")
    payload = {"store": str(store.path), "snapshots": rows, "unfinished": unfinished}
    return app.result(payload | ({"only_in_copies": elsewhere.rows} if copies else {}), text)


def _finder(app: App) -> int:
    """List the backups of Apple's programs, in their own folders."""
    from ibackup.apple.backup import Backup
    from ibackup.apple.found_folders import glance, inside, size_of
    from ibackup.jobs.keeping.finder_folder import finder_folders

    places = finder_folders()
    if not places:
        raise UsageError(
            "This system has no folder in which Apple's programs keep backups.",
            hint="`ibackup verify FOLDER` checks a backup folder anywhere.",
        )
    rows: list[dict[str, object]] = []
    lines: list[str] = []
    for place in places:
        if not os.path.isdir(place):
            continue
        for path in inside(place):
            each = glance(path, Backup)
            size = size_of(path)
            row: dict[str, object] = {
                "path": path,
                "udid": each.udid,
                "device_name": each.device_name,
                "product_type": each.product_type,
                "ios_version": each.ios_version,
                "made": rfc3339(each.made) if each.made else None,
                "encrypted": each.encrypted,
                "bytes": size,
            }
            rows.append(row)
            app.reporter.emit({"event": "finder_backup", **row})
            lines.append(_glance_text(each, size))
    nothing = wrap(
        f"Apple's programs have no backup on this computer (ibackup looked in {' and '.join(places)})."
    )
    if not lines:
        return app.result({"folders": list(places), "backups": rows}, nothing)
    following = "To check one: `ibackup verify FOLDER`. To copy it into the store: `ibackup import FOLDER`."
    return app.result({"folders": list(places), "backups": rows}, "\n".join([*lines, wrap(following)]))


def _glance_text(each: "Glance", size: int) -> str:
    made = time_text(each.made) if each.made else "date unknown"
    about = [
        phone_text(each.device_name or each.udid, each.product_type, each.ios_version),
        made,
        size_text(size),
    ]
    if each.encrypted is not None:
        about.append("encrypted" if each.encrypted else "not encrypted")
    return wrap(f"{', '.join(about)}: {whole(printable(each.path))}", "", "    ")


def _phone_line(phone: "PhoneFolder", newest: "Known | None") -> str:
    name = newest.snapshot.meta.device_name if newest else phone.device_name()
    model = newest.snapshot.meta.product_type if newest else ""
    known = ", ".join(filter(None, (printable(model), phone.udid)))
    return wrap(f"{printable(name)} ({known})" if name else known)


def _entry(
    phone: "PhoneFolder", entry: "Known | BrokenSnapshot", note: str = ""
) -> tuple[dict[str, object], str]:
    from ibackup.store.records.snapshot import BrokenSnapshot

    row: dict[str, object] = {"snapshot": entry.id, "path": entry.path, "udid": phone.udid}
    if isinstance(entry, BrokenSnapshot):
        row |= {"state": "damaged", "message": entry.error.message}
        return row, _damaged(
            wrap(f"{entry.id}  DAMAGED: {printable(entry.error.message)}{note}", "  ", "    ")
        )
    meta, proofs = entry.snapshot.meta, entry.proofs
    row |= {
        "state": entry.state,
        "message": entry.damage or None,
        **snapshot_members(meta),
        "pinned": proofs.pinned,
        "pin_note": proofs.pin_note,
        "proof": proof_members(proofs.latest),
        "best_proof": proof_members(entry.proof),
        "rehearsed": rfc3339(entry.rehearsed) if entry.rehearsed else None,
    }
    notes = ["encrypted" if meta.encrypted else "not encrypted"]
    if meta.rewraps:
        notes.append(f"{meta.rewraps} under a new password")
    elif meta.started - meta.data_from > _IMPORTED_AFTER:
        notes.append(f"of {time_text(meta.data_from).partition(' ')[0]}")
    if entry.damage:
        what = "`ibackup show` has more" if proofs.known_damaged else f"its seal {entry.seal_flaw}"
        lost = "UNPROVEN: the record of its checks cannot be read"
        notes.append(lost if entry.is_unknown else f"DAMAGED: {what}")
    else:
        if meta.flawed:
            notes.append(f"flawed: {count_text(len(meta.flawed), 'file')}")
        notes += _proven(entry)
    if proofs.pinned:
        notes.append(f"pinned: {printable(proofs.pin_note)}" if proofs.pin_note else "pinned")
    head = whole(f"{entry.id}  {time_text(meta.started)}  {size_text(meta.bytes):>7}  ")
    return row, _damaged(wrap(f"{head}{', '.join(notes)}{note}", "  ", "    "))


def _proven(entry: "Known") -> "Iterator[str]":
    """The rehearsal, the strongest proof, and the latest one if it is neither."""
    best, latest = entry.proof, entry.proofs.latest
    if entry.rehearsed:
        yield f"restorable, tested {_day(entry.rehearsed)}"
    if best:
        yield f"proven {_day(best.when)} ({best.level})"
    if latest is None:
        yield "not verified yet"
    elif latest.level != "rehearse" and latest != best:
        yield f"last checked {_day(latest.when)} ({latest.level})"


def _day(moment: "datetime") -> str:
    return time_text(moment).partition(" ")[0]


def _damaged(line: str) -> str:
    return line.replace("DAMAGED", styled("DAMAGED", fg="red", bold=True), 1)


def _runs(phone: "PhoneFolder") -> list[tuple[dict[str, object], str]]:
    """The running backup, or else what interrupted ones left behind."""
    holder = phone.holder()
    if holder is not None:
        row = {
            "udid": phone.udid,
            "state": "running",
            "host": holder.host,
            "pid": holder.pid,
            "started": rfc3339(holder.started),
        }
        since = f"since {time_text(holder.started)}, by process {holder.pid} on {printable(holder.host)}"
        return [(row, wrap(f"A backup is running {since}.", "  ", "    "))]
    return [
        (
            {"udid": phone.udid, "state": left.kind, "path": left.path, "plan": left.plan},
            wrap(
                f"{os.path.basename(left.path)}  left over from an interrupted run. {left.plan}", "  ", "    "
            ),
        )
        for left in phone.left_overs()
    ]
