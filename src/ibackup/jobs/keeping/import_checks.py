"""What is checked before a backup is imported, and what is refused."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ibackup.apple.backup import MANIFEST, Backup
from ibackup.apple.format_errors import NOT_DAMAGED, ONLY_THIS
from ibackup.apple.reasons import Reason
from ibackup.apple.verify.findings import MIXTURES, MOST_NAMED, Finding, FindingKind, Level, named
from ibackup.apple.verify.list_check import check_manifest, only_its_size
from ibackup.apple.verify.verification import verify
from ibackup.base.errors import DamageFound
from ibackup.base.events import Observer
from ibackup.jobs.original_photos import count_originals
from ibackup.store.records.snapshot import Draft, Flawed
from ibackup.store.work.working_copy import WorkingCopy
from ibackup.vault.unlocker import Unlocker

_MOST_ODD = 1000  # files whose size differs from the manifest; with more of them, the manifest is not theirs

_REASONS = {
    FindingKind.MISSING: (Reason.UNREADABLE, Reason.ABSENT),
    FindingKind.ROW_IMPOSSIBLE: (Reason.ROW,),
    FindingKind.ROW_UNUSABLE: (Reason.RECORD,),
    FindingKind.RECORD_UNREADABLE: (Reason.RECORD,),
    FindingKind.WRONG_FILE_ID: (Reason.RECORD,),
    FindingKind.UNLISTED_CONTENT: (Reason.UNLISTED,),
}


def check(
    working: WorkingCopy,
    draft: Draft,
    level: Level,
    unlocker: Unlocker,
    observe: Observer,
) -> tuple[Draft, str]:
    """Compare the files of a working copy with the phone's list of them, where that can be read.

    Args:
        working: with every file in place and in its ledger.
        draft: what is known of the snapshot to be, with the flaws that are known of its files.
        level: quick compares presence, sizes and checksums, and whether each file's end decrypts; the others read
            every file again.
        unlocker: opens an encrypted backup.
        observe: gets the progress.

    Returns:
        The draft with ``checked`` set, and with the files whose size is not what the list says; and why no phone takes
        the backup back, empty where nothing is known against that.

    Raises:
        PasswordWrong: a password was given and does not open it.
        DamageFound: a file is missing or is not what the list says.
    """
    with Backup.open(working.root, known=True) as backup:
        if not backup.unlocked:
            unlocker.open(backup, draft.udid)
            if not backup.unlocked:
                return replace(draft, checked="phone"), ""
        checked, changed = _compared(working, backup, draft, level, observe)
        return replace(checked, photos=count_originals(backup)), changed


def _compared(
    working: WorkingCopy, backup: Backup, draft: Draft, level: Level, observe: Observer
) -> tuple[Draft, str]:
    if level is Level.QUICK:
        findings = check_manifest(backup, working.ledger.stored_in, working.ledger.took, ends=True)
        return _sift(backup, draft, findings)
    verification = verify(backup, level, observer=observe)
    try:
        return _sift(backup, draft, verification)
    finally:
        verification.close()


def _sift(backup: Backup, draft: Draft, findings: Iterable[Finding]) -> tuple[Draft, str]:
    """Separate damage from files whose size differs from the manifest without a checksum against them.

    Most of these changed while the phone read them, and no other copy of them will ever exist: they are kept
    and named.
    """
    odd: list[Flawed] = []
    damage: list[Finding] = []
    changed_by_others = ""
    known = {(_about(file), file.reason) for file in draft.flawed}
    for finding in findings:
        if finding.kind is FindingKind.MIXED_UP and not finding.is_damage:
            changed_by_others = f"{finding.file}: {finding.found}"
        if not finding.is_damage or any(each in known for each in _as_flaws(finding)):
            continue
        if len(odd) < _MOST_ODD and only_its_size(backup, finding):
            text = (
                f"{finding.found} stored, {finding.expected} according to the phone's list; it may have "
                "changed while it was read"
            )
            odd.append(Flawed(f"{finding.domain}/{finding.path}", finding.file, Reason.SIZE, text))
        else:
            # Which backups the files belong to is reported after the last of them.
            if finding.kind is not FindingKind.KEY_ELSEWHERE or len(damage) <= MOST_NAMED:
                damage.append(finding)
            if len(damage) > MOST_NAMED and any(each.kind not in MIXTURES for each in damage):
                break
    refuse_damaged(damage)
    return replace(draft, checked="manifest", flawed=(*draft.flawed, *odd)), changed_by_others


def _about(file: Flawed) -> str:
    """What a flaw is about: a stored file, or an entry of the list, which has no such file in its finding."""
    return file.device_path if file.reason is Reason.RECORD else file.path


def _as_flaws(finding: Finding) -> Iterator[tuple[str, Reason]]:
    """How a record of flaws names what was found."""
    reasons = _REASONS.get(finding.kind, ()) if finding.reason is None else (finding.reason,)
    for reason in reasons:
        yield f"{finding.domain}/{finding.path}" if reason is Reason.RECORD else finding.file, reason


def refuse_damaged(damage: list[Finding]) -> None:
    """Raise DamageFound if there is damage."""
    if not damage:
        return
    mixed = next((each for each in damage if each.kind is FindingKind.MIXED_UP), None)
    if mixed is not None and all(each.kind in MIXTURES for each in damage):
        raise DamageFound(
            "This is not one backup: its parts belong to different backups. Nothing was imported.",
            why=f"{mixed.found[:1].upper()}{mixed.found[1:]}.",
            hint=NOT_DAMAGED,
        )
    if not any(each.loses_data for each in damage):
        raise DamageFound(
            "A phone would not take this backup like this. Nothing was imported.",
            why=named(damage),
            hint="No file is lost: `ibackup verify` on its folder says what to do, and `ibackup extract` takes files "
            "out.",
        )
    if all((each.kind, each.file) == (FindingKind.PLIST_UNREADABLE, MANIFEST) for each in damage):
        raise DamageFound(
            f"A backup cannot be imported without its {MANIFEST}. Nothing was imported.",
            why=named(damage),
            hint=ONLY_THIS[MANIFEST],
        )
    raise DamageFound(
        "The backup is damaged or incomplete. Nothing was imported.",
        why=named(damage),
        hint="`ibackup verify` on its folder lists everything. Keep it, and make a new backup with `ibackup now`.",
    )
