"""Proves one backup, ours or anybody's, and says what its damage means: which files, and where they still are.

The manifest library finds; this adds what only the store knows: the seal, what the phone reported unreadable, the
record of proofs, and the other snapshots, one of which may still have the file.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ibackup.apple.backup import DATABASE, LEGACY_DATABASE, MANIFEST, PLISTS, STATUS, Backup
from ibackup.apple.format_errors import FormatError, SealDamaged
from ibackup.apple.reasons import Reason
from ibackup.apple.verify.findings import Finding, FindingKind, Level, Severity, Summary, costs_data
from ibackup.apple.verify.seal import Seal
from ibackup.apple.verify.verification import verify
from ibackup.base.errors import DamageFound, IbackupError, NotABackup, PasswordWrong
from ibackup.base.events import Caution, Observer, ignore
from ibackup.jobs.proving.folder_seal import seal_beside
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proof
from ibackup.store.records.proof_records import Verdict as Result
from ibackup.store.records.snapshot import Snapshot, hash_file
from ibackup.vault.unlocker import Unlocker

_LOOKED_FOR = 200  # damaged files that are looked for in other snapshots; each look reads the file
_KEPT = 2000  # findings kept for the text, and how many of a group; the counts are of all
_KEPT_OF_A_GROUP = 20
_BADNESS = list(Severity)  # the worst first
_OF_THE_LIST = (Reason.ROW, Reason.UNLISTED)
_SEAL_HINT = "Make it readable, or name the right one with --seal FILE."


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one kind in one domain of the phone, so that ten thousand of them stay readable.

    Attributes:
        domain: empty if the manifest does not say, or the finding is about the backup itself.
        file: for the latter the file that it is about, if it is about one.
    """

    domain: str
    file: str
    kind: str
    severity: Severity
    count: int

    @property
    def damage(self) -> bool:
        """Whether something is lost or was changed."""
        return self.severity is Severity.DAMAGE


@dataclass(slots=True)
class ProofVerdict:
    """What came of proving one backup.

    Attributes:
        path: the folder in Apple's format.
        snapshot: the snapshot's id, empty for a folder made elsewhere.
        summary: what was looked at of the phone's files.
        files: stored files, the backup's own plists and manifest among them.
        bytes: of all these.
        sealed: whether there is a seal to compare with.
        findings: the first ones of each group, damage before flaws before notes; all were handed on as they came.
        groups: all of them, counted, the largest first and damage before flaws before notes.
        intact_in: where a damaged file is still whole: its path below the backup folder to a snapshot's id.
        shared_with: the ids of the other snapshots that share a damaged file, and are damaged too.
        device_name: what the phone was called, as the snapshot's record says.
        outdated_seal: the seal of a folder made elsewhere, when it seems that a new backup was made there since.
    """

    path: str
    snapshot: str
    summary: Summary
    files: int
    bytes: int
    sealed: bool
    findings: list[Finding] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    intact_in: dict[str, str] = field(default_factory=dict)
    shared_with: list[str] = field(default_factory=list)
    device_name: str = ""
    outdated_seal: str = ""

    @property
    def good(self) -> bool:
        """Whether it is proven good."""
        return self.summary.good

    @property
    def status(self) -> Result:
        """``damaged``; ``flawed``: as the phone sent it, but different from the phone's list; or ``good``.

        A folder that another program decrypted in part is ``damaged``, since no phone takes it back, although no file
        is lost. A snapshot of one is not: who imported it was told, and every night would say it again.
        """
        if (
            self.summary.damage
            or not self.summary.finished
            or (self.decrypted_by_another and not self.snapshot)
        ):
            return "damaged"
        return "flawed" if self.summary.flaws else "good"

    @property
    def decrypted_by_another(self) -> bool:
        """Whether every file can be read, but no phone takes the backup back: another program decrypted parts of it."""
        return any(group.kind == FindingKind.MIXED_UP and not group.damage for group in self.groups)

    @property
    def has_all_files(self) -> bool:
        """Whether only what is known about the run is damaged, and all files of the phone are as they should be."""
        compared = self.summary.finished and (self.summary.manifest_checked or self.sealed)
        # With a plain list nothing but what a phone needs for a restore is lost with Manifest.plist.
        spared = {(FindingKind.PLIST_UNREADABLE, MANIFEST)} if self.summary.manifest_checked else set()
        damage = [group for group in self.groups if group.damage and (group.kind, group.file) not in spared]
        return compared and not any(costs_data(FindingKind(group.kind), group.file) for group in damage)


