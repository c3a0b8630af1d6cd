"""``ibackup list``: the snapshots in the store."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.output import printable, rfc3339, size_text, styled, time_text, whole, wrap

if TYPE_CHECKING:
    from ibackup.store import BrokenSnapshot, PhoneFolder, Proofs, Snapshot

_IMPORTED_AFTER = timedelta(days=1)  # a backup that is so much younger than its data was not made here


@ibackup_command("list")
def command(app: App) -> int:
    """List the snapshots in the store, by phone, the newest last.

    "proven" tells when `ibackup verify` found a snapshot good, and at which level; "restorable", that `ibackup
    rehearse` did. `ibackup show SNAPSHOT` tells more.
    """
    from ibackup.store import Snapshot

    store = app.open_store()
    phones = [store.phone(app.udid)] if app.udid else store.phones()
    rows: list[dict[str, object]] = []
    unfinished: list[dict[str, object]] = []
    blocks: list[str] = []
    for phone in phones:
        entries, runs = phone.entries(), _runs(phone)
        if not entries and not runs:
            continue
        newest = next((entry for entry in reversed(entries) if isinstance(entry, Snapshot)), None)
        lines = [_phone_line(phone, newest)]
        for entry in entries:
            proofs = phone.proofs(entry.id)
            row, line = _entry(phone, entry, proofs)
            rows.append(row)
            lines.append(line)
            app.reporter.emit({"event": "snapshot", **row})
        unfinished += [row for row, _ in runs]
        lines += [line for _, line in runs]
        blocks.append("\n".join(lines))
    text = "\n\n".join(blocks) or wrap(f"No snapshots in '{store.path}' yet. Make one with `ibackup now`.")
    return app.result({"store": str(store.path), "snapshots": rows, "unfinished": unfinished}, text)


def _phone_line(phone: "PhoneFolder", newest: "Snapshot | None") -> str:
    if newest is None:
        return phone.udid
    meta = newest.meta
    known = ", ".join(filter(None, (printable(meta.product_type), phone.udid)))
    return wrap(f"{printable(meta.device_name)} ({known})")


def _entry(
    phone: "PhoneFolder", entry: "Snapshot | BrokenSnapshot", proofs: "Proofs"
) -> tuple[dict[str, object], str]:
    from ibackup.store import Snapshot

    proof = proofs.latest
    row: dict[str, object] = {"snapshot": entry.id, "path": str(entry.path), "udid": phone.udid}
    if not isinstance(entry, Snapshot):
        row |= {"state": "damaged", "message": entry.error.message}
        return row, _damaged(wrap(f"{entry.id}  DAMAGED: {printable(entry.error.message)}", "  ", "    "))
    meta = entry.meta
    sealed = os.path.isfile(entry.seal_path)
    state = "damaged" if proofs.known_damaged or not sealed else "good"
    row |= {
        "state": state,
        "device_name": meta.device_name,
        "ios_version": meta.ios_version,
        "started": rfc3339(meta.started),
        "finished": rfc3339(meta.finished),
        "data_from": rfc3339(meta.data_from),
        "files": meta.files,
        "bytes": meta.bytes,
        "received_bytes": meta.received_bytes,
        "encrypted": meta.encrypted,
        "full": meta.full,
        "checked": meta.checked,
        "rewraps": meta.rewraps or None,
        "pinned": proofs.pinned,
        "pin_note": proofs.pin_note,
        "proof": {"level": proof.level, "result": proof.result, "when": rfc3339(proof.when)}
        if proof
        else None,
    }
    notes = ["encrypted" if meta.encrypted else "not encrypted"]
    if meta.rewraps:
        notes.append(f"{meta.rewraps} under a new password")
    elif meta.started - meta.data_from > _IMPORTED_AFTER:
        notes.append(f"of {time_text(meta.data_from).partition(' ')[0]}")
    if not sealed:
        notes.append("DAMAGED: its seal is missing")
    elif proofs.known_damaged:
        notes.append("DAMAGED: `ibackup show` has more")
    elif proof:
        day = time_text(proof.when).partition(" ")[0]
        notes.append(
            f"restorable, proven {day}" if proof.level == "rehearse" else f"proven {day} ({proof.level})"
        )
    else:
        notes.append("not verified yet")
    if proofs.pinned:
        notes.append(f"pinned: {printable(proofs.pin_note)}" if proofs.pin_note else "pinned")
    head = whole(f"{entry.id}  {time_text(meta.started)}  {size_text(meta.bytes):>7}  ")
    return row, _damaged(wrap(f"{head}{', '.join(notes)}", "  ", "    "))


def _damaged(line: str) -> str:
    return line.replace("DAMAGED", styled("DAMAGED", fg="red", bold=True), 1)


def _runs(phone: "PhoneFolder") -> list[tuple[dict[str, object], str]]:
    """The run under way, or else what broken ones have left."""
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
        return [(row, wrap(f"A backup is under way {since}.", "  ", "    "))]
    return [
        (
            {"udid": phone.udid, "state": left.kind, "path": left.path, "plan": left.plan},
            wrap(
                f"{os.path.basename(left.path)}  left over from a run that broke. {left.plan}", "  ", "    "
            ),
        )
        for left in phone.left_overs()
    ]
