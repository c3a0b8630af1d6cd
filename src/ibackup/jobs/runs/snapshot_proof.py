"""Proves a snapshot when no one is there to read an error: what went wrong becomes part of the result."""

from dataclasses import dataclass
from typing import Literal

from ibackup.apple.verify.findings import Level
from ibackup.base.errors import DamageFound, IbackupError, PasswordNeeded, PasswordWrong
from ibackup.base.events import Caution, Observer
from ibackup.base.exit_codes import ExitCode
from ibackup.jobs.proving.backup_proof import prove
from ibackup.store.records.snapshot import Snapshot
from ibackup.vault.unlocker import Unlocker


@dataclass(frozen=True, slots=True)
class SnapshotProof:
    """A snapshot that was verified; if it could not be, ``error`` says why.

    Attributes:
        damaged: something in it is lost.
        codes: the exit codes that this adds to a run's.
    """

    snapshot: str
    level: str
    good: bool
    error: str = ""
    damaged: bool = False
    codes: frozenset[ExitCode] = frozenset()


def prove_snapshot(
    snapshot: Snapshot,
    level: Literal["quick", "full"],
    unlocker: Unlocker,
    observe: Observer,
    *,
    deep: bool = False,
) -> SnapshotProof:
    """Prove one snapshot.

    Args:
        snapshot: the snapshot.
        level: how much to read.
        unlocker: has the backup password, or none.
        observe: gets the events; trouble other than damage is a Caution.
        deep: whether ``full`` becomes ``deep`` if there is a password.
    """
    given, codes = _password(snapshot, unlocker, observe)
    wanted = Level.DEEP if deep and level == "full" and given is not None else Level(level)
    try:
        try:
            verdict = prove(
                snapshot.backup_path,
                wanted,
                snapshot=snapshot,
                unlocker=unlocker if given is not None else None,
                observer=observe,
            )
        except PasswordWrong as error:
            # Verify at least what needs no password.
            observe(Caution(error.message, error.hint))
            codes.add(error.exit_code)
            wanted = Level(level)
            verdict = prove(snapshot.backup_path, wanted, snapshot=snapshot, observer=observe)
    except IbackupError as error:
        damaged = isinstance(error, DamageFound)
        if not damaged:
            observe(Caution(f"Snapshot {snapshot.id} could not be verified. {error.message}", error.hint))
        codes.add(error.exit_code)
        return SnapshotProof(
            snapshot.id,
            wanted.value,
            good=False,
            error=error.message,
            damaged=damaged,
            codes=frozenset(codes),
        )
    damaged = verdict.status == "damaged"  # flaws were reported when the backup was made
    if damaged:
        codes.add(ExitCode.DAMAGE)
    return SnapshotProof(snapshot.id, wanted.value, not damaged, damaged=damaged, codes=frozenset(codes))


def _password(snapshot: Snapshot, unlocker: Unlocker, observe: Observer) -> tuple[str | None, set[ExitCode]]:
    """The password of an encrypted snapshot; if its source fails, None and the exit code."""
    if not snapshot.meta.encrypted:
        return None, set()
    try:
        return unlocker.password(snapshot.udid), set()
    except PasswordNeeded as error:
        observe(Caution(error.message, error.hint))
        return None, {error.exit_code}
