"""From the phone's last word to the snapshot: check, seal, make durable, give it its name. Needs no phone."""

from dataclasses import replace

from ibackup.backup import custody
from ibackup.backup.types import PasswordSource
from ibackup.errors import DamageFound, NotABackup, PasswordNeeded, PasswordWrong
from ibackup.events import Caution, Note, Observer, PhaseStarted
from ibackup.manifest.backup import Backup
from ibackup.manifest.findings import Finding
from ibackup.manifest.verify import check_manifest, only_its_size
from ibackup.store import Draft, PhoneFolder, Snapshot, Unreadable, WorkingCopy
from ibackup.store.ledger import Origin
from ibackup.store.recovery import finish_left_overs
from ibackup.store.trouble import disk_error, telling

_MANIFESTS = ("Manifest.db", "Manifest.mbdb")  # the second on phones before iOS 10
REWRAPPED = "Manifest.plist"
"""The one file that a change of the password changes in a backup."""
_MOST_ODD = 1000  # files with another size than the list says; with more of them the list is not theirs
_NAMED = 5  # files named in an error; verify lists them all


class Incomplete(DamageFound):
    """The phone is not through with it, whatever it said; it can go on from there."""


def check(working: WorkingCopy, password: PasswordSource, observe: Observer) -> None:
    """Compare the files with the phone's own list of them, where it can be read, and write down the outcome.

    Raises:
        DamageFound: the phone called the backup finished, and a file is missing or is not as its list says. The
            working copy is set aside, since the phone would take what is there for good.
        Incomplete: Status.plist does not say finished. The working copy is kept for the next run.
    """
    try:
        draft = examined(working, password, observe)
    except Incomplete:
        working.advance("receiving")
        raise
    except DamageFound:
        working.set_aside()
        raise
    working.advance("verified", draft=draft)


def examined(working: WorkingCopy, password: PasswordSource, observe: Observer) -> Draft:
    """The comparison itself; what is known of the snapshot to be, with its outcome. See ``check``."""
    observe(PhaseStarted("check", "Checking every file against the phone's list."))
    could_not = "The backup could not be checked."
    try:
        with telling(could_not), Backup.open(working.root, known=True) as backup:
            return _compared(working, backup, password, observe)
    except NotABackup as error:
        if isinstance(error.__cause__, OSError):
            # The disk is at fault and not the backup, perhaps only this once: all that came stays as it is.
            raise disk_error(could_not, error.__cause__) from error
        raise _refused(DamageFound, error.message) from error


def _compared(working: WorkingCopy, backup: Backup, password: PasswordSource, observe: Observer) -> Draft:
    draft = _draft(working)
    status = backup.status
    if not status.is_finished:
        raise _refused(Incomplete, "Status.plist does not say that the backup is finished.")
    _look_for_manifest(working, draft)
    if not draft.rewraps:  # a new password makes no data fresh
        draft = replace(draft, data_from=status.date or draft.finished)
    draft = replace(draft, encrypted=backup.is_encrypted)
    if not _unlock(backup, backup.udid, password, observe):
        return draft
    return _compare(working, backup, draft)


def close(working: WorkingCopy, observe: Observer) -> Snapshot:
    """Seal a checked working copy, have it on the disk for good, and give it its final name."""
    observe(PhaseStarted("seal", "Sealing it and writing it to the disk for good."))
    if not working.run.reached("sealed"):
        working.seal()
    if not working.run.reached("synced"):
        working.make_durable()
    return working.commit()


def finish(folder: PhoneFolder, password: PasswordSource, observe: Observer) -> None:
    """Close what runs left that broke after the phone was done. Needs no phone; the lock must be held."""
    if not any(left.kind in {"complete", "unfinished"} for left in folder.left_overs()):
        return
    observe(Note("Finishing a backup that was interrupted after the phone was done."))
    for snapshot in finish_left_overs(
        folder, lambda working: examined(working, password, observe), observer=observe
    ):
        observe(Note(f"It is now snapshot {snapshot.id}."))


