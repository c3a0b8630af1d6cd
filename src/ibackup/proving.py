"""Proves one backup, ours or anybody's, and says what its damage means: which files, and where they still are.

The manifest library finds; this adds what only the store knows: the seal, what the phone reported unreadable, the
record of proofs, and the other snapshots, one of which may still have the file.
"""

import contextlib
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from ibackup.errors import DamageFound, IbackupError, NotABackup, PasswordWrong
from ibackup.events import Caution, Observer, PhaseStarted, Progress, ignore
from ibackup.keychain import Keychain
from ibackup.manifest import seal
from ibackup.manifest.backup import DATABASE, LEGACY_DATABASE, MANIFEST, PLISTS, STATUS, Backup
from ibackup.manifest.findings import Finding, Level, Summary
from ibackup.manifest.flaws import FormatError, SealDamaged
from ibackup.manifest.seal import Seal, SealLine
from ibackup.manifest.tree import is_litter
from ibackup.manifest.verify import verify
from ibackup.store import PhoneFolder, Proof, Snapshot, durable
from ibackup.store.snapshot import hash_file
from ibackup.unlocking import unlock

_LOOKED_FOR = 200  # damaged files that are looked for in other snapshots; each look reads the file
_KEPT = 2000  # findings kept for the text, and how many of a group; the counts are of all
_KEPT_OF_A_GROUP = 20
_SEAL_HINT = "Make it readable, or name the right one with --seal FILE."


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one kind in one domain of the phone, so that ten thousand of them stay readable.

    Attributes:
        domain: empty when the manifest does not tell, or when it is about the backup itself.
        file: for the latter the file that it is about, if it is about one.
    """

    domain: str
    file: str
    kind: str
    damage: bool
    count: int


@dataclass(slots=True)
class Verdict:
    """What came of proving one backup.

    Attributes:
        path: the folder in Apple's format.
        snapshot: the snapshot's id, empty for a folder made elsewhere.
        summary: what was looked at of the phone's files.
        files: stored files, the backup's own plists and manifest among them.
        bytes: of all these.
        sealed: whether there is a seal to compare with.
        findings: the first ones of each group, damage before notes; all were handed on as they came.
        groups: all of them, counted, the largest first and damage before notes.
        intact_in: where a damaged file is still whole: its path below the backup folder to a snapshot's id.
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
    outdated_seal: str = ""

    @property
    def good(self) -> bool:
        """Whether it is proven good."""
        return self.summary.good


def prove(
    path: str,
    level: Level,
    *,
    snapshot: Snapshot | None = None,
    seal_file: str | None = None,
    password: Callable[[str], str | None] = lambda _udid: None,
    keychain: Keychain | None = None,
    on_finding: Callable[[Finding], None] = lambda _finding: None,
    observer: Observer = ignore,
) -> Verdict:
    """Prove a backup folder good, or find what is wrong with it, and write the outcome down for a snapshot.

    Args:
        path: the folder in Apple's format.
        level: how far to go.
        snapshot: the snapshot that it belongs to, or None for a folder made elsewhere.
        seal_file: the seal of a folder made elsewhere; by default the one beside it, where there is one.
        password: asked for the password of an encrypted backup, by the phone's UDID.
        keychain: what else may open it.
        on_finding: takes each finding as it comes.
        observer: is told of the progress.

    Raises:
        PasswordNeeded: nothing could be checked without it, or (PasswordWrong) it does not open this backup.
        NotABackup: there is nothing that could be checked, or the snapshot was removed meanwhile.
        DamageFound: the snapshot's whole backup is gone.
    """

    def opener(backup: Backup, sealed: Seal | SealDamaged | None) -> bool:
        return _unlock(backup, password, keychain, sealed)

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
        verdict.intact_in = _look_elsewhere(folder, snapshot, damaged)
    return verdict


def _proven(
    path: str,
    level: Level,
    snapshot: Snapshot | None,
    seal_file: str | None,
    opener: Callable[[Backup, Seal | SealDamaged | None], bool],
    on_finding: Callable[[Finding], None],
    observer: Observer,
) -> tuple[Verdict, list[str]]:
    """What the proof says, and the stored files that are damaged. See ``prove``."""
    if snapshot is not None and not os.path.isdir(path):
        raise DamageFound(
            f"Snapshot {snapshot.id} is damaged: its backup folder {path!r} is missing.",
            hint="Run `ibackup now` for a new one; other snapshots: `ibackup list`.",
        )
    with Backup.open(path, known=snapshot is not None) as backup:
        sealed = _seal_of(path, snapshot, seal_file)
        if not opener(backup, sealed) and level is Level.DEEP:
            level = Level.FULL  # no password would help; the seal still tells
        verification = verify(
            backup,
            level,
            seal=sealed,
            sealed_as=snapshot.meta.seal if snapshot else None,
            unreadable=[file.path for file in snapshot.meta.unreadable] if snapshot else (),
            observer=observer,
        )
        findings, groups, damaged = _collect(verification, on_finding)
    summary = verification.summary
    own_files, own_bytes = _own_files(path)
    verdict = Verdict(
        path,
        snapshot.id if snapshot else "",
        summary,
        summary.files + own_files,
        summary.bytes + own_bytes,
        sealed is not None,
        findings,
        groups,
    )
    if snapshot is None and isinstance(sealed, Seal) and STATUS in damaged:
        # The phone writes it last of all, and with another date each time.
        verdict.outdated_seal = seal_file or seal_beside(path)
    return verdict, damaged


