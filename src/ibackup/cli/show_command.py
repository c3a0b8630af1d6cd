"""``ibackup show``: one snapshot."""

import shlex
from typing import TYPE_CHECKING

import click

from ibackup.cli.common import App, ibackup_command
from ibackup.cli.output import (
    count_text,
    duration_text,
    phone_text,
    printable,
    rfc3339,
    size_text,
    styled,
    time_text,
    whole,
    wrap,
)
from ibackup.cli.snapshots import resolve
from ibackup.errors import UsageError

if TYPE_CHECKING:
    from ibackup.store import Proof

_SHOWN = 20
_CHECKED = {"manifest": "against the phone's list of files", "phone": "by the phone alone"}


@ibackup_command("show")
@click.argument("snapshot", required=False, metavar="[SNAPSHOT]")
def command(app: App, snapshot: str | None) -> int:
    """Show one SNAPSHOT: what it holds, where it is, and what proves it.

    SNAPSHOT is an id, the beginning of one, or `latest` (the default).
    """
    from ibackup.store import PhoneFolder

    target = resolve(app, snapshot)
    if target.snapshot is None:
        raise UsageError(
            f"'{target.path}' is no snapshot of ibackup's.",
            hint=f"`ibackup verify {shlex.quote(target.path)}` looks into it.",
        )
    found, meta = target.snapshot, target.snapshot.meta
    proofs = PhoneFolder.of(found).proofs(found.id)
    damaged = sorted(proofs.damaged)
    payload = {
        "snapshot": found.id,
        "path": str(found.path),
        "udid": meta.udid,
        "device_name": meta.device_name,
        "product_type": meta.product_type,
        "ios_version": meta.ios_version,
        "sequence": meta.sequence,
        "started": rfc3339(meta.started),
        "finished": rfc3339(meta.finished),
        "data_from": rfc3339(meta.data_from),
        "full": meta.full,
        "encrypted": meta.encrypted,
        "checked": meta.checked,
        "files": meta.files,
        "bytes": meta.bytes,
        "received_bytes": meta.received_bytes,
        "carried_files": meta.carried_files,
        "rewraps": meta.rewraps or None,
        "unreadable": [file.to_members() for file in meta.unreadable],
        "seal": meta.seal,
        "tool": meta.tool,
        "pinned": proofs.pinned,
        "pin_note": proofs.pin_note,
        "damaged": damaged,
        "proofs": [
            {"level": proof.level, "result": proof.result, "when": rfc3339(proof.when)}
            for proof in proofs.last
        ],
    }
    kind = (
        "everything sent by the phone"
        if meta.full
        else f"{meta.carried_files:,} files carried from the one before"
    )
    imported = meta.tool.endswith(" import")
    encrypted = "encrypted" if meta.encrypted else "not encrypted"
    lines = [
        phone_text(meta.device_name, meta.product_type, meta.ios_version),
        f"  snapshot   {found.id}",
        f"  folder     {found.path}",
        f"  made       {time_text(meta.started)}, in {duration_text((meta.finished - meta.started).total_seconds())}",
        f"  holds      {size_text(meta.bytes)} in {count_text(meta.files, 'file')}, {encrypted}",
        f"  received   {size_text(meta.received_bytes)}; {kind}"
        if not imported
        else f"  imported   a backup that another program made; its data is of {time_text(meta.data_from)}",
        f"  checked    {_CHECKED[meta.checked]}, then sealed",
    ]
    if meta.rewraps:
        lines.append(
            f"  password   changed; the files are those of {meta.rewraps}, its data of {time_text(meta.data_from)}"
        )
    lines += [_proof(proof) for proof in sorted(proofs.last, key=lambda proof: proof.when)]
    if not proofs.last:
        lines.append("  verified   not since it was made: `ibackup verify` does")
    if proofs.pinned:
        lines.append(f"  pinned     {printable(proofs.pin_note) or 'yes'}")
    lines += _listed("the phone could not read", [file.device_path or file.path for file in meta.unreadable])
    lines += _listed(f"{_result('damaged')} files, by their names in the backup", damaged)
    if proofs.known_damaged:
        lines.append("  `ibackup verify` says what they are, and what to do.")
    return app.result(payload, "\n".join(lines))


def _proof(proof: "Proof") -> str:
    if proof.level == "rehearse":
        restorable = "restorable" if proof.result == "good" else styled("NOT RESTORABLE", fg="red", bold=True)
        return f"  rehearsed  {time_text(proof.when)}: {restorable}"
    return f"  verified   {time_text(proof.when)}, level {proof.level}: {_result(proof.result)}"


def _result(result: str) -> str:
    return styled("DAMAGED", fg="red", bold=True) if result == "damaged" else result


def _listed(title: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = [f"    … and {len(names) - _SHOWN:,} more (--json lists all)"] if len(names) > _SHOWN else []
    return [f"  {title}:", *(wrap(whole(printable(name)), "    ") for name in names[:_SHOWN]), *more]
