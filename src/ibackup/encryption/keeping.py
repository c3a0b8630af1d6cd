"""Puts the password of a phone's backups into the keychain, proven right on the newest of them."""

from collections.abc import Callable
from dataclasses import dataclass

from ibackup.errors import PasswordNeeded, PasswordWrong, UsageError
from ibackup.events import Observer, PhaseStarted
from ibackup.keychain import Keychain, StoredKey
from ibackup.manifest.backup import Backup
from ibackup.store import PhoneFolder


@dataclass(frozen=True, slots=True)
class Kept:
    """What the keychain has now, and the snapshot it was proven on."""

    snapshot: str
    key: bool


def keep(
    folder: PhoneFolder,
    password: Callable[[str], str | None],
    keychain: Keychain,
    observe: Observer,
    *,
    key: bool = False,
) -> Kept:
    """Keep the password, once it has opened the newest snapshot.

    Args:
        folder: of the phone.
        password: gives it.
        keychain: where.
        observe: told what takes seconds.
        key: keep the key that it gives, too: this snapshot, and later ones with the same keybag, then open at once.

    Raises:
        UsageError: there is no encrypted snapshot that would prove it.
        PasswordNeeded: there is no password, or (PasswordWrong) it does not open the snapshot.
        KeychainTrouble: it could not be kept.
    """
    encrypted = [each for each in folder.snapshots() if each.meta.encrypted]
    if not encrypted:
        raise UsageError(
            "There is no encrypted snapshot that could prove the password right.",
            hint="Run `ibackup now` first. `ibackup encryption on --keychain` keeps a password that it sets.",
        )
    newest = encrypted[-1]
    given = password(folder.udid)
    if given is None:
        raise PasswordNeeded(
            "There is no password to keep.", hint="Give it with --password-file or at the prompt."
        )
    observe(PhaseStarted("prepare", f"Trying it on the backup {newest.id}."))
    with Backup.open(newest.backup_path, known=True) as backup:
        derived = backup.keybag.derive(given)
        try:
            backup.unlock_with_key(derived)
        except PasswordWrong as error:
            error.hint = f"Nothing was kept. {error.hint}"
            raise
        keybag = backup.manifest.keybag
    keychain.keep(folder.udid, given)
    if key and keybag is not None:
        keychain.keep_key(folder.udid, StoredKey.of(keybag, derived))
    return Kept(newest.id, key)
