"""Whether the keychain still opens the phone's backups: checked after every backup, not only when one is needed."""

from ibackup.apple.backup import Backup
from ibackup.base.events import Caution, Note, Observer
from ibackup.vault.keychain import Keychain, KeychainTrouble
from ibackup.vault.unlocker import Unlocker

_PUT_RIGHT = "`ibackup encryption keychain` puts the right one there."


def settle(
    backup: Backup, udid: str, given: str | None, unlocker: Unlocker, observe: Observer, *, fresh: bool = True
) -> None:
    """Compare the keychain with a new backup, and unlock the backup with it if nothing else did.

    If a password change was interrupted and its new password opens a backup, then the phone did set it, and it
    becomes the current one.

    Args:
        backup: it, or its keybag, is new.
        udid: of the phone.
        given: the password from another source, whether it opened the backup or not.
        unlocker: remembers derived keys.
        observe: gets a warning for every mismatch.
        fresh: the backup is new; otherwise the password may have been changed since, for a good reason.
    """
    try:
        keychain = Keychain.open()
        if keychain is not None:
            _settle(keychain, backup, udid, given, unlocker, observe, fresh=fresh)
    except KeychainTrouble as error:
        observe(Caution(error.message, error.hint))


def _settle(
    keychain: Keychain,
    backup: Backup,
    udid: str,
    given: str | None,
    unlocker: Unlocker,
    observe: Observer,
    *,
    fresh: bool,
) -> None:
    stored, pending = keychain.password(udid), keychain.pending(udid)
    if not backup.is_encrypted:
        if stored is not None and fresh:
            observe(
                Caution(
                    "This backup is not encrypted, although a password for it is in the keychain.",
                    "Encryption was switched off on the phone. To switch it on again: `ibackup encryption on`.",
                )
            )
        return
    earlier = keychain.earlier(udid)
    if stored is None and pending is None and (fresh or not earlier):
        return  # each try takes seconds, and none of these passwords is meant for current backups
    right = given if backup.unlocked else unlocker.first_of(backup, (stored, pending, *earlier))
    if right is None:
        if stored != given:  # otherwise there was a warning already
            observe(
                Caution(
                    "No password in the keychain opens this backup.",
                    f"Find out which password is right before you need it. {_PUT_RIGHT}",
                )
            )
    elif right == pending:
        keychain.keep(udid, right)
        observe(
            Note("The interrupted password change did take effect. The keychain now has the new password.")
        )
    elif stored is not None and right != stored and not fresh and right in earlier:
        observe(Note("It opens with a password from before the last change, which the keychain still has."))
    elif stored is not None and right != stored:
        observe(Caution("The password in the keychain does not open this backup.", _PUT_RIGHT))
    elif given is not None and right != given:
        observe(Note("The keychain's password opens this backup; the one you gave does not."))
