"""The end of a backup on the computer: the snapshot replaces the previous backup, and deleted files are removed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ibackup.simulator.devicelink import NOT_FOUND, LinkError
from ibackup.simulator.hostfiles import WrittenStatusPlist
from ibackup.simulator.operations.operation_session import MBError, Session, in_groups
from ibackup.simulator.operations.stored import Unusable, entries_of, list_files, open_backup

MANIFESTS = ("Manifest.plist", "Manifest.db")


def store_status(session: Session, folder: str, status: WrittenStatusPlist) -> None:
    """Store on the computer how far the backup is."""
    data = status.dump()
    session.store(f"{folder}/Status.plist", [data], len(data))
    state = status.snapshot_state
    session.enter_phase(None if state == "finished" else state)


def move_files(session: Session, folder: str, file_ids: Iterable[str]) -> None:
    """Move files out of Snapshot over those of the previous backup.

    Raises:
        MBError: the computer could not move one.
    """
    for group in in_groups(file_ids, session.phone.spec.batch_size):
        places = [f"{name[:2]}/{name}" for name in group]
        moves = {f"{folder}/Snapshot/{place}": f"{folder}/{place}" for place in places}
        _change(lambda moves=moves: session.link.move(moves), "files")  # type: ignore[misc]


def move_manifests(session: Session, folder: str, names: Sequence[str] = MANIFESTS) -> None:
    """Move the manifests out of Snapshot; a missing one was already moved.

    Raises:
        MBError: the computer could not move one.
    """
    for name in names:
        try:
            failed = session.link.move({f"{folder}/Snapshot/{name}": f"{folder}/{name}"})
        except LinkError as error:
            failed = {name: error.status}
        _raise({path: status for path, status in failed.items() if status != NOT_FOUND})


def remove_files(session: Session, folder: str, file_ids: Iterable[str]) -> None:
    """Remove files of the previous backup that no longer exist.

    Raises:
        MBError: the computer could not remove one.
    """
    for group in in_groups(file_ids, session.phone.spec.batch_size):
        paths = [f"{folder}/{name[:2]}/{name}" for name in group]
        _change(lambda paths=paths: session.link.remove(paths), "files")  # type: ignore[misc]


def clean_up(session: Session, folder: str) -> None:
    """Remove the empty Snapshot, and the index that old phones wrote."""
    _change(lambda: session.link.remove([f"{folder}/Snapshot"]), "snapshot directory")
    session.link.remove([f"{folder}/Manifest.mbdx"])


def finish_earlier(session: Session, folder: str, status: WrittenStatusPlist) -> WrittenStatusPlist:
    """Finish an earlier backup that was interrupted while it moved or removed files; return its finished status."""
    if status.snapshot_state == "moving":
        session.enter_phase("moving")
        if "Snapshot" in entries_of(session, folder):
            move_files(session, folder, sorted(list_files(session, f"{folder}/Snapshot")))
            left = entries_of(session, f"{folder}/Snapshot")
            move_manifests(session, folder, [name for name in MANIFESTS if name in left])
        status = replace(status, snapshot_state="removing")
        store_status(session, folder, status)
    session.enter_phase("removing")
    remove_extras(session, folder)
    clean_up(session, folder)
    status = replace(status, snapshot_state="finished", backup_state="new", full=False)
    store_status(session, folder, status)
    return status


def remove_extras(session: Session, folder: str) -> None:
    """Remove the stored files that the manifest does not name; an unreadable manifest removes nothing."""
    try:
        with open_backup(session, folder, session.phone.backup_password) as stored:
            extras = [
                name for name in sorted(list_files(session, folder)) if stored.manifest.record(name) is None
            ]
    except Unusable:
        return
    except MBError as error:
        if error.code != 207:
            raise
        return
    remove_files(session, folder, extras)


def _change(change: Callable[[], dict[str, int]], what: str) -> None:
    """Ask the computer to change something.

    Raises:
        MBError: 104 or 105, it could not.
    """
    try:
        failed = change()
    except LinkError as error:
        failed = {what: error.status}
    _raise(failed)


def _raise(failed: dict[str, int]) -> None:
    for path, status in failed.items():
        cause = LinkError(status, path).mb_error
        code = cause if cause == 105 else 104
        why = f"Underlying error: status {status} (MBErrorDomain/{cause})."
        raise MBError(code, f"Error changing {path} on the drive (MBErrorDomain/{code}). {why}")
