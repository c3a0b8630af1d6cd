"""Passwords of copies, which can be typed from paper: new ones, and those that a fleet's keeper can make again."""

import hmac
import secrets

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike on paper
_GROUPS, _GROUP = 6, 5


def new_password() -> str:
    """A new one: 30 letters and digits in six groups, about 148 bits."""
    return _written(secrets.randbits(256))


def derived_password(secret: bytes, purpose: str) -> str:
    """The same for the same secret and purpose, in the same form; it tells nothing about the secret or the others."""
    return _written(int.from_bytes(hmac.digest(secret, purpose.encode(), "sha256")))


def _written(number: int) -> str:
    groups = []
    for _ in range(_GROUPS):
        group = ""
        for _ in range(_GROUP):
            number, letter = divmod(number, len(_LETTERS))
            group += _LETTERS[letter]
        groups.append(group)
    return "-".join(groups)
