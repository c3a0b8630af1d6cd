"""From the phone's last word to the snapshot: check, seal, make durable, give it its name. Needs no phone."""

import itertools
from collections.abc import Callable
from dataclasses import replace

from ibackup.backup.types import PasswordSource
from ibackup.errors import DamageFound, PasswordNeeded, PasswordWrong
from ibackup.events import Caution, Observer, PhaseStarted
from ibackup.manifest.backup import Backup
from ibackup.manifest.findings import Finding
from ibackup.manifest.verify import check_manifest
from ibackup.store import Draft, LeftOver, PhoneFolder, Snapshot, WorkingCopy

_NAMED = 5  # files named in an error; verify lists them all


def check(working: WorkingCopy, password: PasswordSource, observe: Observer) -> None:
    """Compare the files with the phone's own list of them, where it can be read, and write down the outcome.

    Raises:
        DamageFound: the phone called the backup finished and it is not, or a file is missing or has another size.
    """
    draft = _draft(working)
    observe(PhaseStarted("check", "Checking every file against the phone's list."))
    with Backup.open(working.root, known=True) as backup:
        status = backup.status
        if not status.is_finished:
            raise _refused(working, "The phone said that it was done, but Status.plist says otherwise.")
        encrypted = backup.is_encrypted
        draft = replace(draft, encrypted=encrypted, data_from=status.date or draft.finished)
        if _unlock(backup, draft.udid, password, observe):
            _compare(working, backup, draft)
            draft = replace(draft, checked="manifest")
    working.advance("verified", draft=draft)


def close(working: WorkingCopy, observe: Observer) -> Snapshot:
    """Seal a checked working copy, have it on the disk for good, and give it its final name."""
    observe(PhaseStarted("seal", "Sealing it and writing it to the disk for good."))
    if not working.run.reached("sealed"):
        working.seal()
    if not working.run.reached("synced"):
        working.make_durable()
    return working.commit()


def finish_left_over(
    folder: PhoneFolder, left: LeftOver, password: PasswordSource, observe: Observer
) -> Snapshot | None:
    """Finish a run that broke after the phone was done; None when only the phone can say whether all is there."""
    with WorkingCopy.adopt(folder, left, observer=observe) as working:
        if not working.run.reached("device_done"):
            return None
        if not working.run.reached("verified"):
            check(working, password, observe)
        return close(working, observe)


def _draft(working: WorkingCopy) -> Draft:
    draft = working.run.draft
    if draft is None:
        raise DamageFound("The record of this run is incomplete.", hint="Run `ibackup now` again.")
    return draft


def _unlock(backup: Backup, udid: str, password: PasswordSource, observe: Observer) -> bool:
    """Whether the list of files can be read. A password that does not fit is a warning now, not on the day of need."""
    if backup.unlocked:
        return True
    try:
        given = password(udid)
        if given is None:
            return False
        backup.unlock(given)
    except PasswordWrong:
        observe(
            Caution(
                "The password that is stored here does not open this backup.",
                "The backup is kept, checked by the phone alone. Find out which password is right before you need it.",
            )
        )
        return False
    except PasswordNeeded as error:
        observe(Caution(error.message, error.hint))
        return False
    return True


def _compare(working: WorkingCopy, backup: Backup, draft: Draft) -> None:
    excused = {file.path.rpartition("/")[2] for file in draft.unreadable}
    damage = (
        finding
        for finding in check_manifest(backup, _sizes(working))
        if finding.is_damage and finding.file_id not in excused
    )
    found = list(itertools.islice(damage, _NAMED + 1))
    if found:
        raise _refused(working, _named(found))


def _sizes(working: WorkingCopy) -> Callable[[str], int | None]:
    def size(path: str) -> int | None:
        item = working.ledger.get(path)
        return item.size if item is not None and item.kind == "file" else None

    return size


def _named(findings: list[Finding]) -> str:
    names = "; ".join(f"{each.domain} {each.path} ({each.kind.value})".strip() for each in findings[:_NAMED])
    more = " and more" if len(findings) > _NAMED else ""
    return f"Files that the phone's list names are not there as it says: {names}{more}."


def _refused(working: WorkingCopy, why: str) -> DamageFound:
    # Back to the phone's turn: the next run shows it what is here, and the phone sends what is missing.
    working.advance("receiving")
    return DamageFound(
        "The phone said that the backup is complete, but it is not.",
        why=why,
        hint="It was not made a snapshot; earlier ones are untouched. Run `ibackup now` again: the phone is asked for "
        "what is missing.",
    )
