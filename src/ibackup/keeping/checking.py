"""What is checked of a backup before it is taken over, and what is refused."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from ibackup.errors import DamageFound
from ibackup.events import Observer
from ibackup.manifest.backup import Backup
from ibackup.manifest.findings import Finding, Level
from ibackup.manifest.verify import check_manifest, only_its_size, verify
from ibackup.store import Draft, Unreadable, WorkingCopy

Password = Callable[[str], str | None]

_NAMED = 5
_MOST_ODD = 1000  # files with another size than the list says; with more of them the list is not theirs


def check(working: WorkingCopy, draft: Draft, level: Level, password: Password, observe: Observer) -> Draft:
    """Compare the files of a working copy with the phone's list of them, where that can be read.

    Args:
        working: with every file in place and in its ledger.
        draft: what is known of the snapshot to be.
        level: quick compares presence and sizes; the others read every file again.
        password: asked when the backup is encrypted.
        observe: told of the progress.

    Returns:
        The draft with ``checked`` set, and with the files whose size is not what the list says.

    Raises:
        PasswordWrong: a password was given and does not open it.
        DamageFound: a file is missing or is not what the list says.
    """
    with Backup.open(working.root, known=True) as backup:
        if not backup.unlocked:
            given = password(draft.udid)
            if given is None:
                return replace(draft, checked="phone")
            backup.unlock(given)
        if level is Level.QUICK:
            return _sift(backup, draft, check_manifest(backup, working.ledger.sizes_in))
        verification = verify(backup, level, observer=observe)
        try:
            return _sift(backup, draft, verification)
        finally:
            verification.close()


def _sift(backup: Backup, draft: Draft, findings: Iterable[Finding]) -> Draft:
    """Tell damage from files that have another size than the list says, with no checksum to deny them.

    Most of these changed while the phone read them, and what is here is all there will ever be of them: they are
    kept and named.
    """
    odd: list[Unreadable] = []
    damage: list[Finding] = []
    for finding in findings:
        if not finding.is_damage:
            continue
        if len(odd) < _MOST_ODD and only_its_size(backup, finding):
            text = f"{finding.found} stored, {finding.expected} by the phone's list; it may have changed while read"
            odd.append(Unreadable(f"{finding.domain}/{finding.path}", finding.file, 0, text))
        else:
            damage.append(finding)
            if len(damage) > _NAMED:
                break
    refuse_damaged(damage)
    return replace(draft, checked="manifest", unreadable=(*draft.unreadable, *odd))


def refuse_damaged(damage: list[Finding]) -> None:
    """Raise DamageFound when there is some."""
    if not damage:
        return
    names = "; ".join(_words(each) for each in damage[:_NAMED])
    more = " and more" if len(damage) > _NAMED else ""
    raise DamageFound(
        "The backup is damaged or not complete; it was not imported.",
        why=f"{names}{more}.",
        hint="`ibackup verify` on its folder lists everything. Keep it, and make a new backup with `ibackup now`.",
    )


def _words(finding: Finding) -> str:
    where = " ".join(part for part in (finding.domain, finding.path) if part) or finding.file
    told = f", {finding.found} instead of {finding.expected}" if finding.found and not finding.domain else ""
    return f"{where}: {finding.kind.value}{told}"
