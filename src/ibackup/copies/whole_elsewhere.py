"""Which second copies still have a snapshot that is damaged here, by the records alone."""

from collections.abc import Iterable

from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_records import CopyRecord
from ibackup.store.phone_folder import PhoneFolder


def copies_with(folder: PhoneFolder, snapshot_id: str, copies: Iterable[CopyConfig]) -> tuple[str, ...]:
    """The names of the copies that have a snapshot, as far as is known, and no proof against it."""
    found: list[str] = []
    for copy in copies:
        record = CopyRecord.read(folder.proofs_path, copy.name, copy.repository_id)
        proof = record.proof("matched", snapshot_id)
        if record.copy_of(snapshot_id) is not None and (proof is None or proof.good):
            found.append(copy.name)
    return tuple(found)


def healing_hint(snapshot_id: str, names: tuple[str, ...]) -> str:
    """What repairs a damaged snapshot, as a sentence; empty if no copy has it."""
    if not names:
        return ""
    has = f"The copies {', '.join(names)} have" if len(names) > 1 else f"The copy {names[0]} has"
    return f"{has} this snapshot: `ibackup heal {snapshot_id}` repairs it from there."
