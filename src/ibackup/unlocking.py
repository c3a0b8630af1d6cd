"""Opens an encrypted backup with what the keychain holds beside the password of today."""

import contextlib
from collections.abc import Callable, Iterable

from ibackup.errors import PasswordWrong
from ibackup.keychain import Keychain, KeychainTrouble
from ibackup.manifest.backup import Backup


def unlock(
    backup: Backup, udid: str, password: Callable[[str], str | None], keychain: Keychain | None = None
) -> None:
    """Open an encrypted backup; where nothing is at hand that could, it stays locked.

    A derived key that is kept for this very keybag comes first, since it costs no time. Then the password; then those
    that the keychain has from before a change, for older snapshots.

    Args:
        backup: to be opened.
        udid: whose it is.
        password: asked once, unless the key does.
        keychain: None when the user named the password to use, or where there is none.

    Raises:
        PasswordWrong: there was a password, and neither it nor another opens this backup.
    """
    if keychain is None or not by_key(backup, udid, keychain):
        find_password(backup, udid, password, keychain)


def find_password(
    backup: Backup, udid: str, password: Callable[[str], str | None], keychain: Keychain | None = None
) -> str | None:
    """The same for those who need the password itself, a phone for one: the one that opened it, or None.

    Raises:
        PasswordWrong: see ``unlock``.
    """
    given = password(udid)
    wrong: PasswordWrong | None = None
    if given is not None:
        try:
            backup.unlock(given)
        except PasswordWrong as error:
            wrong = error
        else:
            return given
    if keychain is not None:
        with contextlib.suppress(KeychainTrouble):  # whoever asked for the password has told of it
            others = [keychain.pending(udid), *keychain.earlier(udid)]
            found = try_others(backup, others, but=given)
            if found is not None:
                return found
    if wrong is not None:
        raise wrong
    return None


def try_others(backup: Backup, passwords: Iterable[str | None], *, but: str | None) -> str | None:
    """The first password that opens a backup, which then is open; None when none does."""
    for password in dict.fromkeys(passwords):
        if password is None or password == but:
            continue
        with contextlib.suppress(PasswordWrong):
            backup.unlock(password)
            return password
    return None


def by_key(backup: Backup, udid: str, keychain: Keychain) -> bool:
    """Open it with a derived key that the keychain has for its very keybag; whether there is one."""
    with contextlib.suppress(KeychainTrouble, PasswordWrong):
        stored = keychain.key(udid)
        keybag = backup.manifest.keybag
        if stored is not None and keybag is not None and stored.fits(keybag) and backup.key_is_enough:
            backup.unlock_with_key(stored.key)
            return True
    return False
