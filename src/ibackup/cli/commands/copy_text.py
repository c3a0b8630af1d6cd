"""How second copies and their proofs are shown, to people and to programs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ibackup.base.counts import count_text
from ibackup.base.masked_addresses import masked
from ibackup.base.sizes import size_text
from ibackup.cli.shell.output import printable, rfc3339, styled, time_text, wrap
from ibackup.config.copy_config import CopyConfig

if TYPE_CHECKING:
    from ibackup.copies.copy_records import CopyProof, CopyRecord
    from ibackup.jobs.copying.copy_run import CopyRun

_HOW = {
    "matched": "matched",
    "stored": "stored",
    "read": "read back",
    "rehearsed": "restore test",
}


def config_members(config: CopyConfig) -> dict[str, object]:
    """A copy as the config has it, without secrets."""
    return {
        "name": config.name,
        "to": masked(config.to),
        "engine": config.engine,
        "repository": config.repository_id,
        "phones": list(config.phones),
    }


def proof_members(proof: "CopyProof | None") -> dict[str, object] | None:
    """One proof."""
    if proof is None:
        return None
    return {
        "when": rfc3339(proof.when),
        "result": proof.result,
        "snapshot": proof.snapshot or None,
        "share": proof.share_text or None,
        "induced": proof.induced,
        "problems": list(proof.problems),
    }


def proofs_members(record: "CopyRecord") -> dict[str, object]:
    """The newest proof of each kind."""
    from ibackup.copies.copy_records import COPY_LEVELS

    return {level: proof_members(record.newest(level)) for level in COPY_LEVELS}


def record_members(udid: str, name: str, record: "CopyRecord") -> dict[str, object]:
    """What is known about one phone's snapshots in a copy."""
    return {
        "udid": udid,
        "device_name": name,
        "snapshots": [
            {
                "snapshot": each.id,
                "copied": rfc3339(each.when),
                "added_bytes": each.added_bytes,
                "matched": proof_members(record.proof("matched", each.id)),
                "rehearsed": proof_members(record.proof("rehearsed", each.id)),
            }
            for each in record.copied
        ],
        "proofs": proofs_members(record),
    }


def record_lines(name: str, record: "CopyRecord") -> Iterator[str]:
    """The same for people."""
    from ibackup.copies.copy_records import COPY_LEVELS

    yield f"{printable(name)}: {count_text(len(record.copied), 'snapshot')}"
    for level in COPY_LEVELS:
        proof = record.newest(level)
        label = f"  {_HOW[level] + ':':<14}"
        yield f"{label}{_proof_text(proof)}" if proof else f"{label}never"
        for each in record.proofs:
            if each.level == level and each != proof and not each.good:
                yield f"{'':<16}{_proof_text(each)}"


def _proof_text(proof: "CopyProof") -> str:
    about = f"{proof.snapshot}, " if proof.snapshot else f"part {proof.share_text}, " if proof.share else ""
    result = "good" if proof.good else styled("DAMAGED", fg="red", bold=True)
    return f"{about}{time_text(proof.when)}, {result}"


def run_members(run: "CopyRun") -> dict[str, object]:
    """What a run on one copy did."""
    proofs = {proof.level: proof_members(proof) for proof in run.proofs}
    last = run.copied[-1].proof if run.copied else None
    return {
        "copied": [
            {
                "snapshot": each.snapshot.id,
                "udid": each.snapshot.udid,
                "added_bytes": each.added_bytes,
                "matched": proof_members(each.proof),
            }
            for each in run.copied
        ],
        "left_out": run.left_out,
        "held": run.held,
        "vanished": run.vanished,
        "ahead": run.ahead,
        "proofs": {"matched": proof_members(last), "stored": None, "read": None, **proofs},
    }


def run_lines(name: str, run: "CopyRun") -> Iterator[str]:
    """The same for people."""
    for each in run.copied:
        files = "every file matches its seal" if each.proof.good else _wrong(each.proof.problems)
        yield wrap(
            f"Copied snapshot {each.snapshot.id} to {name}, {size_text(each.added_bytes)} new there; {files}.",
            hanging="  ",
        )
    if not run.copied:
        damaged = f" {count_text(len(run.left_out), 'damaged snapshot')} left out." if run.left_out else ""
        yield wrap(
            f"There is nothing new to copy to {name}.{damaged} It has {count_text(run.held, 'snapshot')}."
        )
    yield from proved_lines(name, run.proofs)


def proved_lines(name: str, proofs: "Sequence[CopyProof]") -> Iterator[str]:
    """What was proven of a repository."""
    said: set[tuple[str, ...]] = set()
    for proof in proofs:
        if not proof.good and proof.problems in said:
            continue
        said.add(proof.problems)
        if proof.level == "stored":
            done = "Everything in it is stored"
        else:
            done = (
                f"Part {proof.share_text} of its data was read" if proof.share else "All of its data was read"
            )
        yield wrap(
            f"{done}, and is whole." if proof.good else f"{name} is damaged: {'; '.join(proof.problems)}"
        )


def _wrong(problems: Sequence[str]) -> str:
    return (
        f"{count_text(len(problems), 'file does', 'files do')} not match the seal, the first is {problems[0]}"
    )
