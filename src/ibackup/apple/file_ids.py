"""The name of a file in a backup, its fileID: SHA-1 of ``domain-relativePath``."""

import hashlib
import re
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FILE_ID = re.compile(r"[0-9a-f]{40}")


def _sha1() -> "Callable[[bytes], hashlib._Hash]":
    """SHA-1. A system that forbids it for security still allows it for names; asking for that takes longer."""
    try:
        hashlib.sha1(b"")  # noqa: S324 - it makes names
    except ValueError:
        return partial(hashlib.sha1, usedforsecurity=False)
    return hashlib.sha1


sha1 = _sha1()


def named(domain: bytes, relative_path: bytes) -> bytes:
    """The bytes that are hashed."""
    return domain + b"-" + relative_path


def file_id_of(domain: str, relative_path: str) -> str:
    """The fileID, 40 hex digits."""
    encoded = (text.encode("utf-8", "surrogateescape") for text in (domain, relative_path))
    return sha1(named(*encoded)).hexdigest()
