"""How each second copy stands, from the records in the store alone; nothing is asked there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.copy_records import CopyLevel, CopyRecord, last_proven
from ibackup.copies.engine_kinds import kind_of
from ibackup.store.freshness import is_stale
from ibackup.store.phone_folder import PhoneFolder


@dataclass(frozen=True, slots=True)
class CopyStatus:
    """One copy.

    Attributes:
        snapshots: how many it holds, as far as this store knows.
        missing: how many good snapshots of the store it lacks, of those that it is to have.
        proven: when everything in it was last proven to be stored.
        damaged: a newest proof of it failed.
        stale: that is longer ago than its ``max_age``.
        good: when each level of proof last found everything good, as far as it ever did.
    """

    config: CopyConfig
    snapshots: int
    missing: int
    proven: datetime | None
    damaged: bool
    stale: bool
    good: Mapping[CopyLevel, datetime]


def status_of(config: CopyConfig, folders: Sequence[PhoneFolder], now: datetime) -> CopyStatus:
    """How a copy stands for these phones."""
    snapshots = missing = 0
    damaged = False
    good: dict[CopyLevel, datetime] = {}
    for folder in folders:
        record = CopyRecord.read(folder.proofs_path, config.name, config.repository_id)
        for proof in record.proofs:
            if proof.good:
                good[proof.level] = max(proof.when, good.get(proof.level, proof.when))
        snapshots += len(record.copied)
        damaged = damaged or any(not proof.good for proof in record.proofs)
        there = {each.id for each in record.copied}
        missing += sum(
            each.id not in there
            for each in kind_of(config).wanted(folder.standing().snapshots)
            if each.state != "damaged"
        )
    proven = last_proven(config, folders)
    stale = is_stale(proven, config.max_age_s, now)
    return CopyStatus(config, snapshots, missing, proven, damaged, stale, good)


def is_up(config: CopyConfig) -> bool | None:
    """Whether a copy's host answers, or its folder is there; None where that cannot be tried quickly."""
    address = CopyAddress.parse(config.to)
    if address.kind not in ("folder", "rest", "s3"):
        return None
    return address.reachable() and not address.unmounted()
