"""Backup passwords in the system's own keychain, through the ``keyring`` extra; they are not stored anywhere else.

The entries, all under the service "ibackup":

``UDID``            the phone's current backup password
``UDID new``        a password that a change was about to set; removed once the outcome is known
``UDID earlier``    previous passwords, one per line, newest first; they open older snapshots
``UDID key``        a derived key in addition to, or instead of, the password; only for the keybag it names
``copy NAME``       the password of a second copy's repository
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from ibackup.base import slices
from ibackup.base.errors import IbackupError

SERVICE = "ibackup"
_MOST_EARLIER = 8
_KEY_BYTES = 32
_ANSWER_S = 120.0  # someone at the dialog needs time, but a night must not wait forever
_SILENT = "It does not answer; it may be showing a dialog that waits for someone."
_LEAST_PRIORITY = 1
"""keyring recommends backends with at least this priority; those that only write a file have a lower one."""


class KeychainTrouble(IbackupError):
    """The keychain is there but does not work."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key derived from a password, for one keybag only.

    Attributes:
        keybag: SHA-256 of that keybag, in hexadecimal digits. A changed password makes another keybag.
    """

    keybag: str
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, keybag: bytes, key: bytes) -> Self:
        """The key for this keybag, as found in Manifest.plist."""
        return cls(hashlib.sha256(keybag).hexdigest(), key)

    def fits(self, keybag: bytes) -> bool:
        """Whether it belongs to exactly this keybag."""
        return hashlib.sha256(keybag).hexdigest() == self.keybag


class Keychain:
    """The passwords of one user's phones. Created by ``open``, which returns None without a keychain.

    Raises (every method):
        KeychainTrouble: locked, refused, or broken.
    """

    def __init__(self, backend: Any, name: str) -> None:
        self._backend = backend
        self.name = name
        self._silent = False

    @classmethod
    def open(cls) -> Self | None:
        """The system's keychain, as keyring finds it; None without the extra, or if the system has none.

        Raises:
            KeychainTrouble: keyring would use one that does not protect its contents.
        """
        try:
            import keyring
            from keyring.backends import fail, null
        except ImportError:
            return None
        with _telling("opened"):
            backend = keyring.get_keyring()
            # Of several chained backends, the first stores new entries.
            first = next(iter(getattr(backend, "backends", ())), backend)
            protects = first.priority >= _LEAST_PRIORITY
        if isinstance(backend, (fail.Keyring, null.Keyring)):
            return None
        if not protects:
            raise KeychainTrouble(
                f"The keyring {first.name!r} is not used: it does not protect its contents.",
                why="keyring itself does not recommend it; such backends keep passwords in a readable file.",
                hint="Set up the system's own keychain, or use --password-file or --password-command.",
            )
        return cls(backend, str(backend.name))

    # -- the password ---------------------------------------------------------------------------------------

    def password(self, udid: str) -> str | None:
        """A phone's current backup password."""
        return self._get(udid)

    def pending(self, udid: str) -> str | None:
        """The password that a change was about to set, if its outcome is unknown."""
        return self._get(f"{udid} new")

    def earlier(self, udid: str) -> tuple[str, ...]:
        """Previous passwords, newest first."""
        return tuple(filter(None, (self._get(f"{udid} earlier") or "").split("\n")))

    def hold(self, udid: str, password: str) -> None:
        """Keep a password that is about to be set, beside the current one and earlier ones."""
        pending = self.pending(udid)
        if pending is not None and pending != password:
            self._add_earlier(udid, pending)
        self._set(f"{udid} new", password)

    def drop(self, udid: str) -> None:
        """The password that was about to be set was not."""
        self._remove(f"{udid} new")

    def keep(self, udid: str, password: str, *, before: str | None = None) -> None:
        """Make this the current password; keep the previous one for the snapshots that it opens.

        Args:
            udid: of the phone.
            password: proven to be correct.
            before: another earlier password, which need not be in the keychain.
        """
        present = self._get(udid)
        # In this order, an interruption loses nothing.
        self._add_earlier(udid, *(each for each in (before, present) if each and each != password))
        if present != password:
            self._set(udid, password)
            self._remove(f"{udid} key")
        self._remove(f"{udid} new")

    def retire(self, udid: str) -> None:
        """Backups are no longer encrypted: the current password now only opens older snapshots."""
        present = self._get(udid)
        if present is not None:
            self._add_earlier(udid, present)
            self._remove(udid)
            self._remove(f"{udid} key")

    def forget(self, udid: str) -> bool:
        """Remove all entries of a phone; returns whether there were any."""
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
        """The derived key that is kept, None if there is none or it is not readable."""
        keybag, _, key = (self._get(f"{udid} key") or "").partition(" ")
        try:
            stored = StoredKey(keybag, bytes.fromhex(key))
        except ValueError:
            return None
        return stored if len(stored.key) == _KEY_BYTES else None

    def keep_key(self, udid: str, stored: StoredKey) -> None:
        """Keep a derived key, in place of one for an earlier keybag."""
        self._set(f"{udid} key", f"{stored.keybag} {stored.key.hex()}")

    # -- second copies --------------------------------------------------------------------------------------

    def copy_password(self, name: str) -> str | None:
        """The password of a second copy."""
        return self._get(f"copy {name}")

    def keep_copy_password(self, name: str, password: str) -> None:
        """Keep the password of a second copy."""
        self._set(f"copy {name}", password)

    def forget_copy(self, name: str) -> None:
        """Remove it."""
        self._remove(f"copy {name}")

    # -- keyring --------------------------------------------------------------------------------------------

    def _get(self, name: str) -> str | None:
        value = self._ask("read", lambda: self._backend.get_password(SERVICE, name))
        return str(value) if value else None

    def _set(self, name: str, value: str) -> None:
        self._ask("written", lambda: self._backend.set_password(SERVICE, name, value))
        # Some backends silently drop entries; nothing may rely on such a backend.
        if self._get(name) != value:
            raise _trouble("written", "It did not give back what it was given.")

    def _remove(self, name: str) -> None:
        if self._get(name) is not None:
            self._ask("written", lambda: self._backend.delete_password(SERVICE, name))

    def _ask(self, what: str, call: Callable[[], object]) -> object:
        """Call the backend with a time limit, because it may show a dialog and nobody is there to answer."""
        if self._silent:
            raise _trouble(what, _SILENT)
        with _telling(what):
            try:
                return slices.call(call, _ANSWER_S)
            except TimeoutError:
                self._silent = True
                raise _trouble(what, _SILENT) from None


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
