"""Addresses that may contain a password, as they may be shown."""

import re

_SECRET = re.compile(r"(//[^/@:\s]*):[^/@\s]*@")


def masked(text: str) -> str:
    """A text with the passwords of the addresses in it made unreadable: ``rest:https://ann:***@host/``."""
    return _SECRET.sub(r"\1:***@", text)
