"""The grammar of UDIDs, since they name folders."""

import re

_GRAMMAR = re.compile(r"[0-9A-Fa-f]{8,64}|[0-9A-Fa-f]{4,32}(-[0-9A-Fa-f]{1,32}){1,4}")
_MAX = 64


def is_udid(text: str) -> bool:
    """Whether this may be a phone's UDID: hexadecimal digits, perhaps with dashes between them."""
    return len(text) <= _MAX and _GRAMMAR.fullmatch(text) is not None


def same(one: str, other: str) -> bool:
    """Whether two spellings mean the same phone: usbmuxd may leave the dash out, people type either case."""
    return one.replace("-", "").lower() == other.replace("-", "").lower()
