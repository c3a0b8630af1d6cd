"""One backup from start to end, for a command, an unattended run or a page.

``make`` is the backup, with what can be said or asked before it is certain; ``following_up`` is what comes after.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ibackup.base.errors import IbackupError, NoRoom
from ibackup.base.events import Note, Observer
from ibackup.base.udids import same_udid
from ibackup.config.config_schema import Config
from ibackup.jobs.backup.back_up import back_up
from ibackup.jobs.backup.backup_request import BackupRequest, BackupResult
from ibackup.jobs.home_assistant.home_news import tell_once
from ibackup.jobs.runs.following_up import FollowUp, follow_up
from ibackup.jobs.runs.room_from_pruning import with_what_prune_gives
from ibackup.store.store import Store
from ibackup.store.work.cloning import NoLinks

MayCopy = Callable[[IbackupError], bool]
"""Asked once if the disk has no links: may each snapshot be a full copy? The error says what that costs."""


def never(_error: IbackupError) -> bool:
    """The answer when there is no one to ask."""
    return False


@dataclass(frozen=True, slots=True)
class WholeBackup:
    """A finished backup and what followed it; a backup that did not finish is an error instead."""

    made: BackupResult
    after: FollowUp


def run(
    request: BackupRequest, config: Config, observe: Observer, *, may_copy: MayCopy = never
) -> WholeBackup:
    """Make a backup, then do what follows one.

    Raises:
        IbackupError: as ``make``. Nothing that follows a finished backup makes the run fail.
    """
    try:
        made = make(request, config, observe, may_copy=may_copy)
    except IbackupError as error:
        _tell_home(request, config, observe, request.udid, error.message)
        raise
    ended = WholeBackup(made, follow_up(request.store, made, config, request.unlocker, observe))
    _tell_home(request, config, observe, made.udid, made.flaws or f"Backed up. Snapshot {made.snapshot}.")
    return ended


def make(
    request: BackupRequest, config: Config, observe: Observer, *, may_copy: MayCopy = never
) -> BackupResult:
    """Make a backup.

    Args:
        request: the backup to make.
        config: says which snapshots pruning would remove if the disk is full.
        observe: gets the events.
        may_copy: asked if the disk has no links and the request does not say whether to copy.

    Raises:
        IbackupError: there is no snapshot; what arrived is kept for the next run.
    """
    _name_left_overs(request.store, request.udid, observe)
    try:
        try:
            return back_up(request, observe)
        except NoLinks as error:
            if request.copies is not None or not may_copy(error):
                raise
        return back_up(request.with_copies(), observe)
    except NoLinks:
        raise  # more space does not help
    except NoRoom as error:
        raise with_what_prune_gives(request.store, config, error) from error


def _tell_home(
    request: BackupRequest, config: Config, observe: Observer, udid: str | None, said: str
) -> None:
    """Tell Home Assistant how it ended."""
    tell_once(config, observe, store=request.store, results={udid: said} if udid else {})


def _name_left_overs(store: Store, udid: str | None, observe: Observer) -> None:
    """Name the leftovers of interrupted runs, unless this run continues them anyway."""
    for folder in store.phones():
        if (udid and not same_udid(folder.udid, udid)) or folder.holder() is not None:
            continue
        for left in folder.left_overs():
            if left.kind in ("set_aside", "discarded", "unprepared"):
                observe(Note(f"Left over from an interrupted run: {left.path}. {left.plan}"))
