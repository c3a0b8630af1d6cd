"""Finds the snapshot once the connected phone is known. Never picks another phone's by accident."""

from ibackup.base.errors import UsageError
from ibackup.jobs.backup_source import BackupSource
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.store import Store


def choose(store: Store, ref: str, target: str, of: str | None) -> BackupSource:
    """A snapshot of the connected phone, or of another phone that the user named.

    Args:
        store: where it is.
        ref: an id, the beginning of one, or ``latest``.
        target: the UDID of the phone that is connected.
        of: the UDID of the phone whose snapshot is wanted; None means the connected one.

    Raises:
        UsageError: there is none, or it belongs to another phone.
        DamageFound: its record is damaged.
    """
    folder = store.phone(of or target)
    having = [other for other in store.phones() if other.entries()]
    if folder.entries():
        theirs = [other for other in having if other.udid != folder.udid and _has(other, ref)]
        if ref != "latest" and theirs and not _has(folder, ref):
            raise UsageError(
                f"Snapshot {ref} is from another phone: {_named(theirs[0])}.",
                hint=f"To restore it to this one anyway: --from {theirs[0].udid}.",
            )
        found = folder.find(ref)
        return BackupSource(found.backup_path, found)
    if not having:
        raise UsageError(
            "There is no snapshot in this store yet.",
            hint="Make one with `ibackup now`, or name the folder of a backup that another program made.",
        )
    raise UsageError(
        f"The store has no snapshot of {'that' if of else 'this'} phone ({folder.udid}).",
        why=f"It has some of: {', '.join(map(_named, having))}.",
        hint=f"To restore another phone's backup to this one, name that phone: --from {having[0].udid}.",
    )


def _has(folder: PhoneFolder, ref: str) -> bool:
    return any(each.id.startswith(ref) for each in folder.entries())


def _named(folder: PhoneFolder) -> str:
    newest = folder.newest()
    return f"{newest.meta.device_name} ({folder.udid})" if newest else folder.udid
