"""Proves one backup, ours or anybody's, and says what its damage means: which files, and where they still are.

The manifest library finds; this adds what only the store knows: the seal, what the phone reported unreadable, the
record of proofs, and the other snapshots, one of which may still have the file.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ibackup.events import Observer, ignore
from ibackup.manifest import seal
from ibackup.manifest.backup import Backup
from ibackup.manifest.findings import Finding, Level, Summary
from ibackup.manifest.flaws import FormatError, SealDamaged
from ibackup.manifest.seal import Seal, SealLine
from ibackup.manifest.verify import verify
from ibackup.store import PhoneFolder, Proof, Snapshot
from ibackup.store.snapshot import hash_file

_LOOKED_FOR = 200  # damaged files that are looked for in other snapshots; each look reads the file
_APP = ("AppDomain-", "AppDomainGroup-", "AppDomainPlugin-")


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one kind in one part of the phone, so that ten thousand of them stay readable."""

    part: str
    kind: str
    damage: bool
    count: int


@dataclass(slots=True)
class Verdict:
    """What came of proving one backup.

    Attributes:
        path: the folder in Apple's format.
        snapshot: the snapshot's id, empty for a folder made elsewhere.
        summary: what was looked at.
        sealed: whether there is a seal to compare with.
        findings: the first ones, damage before notes; all were handed on as they came.
        groups: all of them, counted.
        intact_in: where a damaged file is still whole: its path below the backup folder to a snapshot's id.
    """

    path: str
    snapshot: str
    summary: Summary
    sealed: bool
    findings: list[Finding] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    intact_in: dict[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether it is proven good."""
        return self.summary.good


_KEPT = 2000  # findings kept for the text; the counts are of all


def prove(
    path: str,
    level: Level,
    *,
    snapshot: Snapshot | None = None,
    password: Callable[[str], str | None] = lambda _udid: None,
    on_finding: Callable[[Finding], None] = lambda _finding: None,
    observer: Observer = ignore,
) -> Verdict:
    """Prove a backup folder good, or find what is wrong with it, and write the outcome down for a snapshot.

    Args:
        path: the folder in Apple's format.
        level: how far to go.
        snapshot: the snapshot that it belongs to, or None for a folder made elsewhere.
        password: asked for the password of an encrypted backup, by the phone's UDID.
        on_finding: takes each finding as it comes.
        observer: is told of the progress.

    Raises:
        PasswordNeeded: nothing could be checked without it, or (PasswordWrong) it does not open this backup.
        NotABackup: there is nothing that could be checked.
    """
    with Backup.open(path, known=snapshot is not None) as backup:
        _unlock(backup, password)
        sealed = _seal_of(path, snapshot)
        verification = verify(
            backup,
            level,
            seal=sealed,
            sealed_as=snapshot.meta.seal if snapshot else None,
            unreadable=[file.path for file in snapshot.meta.unreadable] if snapshot else (),
            observer=observer,
        )
        verdict = Verdict(path, snapshot.id if snapshot else "", verification.summary, sealed is not None)
        damaged = _collect(verification, verdict, on_finding)
    if snapshot is not None:
        folder = PhoneFolder.of(snapshot)
        now = datetime.now(UTC).replace(microsecond=0)
        folder.add_proof(
            snapshot.id, Proof(level.value, now, "good" if verdict.good else "damaged", tuple(damaged))
        )
        verdict.intact_in = _look_elsewhere(folder, snapshot, damaged)
    return verdict


def _unlock(backup: Backup, password: Callable[[str], str | None]) -> None:
    try:
        locked = not backup.unlocked
    except FormatError:
        return  # Manifest.plist itself is damaged; the verification says so
    if locked:
        given = password(backup.udid)
        if given is not None:
            backup.unlock(given)


def _collect(found: Iterable[Finding], verdict: Verdict, on_finding: Callable[[Finding], None]) -> list[str]:
    counts: Counter[tuple[bool, str, str]] = Counter()
    damaged: set[str] = set()
    for finding in found:
        on_finding(finding)
        counts[not finding.is_damage, part_of(finding), finding.kind.value] += 1
        if finding.is_damage and finding.file:
            damaged.add(finding.file)
        if len(verdict.findings) < _KEPT:
            verdict.findings.append(finding)
    verdict.findings.sort(key=lambda finding: not finding.is_damage)
    verdict.groups = [
        Group(part, kind, not note, count)
        for (note, part, kind), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1]))
    ]
    return sorted(damaged)


def part_of(finding: Finding) -> str:
    """The app or the part of the phone that a finding is about, in a word: its bundle id or its domain."""
    for prefix in _APP:
        if finding.domain.startswith(prefix):
            return finding.domain.removeprefix(prefix)
    return finding.domain or finding.file or "the backup itself"


def _seal_of(path: str, snapshot: Snapshot | None) -> Seal | SealDamaged | None:
    file = snapshot.seal_path if snapshot else seal_beside(path)
    try:
        return Seal.read(file)
    except SealDamaged as error:
        return error
    except FileNotFoundError:
        return SealDamaged(0, "is missing") if snapshot else None


def seal_beside(path: str) -> str:
    """Where the seal of a folder made elsewhere is looked for: beside it, so that nothing is written into it."""
    whole = os.path.abspath(path)
    return os.path.join(os.path.dirname(whole), os.path.basename(whole) + ".SHA256SUMS")


def _look_elsewhere(folder: PhoneFolder, damaged_one: Snapshot, files: list[str]) -> dict[str, str]:
    """For damaged files, the newest other snapshot that has the file whole by its own seal."""
    found: dict[str, str] = {}
    wanted = files[:_LOOKED_FOR]
    for other in reversed(folder.snapshots()) if wanted else ():
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


def make_seal(path: str, target: str) -> int:
    """Write a seal for a folder made elsewhere, so that later damage is found; gives the number of files.

    Raises:
        FileExistsError: there is one already; it must not be replaced unseen.
        OSError: the folder cannot be read or the seal not written.
    """
    whole = os.path.abspath(path)
    top = os.path.basename(whole)

    def lines() -> Iterable[SealLine]:
        for file in sorted(_files(whole)):
            digest = hash_file(os.path.join(whole, *file.split("/")))
            if digest is not None:
                yield SealLine(f"{top}/{file}", digest.hex())

    counted = 0

    def counting() -> Iterable[SealLine]:
        nonlocal counted
        for line in lines():
            counted += 1
            yield line

    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with open(fd, "wb") as out:
            seal.write(out, counting())
    except BaseException:
        os.unlink(target)
        raise
    return counted


def _files(root: str) -> Iterable[str]:
    for folder, _, names in os.walk(root):
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        for name in names:
            yield name if below == "." else f"{below}/{name}"
