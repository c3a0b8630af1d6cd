"""The last steps of a run: compare, freeze, seal, record, rename. Each can be cut off and done again."""

import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime

from ibackup.confined import replace
from ibackup.errors import DamageFound, IbackupError
from ibackup.events import Caution, Observer
from ibackup.manifest import seal
from ibackup.store import durable
from ibackup.store.ledger import Ledger
from ibackup.store.linkers import place
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.run import RUN_NAME, Sealed
from ibackup.store.snapshot import META_NAME, SEAL_NAME, Draft, Snapshot, SnapshotMeta, hash_file
from ibackup.store.trees import Found, Tree, walk

Paths = Iterable[str]

FROZEN = 0o400
_SNAPSHOT_DIR = "Snapshot"
_SHOWN = 10
_RENAME_TRIES = 20
_KEPT = frozenset([META_NAME, SEAL_NAME])


def empty_folder(path: str) -> None:
    """Remove all that a folder holds."""
    with os.scandir(path) as entries:
        held = list(entries)
    for entry in held:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def remove_snapshot_dir(root: str, ledger: Ledger) -> int:
    """Remove ``Snapshot/``, which only a backup under way has; gives the number of files that were in it."""
    files = sum(1 for folder in ledger.folders() if _in_snapshot_dir(folder) for _ in ledger.lines_in(folder))
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(os.path.join(root, _SNAPSHOT_DIR))
    ledger.removed(_SNAPSHOT_DIR)
    return files


def _in_snapshot_dir(folder: str) -> bool:
    return folder.partition("/")[0] == _SNAPSHOT_DIR


def compare_and_freeze(root: str, ledger: Ledger) -> bool:
    """Look whether disk and ledger agree, file by file, and take the write permission away.

    Returns:
        False when the file system did not take the mode.

    Raises:
        DamageFound: they do not agree.
    """
    wrong: list[str] = []
    missing = set(ledger.folders())
    frozen = True
    with Tree(root) as tree:
        for folder, held in walk(root):
            missing.discard(folder)
            wrong.extend(_compare(folder, held, ledger))
            for found in held:
                if stat.S_ISREG(found.stat.st_mode) and not _freeze(tree, found):
                    frozen = False
    for folder in missing:
        wrong.extend(f"{line.path} is missing" for line in ledger.lines_in(folder))
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DamageFound(
            f"The working copy is not what was received: {'; '.join(wrong[:_SHOWN])}{more}.",
            why="Something changed it behind this program's back, or the disk is failing.",
            hint="Run `ibackup now` again; look for programs that clean up or synchronise this folder.",
        )
    return frozen


def freeze(root: str) -> None:
    """Take the write permission away once more: what a power cut undid after it was sealed."""
    with Tree(root) as tree:
        for _, held in walk(root):
            for found in held:
                if stat.S_ISREG(found.stat.st_mode):
                    _freeze(tree, found)


def _compare(folder: str, held: list[Found], ledger: Ledger) -> Iterator[str]:
    prefix = f"{folder}/" if folder else ""
    expected = ledger.sizes_in(folder)
    for found in held:
        if stat.S_ISDIR(found.stat.st_mode):
            continue
        size = expected.pop(found.name, None)
        if size is None:
            yield f"{found.path!a} appeared"
        elif not stat.S_ISREG(found.stat.st_mode):
            yield f"{found.path} is not a file any more"
        elif size != found.stat.st_size:
            yield f"{found.path} has {found.stat.st_size:,} bytes instead of {size:,}"
    for name in expected:
        yield f"{prefix}{name} is missing"


def _freeze(tree: Tree, found: Found) -> bool:
    # On Windows this would set an attribute that all hard links share and that no rename gets past.
    if sys.platform == "win32" or stat.S_IMODE(found.stat.st_mode) == FROZEN:
        return True
    if found.stat.st_nlink > 1:
        return True  # it belongs to a finished snapshot too, where nothing is changed any more
    path, at = place(tree.folder(found.folder), found.name)
    try:
        os.chmod(path, FROZEN, dir_fd=at)
        return stat.S_IMODE(os.stat(path, dir_fd=at, follow_symlinks=False).st_mode) == FROZEN
    except PermissionError:
        return False


def seal_path(working: str) -> str:
    """Where the seal of a working copy is."""
    return os.path.join(working, SEAL_NAME)


def write_seal(working: str, udid: str, ledger: Ledger) -> Sealed:
    """Write SHA256SUMS from the ledger, in place of one that a broken run left."""
    fresh = f"{seal_path(working)}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with open(fd, "wb") as target:
        lines = (seal.SealLine(f"{udid}/{line.path}", line.sha256.hex()) for line in ledger.lines())
        sha256 = seal.write(target, lines)
        target.flush()
        _freeze_path(fresh)
        durable.sync_fd(fd)
    replace(fresh, seal_path(working))
    totals = ledger.totals()
    if not totals.files:
        raise IbackupError(
            "The phone sent no file at all.", hint="Restart the phone and run `ibackup now` again."
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


def tidy(working: str) -> None:
    """Remove what a snapshot does not have, run.json last: without it, all else must be in its final state."""
    with os.scandir(working) as entries:
        names = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(os.path.join(working, "staging"))
    for name in names:
        if name not in _KEPT and name != RUN_NAME:
            os.unlink(os.path.join(working, name))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(working, RUN_NAME))
    durable.sync_dir(working)


def finish_complete(folder: PhoneFolder, working: str, observer: Observer) -> Snapshot:
    """Give a working copy that a run had left complete its name, after a look that nothing is missing.

    Raises:
        DamageFound: it is not what its record says.
    """
    meta = SnapshotMeta.read(os.path.join(working, META_NAME))
    check_totals(working, meta.udid, Sealed(meta.seal, meta.files, meta.bytes, meta.carried_files))
    freeze(os.path.join(working, meta.udid))
    return rename(folder, working, meta.started, observer)


def check_totals(working: str, udid: str, sealed: Sealed) -> None:
    """Look whether a copy that was sealed earlier still has its seal and as many files and bytes.

    Raises:
        DamageFound: it has not.
    """
    sizes = [
        found.stat.st_size
        for _, held in walk(os.path.join(working, udid))
        for found in held
        if not stat.S_ISDIR(found.stat.st_mode)
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
    """Give a complete working copy its final name, one that nothing has."""
    for _ in range(_RENAME_TRIES):
        snapshot_id, sequence, behind = folder.next_name(started)
        meta = SnapshotMeta.read(os.path.join(working, META_NAME))
        if meta.sequence != sequence:
            # Another run has closed a snapshot since.
            _put_meta(working, meta.renumbered(sequence))
        target = os.path.join(folder.snapshots_path, snapshot_id)
        try:
            durable.rename_new(working, target)
        except FileExistsError:
            continue
        durable.sync_dir(folder.snapshots_path)
        durable.sync_dir(folder.path)
        if behind:
            observer(
                Caution(
                    f"The clock is behind the newest snapshot; this one is called {snapshot_id}.",
                    "Look at the computer's date and time.",
                )
            )
        return Snapshot.open(target)
    raise IbackupError(
        "The snapshot could not be given a name.",
        why="Other runs kept taking it.",
        hint="Stop them; the next `ibackup now` closes it.",
    )
