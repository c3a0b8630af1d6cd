"""The part of a file that an HTTP request asks for."""

import re

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def wanted_bytes(asked: str, size: int) -> tuple[int, int] | None:
    """The bytes that a ``Range`` header asks for, from and to; from is not below to if the file does not have them.

    None for the whole file: nothing, several ranges at once, or what is no range was asked for.
    """
    match = _RANGE.fullmatch(asked.strip())
    if match is None:
        return None
    first, last = match[1], match[2]
    if not first:
        return (max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size
