"""What ``nightly`` and ``watch`` say about each phone, to people and to programs."""

from typing import TYPE_CHECKING

from ibackup.base.exit_codes import ExitCode
from ibackup.cli.shell.output import rfc3339, time_text, wrap

if TYPE_CHECKING:
    from ibackup.jobs.nights.night_context import PhoneOutcome, Report


def row(outcome: "PhoneOutcome") -> dict[str, object]:
    """A phone's outcome for programs."""
    attempt = outcome.attempt
    return {
        "udid": outcome.phone.udid,
        "name": outcome.phone.name,
        "state": attempt.state,
        "exit_code": int(attempt.code),
        "exit_codes": sorted(int(code) for code in outcome.codes),
        "message": attempt.message,
        "hint": outcome.hint,
        "snapshot": attempt.snapshot or None,
        "newest": rfc3339(outcome.newest) if outcome.newest else None,
        "stale": outcome.stale,
        "prompts": outcome.prompts,
        "proofs": [
            {"snapshot": each.snapshot, "level": each.level, "good": each.good, "message": each.error}
            for each in outcome.proofs
        ],
        "pruned": list(outcome.pruned),
        "icloud_hint": outcome.icloud_hint,
    }


_STATES = {
    "done": "backed up",
    "not_due": "not due",
    "absent": "not connected",
    "unanswered": "nobody was at the phone",
    "no_power": "no power",
    "waiting": "not now",
    "failed": "failed",
}


def text(outcome: "PhoneOutcome", name: str = "") -> str:
    """A phone's outcome for people, with this name or its own."""
    attempt = outcome.attempt
    name = name or outcome.phone.name
    said = [f"{name}: {_STATES[attempt.state]}."]
    if attempt.code:
        said = [f"{name}: failed (exit code {int(attempt.code)})."]
    if attempt.snapshot:
        said.append(f"Snapshot {attempt.snapshot}.")
    said += [attempt.message if attempt.state != "absent" else "", outcome.hint]
    for proof in outcome.proofs:
        verdict = "good" if proof.good else proof.error or "damaged: `ibackup verify` names the files"
        said.append(f"{proof.snapshot} proven ({proof.level}): {verdict}.".replace("..", "."))
    if outcome.pruned:
        said.append(f"Removed by the config's rule: {', '.join(outcome.pruned)}.")
    if outcome.icloud_hint:
        said.append(outcome.icloud_hint)
    newest = (
        f"the newest good backup is from {time_text(outcome.newest)}"
        if outcome.newest
        else "there is no good backup"
    )
    if outcome.stale:
        said.append(f"STALE: {newest}.")
    elif attempt.state != "done" and outcome.newest:
        said.append(f"{newest[0].upper()}{newest[1:]}.")
    return wrap(" ".join(part for part in said if part), "", "  ")


def message(report: "Report", code: ExitCode) -> str:
    """The reason why a run ended with this code, as a sentence."""
    if report.error is not None and report.error.exit_code == code:
        return report.error.message
    outcomes = report.phones
    names = ", ".join(each.phone.name for each in outcomes if code in each.codes)
    whys = {
        ExitCode.DAMAGE: "A snapshot is damaged",
        ExitCode.FLAWED: "Some files differ from the phone's own list",
        ExitCode.STALE: "There is no good backup within the limit",
    }
    first = next((each.attempt.message for each in outcomes if each.attempt.code == code), "")
    return first or f"{whys.get(code, 'Something went wrong')} ({names})."
