"""From the phone's last word to the snapshot: check, seal, make durable, and give it its name. Needs no phone."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from ibackup.apple.backup import Backup
from ibackup.apple.file_ids import FILE_ID
from ibackup.apple.fitting import digest_of
from ibackup.apple.reasons import Reason
from ibackup.apple.rows import blob_path
from ibackup.apple.verify.findings import MOST_NAMED, Finding, FindingKind, Severity, named
from ibackup.apple.verify.list_check import check_manifest
from ibackup.base.errors import DamageFound, NotABackup, PasswordNeeded, PasswordWrong
from ibackup.base.events import Caution, Note, Observer, PhaseStarted
from ibackup.jobs.backup.earlier import EarlierList
from ibackup.jobs.backup.origins import Origins, was_so_before
from ibackup.jobs.original_photos import count_originals
from ibackup.store.disk.disk_errors import disk_error, telling
from ibackup.store.disk.lock import PhoneLock
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records import failed_endings
from ibackup.store.records.snapshot import Draft, Flawed, Snapshot, hash_file
from ibackup.store.work.ledger_lines import Origin
from ibackup.store.work.recovery import close, finish_left_overs
from ibackup.store.work.working_copy import WorkingCopy
from ibackup.vault import custody
from ibackup.vault.unlocker import Unlocker

_MANIFESTS = ("Manifest.db", "Manifest.mbdb")  # the second on phones before iOS 10
_TOLD = (Reason.UNREADABLE, Reason.OLDER, Reason.OUTDATED)  # what comparing the file with its row cannot find
REWRAPPED = "Manifest.plist"
"""The only file in a backup that a password change changes."""
_MOST_FLAWED = 100_000  # files that differ from the list; if there are more, it is not their list


class Incomplete(DamageFound):
    """The phone has not finished it, whatever it said. It can continue from there."""


def snapshot_of(
    working: WorkingCopy, lock: PhoneLock | None, unlocker: Unlocker, observe: Observer
) -> Snapshot:
    """Make a snapshot of what a phone has finished, after comparing its files with the phone's own list.

    Args:
        working: at ``device_done``.
        lock: the phone's lock, which another run may have taken over; None: there is none.
        unlocker: of the backup.
        observe: gets the progress.

    Raises:
        DamageFound: the phone called the backup finished, but a file is missing or differs from its list. The working
            copy is set aside, because the phone would consider what is there good.
        Incomplete: Status.plist does not say finished, or the list of files is from an earlier attempt. The working
            copy is kept for the next run.
    """
    try:
        draft = examined(working, unlocker, observe)
    except Incomplete:
        working.advance("receiving")
        raise
    except DamageFound:
        working.set_aside()
        working.folder.thin_out()
        came = (failed_endings.NO_ERROR, failed_endings.place("finished"), working.base is None)
        failed_endings.note(working.folder.path, [came], datetime.now(UTC))
        raise
    working.advance("verified", draft=draft)
    if lock is not None:
        lock.check()
    return close(working, observe)


def examined(working: WorkingCopy, unlocker: Unlocker, observe: Observer) -> Draft:
    """Compare; returns what is known about the future snapshot, with the outcome. See ``snapshot_of``."""
    could_not = "The backup could not be checked."
    try:
        with telling(could_not), Backup.open(working.root, known=True) as backup:
            return _compared(working, backup, unlocker, observe)
    except NotABackup as error:
        if isinstance(error.__cause__, OSError):
            # The disk failed, not the backup, and perhaps only this time: leave everything as it is.
            raise disk_error(could_not, error.__cause__) from error
        raise _refused(DamageFound, error.message) from error


def _compared(working: WorkingCopy, backup: Backup, unlocker: Unlocker, observe: Observer) -> Draft:
    draft = _draft(working)
    status = backup.status
    if not status.is_finished:
        raise _refused(Incomplete, "Status.plist does not say that the backup is finished.")
    _look_for_manifest(working, draft)
    if not draft.rewraps:  # a new password does not make the data newer
        draft = replace(draft, data_from=status.date or draft.finished)
    draft = replace(draft, encrypted=backup.is_encrypted)
    draft = _inherited(working, draft)
    if not _unlock(backup, unlocker, observe):
        return draft
    observe(PhaseStarted("check", "Checking every file against the phone's list."))
    return replace(_compare(working, backup, draft), photos=count_originals(backup))


def finish(folder: PhoneFolder, unlocker: Unlocker, observe: Observer) -> None:
    """Finish runs that were interrupted after the phone was done. Needs the lock, but no phone."""
    if not any(left.kind in {"complete", "unfinished"} for left in folder.left_overs()):
        return
    observe(Note("Finishing a backup that was interrupted after the phone was done."))
    for snapshot in finish_left_overs(
        folder, lambda working: examined(working, unlocker, observe), observer=observe
    ):
        observe(Note(f"It is now snapshot {snapshot.id}."))


def _look_for_manifest(working: WorkingCopy, draft: Draft) -> None:
    """Check that the list of files exists and belongs to this backup, even while it is locked.

    After a password change it is the previous backup's list, like everything except the keybag.
    """
    if draft.rewraps:
        fresh = [line.path for line in working.ledger.lines() if line.origin is not Origin.CARRIED]
        if fresh != [REWRAPPED]:
            raise DamageFound(
                "After the password change, the phone's copy is not the same backup as before.",
                why="More than its keybag has changed.",
                hint="It is set aside; earlier snapshots are untouched. Run `ibackup now`.",
            )
        return
    lines = {line.path: line for line in working.ledger.lines_in("")}
    found = next((lines[name] for name in _MANIFESTS if name in lines), None)
    if found is None:
        raise _refused(DamageFound, "Manifest.db, the list of its files, is missing.")
    if found.origin is Origin.CARRIED:
        raise _refused(DamageFound, "Manifest.db, the list of its files, is that of the previous backup.")
    # A phone that only finishes moving or removing files from an earlier run sends neither files nor a list.
    if found.arrived <= working.ledger.last_file():
        raise _refused(
            Incomplete,
            f"Files arrived after {found.path}, the list of its files, which is from an earlier attempt.",
        )
    keys = lines.get(REWRAPPED)
    if keys is not None and keys.attempt != found.attempt:
        raise _refused(
            Incomplete, f"{keys.path} and {found.path}, the list of its files, are from different attempts."
        )


def _draft(working: WorkingCopy) -> Draft:
    draft = working.run.draft
    if draft is None:
        raise DamageFound("The record of this run is incomplete.", hint="Run `ibackup now` again.")
    return draft


def _unlock(backup: Backup, unlocker: Unlocker, observe: Observer) -> bool:
    """Whether the list of files can be read. If the password is wrong, warn now, before someone needs the backup."""
    given = None
    try:
        if not backup.unlocked:
            given = unlocker.password(backup.udid)
            given = unlocker.prove_given(backup)
    except PasswordWrong:
        observe(
            Caution(
                "The password that you gave or stored does not open this backup.",
                "The backup is kept. Find out which password is right before you need it.",
            )
        )
    except PasswordNeeded as error:
        observe(Caution(error.message, error.hint))
    custody.settle(backup, backup.udid, given, unlocker, observe)
    return backup.unlocked


def _compare(working: WorkingCopy, backup: Backup, draft: Draft) -> Draft:
    """Compare every row with what is stored.

    If a file differs from its row but is what the phone sent, it is the only copy there will be: it is kept and
    named. So is an entry that cannot be read. A missing file is damage unless the phone left out files before. So is
    an earlier copy of a file that, by the list, has changed since.
    """
    before = {file.path for file in working.base.meta.flawed} if working.base is not None else set()
    unread = {file.path: file for file in draft.flawed if file.reason in _TOLD}
    flawed: list[Flawed] = []
    damage: list[Finding] = []
    taken: set[str] = set()  # files whose SHA-1 was not compared before
    origin = Origins(working)

    def took(path: str, sha1: bytes) -> None:
        taken.add(path)
        working.ledger.took(path, sha1)

    with EarlierList(backup, working.base) as earlier:
        for finding in check_manifest(backup, working.ledger.stored_in, took):
            if not finding.is_damage:
                continue
            if finding.file in unread:  # the phone itself said why
                unread[finding.file] = _unread(unread[finding.file])
                continue
            if (sent := _sent_so(backup, finding, origin)) is not None:
                flawed.append(sent)
                continue
            known = finding.file in before
            new = finding.file in taken
            if finding.reason is not None and (known or _came_so(working, finding, earlier, new=new)):
                carried = not known and _is_carried(working, finding.file)
                flawed.append(_flawed(finding, finding.reason, carried=carried))
            else:
                damage.append(finding)
            if len(damage) > MOST_NAMED or len(flawed) > _MOST_FLAWED:
                break
        told = {*unread, *(file.path for file in flawed), *(finding.file for finding in damage)}
        missed = [each for each in _never_came(working, backup, earlier) if each.file not in told]
    if was_so_before(working):  # otherwise there could never be a backup again
        flawed += [_flawed(each, Reason.OUTDATED, carried=False) for each in missed]
    else:
        damage += missed
    absent = sum(file.reason is Reason.ABSENT for file in flawed)
    if damage or len(flawed) > _MOST_FLAWED or absent > working.ledger.totals().files:
        lost = origin.lost_here(finding.file for finding in damage)
        raise _refused(
            DamageFound, named(damage) if damage else "Most files differ from the list.", lost_here=lost
        )
    return replace(draft, checked="manifest", flawed=(*unread.values(), *flawed))


def _came_so(working: WorkingCopy, finding: Finding, earlier: EarlierList, *, new: bool) -> bool:
    """Whether the phone sent a file as it is, and would not send another one although it differs from its row.

    A file that it did not send matched its row in the previous backup. If the list says that it has changed since,
    the changed file never arrived; setting this backup aside makes the phone send it again. If the list says that it
    is unchanged, or the phone left it out twice, another attempt would end like this one, and the earlier copy is all
    there is.

    Args:
        working: contains the file.
        finding: what is wrong with it.
        earlier: the previous backup's list.
        new: its SHA-1 was computed only now, so it was not compared before.
    """
    line, base = working.ledger.line(finding.file), working.base
    if line is None or line.origin is not Origin.CARRIED:
        return line is not None
    if base is None:
        return False
    fitted = base.meta.checked == "manifest" and not (new and finding.reason is Reason.DIGEST)
    if fitted and not (earlier.calls_unchanged(finding.file_id) or was_so_before(working)):
        return False
    with telling("The backup could not be checked."):
        return hash_file(os.path.join(working.root, *finding.file.split("/"))) == line.sha256


def _never_came(working: WorkingCopy, backup: Backup, earlier: EarlierList) -> Iterator[Finding]:
    """The files that have changed by the list, but of which there is only the previous backup's copy.

    That copy may have the right size and decrypt, so nothing else shows it. A Digest would, and was compared.
    """
    for file_id in earlier.changed():
        path = blob_path(file_id, flat=backup.rows.flat)
        row = earlier.file_now(file_id) if _is_of_base(working, path) else None
        if row is not None and digest_of(row.record()) is None:
            names = (path, row.file_id, row.domain, row.relative_path)
            wanted, found = "the file as it is on the phone now", "the copy of the earlier backup"
            yield Finding(
                FindingKind.NOT_UPDATED,
                Severity.DAMAGE,
                *names,
                expected=wanted,
                found=found,
                reason=Reason.OUTDATED,
            )


def _is_of_base(working: WorkingCopy, path: str) -> bool:
    """Whether a file is the previous snapshot's.

    A rebuilt ledger also says so if the phone sent it again with the same bytes.
    """
    line, base = working.ledger.line(path), working.base
    if line is None or line.origin is not Origin.CARRIED or base is None:
        return False
    try:
        return os.lstat(os.path.join(base.backup_path, *path.split("/"))).st_mtime == line.mtime
    except OSError:
        return False


def _is_as_before(working: WorkingCopy, file: Flawed) -> bool:
    if file.reason is Reason.ABSENT:
        return working.ledger.line(file.path) is None
    return _is_carried(working, file.path)


def _unread(file: Flawed) -> Flawed:
    """A file that the phone could not read, if what is here differs from its list."""
    if file.reason is not Reason.OLDER:
        return file
    return replace(file, reason=Reason.UNREADABLE, text=f"{file.text}; an earlier copy is kept")


def _is_carried(working: WorkingCopy, path: str) -> bool:
    line = working.ledger.line(path)
    return line is not None and line.origin is Origin.CARRIED


def _flawed(finding: Finding, reason: Reason, *, carried: bool) -> Flawed:
    text = finding.found
    if reason is Reason.SIZE:
        text = f"{finding.found} stored, {finding.expected} by the phone's list"
    elif reason is Reason.EMPTY:
        text = f"{finding.expected} by the phone's list"
    if carried:
        text = f"{text}; the phone did not send it again"
    return Flawed(f"{finding.domain}/{finding.path}", finding.file, reason, text)


def _inherited(working: WorkingCopy, draft: Draft) -> Draft:
    """The draft, with the previous backup's flaws in files that the phone did not send again.

    A copy no longer counts as earlier if the phone checked its file again and found that it need not be sent.
    A file that never came is still not there.
    """
    told = {file.path for file in draft.flawed}
    base = working.base.meta.flawed if working.base is not None else ()
    base = tuple(file for file in base if file.reason is not Reason.OLDER)
    kept = [file for file in base if file.path not in told and _is_as_before(working, file)]
    return replace(draft, flawed=(*draft.flawed, *kept))


def _sent_so(backup: Backup, finding: Finding, origin: Origins) -> Flawed | None:
    """A fault of the list, or a file that never comes: as the phone's own, it is kept and named."""
    name = f"{finding.domain}/{finding.path}"
    match finding.kind:
        case FindingKind.UNLISTED_CONTENT:
            return Flawed(finding.file, finding.file, Reason.UNLISTED, f"there are {finding.found}")
        case FindingKind.ROW_IMPOSSIBLE:  # the phone wrote the list just now
            return Flawed(name, finding.file, Reason.ROW, finding.found)
        case FindingKind.ROW_UNUSABLE | FindingKind.RECORD_UNREADABLE | FindingKind.WRONG_FILE_ID:
            return _unusable(backup, finding) if origin.list_is_as_sent else None
        case FindingKind.MISSING if origin.never_sent(finding.file):
            return Flawed(name, finding.file, Reason.ABSENT, f"{finding.expected} by the phone's list")
    return None


def _unusable(backup: Backup, finding: Finding) -> Flawed:
    """An entry of the list that cannot be read; its file is kept, with nothing to compare it with."""
    path = blob_path(finding.file_id, flat=backup.rows.flat) if FILE_ID.fullmatch(finding.file_id) else ""
    return Flawed(f"{finding.domain}/{finding.path}", path, Reason.RECORD, finding.found)


def _refused(kind: type[DamageFound], why: str, *, lost_here: bool = False) -> DamageFound:
    hint = "Run `ibackup now` again: the phone sends what is missing. If the problem persists, restart the phone."
    if lost_here:
        hint = "The last backup has lost files on this disk. Have the phone send everything: `ibackup now --full`."
    return kind(
        "The phone said that the backup is complete, but it is not.",
        why=why,
        hint=f"It did not become a snapshot; earlier ones are untouched. {hint}",
    )
