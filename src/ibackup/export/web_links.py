"""Addresses from strangers that a page may link."""

import re
from typing import Final

_SAFE: Final = re.compile(r"(?:https?://|mailto:|tel:|sms:)[^\x00-\x20\x7f-\xa0]{1,4000}", re.IGNORECASE)
_BARE: Final = re.compile(
    r"(?:www\.)?[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,10}(?:/[^\x00-\x20\x7f-\xa0]{0,2000})?", re.IGNORECASE
)


def safe_link(text: str) -> str:
    """An address that does nothing but open a page, a mail or a call, and only when someone clicks it; else ""."""
    text = text.strip()
    if _SAFE.fullmatch(text):
        return text
    return f"https://{text}" if _BARE.fullmatch(text) else ""
