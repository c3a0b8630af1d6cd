"""Protocol buffers, written field by field, without a schema."""


def varint(value: int) -> bytes:
    """A number in groups of seven bits, the lowest first."""
    value &= (1 << 64) - 1
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def number(field: int, value: int) -> bytes:
    """A field with a number."""
    return varint(field << 3) + varint(value)


def block(field: int, *contents: bytes | str) -> bytes:
    """A field with bytes, text or the fields of another message."""
    whole = b"".join(part.encode() if isinstance(part, str) else part for part in contents)
    return varint(field << 3 | 2) + varint(len(whole)) + whole


def nested(field: int, depth: int) -> bytes:
    """Messages inside each other, which a reader without a limit follows until its stack ends."""
    inner = b""
    for _ in range(depth):
        inner = block(field, inner)
    return inner
