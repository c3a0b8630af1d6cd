"""Property lists on a connection: a big-endian 32-bit length, then an XML or binary plist."""

import plistlib
import struct
from collections.abc import Mapping
from typing import Final, TypeAlias
from xml.parsers.expat import ExpatError

from ibackup.simulator.stream import Stream, StreamEnded

Message: TypeAlias = Mapping[str, object]

LIMIT: Final = 16 * 2**20
"""The longest request that a computer may send, in bytes."""


def parse(data: bytes) -> object:
    """Parse a plist of either kind.

    Raises:
        ValueError: it is not one.
    """
    try:
        return plistlib.loads(data)
    except (ExpatError, plistlib.InvalidFileException, AttributeError, LookupError, TypeError) as error:
        raise ValueError("not a property list") from error


def parse_message(data: bytes) -> Message:
    """Parse a plist that must be a dict with names as keys.

    Raises:
        ValueError: it is not one.
    """
    message = parse(data)
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        raise ValueError("not a dict")
    return message


def read_message(stream: Stream) -> Message:
    """Read one framed dict.

    Raises:
        StreamEnded: the connection ended, or what came is not a dict.
    """
    (size,) = struct.unpack(">I", stream.read_exact(4))
    if size > LIMIT:
        raise StreamEnded(f"a message of {size} bytes")
    try:
        return parse_message(stream.read_exact(size))
    except ValueError as error:
        raise StreamEnded(f"a message that cannot be read: {error}") from error


def write_message(stream: Stream, message: Message) -> None:
    """Write one framed dict, in XML as phones do."""
    data = plistlib.dumps(dict(message))
    stream.write(struct.pack(">I", len(data)) + data)
