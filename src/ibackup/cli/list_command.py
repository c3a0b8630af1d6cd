"""``ibackup list``: the snapshots in the store."""

from typing import TYPE_CHECKING

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.output import printable, rfc3339, size_text, time_text, wrap

if TYPE_CHECKING:
    from ibackup.store import BrokenSnapshot, PhoneFolder, Proofs, Snapshot


@ibackup_command("list")
def command(app: App) -> int:
    """List the snapshots in the store, by phone, the newest last.

    The proof is what `ibackup verify` found since, and when.
    """
    from ibackup.store import Snapshot

    store = app.open_store()
    phones = [store.phone(app.udid)] if app.udid else store.phones()
    rows: list[dict[str, object]] = []
    blocks: list[str] = []
    for phone in phones:
        entries = phone.entries()
        if not entries and not phone.left_overs():
            continue
        newest = next((entry for entry in reversed(entries) if isinstance(entry, Snapshot)), None)
        lines = [_phone_line(phone, newest)]
        for entry in entries:
            proofs = phone.proofs(entry.id)
            row, line = _entry(phone, entry, proofs)
            rows.append(row)
            lines.append(line)
            app.reporter.emit({"event": "snapshot", **row})
        lines += _left_overs(phone)
        blocks.append("\n".join(lines))
    text = "\n\n".join(blocks) or wrap(f"No snapshots in {store.path} yet. Make one with `ibackup now`.")
    return app.result({"store": str(store.path), "snapshots": rows}, text)


def _phone_line(phone: "PhoneFolder", newest: "Snapshot | None") -> str:
    if newest is None:
        return phone.udid
    meta = newest.meta
    return wrap(f"{printable(meta.device_name)} ({printable(meta.product_type)}, {phone.udid})")


def _entry(
    phone: "PhoneFolder", entry: "Snapshot | BrokenSnapshot", proofs: "Proofs"
) -> tuple[dict[str, object], str]:
    from ibackup.store import Snapshot

    proof = proofs.latest
    row: dict[str, object] = {"snapshot": entry.id, "path": str(entry.path), "udid": phone.udid}
    if not isinstance(entry, Snapshot):
        row |= {"state": "damaged", "message": entry.error.message}
        return row, wrap(f"  {entry.id}  DAMAGED: {entry.error.message}").replace("\n", "\n  ")
    meta = entry.meta
    state = "damaged" if proofs.known_damaged else "good"
    row |= {
        "state": state,
        "device_name": meta.device_name,
        "ios_version": meta.ios_version,
        "started": rfc3339(meta.started),
        "finished": rfc3339(meta.finished),
        "files": meta.files,
        "bytes": meta.bytes,
        "received_bytes": meta.received_bytes,
        "encrypted": meta.encrypted,
        "full": meta.full,
        "checked": meta.checked,
        "pinned": proofs.pinned,
        "proof": {"level": proof.level, "result": proof.result, "when": rfc3339(proof.when)}
        if proof
        else None,
    }
    notes = ["encrypted" if meta.encrypted else "not encrypted"]
    if proofs.known_damaged:
        notes.append("DAMAGED, see `ibackup show`")
    elif proof:
        notes.append(f"proven {time_text(proof.when)} ({proof.level})")
    if proofs.pinned:
        notes.append("pinned")
    head = f"  {entry.id}  {time_text(meta.started)}  {size_text(meta.bytes):>8}"
    return row, f"{head}  {', '.join(notes)}"


def _left_overs(phone: "PhoneFolder") -> list[str]:
    holder = phone.holder()
    if holder is not None and not holder.is_dead:
        return [f"  A backup is under way, by process {holder.pid} on {printable(holder.host)}."]
    return [wrap(f"  Left over from a broken run: {left.plan}") for left in phone.left_overs()]
