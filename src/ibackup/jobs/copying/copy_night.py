"""Second copies at night: each copy that is due; one that is away is no alarm until that has lasted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ibackup.base.errors import IbackupError
from ibackup.base.events import Caution, Note, Observer
from ibackup.base.exit_codes import ExitCode
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_errors import CopyLocked, CopyMissing
from ibackup.copies.copy_records import CopyProof, last_proven
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.copying.copy_run import CopyRun, copy_snapshots, trouble_in
from ibackup.store.freshness import is_due, is_stale
from ibackup.store.phone_folder import PhoneFolder

CopyState = Literal["copied", "not_due", "away", "failed"]


@dataclass(frozen=True, slots=True)
class CopyTurn:
    """What the night did for one copy.

    Attributes:
        state: ``away``: it was not there, or something else worked on it, which is no failure yet.
        error: why it failed or is away.
        run: what was done.
        proven: when everything in it was last proven to be stored.
        stale: whether that is too long ago.
        rehearsed: the restore test of this night, if it was time for one.
        pruned: the ids of the old snapshots that were removed there.
    """

    config: CopyConfig
    state: CopyState
    error: IbackupError | None = None
    run: CopyRun | None = None
    proven: datetime | None = None
    stale: bool = False
    rehearsed: CopyProof | None = None
    pruned: tuple[str, ...] = ()

    @property
    def code(self) -> ExitCode:
        """The exit code that this adds to the night's."""
        return self.error.exit_code if self.error is not None and self.state == "failed" else ExitCode.OK


def copy_at_night(
    config: CopyConfig,
    folders: Sequence[PhoneFolder],
    opened: Callable[[], OpenedCopy],
    now: datetime,
    observe: Observer,
) -> CopyTurn:
    """Run a copy if it is due. Raises nothing but KeyboardInterrupt: what goes wrong is in the result.

    Args:
        config: the copy.
        folders: of the phones whose snapshots go there.
        opened: opens it; may raise IbackupError.
        now: the time.
        observe: gets the events.
    """
    before = last_proven(config, folders)
    if not is_due(before, config.every_s, now):
        return CopyTurn(config, "not_due", proven=before)
    try:
        run = copy_snapshots(opened(), folders, observe)
    except IbackupError as error:
        passing = isinstance(error, CopyLocked) or (isinstance(error, CopyMissing) and error.is_away)
        stale = is_stale(before, config.max_age_s, now)
        if passing and not stale:
            observe(Note(f"The copy {config.name} has to wait. {error.message}"))
            return CopyTurn(config, "away", error, proven=before)
        observe(Caution(error.message, error.hint))
        return CopyTurn(config, "failed", error, proven=before, stale=stale)
    trouble = trouble_in(config.name, run)
    if trouble is not None:
        observe(Caution(trouble.message, trouble.hint))
    return CopyTurn(
        config, "failed" if trouble else "copied", trouble, run, proven=last_proven(config, folders)
    )