def _look_for_manifest(working: WorkingCopy, draft: Draft) -> None:
    """Even while it is locked the list of files has to be there, and it has to be this backup's own.

    After a change of the password it is that of the backup before, like everything but the keybag.
    """
    if draft.rewraps:
        fresh = [line.path for line in working.ledger.lines() if line.origin is not Origin.CARRIED]
        if fresh != [REWRAPPED]:
            raise DamageFound(
                "What the phone left after the change of its password is not the backup of before.",
                why="More than its keybag has changed.",
                hint="It is set aside; earlier snapshots are untouched. Run `ibackup now`.",
            )
        return
    origins = {line.path: line.origin for line in working.ledger.lines_in("")}
    found = next((origins[name] for name in _MANIFESTS if name in origins), None)
    if found is None:
        raise _refused(DamageFound, "Manifest.db, the list of its files, is missing.")
    if found is Origin.CARRIED:
        raise _refused(DamageFound, "Manifest.db, the list of its files, is that of the backup before.")


def _draft(working: WorkingCopy) -> Draft:
    draft = working.run.draft
    if draft is None:
        raise DamageFound("The record of this run is incomplete.", hint="Run `ibackup now` again.")
    return draft


def _unlock(backup: Backup, udid: str, password: PasswordSource, observe: Observer) -> bool:
    """Whether the list of files can be read. A password that does not fit is a warning now, not on the day of need."""
    given = None
    try:
        given = None if backup.unlocked else password(udid)
        if given is not None:
            backup.unlock(given)
    except PasswordWrong:
        observe(
            Caution(
                "The password that is stored here does not open this backup.",
                "The backup is kept. Find out which password is right before you need it.",
            )
        )
    except PasswordNeeded as error:
        observe(Caution(error.message, error.hint))
    custody.settle(backup, udid, given, observe)
    return backup.unlocked


def _compare(working: WorkingCopy, backup: Backup, draft: Draft) -> Draft:
    """Hold every row against what is stored.

    A file whose stored size nothing vouches for (it grew or shrank while the phone read it, and is neither encrypted
    nor a database) is what the phone sent, and the only copy there will be: it is kept and named, like one that the
    phone could not read. A missing file is damage, and so is one that the phone did not send and that the backup
    before had otherwise.
    """
    excused = {file.path.rpartition("/")[2] for file in draft.unreadable}
    odd: list[Unreadable] = []
    damage: list[Finding] = []
    for finding in check_manifest(backup, working.ledger.sizes_in):
        if not finding.is_damage or finding.file_id in excused:
            continue
        if only_its_size(backup, finding) and not _is_stale(working, finding.file):
            text = (
                f"changed while it was read: {finding.found} stored, {finding.expected} by the phone's list"
            )
            odd.append(Unreadable(f"{finding.domain}/{finding.path}", finding.file, 0, text))
        else:
            damage.append(finding)
        if len(damage) > _NAMED or len(odd) > _MOST_ODD:
            break
    if damage or len(odd) > _MOST_ODD:
        raise _refused(
            DamageFound, _named(damage) if damage else "Most files have another size than the list says."
        )
    return replace(draft, checked="manifest", unreadable=(*draft.unreadable, *odd))


def _is_stale(working: WorkingCopy, path: str) -> bool:
    """Whether a file is that of the backup before, and was not odd there already."""
    base = working.base
    if base is not None and any(file.path == path for file in base.meta.unreadable):
        return False
    folder = path.rpartition("/")[0]
    return any(
        line.path == path and line.origin is Origin.CARRIED for line in working.ledger.lines_in(folder)
    )


def _named(findings: list[Finding]) -> str:
    names = "; ".join(f"{each.domain} {each.path} ({each.kind.value})".strip() for each in findings[:_NAMED])
    more = " and more" if len(findings) > _NAMED else ""
    return f"Files that the phone's list names are not there as it says: {names}{more}."


def _refused(kind: type[DamageFound], why: str) -> DamageFound:
    return kind(
        "The phone said that the backup is complete, but it is not.",
        why=why,
        hint="It was not made a snapshot; earlier ones are untouched. Run `ibackup now` again: the phone sends what is "
        "missing. If it stays, restart the phone.",
    )
