"""From a checked working copy to a snapshot; also for what an earlier run had from the phone but could not close."""

from collections.abc import Callable

from ibackup.base.errors import DamageFound, IbackupError
from ibackup.base.events import Caution, Observer, PhaseStarted, ignore
from ibackup.store.disk.disk_errors import telling
from ibackup.store.phone_folder import LeftOver, PhoneFolder
from ibackup.store.records.snapshot import Draft, Snapshot
from ibackup.store.work import closing, sealing
from ibackup.store.work.working_copy import WorkingCopy

CopyCheck = Callable[[WorkingCopy], Draft]


def finish(working: WorkingCopy, check: CopyCheck) -> Snapshot:
    """Turn a working copy at device_done or later into a snapshot, from the step it had reached.

    Args:
        working: at device_done or later.
        check: compares it with its manifest, raises if that fails, and returns the draft with ``checked``
            set.

    Raises:
        DamageFound: it is damaged.
        IbackupError: it could not be written.
    """
    if not working.run.reached("device_done"):
        raise IbackupError("The phone has not reported that it is done.")
    if working.run.sealed is not None:
        with telling("The seal of an interrupted run could not be read."):
            closing.check_totals(working.path, working.folder.udid, working.run.sealed)
            sealing.freeze(working.root)
    if not working.run.reached("verified"):
        working.advance("verified", draft=check(working))
    return close(working)


def close(working: WorkingCopy, observer: Observer = ignore) -> Snapshot:
    """Seal a checked working copy, make it durable, and give it its final name."""
    observer(PhaseStarted("seal", "Sealing it and writing it to the disk."))
    if not working.run.reached("sealed"):
        working.seal()
    if not working.run.reached("synced"):
        working.make_durable()
    return working.commit()


def finish_left_overs(
    folder: PhoneFolder, check: CopyCheck, *, observer: Observer = ignore
) -> list[Snapshot]:
    """Close every working copy that only has to be closed, without the phone; the lock must be held.

    A damaged one is set aside, with a warning. Also removes what is useless.
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
    """Give a sealed working copy its name; a damaged one is set aside with a warning, and the result is None."""
    with telling("The finished copy of an interrupted run could not get its final name."):
        try:
            return closing.finish_complete(folder, left.path, observer)
        except DamageFound as damage:
            folder.set_aside(left.path)
            folder.thin_out()
            observer(_could_not(damage))
            return None


def _close(folder: PhoneFolder, left: LeftOver, check: CopyCheck, observer: Observer) -> Snapshot | None:
    with WorkingCopy.adopt(folder, left, observer=observer) as working:
        if not working.run.reached("device_done"):
            return None  # its ledger was lost, so the phone must check it again
        try:
            return finish(working, check)
        except DamageFound as damage:
            working.set_aside()
            folder.thin_out()
            observer(_could_not(damage))
            return None


def _could_not(damage: DamageFound) -> Caution:
    return Caution(
        f"An interrupted run could not be finished: {damage}",
        ("It is kept aside until the next successful backup."),
    )
