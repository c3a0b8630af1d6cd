"""How each second copy stands, from the records in the store alone; nothing is asked there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_records import CopyRecord
from ibackup.jobs.copying.copy_night import last_proven
from ibackup.store.freshness import is_stale
from ibackup.store.phone_folder import PhoneFolder


@dataclass(frozen=True, slots=True)
class CopyStatus:
    """One copy.

    Attributes:
        snapshots: how many it holds, as far as this store knows.
        missing: how many good snapshots of the store it lacks.
        proven: when everything in it was last proven to be stored.
        damaged: a newest proof of it failed.
        stale: that is longer ago than its ``max_age``.
    """

    config: CopyConfig
    snapshots: int
    missing: int
    proven: datetime | None
    damaged: bool
    stale: bool


def status_of(config: CopyConfig, folders: Sequence[PhoneFolder], now: datetime) -> CopyStatus:
    """How a copy stands for these phones."""
    snapshots = missing = 0
    damaged = False
    for folder in folders:
        record = CopyRecord.read(folder.proofs_path, config.name, config.repository_id)
        snapshots += len(record.copied)
        damaged = damaged or any(not proof.good for proof in record.proofs)
        there = {each.id for each in record.copied}
        missing += sum(
            each.id not in there for each in folder.standing().snapshots if each.state != "damaged"
        )
    proven = last_proven(config, folders)
    return CopyStatus(config, snapshots, missing, proven, damaged, is_stale(proven, config.max_age_s, now))
