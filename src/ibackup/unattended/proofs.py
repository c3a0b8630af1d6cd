"""Proves snapshots without being asked: the newest one each night, and every one in turn with every byte read."""

from dataclasses import replace
from datetime import datetime
from typing import Literal

from ibackup.errors import DamageFound, ExitCode, IbackupError, PasswordNeeded, PasswordWrong
from ibackup.events import Caution
from ibackup.manifest.findings import Level
from ibackup.proving import prove
from ibackup.store import PhoneFolder, Proofs, Snapshot
from ibackup.unattended import rotation
from ibackup.unattended.job import Job, ProofDone
from ibackup.unattended.phones import KnownPhone, made
from ibackup.unattended.rotation import Candidate
from ibackup.unattended.telling import messages

_READ_ALL = ("full", "deep")


def prove_tonight(
    job: Job, phone: KnownPhone, folder: PhoneFolder
) -> tuple[tuple[ProofDone, ...], frozenset[ExitCode]]:
    """A phone's share of proofs, once a night: what was done, and the exit codes that it adds."""
    if job.record(phone).proven:
        return (), frozenset()
    proofs: list[ProofDone] = []
    codes: set[ExitCode] = set()
    for snapshot, level in _share(job, folder):
        proof, found = prove_one(job, phone, folder, snapshot, level)
        proofs.append(proof)
        codes |= found
    # Only now: a night that was cut off begins again.
    job.remember(phone, lambda record: replace(record, proven=True))
    return tuple(proofs), frozenset(codes)


def _share(job: Job, folder: PhoneFolder) -> list[tuple[Snapshot, Literal["quick", "full"]]]:
    snapshots = {each.id: each for each in folder.snapshots()}
    known = {id_: folder.proofs(id_) for id_ in snapshots}
    sound = [each for each in snapshots.values() if not known[each.id].known_damaged]
    candidates = [
        Candidate(each.id, made(each) or each.meta.finished, _read(known[each.id])) for each in sound
    ]
    full = rotation.share(candidates, job.config.proof.full_every_s, job.clock.now())
    chosen: list[tuple[Snapshot, Literal["quick", "full"]]] = [(snapshots[id_], "full") for id_ in full]
    newest = sound[-1] if sound else None
    if newest is not None and newest.id not in full and not _is_fresh(job, known[newest.id]):
        chosen.insert(0, (newest, "quick"))
    return chosen


def _read(proofs: Proofs) -> datetime | None:
    """When every byte was proven last."""
    return max((proof.when for proof in proofs.last if proof.level in _READ_ALL), default=None)


def _is_fresh(job: Job, proofs: Proofs) -> bool:
    """Whether it was looked at today already, after it was made for one."""
    latest = proofs.latest
    return latest is not None and (job.clock.now() - latest.when).total_seconds() < 12 * 3600


def prove_one(
    job: Job, phone: KnownPhone, folder: PhoneFolder, snapshot: Snapshot, level: Literal["quick", "full"]
) -> tuple[ProofDone, set[ExitCode]]:
    """Prove one snapshot; ``full`` becomes ``deep`` where the password is stored and the config wants it."""
    password, codes = _password(job, snapshot)
    wanted = (
        Level.DEEP if level == "full" and password is not None and job.config.proof.deep else Level(level)
    )
    try:
        verdict = prove(
            snapshot.backup_path,
            wanted,
            snapshot=snapshot,
            password=lambda _udid: password,
            observer=job.observe,
        )
    except PasswordWrong as error:
        # What needs no password is proven all the same.
        job.observe(Caution(error.message, error.hint))
        without = replace(job, password=lambda _udid: None)
        proof, more = prove_one(without, phone, folder, snapshot, level)
        return proof, more | {error.exit_code}
    except DamageFound as error:
        _tell(job, phone, snapshot)
        return ProofDone(snapshot.id, wanted.value, good=False, error=error.message), codes | {
            error.exit_code
        }
    except IbackupError as error:
        job.observe(Caution(f"Snapshot {snapshot.id} could not be proven. {error.message}", error.hint))
        return ProofDone(snapshot.id, wanted.value, good=False, error=error.message), codes | {
            error.exit_code
        }
    if not verdict.good:
        _tell(job, phone, snapshot)
        codes.add(ExitCode.DAMAGE)
    return ProofDone(snapshot.id, wanted.value, verdict.good), codes


def _password(job: Job, snapshot: Snapshot) -> tuple[str | None, set[ExitCode]]:
    """The password of an encrypted snapshot; where its source fails, that, and none."""
    if not snapshot.meta.encrypted:
        return None, set()
    try:
        return job.password(snapshot.udid), set()
    except PasswordNeeded as error:
        job.observe(Caution(error.message, error.hint))
        return None, {error.exit_code}


def _tell(job: Job, phone: KnownPhone, snapshot: Snapshot) -> None:
    message = messages.damage(phone.name, snapshot.id)
    job.observe(Caution(message.text))
    job.alarm(phone, message, f"damage {snapshot.id}")