def prove(
    path: str,
    level: Level,
    *,
    snapshot: Snapshot | None = None,
    seal_file: str | None = None,
    unlocker: Unlocker | None = None,
    on_finding: Callable[[Finding], None] = lambda _finding: None,
    observer: Observer = ignore,
) -> ProofVerdict:
    """Prove a backup folder good, or find what is wrong with it, and write the outcome down for a snapshot.

    Args:
        path: the folder in Apple's format.
        level: how far to go.
        snapshot: the snapshot that it belongs to, or None for a folder made elsewhere.
        seal_file: the seal of a folder made elsewhere; by default the one beside it, if there is one.
        unlocker: opens an encrypted backup; None: it stays locked.
        on_finding: takes each finding as it comes.
        observer: gets the progress.

    Raises:
        PasswordNeeded: nothing could be checked without it, or (PasswordWrong) it does not open this backup.
        NotABackup: there is nothing that could be checked, or the snapshot was removed meanwhile.
        DamageFound: the snapshot's whole backup is gone.
    """

    def opener(backup: Backup, sealed: Seal | SealDamaged | None) -> bool:
        return unlocker is None or _unlock(backup, unlocker, sealed)

    try:
        verdict, damaged = _proven(path, level, snapshot, seal_file, opener, on_finding, observer)
    except (IbackupError, OSError):
        if snapshot is not None:
            snapshot.refuse_if_removed()
        raise
    if snapshot is not None:
        snapshot.refuse_if_removed()
    folder = PhoneFolder.holding(snapshot) if snapshot is not None else None
    if snapshot is not None and folder is not None:
        _write_down(folder, snapshot, verdict, damaged, observer)
        verdict.intact_in = intact_elsewhere(folder, snapshot, damaged)
    return verdict


def _proven(
    path: str,
    level: Level,
    snapshot: Snapshot | None,
    seal_file: str | None,
    opener: Callable[[Backup, Seal | SealDamaged | None], bool],
    on_finding: Callable[[Finding], None],
    observer: Observer,
) -> tuple[ProofVerdict, list[str]]:
    """What the proof says, and the stored files that are damaged. See ``prove``."""
    if snapshot is not None and not os.path.isdir(path):
        raise DamageFound(
            f"Snapshot {snapshot.id} is damaged: its backup folder {path!r} is missing.",
            hint="Run `ibackup now` for a new one; other snapshots: `ibackup list`.",
        )
    with Backup.open(path, known=snapshot is not None) as backup:
        sealed = _seal_of(path, snapshot, seal_file)
        if not opener(backup, sealed) and level is Level.DEEP:
            level = Level.FULL  # no password would help, but the seal still finds changes
        verification = verify(
            backup,
            level,
            seal=sealed,
            sealed_as=snapshot.meta.seal if snapshot else None,
            flawed=_known_flaws(snapshot) if snapshot else {},
            observer=observer,
        )
        findings, groups, damaged = _collect(verification, on_finding)
    summary = verification.summary
    own_files, own_bytes = _own_files(path)
    verdict = ProofVerdict(
        path,
        snapshot.id if snapshot else "",
        summary,
        summary.files + own_files,
        summary.bytes + own_bytes,
        sealed is not None,
        findings,
        groups,
        device_name=snapshot.meta.device_name if snapshot else "",
    )
    if snapshot is None and isinstance(sealed, Seal) and STATUS in damaged:
        # The phone writes it last of all, and with another date each time.
        verdict.outdated_seal = seal_file or seal_beside(path)
    return verdict, damaged


def _known_flaws(snapshot: Snapshot) -> dict[str, Reason]:
    """What was wrong with files when the backup was made. The check finds again what is wrong with the list."""
    known = (file for file in snapshot.meta.flawed if file.reason not in _OF_THE_LIST)
    return {file.device_path if file.reason is Reason.RECORD else file.path: file.reason for file in known}


