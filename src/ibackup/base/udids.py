"""UDIDs: what may be one, since they name folders, and their spellings."""

import re

NEWER = r"[0-9A-Fa-f]{8}-?[0-9A-Fa-f]{16}"
OLDER = r"[0-9A-Fa-f]{40}"
"""The formats of UDIDs that phones have, as patterns."""
_KNOWN = re.compile(f"{NEWER}|{OLDER}")
_GRAMMAR = re.compile(r"[0-9A-Fa-f]{8,64}|[0-9A-Fa-f]{4,32}(-[0-9A-Fa-f]{1,32}){1,4}")
_MAX = 64


def may_be_udid(text: str) -> bool:
    """Whether this may be a phone's UDID, also in a format to come: hexadecimal digits, perhaps with dashes."""
    return len(text) <= _MAX and _GRAMMAR.fullmatch(text) is not None


def is_udid(text: str) -> bool:
    """Whether this is a UDID in a known format: the newer one, with or without its dash, or the older one."""
    return _KNOWN.fullmatch(text) is not None


def same_udid(one: str, other: str) -> bool:
    """Whether two spellings mean the same phone: usbmuxd may leave the dash out, people type either case."""
    return plain_udid(one) == plain_udid(other)


def plain_udid(udid: str) -> str:
    """A UDID without its dashes and in one case, for comparing."""
    return udid.replace("-", "").lower()


def spellings(udid: str) -> tuple[str, ...]:
    """A UDID as given first, then in its other spelling where it has one (newer ones have a dash after 8 digits)."""
    if len(udid) == 24 and "-" not in udid:
        return udid, f"{udid[:8]}-{udid[8:]}"
    if len(udid) == 25 and udid[8] == "-":
        return udid, udid.replace("-", "")
    return (udid,)


def canonical(udid: str) -> str:
    """A UDID in a known format as lockdown spells it: newer ones in capitals, with a dash."""
    plain = plain_udid(udid)
    return dashed(plain.upper()) if len(plain) == 24 else plain


def dashed(udid: str) -> str:
    """A UDID as lockdown spells it: the newer ones with their dash."""
    return f"{udid[:8]}-{udid[8:]}" if len(udid) == 24 and "-" not in udid else udid
