"""Bounded decompression: a few kilobytes can inflate to gigabytes."""

import zlib
from typing import Final

from ibackup.contents.decoding.undecodable import Undecodable

MAX_BYTES: Final = 64 << 20
_GZIP_OR_ZLIB: Final = 47  # zlib's code for "look at the first bytes"


def gunzip(data: bytes, *, limit: int = MAX_BYTES) -> bytes:
    """The content of a gzip or zlib stream; bytes after its end are ignored.

    Args:
        data: the whole stream.
        limit: bytes allowed in the result. Nothing longer is ever in memory.

    Raises:
        Undecodable: it is damaged, incomplete, or inflates to more than the limit.
    """
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        content = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise Undecodable("it is damaged, or not compressed") from error
    if len(content) > limit:
        raise Undecodable(f"it inflates to more than {limit:,} bytes")
    if not inflater.eof:
        raise Undecodable("it is incomplete")
    return content
