"""Which snapshot is meant, once it is known which phone is connected. Another phone's is never taken by chance."""

from ibackup.errors import UsageError
from ibackup.restore.types import Source
from ibackup.store import PhoneFolder, Store


def choose(store: Store, ref: str, target: str, of: str | None) -> Source:
    """A snapshot of the phone that is connected, or of another one that was named.

    Args:
        store: where it is.
        ref: an id, the beginning of one, or ``latest``.
        target: the UDID of the phone that is connected.
        of: the UDID of the phone whose snapshot is wanted; None is the one that is connected.

    Raises:
        UsageError: there is none, or it is another phone's.
        DamageFound: its record is damaged.
    """
    folder = store.phone(of or target)
    having = [other for other in store.phones() if other.entries()]
    if folder.entries():
        theirs = [other for other in having if other.udid != folder.udid and _has(other, ref)]
        if ref != "latest" and theirs and not _has(folder, ref):
            raise UsageError(
                f"Snapshot {ref} is of another phone: {_named(theirs[0])}.",
                hint=f"To put it on this one all the same: --from {theirs[0].udid}.",
            )
        found = folder.find(ref)
        return Source(found.backup_path, found)
    if not having:
        raise UsageError(
            "There is no snapshot in this store yet.",
            hint="Make one with `ibackup now`, or name the folder of a backup that another program made.",
        )
    raise UsageError(
        f"The store has no snapshot of {'that' if of else 'this'} phone ({folder.udid}).",
        why=f"It has some of: {', '.join(map(_named, having))}.",
        hint=f"To put another phone's on this one, name it: --from {having[0].udid}.",
    )


def _has(folder: PhoneFolder, ref: str) -> bool:
    return any(each.id.startswith(ref) for each in folder.entries())


def _named(folder: PhoneFolder) -> str:
    newest = folder.newest()
    return f"{newest.meta.device_name} ({folder.udid})" if newest else folder.udid
