"""The restore test of a second copy: fetched, verified, restored to a virtual iPhone, and removed again."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ibackup.base.errors import DamageFound, IbackupError
from ibackup.base.events import Caution, Note, Observer
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_records import CopyProof, CopyRecord
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.copying.copy_getting import get
from ibackup.jobs.copying.copy_night import CopyTurn
from ibackup.jobs.restore.rehearsal import Rehearsal, rehearse
from ibackup.jobs.restore.sending_backup import unlock
from ibackup.store.disk import record_times
from ibackup.store.freshness import is_due
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.private_folder import private_folder
from ibackup.vault.unlocker import Unlocker


@dataclass(frozen=True, slots=True)
class CopyRehearsal:
    """The result: its proof, and what the virtual iPhone said if the snapshot got that far."""

    held: HeldSnapshot
    proof: CopyProof
    rehearsal: Rehearsal | None


def rehearse_copy(
    copy: OpenedCopy, held: HeldSnapshot, folder: PhoneFolder, unlocker: Unlocker, observe: Observer
) -> CopyRehearsal:
    """Fetch a snapshot into a private folder beside the phone's, verify it, restore it to a virtual iPhone.

    Args:
        copy: the copy.
        held: the snapshot there.
        folder: of its phone in the store, which gets the record.
        unlocker: has the backup password.
        observe: gets the events.

    Raises:
        PasswordNeeded: the backup is encrypted and there is no password, or a wrong one.
        IbackupError: the copy cannot be read, or it does not fit on the disk here.
    """
    with copy.alone():
        folder.make()
        rehearsal: Rehearsal | None = None
        with private_folder(os.path.dirname(folder.path)) as private:
            try:
                got = get(copy, held, private, observe, lambda backup: unlock(backup, unlocker))
                problems = _problems(got.verdict.status)
                if not problems:
                    rehearsal = rehearse(
                        BackupSource(got.snapshot.backup_path, got.snapshot), unlocker, observe
                    )
                    problems = (rehearsal.error.message,) if rehearsal.error else ()
            except DamageFound as error:
                problems = (error.message,)
        proof = CopyProof(
            "rehearsed", record_times.now(), "damaged" if problems else "good", held.id, problems=problems
        )
        record = CopyRecord.read(folder.proofs_path, copy.name, copy.config.repository_id)
        record.with_found(held).with_proof(proof).write(folder.proofs_path, copy.name)
    return CopyRehearsal(held, proof, rehearsal)


def rehearsed_at_night(
    turn: CopyTurn,
    folders: Sequence[PhoneFolder],
    opened: Callable[[], OpenedCopy],
    unlocker: Unlocker,
    now: datetime,
    observe: Observer,
) -> CopyTurn:
    """A night's turn of a copy, with the restore test of one phone's newest snapshot if it is time for that.

    Only a copy that went well tonight is tried, and an encrypted backup only if its password is kept. Raises nothing
    but KeyboardInterrupt.
    """
    every = turn.config.rehearse_every_s
    folder = _longest_waiting(turn.config, folders, every, now) if every and turn.state == "copied" else None
    if folder is None:
        return turn
    try:
        newest = folder.newest()
        if newest is not None and newest.meta.encrypted and unlocker.password(folder.udid) is None:
            observe(Note(f"No restore test of the copy {turn.config.name}: no backup password is kept."))
            return turn
        copy = opened()
        held = [each for each in copy.engine.held() if each.udid == folder.udid]
        done = rehearse_copy(copy, held[-1], folder, unlocker, observe)
    except IbackupError as error:
        observe(Caution(error.message, error.hint))
        return replace(turn, state="failed", error=error)
    if done.proof.good:
        return replace(turn, rehearsed=done.proof)
    damage = not_restorable(copy.name, done)
    observe(Caution(damage.message, damage.hint))
    return replace(turn, state="failed", error=damage, rehearsed=done.proof)


def not_restorable(name: str, done: CopyRehearsal) -> DamageFound:
    """The error about a restore test that failed."""
    return DamageFound(
        f"Snapshot {done.held.id} in the copy {name} cannot be restored.",
        why=done.proof.problems[0],
        hint=f"`ibackup copy prove {name} --all` says more. "
        f"`ibackup verify {done.held.id}` says whether it is whole here.",
    )


def _longest_waiting(
    config: CopyConfig, folders: Sequence[PhoneFolder], every_s: float, now: datetime
) -> PhoneFolder | None:
    """The phone whose snapshots there were tested longest ago, or never; None if none is due."""
    due: list[tuple[datetime, str, PhoneFolder]] = []
    for folder in folders:
        record = CopyRecord.read(folder.proofs_path, config.name, config.repository_id)
        last = record.newest("rehearsed")
        if record.copied and is_due(last.when if last else None, every_s, now):
            due.append((last.when if last else datetime.min.replace(tzinfo=UTC), folder.udid, folder))
    return min(due)[2] if due else None


def _problems(status: str) -> tuple[str, ...]:
    return ("What came does not match its seal.",) if status == "damaged" else ()
