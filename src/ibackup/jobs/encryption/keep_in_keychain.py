"""Puts a phone's backup password into the keychain, after proving it on the newest backup."""

from dataclasses import dataclass

from ibackup.apple.backup import Backup
from ibackup.base.errors import PasswordNeeded, PasswordWrong, UsageError
from ibackup.base.events import PhaseStarted
from ibackup.store.phone_folder import PhoneFolder
from ibackup.vault.keychain import Keychain, StoredKey
from ibackup.vault.unlocker import Unlocker


@dataclass(frozen=True, slots=True)
class KeptPassword:
    """What the keychain has now, and the snapshot that proved it."""

    snapshot: str
    key: bool


def keep(folder: PhoneFolder, unlocker: Unlocker, keychain: Keychain, *, key: bool = False) -> KeptPassword:
    """Keep the password, once it has opened the newest snapshot.

    Args:
        folder: of the phone.
        unlocker: gives it.
        keychain: where.
        key: also keep the derived key: this snapshot, and later ones with the same keybag, then open at once.

    Raises:
        UsageError: there is no encrypted snapshot to prove it on.
        PasswordNeeded: there is no password, or (PasswordWrong) it does not open the snapshot.
        KeychainTrouble: it could not be kept.
    """
    encrypted = [each for each in folder.snapshots() if each.meta.encrypted]
    if not encrypted:
        raise UsageError(
            "There is no encrypted snapshot to check the password with.",
            hint="Run `ibackup now` first. `ibackup encryption on --keychain` keeps the password it sets.",
        )
    newest = encrypted[-1]
    with Backup.open(newest.backup_path, known=True) as backup:
        phase = PhaseStarted("prepare", f"Trying it on backup {newest.id}.")
        try:
            given = unlocker.prove_given(backup, folder.udid, phase)
        except PasswordWrong as error:
            error.hint = f"Nothing was kept. {error.hint}"
            raise
        if given is None:
            raise PasswordNeeded(
                "There is no password to keep.", hint="Give it with --password-file or at the prompt."
            )
        keybag, derived = backup.manifest.keybag, unlocker.key(backup, given)
    keychain.keep(folder.udid, given)
    if key and keybag is not None:
        keychain.keep_key(folder.udid, StoredKey.of(keybag, derived))
    return KeptPassword(newest.id, key)
