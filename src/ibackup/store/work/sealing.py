"""Seals a working copy: its files are compared with the ledger, write-protected, and listed with their checksums.

``seal_beside`` does parts of it in another process, so this file imports little.
"""

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ibackup.apple.verify import seal
from ibackup.base import held
from ibackup.base.errors import DamageFound, IbackupError
from ibackup.store.disk import durable
from ibackup.store.records.run_record import Sealed
from ibackup.store.records.snapshot import SEAL_NAME
from ibackup.store.work.file_ledger import FileLedger
from ibackup.store.work.folder_trees import FolderTree, Found, stats_in
from ibackup.store.work.linkers import place

FROZEN: Final = 0o400
_SHOWN: Final = 10

Loose = tuple[str, Sequence[str]]
"""A folder, and the names of files in it that can still be written."""


def compare_and_freeze(root: str, ledger: FileLedger) -> bool:
    """Check that disk and ledger agree, file by file, and remove the write permission. See both parts."""
    return freeze_files(root, compared(root, ledger))


def compared(root: str, ledger: FileLedger) -> Iterator[Loose]:
    """Check that disk and ledger agree, file by file; what can still be written is returned on the way.

    Raises:
        DamageFound: they do not agree; after everything was looked at.
    """
    wrong: list[str] = []
    missing = set(ledger.folders())
    is_file = stat.S_ISREG
    for folder, inside in stats_in(root):
        missing.discard(folder)
        expected = ledger.sizes_in(folder)
        loose: list[str] = []
        for name, found in inside.items():
            size = expected.pop(name, None)
            # Nearly all are as they should be, and most are frozen in an earlier snapshot already.
            if size == found.st_size and is_file(found.st_mode):
                if found.st_nlink > 1:
                    continue
            elif size is not None or not stat.S_ISDIR(found.st_mode):
                wrong.append(_differs(Found(folder, name, found), size))
            if not _is_frozen(found):
                loose.append(name)
        wrong.extend(f"{folder}/{name} is missing".lstrip("/") for name in expected)
        if loose:
            yield folder, loose
    for folder in missing:
        wrong.extend(f"{line.path} is missing" for line in ledger.lines_in(folder))
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DamageFound(
            f"The working copy differs from what was received: {'; '.join(wrong[:_SHOWN])}{more}.",
            why="Another program changed it, or the disk is failing.",
            hint="Run `ibackup now` again; look for programs that clean up or synchronize this folder.",
        )


def freeze_files(root: str, files: Iterable[Loose]) -> bool:
    """Remove the write permission of files; False if the file system did not accept the mode."""
    frozen, taken = True, False
    with FolderTree(root) as tree:
        for folder, names in files:
            for name in names:
                taken = _freeze(tree, folder, name, proven=taken)
                frozen = frozen and taken
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


def _unpublished(working: str) -> str:
    return f"{seal_path(working)}.new"


def prepare_seal(working: str, udid: str, ledger: FileLedger) -> Sealed:
    """Write SHA256SUMS from the ledger under another name, replacing one from an interrupted run; it is durable."""
    totals = ledger.totals()
    if not totals.files:
        raise IbackupError(
            "The phone sent no files.", hint="Restart the phone, then run `ibackup now` again."
        )
    fresh = _unpublished(working)
    with contextlib.suppress(FileNotFoundError):
        held.unlink(fresh)
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with open(fd, "wb") as target:
        sha256 = seal.write_places(target, udid, ledger.sha256_sums())
        target.flush()
        if sys.platform != "win32":
            durable.set_mode(fresh, FROZEN)
        durable.sync_fd(fd)
    return Sealed(sha256, totals.files, totals.bytes, totals.carried)


def publish_seal(working: str) -> None:
    """Give a prepared seal its name."""
    held.replace(_unpublished(working), seal_path(working))
