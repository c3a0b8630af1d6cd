"""Finish what an earlier run had from the phone but could not close."""

from collections.abc import Callable

from ibackup.errors import DamageFound, IbackupError
from ibackup.events import Caution, Observer, ignore
from ibackup.store import closing
from ibackup.store.phone_folder import LeftOver, PhoneFolder
from ibackup.store.snapshot import Draft, Snapshot
from ibackup.store.trouble import telling
from ibackup.store.working import WorkingCopy

Check = Callable[[WorkingCopy], Draft]


def finish(working: WorkingCopy, check: Check) -> Snapshot:
    """Take a working copy from device_done to a snapshot, from whatever step it had come to.

    Args:
        working: at device_done or later.
        check: compares it with its manifest, raises when that fails, and gives the draft with ``checked`` set.

    Raises:
        DamageFound: it is not what it should be.
        IbackupError: it could not be written.
    """
    if not working.run.reached("device_done"):
        raise IbackupError("The phone has not said that it is done.")
    if working.run.sealed is not None:
        with telling("What a broken run had sealed could not be read."):
            closing.check_totals(working.path, working.folder.udid, working.run.sealed)
            closing.freeze(working.root)
    if not working.run.reached("verified"):
        working.advance("verified", draft=check(working))
    if not working.run.reached("sealed"):
        working.seal()
    if not working.run.reached("synced"):
        working.make_durable()
    return working.commit()


def finish_left_overs(folder: PhoneFolder, check: Check, *, observer: Observer = ignore) -> list[Snapshot]:
    """Close every working copy that only has to be closed, without the phone; the lock must be held.

    One that turns out to be damaged is set aside and told of. Also removes what is of no use to anybody.
    """
    finished: list[Snapshot] = []
    for left in reversed(folder.left_overs()):
        if left.kind == "complete":
            snapshot = close_complete(folder, left, observer)
        elif left.kind == "unfinished":
            snapshot = _close(folder, left, check, observer)
        else:
            continue
        if snapshot is not None:
            finished.append(snapshot)
    folder.clear_up()
    return finished


def close_complete(folder: PhoneFolder, left: LeftOver, observer: Observer) -> Snapshot | None:
    """Give a sealed working copy its name; a damaged one is set aside and told of, None then."""
    with telling("The finished copy of a run that broke could not be given its name."):
        try:
            return closing.finish_complete(folder, left.path, observer)
        except DamageFound as damage:
            folder.set_aside(left.path)
            observer(_could_not(damage))
            return None


def _close(folder: PhoneFolder, left: LeftOver, check: Check, observer: Observer) -> Snapshot | None:
    with WorkingCopy.adopt(folder, left, observer=observer) as working:
        if not working.run.reached("device_done"):
            return None  # its ledger was lost: the phone has to look at it again
        try:
            return finish(working, check)
        except DamageFound as damage:
            working.set_aside()
            observer(_could_not(damage))
            return None


def _could_not(damage: DamageFound) -> Caution:
    return Caution(
        f"A run that broke could not be finished: {damage}", "It is kept aside until the next success."
    )
