"""The last steps of a run: compare, freeze, seal, record, rename. Each can be interrupted and repeated."""

import contextlib
import os
import stat
import sys
from collections.abc import Iterable
from datetime import datetime

from ibackup.apple.verify import seal
from ibackup.base import held
from ibackup.base.counts import count_text
from ibackup.base.errors import DamageFound, IbackupError
from ibackup.base.events import Caution, Observer
from ibackup.store.disk import durable
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.run_record import RUN_NAME, Sealed
from ibackup.store.records.snapshot import META_NAME, SEAL_NAME, Draft, Snapshot, SnapshotMeta, hash_file
from ibackup.store.work.file_ledger import FileLedger
from ibackup.store.work.folder_trees import FolderTree, Found, stats_in
from ibackup.store.work.linkers import place

Paths = Iterable[str]

FROZEN = 0o400
_SNAPSHOT_DIR = "Snapshot"
_SHOWN = 10
_RENAME_TRIES = 20
_KEPT = frozenset([META_NAME, SEAL_NAME])


def empty_folder(path: str) -> None:
    """Remove everything in a folder."""
    with os.scandir(path) as entries:
        inside = list(entries)
    for entry in inside:
        if entry.is_dir(follow_symlinks=False):
            held.remove_tree(entry.path)
        else:
            held.unlink(entry.path)


def remove_snapshot_dir(root: str, ledger: FileLedger) -> int:
    """Remove ``Snapshot/``, which only an unfinished backup has; return the number of files that were in it."""
    files = sum(1 for folder in ledger.folders() if _in_snapshot_dir(folder) for _ in ledger.lines_in(folder))
    with contextlib.suppress(FileNotFoundError):
        held.remove_tree(os.path.join(root, _SNAPSHOT_DIR))
    ledger.removed(_SNAPSHOT_DIR)
    return files


def _in_snapshot_dir(folder: str) -> bool:
    return folder.partition("/")[0] == _SNAPSHOT_DIR


def compare_and_freeze(root: str, ledger: FileLedger) -> bool:
    """Check that disk and ledger agree, file by file, and remove the write permission.

    Returns:
        False if the file system did not accept the mode.

    Raises:
        DamageFound: they do not agree.
    """
    wrong: list[str] = []
    missing = set(ledger.folders())
    frozen, taken = True, False
    is_file = stat.S_ISREG
    with FolderTree(root) as tree:
        for folder, inside in stats_in(root):
            missing.discard(folder)
            expected = ledger.sizes_in(folder)
            for name, found in inside.items():
                size = expected.pop(name, None)
                # Nearly all are as they should be, and most are frozen in an earlier snapshot already.
                if size == found.st_size and is_file(found.st_mode):
                    if found.st_nlink > 1:
                        continue
                elif size is not None or not stat.S_ISDIR(found.st_mode):
                    wrong.append(_differs(Found(folder, name, found), size))
                if not _is_frozen(found):
                    taken = _freeze(tree, folder, name, proven=taken)
                    frozen = frozen and taken
            wrong.extend(f"{folder}/{name} is missing".lstrip("/") for name in expected)
    for folder in missing:
        wrong.extend(f"{line.path} is missing" for line in ledger.lines_in(folder))
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DamageFound(
            f"The working copy differs from what was received: {'; '.join(wrong[:_SHOWN])}{more}.",
            why="Another program changed it, or the disk is failing.",
            hint="Run `ibackup now` again; look for programs that clean up or synchronize this folder.",
        )
    return frozen


def freeze(root: str) -> None:
    """Remove the write permission again, if a power cut undid that after sealing."""
    with FolderTree(root) as tree:
        for folder, inside in stats_in(root):
            for name, found in inside.items():
                if not _is_frozen(found):
                    _freeze(tree, folder, name, proven=True)


def _differs(found: Found, size: int | None) -> str:
    """How a file on the disk differs from the ledger, which says that it has this size, or None."""
    if size is None:
        return f"{found.path!a} appeared"
    if not stat.S_ISREG(found.stat.st_mode):
        return f"{found.path} is no longer a file"
    return f"{found.path} has {found.stat.st_size:,} bytes instead of {size:,}"


def _is_frozen(found: os.stat_result) -> bool:
    """Whether a file cannot be written any more, or something is none."""
    mode = found.st_mode
    # With another name, it also belongs to a finished snapshot, where nothing is changed any more. On Windows, freezing
    # would set an attribute that all hard links share and that prevents every rename.
    return not stat.S_ISREG(mode) or found.st_nlink > 1 or mode & 0o7777 == FROZEN or sys.platform == "win32"


def _freeze(tree: FolderTree, folder: str, name: str, *, proven: bool) -> bool:
    """Remove the write permission; False if the file system does not do that, unless it is ``proven`` that it does."""
    path, at = place(tree.folder(folder), name)
    try:
        os.chmod(path, FROZEN, dir_fd=at)
        return proven or stat.S_IMODE(os.stat(path, dir_fd=at, follow_symlinks=False).st_mode) == FROZEN
    except OSError as error:
        if not durable.has_no_modes(error):
            raise
        return False


def seal_path(working: str) -> str:
    """The path of a working copy's seal."""
    return os.path.join(working, SEAL_NAME)


