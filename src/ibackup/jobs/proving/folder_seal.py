"""The seal of a folder that another program made: where it is, whether it can be written there, and making it."""

import contextlib
import os
import secrets
from collections.abc import Iterable

from ibackup.apple.litter import is_in_litter
from ibackup.apple.verify import seal
from ibackup.apple.verify.seal import SealLine
from ibackup.base.errors import UsageError
from ibackup.base.events import Observer, PhaseStarted, Progress, ignore
from ibackup.store.disk import durable
from ibackup.store.records.snapshot import hash_file

_ANOTHER = "Name another file with --seal FILE."


def seal_beside(path: str) -> str:
    """Where the seal of a folder made elsewhere is: beside it, so that nothing is written into it."""
    whole = os.path.abspath(path)
    return os.path.join(os.path.dirname(whole), os.path.basename(whole) + ".SHA256SUMS")


def refuse_bad_place(named: str, backup: str) -> None:
    """Reject a path for the seal before reading anything, which may take hours.

    Args:
        named: the file; empty for the one beside the folder.
        backup: the folder in Apple's format.

    Raises:
        UsageError: it is a folder, in the backup, or cannot be written.
    """
    file = named or seal_beside(backup)
    if named and os.path.isdir(file):
        raise UsageError(f"The seal '{file}' is a folder.", hint="Name a file with --seal FILE.")
    where, inside = os.path.realpath(file), os.path.realpath(backup)
    if where.startswith(os.path.join(inside, "")):
        raise UsageError(
            f"The seal '{file}' would be in the backup itself, and ibackup never writes there.",
            hint="--seal without a name writes it beside the folder; or name a file elsewhere.",
        )
    folder = os.path.dirname(where)
    if not os.path.lexists(where) and not os.access(folder, os.W_OK):
        missing = "" if os.path.isdir(folder) else " there is no such folder"
        raise UsageError(
            f"The seal '{file}' cannot be written:{missing or ' nothing may be written into its folder'}.",
            hint=_ANOTHER,
        )


def make_seal(path: str, target: str, observer: Observer = ignore) -> int:
    """Write a seal for a folder made elsewhere, so that later damage is found; gives the number of files.

    Args:
        path: the folder in Apple's format; nothing is written into it.
        target: the seal to be.
        observer: gets the progress.

    Raises:
        UsageError: there is one already, which must not be replaced unseen, or it cannot be written.
    """
    try:
        return _make(path, target, observer)
    except FileExistsError:
        raise UsageError(f"'{target}' exists already.", hint=_ANOTHER) from None
    except OSError as error:
        raise UsageError(f"The seal '{target}' cannot be written: {error.strerror}.", hint=_ANOTHER) from None


def _make(path: str, target: str, observer: Observer) -> int:
    whole = os.path.abspath(path)
    top = os.path.basename(whole)
    observer(PhaseStarted("seal", "Recording the checksum of every file."))
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
        with contextlib.suppress(OSError):  # report the first error
            os.unlink(fresh)
        raise
    durable.sync_dir(folder)
    return counted


def _files(root: str) -> Iterable[str]:
    for folder, _, names in os.walk(root):
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        for name in names:
            path = name if below == "." else f"{below}/{name}"
            if not is_in_litter(path):
                yield path
