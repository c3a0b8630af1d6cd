"""``ibackup show``: show one snapshot."""

import shlex
from typing import TYPE_CHECKING

import click

from ibackup.base.counts import count_text
from ibackup.base.errors import UsageError
from ibackup.base.sizes import size_text
from ibackup.cli.commands import flawed_files_text
from ibackup.cli.commands.snapshot_members import proof_members, snapshot_members
from ibackup.cli.shell.application import App
from ibackup.cli.shell.command_kinds import ibackup_command
from ibackup.cli.shell.output import (
    duration_text,
    phone_text,
    printable,
    styled,
    time_text,
    whole,
    wrap,
)
from ibackup.cli.shell.snapshot_argument import resolve

if TYPE_CHECKING:
    from ibackup.store.records.proof_records import Proof

_SHOWN = 20
_CHECKED = {"manifest": "against the phone's list of files", "phone": "by the phone alone"}


@ibackup_command("show")
@click.argument("snapshot", required=False, metavar="[SNAPSHOT]")
def command(app: App, snapshot: str | None) -> int:
    """Show one SNAPSHOT: what it contains, where it is, and what proves it good.

    SNAPSHOT is an id, the beginning of one, or `latest` (the default).
    """
    from ibackup.store.phone_folder import PhoneFolder

    target = resolve(app, snapshot)
    if target.snapshot is None:
        raise UsageError(
            f"'{target.path}' is not an ibackup snapshot.",
            hint=f"`ibackup verify {shlex.quote(target.path)}` checks it.",
        )
    found, meta = target.snapshot, target.snapshot.meta
    known = PhoneFolder.of(found).known(found)
    proofs = known.proofs
    damaged = sorted(proofs.damaged)
    payload = {
        "snapshot": found.id,
        "path": str(found.path),
        "udid": meta.udid,
        **snapshot_members(meta),
        "product_type": meta.product_type,
        "sequence": meta.sequence,
        "carried_files": meta.carried_files,
        "flawed": [file.to_members() for file in meta.flawed],
        "seal": meta.seal,
        "tool": meta.tool,
        "state": known.state,
        "pinned": proofs.pinned,
        "pin_note": proofs.pin_note,
        "damaged": damaged,
        "proofs": [proof_members(proof) for proof in proofs.last],
    }
    kind = (
        "everything sent by the phone"
        if meta.full
        else f"{meta.carried_files:,} files carried from the one before"
    )
    encrypted = "encrypted" if meta.encrypted else "not encrypted"
    took = duration_text((meta.finished - meta.started).total_seconds())
    data_from = time_text(meta.data_from)
    lines = [
        wrap(phone_text(meta.device_name, meta.product_type, meta.ios_version)),
        _line("snapshot", found.id),
        _line("folder", whole(str(found.path))),
        _line("made", f"{time_text(meta.started)}, in {took}"),
        _line("holds", f"{size_text(meta.bytes)} in {count_text(meta.files, 'file')}, {encrypted}"),
        _line("received", f"{size_text(meta.received_bytes)}; {kind}")
        if not meta.imported
        else _line("imported", f"a backup that another program made; its data is from {data_from}"),
        _line("checked", f"{_CHECKED[meta.checked]}, then sealed"),
    ]
    if meta.photos and (said := meta.photos.said):
        lines.append(_line("photos", said))
    if meta.rewraps:
        lines.append(
            _line("password", f"changed; the files are those of {meta.rewraps}, its data is from {data_from}")
        )
    lines += [_proof(proof) for proof in sorted(proofs.last, key=lambda proof: proof.when)]
    if not proofs.last:
        lines.append(_line("verified", "not since it was made: run `ibackup verify`"))
    if proofs.pinned:
        lines.append(_line("pinned", printable(proofs.pin_note) or "yes"))
    lines += flawed_files_text.lines(found.id, meta.flawed, indent="  ")
    lines += _listed("DAMAGED files, by their names in the backup", damaged)
    if known.is_unknown:
        lines.append(wrap(f"UNPROVEN: {known.damage}", "  "))
    elif proofs.known_damaged:
        lines.append(wrap("`ibackup verify` says what they are, and what to do.", "  "))
    elif known.damage:
        said = f"DAMAGED: its seal {known.seal_flaw}; `ibackup verify` says more."
        lines.append(_marked(wrap(said, "  ")))
    return app.result(payload, "\n".join(lines))


def _line(label: str, text: str) -> str:
    return wrap(text, f"  {label:<10} ", " " * 13)


def _proof(proof: "Proof") -> str:
    when = time_text(proof.when)
    if proof.level == "rehearse":
        no = "NOT RESTORABLE" if proof.result == "damaged" else "not restorable: it has flaws"
        return _marked(_line("rehearsed", f"{when}: {'restorable' if proof.result == 'good' else no}"))
    result = "DAMAGED" if proof.result == "damaged" else proof.result
    return _marked(_line("verified", f"{when}, level {proof.level}: {result}"))


def _marked(text: str) -> str:
    """The text with its warning in red, once its lines are broken."""
    for word in ("NOT RESTORABLE", "DAMAGED"):
        text = text.replace(word, styled(word, fg="red", bold=True), 1)
    return text


def _listed(title: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f"… and {len(names) - _SHOWN:,} more (--json lists all)"
    return [
        _marked(wrap(f"{title}:", "  ")),
        *(wrap(whole(printable(name)), "    ") for name in names[:_SHOWN]),
        *([wrap(more, "    ")] if len(names) > _SHOWN else []),
    ]