def _write_down(
    folder: PhoneFolder, snapshot: Snapshot, verdict: ProofVerdict, damaged: list[str], observer: Observer
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    try:
        proof = Proof(verdict.summary.level.value, now, verdict.status, tuple(damaged))
        verdict.shared_with = folder.add_proof(snapshot.id, proof)
    except IbackupError as error:
        # A store that is read-only, a second copy for one, can be proven anyway.
        observer(Caution(f"The outcome could not be recorded in the store. {error.why}".rstrip()))


def _own_files(path: str) -> tuple[int, int]:
    """Number and bytes of the files of a backup that are none of the phone's."""
    files = size = 0
    for name in (*PLISTS, DATABASE, LEGACY_DATABASE):
        with contextlib.suppress(OSError):  # the verification reports a missing one
            size += os.lstat(os.path.join(path, name)).st_size
            files += 1
    return files, size


def _unlock(backup: Backup, unlocker: Unlocker, sealed: Seal | SealDamaged | None) -> bool:
    """Unlock a backup with its password if there is one; False when that fails because the backup is damaged."""
    try:
        locked = not backup.unlocked
    except FormatError:
        return True  # Manifest.plist itself is damaged; the verification says so
    if not locked or not backup.where.list_path:
        return True  # without a list of files no password helps; the verification says so
    # With a keybag that changed no password is the right one, so ibackup does not ask for another.
    changed = isinstance(sealed, Seal) and sealed.get(MANIFEST) != hash_file(
        os.path.join(backup.path, MANIFEST)
    )
    try:
        (replace(unlocker, again=lambda _error: False) if changed else unlocker).open(backup)
    except FormatError:
        return False
    except PasswordWrong:
        if not changed:
            raise
        return False
    return True


def _collect(
    found: Iterable[Finding], on_finding: Callable[[Finding], None]
) -> tuple[list[Finding], list[Group], list[str]]:
    """The first findings of each group, the groups, and the stored files that are damaged."""
    counts: Counter[tuple[int, str, str, str]] = Counter()
    damaged: set[str] = set()
    kept: list[Finding] = []
    for finding in found:
        on_finding(finding)
        # Files of the phone are counted by their domain, the backup's own files one by one.
        about = "" if finding.domain or finding.file_id else finding.file
        key = (_BADNESS.index(finding.severity), finding.domain, about, finding.kind.value)
        counts[key] += 1
        if finding.is_damage and finding.file:
            damaged.add(finding.file)
        if counts[key] <= _KEPT_OF_A_GROUP and len(kept) < _KEPT:
            kept.append(finding)
    kept.sort(key=lambda finding: _BADNESS.index(finding.severity))
    groups = [
        Group(domain, about, kind, _BADNESS[badness], count)
        for (badness, domain, about, kind), count in sorted(
            counts.items(), key=lambda item: (item[0][0], -item[1], item[0])
        )
    ]
    return kept, groups, sorted(damaged)


def _seal_of(path: str, snapshot: Snapshot | None, seal_file: str | None) -> Seal | SealDamaged | None:
    file = snapshot.seal_path if snapshot else seal_file or seal_beside(path)
    try:
        return Seal.read(file)
    except SealDamaged as error:
        return error
    except FileNotFoundError:
        return SealDamaged(0, "is missing") if snapshot else None
    except OSError as error:
        reason = error.strerror or str(error)
        if snapshot:
            return SealDamaged(0, f"cannot be read: {reason}")
        raise NotABackup(f"The seal '{file}' cannot be read.", why=f"{reason}.", hint=_SEAL_HINT) from error


def intact_elsewhere(folder: PhoneFolder, damaged_one: Snapshot, files: list[str]) -> dict[str, str]:
    """Where damaged files are whole: the id of the newest other snapshot that has the file whole by its own seal.

    Args:
        folder: of the phone.
        damaged_one: the snapshot with the damage.
        files: their paths below the backup folder; only the first ones are looked for.
    """
    found: dict[str, str] = {}
    wanted = files[:_LOOKED_FOR]
    for other in reversed(folder.snapshots()):
        if len(found) == len(wanted):
            break
        if other.id == damaged_one.id:
            continue
        try:
            sums = Seal.read(other.seal_path)
        except (SealDamaged, OSError):
            continue
        for file in wanted:
            expected = sums.get(file)
            if file in found or expected is None:
                continue
            try:
                if hash_file(os.path.join(other.backup_path, *file.split("/"))) == expected:
                    found[file] = other.id
            except OSError:
                continue  # unreadable there too
    return found