def _write_down(
    folder: PhoneFolder, snapshot: Snapshot, verdict: Verdict, damaged: list[str], observer: Observer
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    result: Literal["good", "damaged"] = "good" if verdict.good else "damaged"
    try:
        folder.add_proof(snapshot.id, Proof(verdict.summary.level.value, now, result, tuple(damaged)))
    except IbackupError as error:
        # A store that is read-only, a second copy for one, can be proven all the same.
        observer(Caution(f"The outcome could not be written down in the store. {error.why}".rstrip()))


def _own_files(path: str) -> tuple[int, int]:
    """Number and bytes of the files of a backup that are none of the phone's."""
    files = size = 0
    for name in (*PLISTS, DATABASE, LEGACY_DATABASE):
        with contextlib.suppress(OSError):  # its absence is the verification's to tell
            size += os.lstat(os.path.join(path, name)).st_size
            files += 1
    return files, size


def _unlock(
    backup: Backup,
    password: Callable[[str], str | None],
    keychain: Keychain | None,
    sealed: Seal | SealDamaged | None,
) -> bool:
    """Unlock a backup with its password if there is one; False when that fails because the backup is damaged."""
    try:
        locked = not backup.unlocked
    except FormatError:
        return True  # Manifest.plist itself is damaged; the verification says so
    if not locked:
        return True
    try:
        unlock(backup, backup.udid, password, keychain)
    except FormatError:
        return False
    except PasswordWrong:
        # With a keybag that changed no password is the right one.
        if not isinstance(sealed, Seal) or sealed.get(MANIFEST) == hash_file(
            os.path.join(backup.path, MANIFEST)
        ):
            raise
        return False
    return True


def _collect(
    found: Iterable[Finding], on_finding: Callable[[Finding], None]
) -> tuple[list[Finding], list[Group], list[str]]:
    """The first findings of each group, the groups, and the stored files that are damaged."""
    counts: Counter[tuple[bool, str, str, str]] = Counter()
    damaged: set[str] = set()
    kept: list[Finding] = []
    for finding in found:
        on_finding(finding)
        # Files of the phone are counted by their domain, the backup's own files one by one.
        about = "" if finding.domain or finding.file_id else finding.file
        key = (not finding.is_damage, finding.domain, about, finding.kind.value)
        counts[key] += 1
        if finding.is_damage and finding.file:
            damaged.add(finding.file)
        if counts[key] <= _KEPT_OF_A_GROUP and len(kept) < _KEPT:
            kept.append(finding)
    kept.sort(key=lambda finding: not finding.is_damage)
    groups = [
        Group(domain, about, kind, not note, count)
        for (note, domain, about, kind), count in sorted(
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


def make_seal(path: str, target: str, observer: Observer = ignore) -> int:
    """Write a seal for a folder made elsewhere, so that later damage is found; gives the number of files.

    Args:
        path: the folder in Apple's format; nothing is written into it.
        target: the seal to be.
        observer: is told of the progress.

    Raises:
        FileExistsError: there is one already; it must not be replaced unseen.
        OSError: the folder cannot be read or the seal not written.
    """
    whole = os.path.abspath(path)
    top = os.path.basename(whole)
    observer(PhaseStarted("seal", "Writing down the checksum of every file."))
    sizes = {file: os.lstat(os.path.join(whole, *file.split("/"))).st_size for file in _files(whole)}
    total, done, counted = sum(sizes.values()), 0, 0

    def lines() -> Iterable[SealLine]:
        nonlocal counted, done
        for file in sorted(sizes):
            digest = hash_file(os.path.join(whole, *file.split("/")))
            if digest is None:
                continue
            yield SealLine(f"{top}/{file}", digest.hex())
            counted, done = counted + 1, done + sizes[file]
            observer(Progress("seal", None, done, total, counted, len(sizes)))

    # Under another name until it is whole: of half a seal the next verification would say that the rest was added.
    folder, name = os.path.split(os.path.abspath(target))
    fresh = os.path.join(folder, f".{name}.{secrets.token_hex(4)}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with open(fd, "wb") as out:
            seal.write(out, lines())
            out.flush()
            durable.sync_fd(fd)
        durable.rename_new(fresh, target)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            os.unlink(fresh)
        raise
    durable.sync_dir(folder)
    return counted


def _files(root: str) -> Iterable[str]:
    for folder, _, names in os.walk(root):
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        for name in names:
            if not is_litter(name):
                yield name if below == "." else f"{below}/{name}"
