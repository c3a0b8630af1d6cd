"""Fetches a snapshot back from a second copy, and verifies what came."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from ibackup.apple.verify.findings import Level
from ibackup.base.errors import DamageFound, NoRoom, UsageError
from ibackup.base.events import Observer
from ibackup.base.sizes import size_text
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.proving.backup_proof import ProofVerdict, prove
from ibackup.store.disk import durable
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.free_space import free_bytes
from ibackup.store.records.snapshot import Snapshot

_PART = ".part"
_BLOCK = 4096  # bytes that files are rounded up to on most disks


@dataclass(frozen=True, slots=True)
class GotSnapshot:
    """A snapshot that was fetched, and what a full verification said about it."""

    held: HeldSnapshot
    snapshot: Snapshot
    verdict: ProofVerdict


def choose(held: Sequence[HeldSnapshot], ref: str, udid: str | None, name: str) -> HeldSnapshot:
    """The held snapshot that a reference means: an id, a unique beginning of one, or ``latest``.

    Raises:
        UsageError: none, or several.
    """
    found = [
        each
        for each in held
        if (udid is None or each.udid == udid) and (ref == "latest" or each.id.startswith(ref))
    ]
    if not found:
        known = ", ".join(sorted({each.id for each in held})) or "none"
        raise UsageError(f"The copy {name} has no snapshot {ref!r}.", hint=f"It has: {known}.")
    phones = sorted({each.udid for each in found})
    if len(phones) > 1:
        raise UsageError(
            f"Several phones have such a snapshot in the copy {name}.",
            hint=f"Choose one with --phone: {', '.join(phones)}.",
        )
    ids = sorted({each.id for each in found})
    if ref != "latest" and len(ids) > 1:
        raise UsageError(f"Several snapshots begin with {ref!r}.", hint=f"Choose one of: {', '.join(ids)}.")
    return max(found, key=lambda each: each.id)


def get(copy: OpenedCopy, held: HeldSnapshot, folder: str, observe: Observer) -> GotSnapshot:
    """Fetch a snapshot into a folder below ``folder`` that has its id, and verify every byte.

    Raises:
        UsageError: the folder is there already.
        DamageFound: what came is not the snapshot that was copied.
        NoRoom: there is too little space for it.
        IbackupError: the copy cannot be read.
    """
    target = os.path.join(folder, held.id)
    if os.path.lexists(target):
        raise UsageError(f"'{target}' is there already.", hint="Give another folder with --to.")
    part = target + _PART
    if os.path.lexists(part):
        raise UsageError(
            f"'{part}' is there already; an earlier run may have left it.",
            hint="Remove it, or give another folder with --to.",
        )
    with telling(f"The folder '{folder}' could not be made."):
        durable.make_dir(folder, parents=True)
        require_room(copy, held, folder)
        durable.make_dir(part)
    copy.engine.fetch(held, part, observe)
    with telling(f"'{part}' could not be renamed."):
        durable.rename_new(part, target)
    return verified(held, target, observe)


def require_room(copy: OpenedCopy, held: HeldSnapshot, folder: str) -> None:
    """Raise NoRoom if a snapshot certainly does not fit; DamageFound if it has something that is no file. OSError."""
    needed = sum(-(-size // _BLOCK) * _BLOCK for size in copy.engine.sizes(held).values())
    free = free_bytes(folder)
    if needed > free:
        raise NoRoom(
            f"There is not enough space for snapshot {held.id} in '{folder}'.",
            why=f"It needs {size_text(needed)}, and {size_text(free)} are free.",
            hint="Free some space there, or choose another folder.",
        )


def verified(held: HeldSnapshot, target: str, observe: Observer) -> GotSnapshot:
    """Verify every byte of a snapshot that was fetched. Raises DamageFound if it is not the one that was copied."""
    snapshot = opened_as(held, target)
    return GotSnapshot(
        held, snapshot, prove(snapshot.backup_path, Level.FULL, snapshot=snapshot, observer=observe)
    )


def opened_as(held: HeldSnapshot, target: str) -> Snapshot:
    """Open a snapshot that was fetched. Raises DamageFound if it is not the one that was copied."""
    snapshot = Snapshot.open(target)
    if (snapshot.udid, snapshot.meta.seal) != (held.udid, held.seal):
        raise DamageFound(
            f"What came is not the snapshot {held.id} that was copied: its seal is another one.",
            hint=f"It is in '{target}'. Do not restore it before you know where it comes from.",
        )
    return snapshot
