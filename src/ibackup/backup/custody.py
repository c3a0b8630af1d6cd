"""Whether what the keychain holds still opens the phone's backups: asked after every backup, not on the day of need."""

from ibackup.events import Caution, Note, Observer
from ibackup.keychain import Keychain, KeychainTrouble
from ibackup.manifest.backup import Backup
from ibackup.unlocking import try_others

_PUT_RIGHT = "`ibackup encryption keychain` puts the right one there."


def settle(backup: Backup, udid: str, given: str | None, observe: Observer, *, fresh: bool = True) -> None:
    """Compare the keychain with a fresh backup, and unlock that with it where nothing else did.

    A password that a change was about to set when it was cut off becomes the password of today when it opens a
    backup: then the phone has set it.

    Args:
        backup: made just now, or its keybag was.
        udid: of the phone.
        given: what another source gave, whether it opened the backup or not.
        observe: told of every mismatch.
        fresh: the backup was made just now; else the password may have been changed since, with good reason.
    """
    try:
        keychain = Keychain.open()
        if keychain is not None:
            _settle(keychain, backup, udid, given, observe, fresh=fresh)
    except KeychainTrouble as error:
        observe(Caution(error.message, error.hint))


def _settle(
    keychain: Keychain, backup: Backup, udid: str, given: str | None, observe: Observer, *, fresh: bool
) -> None:
    stored, pending = keychain.password(udid), keychain.pending(udid)
    if not backup.is_encrypted:
        if stored is not None and fresh:
            observe(
                Caution(
                    "This backup is not encrypted, although a password for it is in the keychain.",
                    "Encryption was switched off on the phone. `ibackup encryption on` switches it on again.",
                )
            )
        return
    earlier = keychain.earlier(udid)
    if stored is None and pending is None and (fresh or not earlier):
        return  # each try takes seconds, and nothing here claims to open backups of today
    right = given if backup.unlocked else try_others(backup, [stored, pending, *earlier], but=given)
    if right is None:
        if stored != given:  # else that was said already
            observe(
                Caution(
                    "No password that the keychain holds opens this backup.",
                    f"Find out which one is right before you need it. {_PUT_RIGHT}",
                )
            )
    elif right == pending:
        keychain.keep(udid, right)
        observe(
            Note("The password of a change that was cut off is in force; the keychain has it as today's now.")
        )
    elif stored is not None and right != stored and not fresh and right in earlier:
        observe(Note("It opens with a password that the keychain has from before the last change."))
    elif stored is not None and right != stored:
        observe(Caution("The keychain holds another password than opens this backup.", _PUT_RIGHT))
    elif given is not None and right != given:
        observe(Note("The keychain's password opens this backup; the one that was given does not."))
