"""The last steps of a run: compare, freeze, seal, record, rename. Each can be interrupted and repeated."""

import contextlib
import os
import stat
import sys
from collections.abc import Iterable
from datetime import datetime

from ibackup.base import held
from ibackup.base.counts import count_text
from ibackup.base.errors import DamageFound, IbackupError
from ibackup.base.events import Caution, Observer
from ibackup.store.disk import durable
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.run_record import RUN_NAME, Sealed
from ibackup.store.records.snapshot import META_NAME, SEAL_NAME, Draft, Snapshot, SnapshotMeta, hash_file
from ibackup.store.work import sealing
from ibackup.store.work.file_ledger import FileLedger
from ibackup.store.work.folder_trees import stats_in

Paths = Iterable[str]

_SNAPSHOT_DIR = "Snapshot"
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


def has_snapshot_dir(ledger: FileLedger) -> bool:
    """Whether there is a ``Snapshot/``."""
    return any(map(_in_snapshot_dir, ledger.folders()))


def remove_snapshot_dir(root: str, ledger: FileLedger) -> int:
    """Remove ``Snapshot/``, which only an unfinished backup has; return the number of files that were in it."""
    files = sum(1 for folder in ledger.folders() if _in_snapshot_dir(folder) for _ in ledger.lines_in(folder))
    with contextlib.suppress(FileNotFoundError):
        held.remove_tree(os.path.join(root, _SNAPSHOT_DIR))
    ledger.removed(_SNAPSHOT_DIR)
    return files


def _in_snapshot_dir(folder: str) -> bool:
    return folder.partition("/")[0] == _SNAPSHOT_DIR


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
    mode = 0o600 if sys.platform == "win32" else sealing.FROZEN
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
    sealing.freeze(os.path.join(working, meta.udid))
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
    seal_sum = hash_file(sealing.seal_path(working))
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
