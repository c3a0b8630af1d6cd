"""The keys by which phones are known, and who may vouch for a phone with a different one.

Every caller of ``open_phone`` gives it one of these, so that no command shows a file or a password to an impostor.
"""

from typing import Protocol

from ibackup.base.errors import IbackupError


class Recognition(Protocol):
    """Remembers phones' keys. A key is a SHA-256 in hex digits."""

    def known(self, udid: str) -> frozenset[str]:
        """The keys by which a phone is known; empty for a new one."""

    def remember(self, udid: str, key: str) -> None:
        """From now on, know a phone by this key alone."""

    def vouches(self, error: IbackupError) -> bool:
        """Whether someone confirms that it is the right phone, after reading why we doubt it."""


class Strangers:
    """For phones that need not be recognized, such as the virtual one of a rehearsal."""

    def known(self, _udid: str) -> frozenset[str]:
        """None."""
        return frozenset()

    def remember(self, udid: str, key: str) -> None:
        """Do nothing."""

    def vouches(self, _error: IbackupError) -> bool:
        """Nobody does."""
        return False
