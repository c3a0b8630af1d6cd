"""How a job ended, for the page where it was started: what happened, why, what to do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ibackup.base.counts import count_text
from ibackup.base.exit_codes import ExitCode
from ibackup.view import words
from ibackup.view.running.job_order import JobKind
from ibackup.view.running.job_outcome import JobOutcome, Question

SAFE = "Nothing is lost: your earlier backups are unchanged."
REPAIRABLE = "A second copy has it whole: repair it from there."
"""Beside the button that does it."""
_KEPT = "What arrived is kept, and the next backup continues from there."
_AGAIN: dict[JobKind, str] = {
    "backup": "Try again",
    "verify": "Read it again",
    "rehearse": "Rehearse again",
    "heal": "Try again",
}
_STOPPED: dict[JobKind, str] = {
    "backup": f"{SAFE} {_KEPT}",
    "prune": "Some of the chosen backups may be gone already; the next backup removes the rest.",
    "heal": "Each file is repaired or as it was.",
    "restore": "Restore the phone again from the beginning if it had received files already.",
    "encryption": "The phone may already have made the change: keep the password that you chose.",
    "export": "What was taken out so far stays there.",
}
_TO_DO: dict[ExitCode, str] = {
    ExitCode.NO_PHONE: "Connect the phone with its cable and unlock it.",
    ExitCode.PERSON_NEEDED: "Unlock the phone, and enter its passcode as soon as it asks.",
    ExitCode.CONNECTION_LOST: "Check the cable, unlock the phone and leave it connected.",
    ExitCode.NO_ROOM: "Make space: remove old backups, or move other files off this disk.",
    ExitCode.BUSY: "Wait until the other run has finished.",
    ExitCode.STORE_MISSING: "Connect the disk with the backups.",
}

_IN_WORDS = (
    ("To keep it, run `ibackup now` first.", "To keep it, back the phone up first."),
    ("Run `ibackup now` first", "Back the phone up first"),
    ("run `ibackup now` again", "back the phone up again"),
    ("Run `ibackup now`", "Back the phone up"),
    ("run `ibackup now`", "back the phone up"),
    ("run the command again", "try again"),
    ("Run the command again", "Try again"),
    (", give --may-erase.", ", allow it below."),
    ("To try anyway: --may-erase.", ""),
    (
        "Restore a snapshot without flaws (`ibackup list`), or try this one anyway with --despite-flaws.",
        "Take another backup, or allow it below.",
    ),
    (
        "Restore another snapshot (`ibackup list`), or try this one anyway with --skip-verify.",
        "Take another backup.",
    ),
)


@dataclass(frozen=True, slots=True)
class JobEnding:
    """The end of a job in words.

    Attributes:
        tone: good, wait (nothing is lost, someone is needed) or bad (damage).
        title, why, to_do: what happened, the reason, the next step; the last two may be empty.
        details: for those who help: names, numbers, what the command line advises.
        question: what the person is asked in place of an error.
        again: what the button says that starts the same job again; empty if that makes no sense.
    """

    tone: Literal["good", "wait", "bad"]
    title: str
    why: str = ""
    to_do: str = ""
    details: tuple[str, ...] = ()
    question: Question = ""
    again: str = ""


def ending(kind: JobKind, outcome: JobOutcome) -> JobEnding:
    """Put the end of a job into words."""
    if outcome.was_stopped:
        return JobEnding("wait", "Stopped.", _STOPPED.get(kind, ""), again=_AGAIN.get(kind, ""))
    if outcome.question == "copies":
        return JobEnding(
            "wait", outcome.what, outcome.why, "Make a full copy each time?", question=outcome.question
        )
    if outcome.question == "new-key":
        return JobEnding("wait", outcome.what, outcome.why, "Is this your phone?", question=outcome.question)
    if outcome.is_good:
        return _GOOD[kind](outcome)
    return _failed(kind, outcome)


def _failed(kind: JobKind, outcome: JobOutcome) -> JobEnding:
    is_damage = outcome.code is ExitCode.DAMAGE
    safe = SAFE if kind == "backup" else ""
    to_do = _TO_DO.get(outcome.code) or without_commands(outcome.hint)
    details = [outcome.hint] if outcome.hint and to_do else []
    if outcome.error_code is not None:
        details.append(f"The phone's own error number is {outcome.error_code}.")
    if "unforeseen" in outcome.result:
        details = [outcome.result["unforeseen"]]  # its type and place, and nothing that may be private
    named = outcome.result.get("named", ())
    details += [f"{each['domain']}: {each['path']} ({each['kind']})" for each in named]
    if is_damage and outcome.result.get("copied"):
        to_do = REPAIRABLE
    elif is_damage and kind in ("verify", "rehearse", "heal"):
        to_do = "Make a new backup: the phone sends the damaged files again."
    return JobEnding(
        "bad" if is_damage else "wait",
        outcome.what,
        f"{outcome.why} {safe}".strip(),
        to_do,
        tuple(details),
        again="" if is_damage else _AGAIN.get(kind, ""),
    )


def _backed_up(outcome: JobOutcome) -> JobEnding:
    result = outcome.result
    size = f"{words.size(result['bytes'])} in {count_text(result['files'], 'file')}"
    came = f"{words.size(result['received_bytes'])} came over in {words.FILTERS['duration'](result['duration_s'])}."
    flawed = result["flawed"]
    details = tuple(f"{each['device_path'] or each['path']}: {each['reason']}" for each in flawed)
    if flawed:
        title = f"Done, but {count_text(len(flawed), 'file')} could not be backed up as they are."
        return JobEnding("wait", title, f"{outcome.what} {came}", outcome.hint, details)
    notes = [f"{size}. {came}"]
    if result["checked"] == "phone":
        notes.append(
            "The phone has checked it. To compare it with the phone's own list of files, ibackup needs the backup "
            "password."
        )
    notes += [kept] if (kept := _kept(result)) else []
    if result["pruned"]:
        notes.append(
            f"{count_text(len(result['pruned']), 'old backup was', 'old backups were')} removed by your rules."
        )
    title = "Backed up and checked." if result["checked"] == "manifest" else "Backed up."
    to_do = f"Only {words.size(result['space_low'])} is left on the disk." if result["space_low"] else ""
    return JobEnding("wait" if to_do else "good", title, " ".join(notes), to_do)


def _verified(outcome: JobOutcome) -> JobEnding:
    result = outcome.result
    read = f"{count_text(result['files'], 'file')}, {words.size(result['bytes'])}."
    if outcome.code is ExitCode.FLAWED:
        return JobEnding("wait", outcome.what, read)
    return JobEnding("good", "Every byte was read, and all is as it was backed up.", read)


def _rehearsed(outcome: JobOutcome) -> JobEnding:
    if outcome.code is ExitCode.FLAWED:
        return JobEnding("wait", outcome.what, outcome.why, "Use another backup, and make a new one.")
    files = count_text(outcome.result["files"], "file")
    return JobEnding("good", "Restorable, proven just now.", f"A virtual iPhone accepted all of it: {files}.")


def _healed(outcome: JobOutcome) -> JobEnding:
    result = outcome.result
    if not result["damaged"]:
        return JobEnding("good", "No file is damaged or missing.", "Every byte was read.")
    files = count_text(result["healed"], "file was", "files were")
    what = f"{files} repaired from {words.FILTERS['listed'](result['copies'])}."
    if outcome.code is ExitCode.FLAWED:
        return JobEnding("wait", "Repaired.", f"{what} {outcome.what}")
    return JobEnding("good", "Whole again.", f"{what} Every byte was read, and all is as it was backed up.")


def _restored(outcome: JobOutcome) -> JobEnding:
    result = outcome.result
    if result["only_check"]:
        return JobEnding("good", "The restore would work.", "Nothing was sent.")
    name, then = result["device_name"], ""
    if result["restarts"]:
        then = "It now restarts and puts everything in place: leave it connected until it has finished."
        if result["installs"]:
            then += " Then it downloads its apps again, which takes a while: connect it to Wi-Fi and power."
    else:
        then = "Restart it now: until then, nothing is in place."
    sent = f"{count_text(result['files'], 'file')}, {words.size(result['bytes'])}."
    return JobEnding("good", f"{name} is restored.", sent, then)


def _removed(outcome: JobOutcome) -> JobEnding:
    result = outcome.result
    count = count_text(len(result["removed"]), "old backup was", "old backups were")
    at_most = "" if result["exact"] else "at most "
    return JobEnding(
        "good", f"{count} removed.", f"That gives back {at_most}{words.size(result['gives_back'])}."
    )


def _encrypted(outcome: JobOutcome) -> JobEnding:
    result = outcome.result
    if result["action"] == "off":
        return JobEnding("good", "Backups from now on are not encrypted.")
    title = {
        "on": "Backups from now on are encrypted.",
        "change": "The new backup password applies from now on.",
    }[result["action"]]
    kept = _kept(result) or "Keep the password on paper."
    older = "Older backups keep what they were made with." if result["older"] else ""
    return JobEnding("good", title, f"{kept} {older}".strip())


def _kept(result: Mapping[str, Any]) -> str:
    """Where the password is for the nights, in words; empty if nobody asked for that."""
    if "not_kept" in result:
        return str(result["not_kept"])
    place = result.get("kept_in") or ("keychain" if result.get("in_keychain") else "")
    if not place:
        return ""
    where = (
        "this computer's keychain" if place == "keychain" else f"the file '{place}', which only you can read"
    )
    return f"The nights find the password in {where}. Keep it on paper, too."


def _exported(outcome: JobOutcome) -> JobEnding:
    result = outcome.result
    files = f"{count_text(result['files'], 'file')}, {words.size(result['bytes'])}."
    return JobEnding("good", "Taken out.", files, details=(result["to"], *result["gaps"]))


_GOOD: dict[JobKind, Callable[[JobOutcome], JobEnding]] = {
    "backup": _backed_up,
    "verify": _verified,
    "rehearse": _rehearsed,
    "heal": _healed,
    "restore": _restored,
    "prune": _removed,
    "encryption": _encrypted,
    "export": _exported,
}


def without_commands(text: str) -> str:
    """A job's sentence as a page says it: what it tells to run in a terminal has a button here."""
    for command, here in _IN_WORDS:
        text = text.replace(command, here)
    return text
