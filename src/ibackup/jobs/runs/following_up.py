"""What follows a finished backup: proof, the config's rule, the disk's space, what the phone noted about iCloud.

The backup is made, whatever happens here: trouble is a warning and an exit code, never an error.
"""

from dataclasses import dataclass

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Observer
from ibackup.base.exit_codes import ExitCode
from ibackup.base.sizes import size_text
from ibackup.config.config_schema import Config, PruneConfig
from ibackup.jobs.backup.backup_request import BackupResult
from ibackup.jobs.keeping.pruning import PrunePlan, after_success
from ibackup.jobs.keeping.retention import RetentionRules
from ibackup.jobs.runs.snapshot_proof import SnapshotProof, prove_snapshot
from ibackup.store.disk.disk_errors import telling
from ibackup.store.disk.free_space import free_bytes
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What was done after a backup, and what it found.

    Attributes:
        proof: of the new snapshot; None if it was not asked for.
        pruned: the snapshots that the config's rule removed; None if it removed none.
        icloud_hint: a sentence on the failed iCloud backups that the phone noted in this backup, or None.
        space_low: bytes free on the store's disk if that is too little, else None.
        codes: the exit codes of what went wrong.
    """

    proof: SnapshotProof | None = None
    pruned: PrunePlan | None = None
    icloud_hint: str | None = None
    space_low: int | None = None
    codes: frozenset[ExitCode] = frozenset()


def follow_up(
    store: Store,
    made: BackupResult,
    config: Config,
    unlocker: Unlocker,
    observe: Observer,
    *,
    prove: bool = False,
) -> FollowUp:
    """Do all of it.

    Args:
        store: has the new snapshot.
        made: the backup.
        config: has the rules for its phone.
        unlocker: has the backup password.
        observe: gets the events; every trouble is a Caution.
        prove: also read the snapshot back from the disk. A backup is compared with the phone's list while it is
            made; this is for runs that nobody watches.
    """
    folder = store.phone(made.udid)
    codes: set[ExitCode] = set()
    proof = None
    if prove:
        proof = prove_snapshot(folder.find(made.snapshot), "quick", unlocker, observe)
        codes |= proof.codes
    pruned, trouble = _prune(folder, config.rules(made.udid).prune, observe)
    codes |= trouble
    return FollowUp(
        proof,
        pruned,
        _icloud_hint(made, unlocker),
        space_low(store.path, config.nightly.min_free_bytes, observe),
        frozenset(codes),
    )


def space_low(path: str, limit: int, observe: Observer) -> int | None:
    """The free bytes of a store's disk if fewer than the limit, after a warning; None if there is enough.

    The phone itself checks whether the next backup still fits.
    """
    try:
        with telling("The free space on the store's disk is unknown.", reading=True):
            free = free_bytes(path)
    except IbackupError as error:
        observe(Caution(error.message, error.hint))
        return None
    if free >= limit:
        return None
    observe(Caution(space_low_text(path, size_text(free))))
    return free


def space_low_text(path: str, free: str) -> str:
    """The warning about a disk that fills up."""
    return (
        f"{free} is free on the disk of {path}. `ibackup prune --keep-last 7 --dry-run` shows how much space "
        "old snapshots would give back."
    )


def _prune(
    folder: PhoneFolder, rule: PruneConfig | None, observe: Observer
) -> tuple[PrunePlan | None, set[ExitCode]]:
    """Remove what the rule does not keep; without a rule, remove nothing."""
    try:
        done = after_success(folder, RetentionRules.configured(rule), observe)
    except IbackupError as error:
        observe(Caution(f"Old snapshots could not be removed. {error.message}", error.hint))
        return None, {error.exit_code}
    return (done if done and done.going else None), set()


def _icloud_hint(made: BackupResult, unlocker: Unlocker) -> str | None:
    """What the phone noted in this backup about failed iCloud backups, if it can be read."""
    from ibackup.doctor.verdict.backup_hint import hint_of  # the doctor, only once there is something to read

    if made.encrypted and made.checked != "manifest":
        return None  # no password, or one of another backup
    try:
        return hint_of(Snapshot.open(made.path), unlocker)
    except IbackupError:
        return None
