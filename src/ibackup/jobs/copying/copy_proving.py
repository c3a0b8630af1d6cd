"""Proves what a second copy holds, without copying anything."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ibackup.base.errors import UsageError
from ibackup.base.events import Caution, Observer, PhaseStarted
from ibackup.copies.copy_records import CopyProof, CopyRecord
from ibackup.copies.expectation import Expectation
from ibackup.copies.held_snapshot import HeldSnapshot
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.copying.copy_run import CopyAlarms, by_id, matched, prove_repository, with_missed
from ibackup.store.disk import record_times
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot


@dataclass
class CopyProved(CopyAlarms):
    """What was proven of a copy.

    Attributes:
        matched: one proof for each snapshot that is in the store and in the copy.
        only_there: the ids of the snapshots that only the copy has.
        repository: the proofs of the repository as a whole.
    """

    matched: list[CopyProof] = field(default_factory=list)
    only_there: list[str] = field(default_factory=list)
    repository: list[CopyProof] = field(default_factory=list)

    @property
    def proofs(self) -> list[CopyProof]:
        """All of them."""
        return [*self.matched, *self.repository]


def prove_copy(
    copy: OpenedCopy,
    folders: Sequence[PhoneFolder],
    observe: Observer,
    *,
    only: Snapshot | None = None,
    read_all: bool = False,
) -> CopyProved:
    """Compare the snapshots that are in both with their seals, in full, then prove the repository.

    Args:
        copy: the copy.
        folders: of the phones whose snapshots go there.
        observe: gets the events.
        only: the one snapshot to compare.
        read_all: read all data of the repository, not only the next share.

    Raises:
        UsageError: the copy does not have the only one.
        IbackupError: the copy cannot be used: see ``copy_errors``; or a snapshot here cannot be read.
    """
    done = CopyProved()
    with copy.alone():
        observe(PhaseStarted("copy", f"Looking at the copy {copy.name}."))
        copy.require()
        held = copy.engine.held()
        done.ahead = [each.id for each in held if each.is_ahead(record_times.now())]
        for folder in folders:
            _prove_phone(copy, folder, held, only, done, observe)
        if only is not None and not done.matched and only.id not in done.vanished:
            raise UsageError(
                f"The copy {copy.name} does not have snapshot {only.id}.",
                hint=f"To copy it there: `ibackup copy run {copy.name} --snapshot {only.id}`",
            )
        done.repository = prove_repository(copy, folders, observe, read_all=read_all)
    return done


def _prove_phone(
    copy: OpenedCopy,
    folder: PhoneFolder,
    held: Sequence[HeldSnapshot],
    only: Snapshot | None,
    done: CopyProved,
    observe: Observer,
) -> None:
    here = {each.id: each for each in folder.snapshots()}
    record = CopyRecord.read(folder.proofs_path, copy.name, copy.config.repository_id)
    there = by_id(held, folder.udid, record)
    record = with_missed(record, there, copy.engine.kind)
    done.vanished += record.missed
    for ident, each in there.items():
        snapshot = here.get(ident)
        if only is not None and ident != only.id:
            continue
        if snapshot is None:
            done.only_there.append(ident)
            continue
        if each.seal != snapshot.meta.seal:
            observe(
                Caution(
                    f"The copy of snapshot {ident} is of another one with the same id, so it is not compared."
                )
            )
            done.only_there.append(ident)
            continue
        with folder.hold(snapshot, f"copy-{copy.name}"), copy.engine.fresh() as engine:
            outcome = engine.match(each, Expectation.of(snapshot), None, observe)
        proof = matched(ident, outcome)
        record = record.with_found(each).with_proof(proof)
        record.write(folder.proofs_path, copy.name)
        done.matched.append(proof)
