"""Which second copies have a phone's snapshots, by the records alone: also those that are damaged or gone here."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_records import CopyRecord
from ibackup.store.phone_folder import PhoneFolder


@dataclass(frozen=True, slots=True)
class CopiesOfPhone:
    """Where one phone's snapshots are besides the store; ``names`` of the copies by the snapshots' ids, ascending."""

    names: Mapping[str, tuple[str, ...]]

    def only_there(self, ids: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Those that the store does not have: ``ids`` are the ones that it has."""
        return {each: names for each, names in self.names.items() if each not in ids}


def copies_of(folder: PhoneFolder, configs: Iterable[CopyConfig]) -> CopiesOfPhone:
    """Where a phone's snapshots are, as far as this store knows; a copy that is known to be wrong does not count."""
    found: dict[str, tuple[str, ...]] = {}
    for config in configs:
        record = CopyRecord.read(folder.proofs_path, config.name, config.repository_id)
        for each in record.copied:
            proof = record.proof("matched", each.id)
            if proof is None or proof.good:
                found[each.id] = (*found.get(each.id, ()), config.name)
    return CopiesOfPhone(dict(sorted(found.items())))


def copies_with(folder: PhoneFolder, snapshot_id: str, copies: Iterable[CopyConfig]) -> tuple[str, ...]:
    """The names of the copies that have a snapshot, as far as is known, and no proof against it."""
    return copies_of(folder, copies).names.get(snapshot_id, ())


def healing_hint(snapshot_id: str, names: tuple[str, ...]) -> str:
    """What repairs a damaged snapshot, as a sentence; empty if no copy has it."""
    if not names:
        return ""
    has = f"The copies {', '.join(names)} have" if len(names) > 1 else f"The copy {names[0]} has"
    return f"{has} this snapshot: `ibackup heal {snapshot_id}` repairs it from there."
