"""The restore test of a second copy: fetched, verified, restored to a virtual iPhone, and removed again."""

import os
from dataclasses import dataclass

from ibackup.base.errors import DamageFound
from ibackup.base.events import Observer
from ibackup.copies.copy_records import CopiedSnapshot, CopyProof, CopyRecord
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.backup_source import BackupSource
from ibackup.jobs.copying.copy_getting import get
from ibackup.jobs.restore.rehearsal import Rehearsal, rehearse
from ibackup.store.disk import record_times
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
                got = get(copy, held, private, observe)
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
        known = record.copy_of(held.id)
        if known is None or known.engine_id != held.engine_id:
            record = record.with_copied(
                CopiedSnapshot(held.id, held.engine_id, held.seal, record_times.now(), 0)
            )
        record.with_proof(proof).write(folder.proofs_path, copy.name)
    return CopyRehearsal(held, proof, rehearsal)


def _problems(status: str) -> tuple[str, ...]:
    return ("What came does not match its seal.",) if status == "damaged" else ()
