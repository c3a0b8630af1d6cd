"""Backup passwords in the system's own keychain, through the ``keyring`` extra; nothing of it is kept anywhere else.

What stands there, all under the service "ibackup":

``UDID``            the password that opens the phone's backups of today
``UDID new``        one that a change was about to set when it was last heard of; gone once its outcome is known
``UDID earlier``    those before it, one a line, the latest first: older snapshots still open with them
``UDID key``        a derived key instead of, or beside, the password; only for the one keybag that it names
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from ibackup.errors import IbackupError

SERVICE = "ibackup"
_MOST_EARLIER = 8
_KEY_BYTES = 32


class KeychainTrouble(IbackupError):
    """The keychain is there and does not do what it should."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key that a password gave, for one keybag alone.

    Attributes:
        keybag: SHA-256 of that keybag, in hexadecimal digits. A changed password makes another keybag.
    """

    keybag: str
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, keybag: bytes, key: bytes) -> Self:
        """The key for this keybag, as it stands in Manifest.plist."""
        return cls(hashlib.sha256(keybag).hexdigest(), key)

    def fits(self, keybag: bytes) -> bool:
        """Whether it is for exactly this keybag."""
        return hashlib.sha256(keybag).hexdigest() == self.keybag


class Keychain:
    """The passwords of one user's phones. Made by ``open``, which gives None where there is no keychain.

    Raises (every method):
        KeychainTrouble: locked, refused, or broken.
    """

    def __init__(self, backend: Any, name: str) -> None:
        self._backend = backend
        self.name = name

    @classmethod
    def open(cls) -> Self | None:
        """The system's keychain, as keyring finds it; None without the extra, or where the system has none."""
        try:
            import keyring
            from keyring.backends import fail, null
        except ImportError:
            return None
        with _telling("opened"):
            backend = keyring.get_keyring()
        if isinstance(backend, (fail.Keyring, null.Keyring)):
            return None
        return cls(backend, str(backend.name))

    # -- the password ---------------------------------------------------------------------------------------

    def password(self, udid: str) -> str | None:
        """The password of a phone's backups of today."""
        return self._get(udid)

    def pending(self, udid: str) -> str | None:
        """The password that a change was about to set, when its outcome is not known."""
        return self._get(f"{udid} new")

    def earlier(self, udid: str) -> tuple[str, ...]:
        """Passwords of before, the latest first."""
        return tuple(filter(None, (self._get(f"{udid} earlier") or "").split("\n")))

    def hold(self, udid: str, password: str) -> None:
        """Keep a password that is about to be set, beside the present one, and any of which that was said before."""
        pending = self.pending(udid)
        if pending is not None and pending != password:
            self._add_earlier(udid, pending)
        self._set(f"{udid} new", password)

    def drop(self, udid: str) -> None:
        """The password that was about to be set was not."""
        self._remove(f"{udid} new")

    def keep(self, udid: str, password: str, *, before: str | None = None) -> None:
        """Make this the password of today; the one before is kept for the snapshots that it opens.

        Args:
            udid: of the phone.
            password: proven to be the one.
            before: another earlier password, which need not have stood here.
        """
        present = self._get(udid)
        # In this order nothing is lost wherever it is cut off.
        self._add_earlier(udid, *(each for each in (before, present) if each and each != password))
        if present != password:
            self._set(udid, password)
            self._remove(f"{udid} key")
        self._remove(f"{udid} new")

    def retire(self, udid: str) -> None:
        """Backups are no longer encrypted: what was the password of today only opens older snapshots."""
        present = self._get(udid)
        if present is not None:
            self._add_earlier(udid, present)
            self._remove(udid)
            self._remove(f"{udid} key")

    def forget(self, udid: str) -> bool:
        """Remove all that is kept of a phone; whether there was anything."""
        names = (udid, f"{udid} new", f"{udid} earlier", f"{udid} key")
        there = [name for name in names if self._get(name) is not None]
        for name in there:
            self._remove(name)
        return bool(there)

    def _add_earlier(self, udid: str, *passwords: str) -> None:
        known = self.earlier(udid)
        past = [each for each in dict.fromkeys((*passwords, *known)) if "\n" not in each][:_MOST_EARLIER]
        if tuple(past) != known:
            self._set(f"{udid} earlier", "\n".join(past))

    # -- a derived key --------------------------------------------------------------------------------------

    def key(self, udid: str) -> StoredKey | None:
        """The derived key that is kept, None when there is none or it is not readable."""
        keybag, _, key = (self._get(f"{udid} key") or "").partition(" ")
        try:
            stored = StoredKey(keybag, bytes.fromhex(key))
        except ValueError:
            return None
        return stored if len(stored.key) == _KEY_BYTES else None

    def keep_key(self, udid: str, stored: StoredKey) -> None:
        """Keep a derived key, in place of one for an earlier keybag."""
        self._set(f"{udid} key", f"{stored.keybag} {stored.key.hex()}")

    # -- keyring --------------------------------------------------------------------------------------------

    def _get(self, name: str) -> str | None:
        with _telling("read"):
            value = self._backend.get_password(SERVICE, name)
        return str(value) if value else None

    def _set(self, name: str, value: str) -> None:
        with _telling("written"):
            self._backend.set_password(SERVICE, name, value)
        # Some backends drop what they are given without a word; nothing may rest on such a one.
        if self._get(name) != value:
            raise _trouble("written", "It did not give back what it was given.")

    def _remove(self, name: str) -> None:
        if self._get(name) is not None:
            with _telling("written"):
                self._backend.delete_password(SERVICE, name)


@contextlib.contextmanager
def _telling(what: str) -> Iterator[None]:
    try:
        yield
    except KeychainTrouble:
        raise
    except Exception as error:  # noqa: BLE001 - keyring's backends raise what they like, and may quote a secret
        raise _trouble(what, f"({type(error).__name__})") from None


def _trouble(what: str, why: str) -> KeychainTrouble:
    return KeychainTrouble(
        f"The system's keychain could not be {what}.",
        why=why,
        hint="Unlock it, or use --password-file or --password-command instead.",
    )
