"""Verifies snapshots automatically: the newest one each night, and every byte of all of them in turn."""

from dataclasses import replace
from typing import Literal

from ibackup.base.events import Caution
from ibackup.base.exit_codes import ExitCode
from ibackup.copies.whole_elsewhere import copies_with, healing_hint
from ibackup.jobs.nights import rotation
from ibackup.jobs.nights.known_phones import KnownPhone
from ibackup.jobs.nights.night_context import NightContext
from ibackup.jobs.nights.rotation import Candidate
from ibackup.jobs.nights.telling import message_texts
from ibackup.jobs.runs.snapshot_proof import SnapshotProof, prove_snapshot
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.proof_records import Proofs
from ibackup.store.records.snapshot import Snapshot


def prove_tonight(
    job: NightContext, phone: KnownPhone, folder: PhoneFolder
) -> tuple[tuple[SnapshotProof, ...], frozenset[ExitCode]]:
    """Verifies a phone's share for the night; returns the results and the exit codes it adds."""
    if job.record(phone).proven:
        return (), frozenset()
    proofs: list[SnapshotProof] = []
    codes: set[ExitCode] = set()
    for snapshot, level in _share(job, folder):
        proof = prove_snapshot(snapshot, level, job.unlocker, job.observe, deep=job.config.proof.deep)
        tell_damage(job, phone, folder, proof)
        proofs.append(proof)
        codes |= proof.codes
    # Only now, so that an interrupted night begins again.
    job.remember(phone, lambda record: replace(record, proven=True))
    return tuple(proofs), frozenset(codes)


def _share(job: NightContext, folder: PhoneFolder) -> list[tuple[Snapshot, Literal["quick", "full"]]]:
    standing = folder.standing()
    # What nobody knows any more, a proof finds out again.
    sound = {each.id: each for each in standing.snapshots if each.state != "damaged" or each.is_unknown}
    candidates = [Candidate(each.id, each.made, each.read) for each in sound.values()]
    full = rotation.share(candidates, job.config.proof.full_every_s, job.clock.now())
    chosen: list[tuple[Snapshot, Literal["quick", "full"]]] = [(sound[id_].snapshot, "full") for id_ in full]
    newest = standing.newest_good
    if newest is not None and newest.id not in full and not _is_fresh(job, newest.proofs):
        chosen.insert(0, (newest.snapshot, "quick"))
    return chosen


def _is_fresh(job: NightContext, proofs: Proofs) -> bool:
    """Whether it was already checked today, for example after it was made."""
    latest = proofs.latest
    return latest is not None and (job.clock.now() - latest.when).total_seconds() < 12 * 3600


def tell_damage(job: NightContext, phone: KnownPhone, folder: PhoneFolder, proof: SnapshotProof) -> None:
    """Notify about a snapshot in which something is lost."""
    if proof.damaged:
        healing = healing_hint(proof.snapshot, copies_with(folder, proof.snapshot, job.config.copies))
        message = message_texts.damage(phone.name, proof.snapshot, healing)
        job.observe(Caution(message.text))
        job.alarm(phone, message, f"damage {proof.snapshot}")
