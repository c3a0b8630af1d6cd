"""Whether a phone can build on an imported backup: another program made it, and may have changed it since."""

import contextlib
import os
from typing import NamedTuple

from ibackup.apple import mixture
from ibackup.apple.backup import Backup
from ibackup.apple.fitting import Stored
from ibackup.apple.verify.findings import named
from ibackup.apple.verify.list_check import check_manifest
from ibackup.base.errors import IbackupError, PasswordNeeded
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot
from ibackup.vault.unlocker import Unlocker

_PROVE_ALL = ("deep", "rehearse")  # what proves a backup only with its password


class Unfit(NamedTuple):
    """Why not: a sentence, and what would change that, if anything does."""

    why: str
    hint: str = ""


def unfit(snapshot: Snapshot, unlocker: Unlocker, folder: PhoneFolder) -> Unfit | None:
    """What speaks against building on a backup; None if nothing is known, or this computer received it itself.

    A phone sends only what changed since its last backup. A file that was decrypted here, or that is not the one on
    the list, would stay as it is in every later snapshot, and no phone accepts those in a restore.
    """
    if not snapshot.meta.imported:
        return None
    try:
        with Backup.open(snapshot.backup_path, known=True) as backup:
            with contextlib.suppress(PasswordNeeded):  # also where the given one is wrong
                unlocker.open(backup, snapshot.udid)
            if not backup.unlocked:
                return _locked(snapshot, folder)
            found = mixture.look(backup)
            if found is not None:
                return Unfit(f"Another program changed it. {found.file}: {found.text}.")
            return None if snapshot.meta.checked == "manifest" else _compared(backup)
    except (IbackupError, OSError):
        return None  # what cannot be read is reported when the new backup is checked


def _locked(snapshot: Snapshot, folder: PhoneFolder) -> Unfit | None:
    proofs = folder.proofs(snapshot.id).last
    if snapshot.meta.checked == "manifest" or any(
        proof.level in _PROVE_ALL and proof.result != "damaged" for proof in proofs
    ):
        return None
    return Unfit(
        "It was imported without its password, so nobody has compared its files with their list.",
        "With the password (--password-file), ibackup compares them first and then needs only what is new.",
    )


def _compared(backup: Backup) -> Unfit | None:
    """Make up for the comparison that the import could not make."""

    def stored(folder: str) -> dict[str, Stored]:
        try:
            with os.scandir(os.path.join(backup.path, folder)) as listing:
                files = [each for each in listing if each.is_file(follow_symlinks=False)]
                return {each.name: Stored(each.stat(follow_symlinks=False).st_size) for each in files}
        except FileNotFoundError:
            return {}

    damage = next((each for each in check_manifest(backup, stored, ends=True) if each.is_damage), None)
    return None if damage is None else Unfit(f"Its files are not what its list says. {named([damage])}")
