"""What a file from a backup is, by its first bytes alone: the few kinds that a browser may show or play.

Names and types that a backup gives are never believed. Everything that is not in this list, HTML and SVG above all, is
a download.
"""

from enum import StrEnum
from typing import BinaryIO, Final, NamedTuple

HEAD_BYTES: Final = 64
"""Enough to recognize a kind."""
_MOST_SEGMENTS: Final = 400  # of a JPEG before its size
_SIZES: Final = frozenset((*range(0xC0, 0xD0),)) - {0xC4, 0xC8, 0xCC}
_HEIC: Final = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
_SOUNDS: Final = frozenset((b"M4A ", b"M4B ", b"M4P "))
_OLD_QUICKTIME: Final = frozenset((b"moov", b"mdat", b"wide"))
_FILMS: Final = frozenset(
    (
        b"isom",
        b"iso2",
        b"iso4",
        b"iso5",
        b"iso6",
        b"mp41",
        b"mp42",
        b"avc1",
        b"M4V ",
        b"M4VH",
        b"M4VP",
        b"dash",
    )
)


class Family(StrEnum):
    """How a kind is shown."""

    PICTURE = "picture"
    FILM = "film"
    SOUND = "sound"


class MediaKind(NamedTuple):
    """A kind of file.

    Attributes:
        content_type: under which it is sent.
        shown: whether today's browsers show or play it; a film may still have a codec that one cannot play.
    """

    content_type: str
    family: Family
    shown: bool = True


JPEG: Final = MediaKind("image/jpeg", Family.PICTURE)
PNG: Final = MediaKind("image/png", Family.PICTURE)
GIF: Final = MediaKind("image/gif", Family.PICTURE)
WEBP: Final = MediaKind("image/webp", Family.PICTURE)
HEIC: Final = MediaKind("image/heic", Family.PICTURE, shown=False)
MP4: Final = MediaKind("video/mp4", Family.FILM)
QUICKTIME: Final = MediaKind("video/quicktime", Family.FILM)
GP3: Final = MediaKind("video/3gpp", Family.FILM)
M4A: Final = MediaKind("audio/mp4", Family.SOUND)
MP3: Final = MediaKind("audio/mpeg", Family.SOUND)
WAV: Final = MediaKind("audio/wav", Family.SOUND)
CAF: Final = MediaKind("audio/x-caf", Family.SOUND, shown=False)
AMR: Final = MediaKind("audio/amr", Family.SOUND, shown=False)


class PixelSize(NamedTuple):
    """Width and height of a picture, before anything of it is decoded."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """How many pixels it has."""
        return self.width * self.height


def kind_of(head: bytes) -> MediaKind | None:
    """The kind of a file by its first ``HEAD_BYTES``; None if it may not be shown."""
    for magic, kind in (
        (b"\xff\xd8\xff", JPEG),
        (b"\x89PNG\r\n\x1a\n", PNG),
        (b"GIF87a", GIF),
        (b"GIF89a", GIF),
        (b"caff\x00\x01", CAF),
        (b"#!AMR", AMR),
        (b"ID3", MP3),
    ):
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF":
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _by_brand(head[8:12])
    if head[4:8] in _OLD_QUICKTIME:
        return QUICKTIME
    return MP3 if _is_mp3_frame(head) else None


def _by_brand(brand: bytes) -> MediaKind | None:
    if brand in _HEIC:
        return HEIC
    if brand == b"qt  ":
        return QUICKTIME
    if brand in _SOUNDS:
        return M4A
    if brand[:2] == b"3g":
        return GP3
    return MP4 if brand in _FILMS else None


def _is_mp3_frame(head: bytes) -> bool:
    """Whether it starts with a frame of MPEG layer III, with a bit rate and a sampling rate."""
    return (
        len(head) >= 4
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[2] >> 4 not in (0, 15)
        and head[2] & 0x0C != 0x0C
    )


def size_of(source: BinaryIO, kind: MediaKind) -> PixelSize | None:
    """The size of a JPEG, PNG, GIF or WebP by its own header, reading a few hundred bytes; None if it does not say.

    Raises OSError, FormatError: it cannot be read. The stream's position changes.
    """
    source.seek(0)
    if kind is JPEG:
        return _jpeg_size(source)
    head = source.read(HEAD_BYTES)
    if kind is PNG and head[12:16] == b"IHDR":
        return _positive(int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))
    if kind is GIF:
        return _positive(int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))
    return _webp_size(head) if kind is WEBP else None


def _jpeg_size(source: BinaryIO) -> PixelSize | None:
    place = 2
    for _ in range(_MOST_SEGMENTS):
        source.seek(place)
        segment = source.read(9)
        if len(segment) < 9 or segment[0] != 0xFF:
            return None
        marker = segment[1]
        if marker == 0xFF:  # fill
            place += 1
        elif marker in _SIZES:
            return _positive(int.from_bytes(segment[7:9], "big"), int.from_bytes(segment[5:7], "big"))
        elif marker in (0xDA, 0xD9):
            return None
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            place += 2
        else:
            place += 2 + max(2, int.from_bytes(segment[2:4], "big"))
    return None


def _webp_size(head: bytes) -> PixelSize | None:
    form = head[12:16]
    if form == b"VP8X":
        return _positive(int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1)
    if form == b"VP8L" and head[20:21] == b"\x2f":
        bits = int.from_bytes(head[21:25], "little")
        return _positive((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if form == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
        return _positive(width & 0x3FFF, height & 0x3FFF)
    return None


def _positive(width: int, height: int) -> PixelSize | None:
    return PixelSize(width, height) if width > 0 and height > 0 else None
