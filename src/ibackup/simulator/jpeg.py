"""Small real JPEGs: grayscale mosaics with one flat tile for each 8 x 8 block."""

import random
import struct

_SIZES = ((4, 3), (3, 4), (4, 4))
"""Width and height in units of eight blocks."""
_CATEGORIES = 12
"""The sizes, in bits, of the difference between two tiles; each has a code of four bits."""


def mosaic(seed: str) -> tuple[bytes, int, int]:
    """A picture with its width and height in pixels."""
    rng = random.Random(seed)
    columns, rows = (8 * side for side in rng.choice(_SIZES))
    width, height = 8 * columns, 8 * rows
    slant, light = rng.randrange(-6, 7), rng.randrange(-200, 200)
    tiles = [
        max(-900, min(900, light + slant * (column - row) * 8 + rng.randrange(-60, 60)))
        for row in range(rows)
        for column in range(columns)
    ]
    frame = struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0])
    codes = bytes([0, 0, 0, _CATEGORIES, *[0] * 12, *range(_CATEGORIES)])
    end_of_block = bytes([1, *[0] * 15, 0])
    picture = (
        b"\xff\xd8"
        + _segment(0xE0, b"JFIF\0\x01\x02\x00\x00\x48\x00\x48\x00\x00")
        + _segment(0xDB, bytes([0, *[1] * 64]))
        + _segment(0xC0, frame)
        + _segment(0xC4, b"\x00" + codes)
        + _segment(0xC4, b"\x10" + end_of_block)
        + _segment(0xDA, bytes([1, 1, 0x00, 0, 63, 0]))
        + _scan(tiles)
        + b"\xff\xd9"
    )
    return picture, width, height


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _scan(tiles: list[int]) -> bytes:
    """Each tile as its difference from the previous one, then the end of its block."""
    bits = []
    before = 0
    for tile in tiles:
        difference = tile - before
        before = tile
        size = abs(difference).bit_length()
        bits.append(f"{size:04b}")
        if size:
            value = difference if difference > 0 else difference + (1 << size) - 1
            bits.append(f"{value:0{size}b}")
        bits.append("0")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big")
    return data.replace(b"\xff", b"\xff\x00")