def write_seal(working: str, udid: str, ledger: FileLedger) -> Sealed:
    """Write SHA256SUMS from the ledger, replacing one from an interrupted run."""
    fresh = f"{seal_path(working)}.new"
    with contextlib.suppress(FileNotFoundError):
        held.unlink(fresh)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with open(fd, "wb") as target:
        sha256 = seal.write_places(target, udid, ledger.sha256_sums())
        target.flush()
        _freeze_path(fresh)
        durable.sync_fd(fd)
    held.replace(fresh, seal_path(working))
    totals = ledger.totals()
    if not totals.files:
        raise IbackupError(
            "The phone sent no files.", hint="Restart the phone, then run `ibackup now` again."
        )
    return Sealed(sha256, totals.files, totals.bytes, totals.carried)


def _freeze_path(path: str) -> None:
    if sys.platform != "win32":
        durable.set_mode(path, FROZEN)


def write_meta(folder: PhoneFolder, working: str, draft: Draft, sealed: Sealed) -> None:
    """Write snapshot.json."""
    _, sequence, _ = folder.next_name(draft.started)
    members = {name: getattr(draft, name) for name in Draft.__dataclass_fields__}
    meta = SnapshotMeta(
        **members,
        sequence=sequence,
        files=sealed.files,
        bytes=sealed.bytes,
        carried_files=sealed.carried_files,
        seal=sealed.sha256,
    )
    _put_meta(working, meta)


def _put_meta(working: str, meta: SnapshotMeta) -> None:
    mode = 0o600 if sys.platform == "win32" else FROZEN
    durable.write_file(os.path.join(working, META_NAME), meta.to_record().render(), mode=mode)


def keep_sums(folder: PhoneFolder, path: str, started: datetime) -> None:
    """Store a working copy's SHA-1s, if it has some, beside the proofs of the snapshot that it becomes."""
    snapshot_id, _, _ = folder.next_name(started)
    with contextlib.suppress(FileNotFoundError):
        held.replace(path, folder.sums_file(snapshot_id))


def tidy(working: str) -> None:
    """Remove what a snapshot does not have; run.json goes last, so that without it everything is in its final state."""
    with os.scandir(working) as entries:
        names = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
    with contextlib.suppress(FileNotFoundError):
        held.remove_tree(os.path.join(working, "staging"))
    for name in names:
        if name not in _KEPT and name != RUN_NAME:
            held.unlink(os.path.join(working, name))
    with contextlib.suppress(FileNotFoundError):
        held.unlink(os.path.join(working, RUN_NAME))
    durable.sync_dir(working)


def finish_complete(folder: PhoneFolder, working: str, observer: Observer) -> Snapshot:
    """Rename a working copy that a run left complete, after a check that nothing is missing.

    Raises:
        DamageFound: it does not match its record.
    """
    meta = SnapshotMeta.read(os.path.join(working, META_NAME))
    check_totals(working, meta.udid, Sealed(meta.seal, meta.files, meta.bytes, meta.carried_files))
    freeze(os.path.join(working, meta.udid))
    return rename(folder, working, meta.started, observer)


def check_totals(working: str, udid: str, sealed: Sealed) -> None:
    """Check that a copy sealed earlier still has its seal and its numbers of files and bytes.

    Raises:
        DamageFound: it does not.
    """
    sizes = [
        found.st_size
        for _, inside in stats_in(os.path.join(working, udid))
        for found in inside.values()
        if not stat.S_ISDIR(found.st_mode)
    ]
    seal_sum = hash_file(seal_path(working))
    if (
        seal_sum is None
        or seal_sum.hex() != sealed.sha256
        or (len(sizes), sum(sizes)) != (sealed.files, sealed.bytes)
    ):
        raise DamageFound(
            f"The sealed copy {working!r} is damaged.",
            why=f"It has {len(sizes):,} files with {sum(sizes):,} bytes instead of {sealed.files:,} with "
            f"{sealed.bytes:,}, or another {SEAL_NAME}.",
            hint="Run `ibackup now` again.",
        )


def rename(folder: PhoneFolder, working: str, started: datetime, observer: Observer) -> Snapshot:
    """Give a complete working copy its final, unused name."""
    for _ in range(_RENAME_TRIES):
        snapshot_id, sequence, behind = folder.next_name(started)
        meta = SnapshotMeta.read(os.path.join(working, META_NAME))
        if meta.sequence != sequence:
            # Another run has closed a snapshot in the meantime.
            _put_meta(working, meta.renumbered(sequence))
        target = os.path.join(folder.snapshots_path, snapshot_id)
        try:
            durable.rename_new(working, target)
        except FileExistsError:
            continue
        durable.sync_dir(folder.snapshots_path)
        durable.sync_dir(folder.path)
        _inherit_damage(folder, snapshot_id, observer)
        if behind:
            observer(
                Caution(
                    f"The clock is behind the newest snapshot, so this snapshot is called {snapshot_id}.",
                    "Check the computer's date and time.",
                )
            )
        return Snapshot.open(target)
    raise IbackupError(
        "The snapshot could not get its final name.",
        why="Other runs kept taking that name.",
        hint="Stop them. The next `ibackup now` closes the snapshot.",
    )


def _inherit_damage(folder: PhoneFolder, snapshot_id: str, observer: Observer) -> None:
    """Say which files a new snapshot shares although they were found damaged since the run began."""
    try:
        found = folder.inherit_damage(snapshot_id)
    except IbackupError as error:  # the snapshot is there; the next proof of it says the same
        observer(Caution(error.message))
        return
    if found:
        count = count_text(len(found), "file of the new snapshot is", "files of the new snapshot are")
        observer(
            Caution(
                f"{count} damaged: an earlier snapshot shares them, and a check found that during this run.",
                "Run `ibackup now` again: the phone sends them again.",
            )
        )
