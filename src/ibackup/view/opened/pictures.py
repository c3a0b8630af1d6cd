"""Decodes pictures from a backup: to JPEGs that every browser shows, and to small ones.

They came from strangers. Their size is looked at before anything is decoded, and only one is decoded at a time, so that
neither a bomb nor a grid of them takes the memory of the server. Needs the extra ``photos``.
"""

import io
import threading
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, BinaryIO, Final

from ibackup.export.heic_jpeg import decoded
from ibackup.view.opened.media_kinds import HEAD_BYTES, HEIC, JPEG, Family, kind_of, size_of

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS: Final = 66_000_000
"""Of a picture that is shown at all; a phone's largest panoramas have 64 million."""
_MOST_WHOLE: Final = 24_000_000  # pixels of what can only be decoded whole: all but JPEG and HEIC
_MOST_BYTES: Final = 128 * 1024 * 1024
_QUALITY: Final = 85
_QUALITY_SMALL: Final = 76
_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP")
_one_at_a_time = threading.Lock()


class PictureRefused(Exception):
    """A picture that is not decoded: none at all, damaged, too large, or the extra is not installed."""


def can_decode() -> bool:
    """Whether the extra ``photos`` is installed."""
    return find_spec("PIL") is not None and find_spec("pi_heif") is not None


def as_jpeg(source: BinaryIO, most_side: int | None = None) -> bytes:
    """A picture as a JPEG, upright, and no side longer than ``most_side`` pixels.

    Raises:
        PictureRefused: it cannot or may not be decoded.
        OSError, FormatError: it cannot be read.
    """
    if not can_decode():
        raise PictureRefused("Pillow and pi-heif are not installed")
    source.seek(0)
    kind = kind_of(source.read(HEAD_BYTES))
    if kind is None or kind.family is not Family.PICTURE:
        raise PictureRefused("it is no picture")
    if kind is not HEIC:
        size = size_of(source, kind)
        if size is None or size.pixels > (MOST_PIXELS if kind is JPEG else _MOST_WHOLE):
            raise PictureRefused("it has too many pixels")
    source.seek(0)
    data = source.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise PictureRefused("it is too large")
    with _one_at_a_time:
        try:
            return _jpeg(data, most_side, heic=kind is HEIC)
        except Exception as error:
            # Decoders raise what they like for a damaged picture: struct.error, SyntaxError, ZeroDivisionError.
            raise PictureRefused("it cannot be decoded") from error


def _jpeg(data: bytes, most_side: int | None, *, heic: bool) -> bytes:
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        picture: Image.Image
        if heic:
            picture = decoded(data, MOST_PIXELS)
        else:
            picture = Image.open(io.BytesIO(data), formats=_FORMATS)
            if picture.width * picture.height > MOST_PIXELS:
                raise ValueError("it has too many pixels")
            if most_side is not None:
                picture.draft("RGB", (most_side, most_side))  # a JPEG is decoded at a fraction of its size
            picture = ImageOps.exif_transpose(picture)
        if most_side is not None:
            picture.thumbnail((most_side, most_side))
        out = io.BytesIO()
        quality = _QUALITY if most_side is None or most_side > 1000 else _QUALITY_SMALL
        profile = picture.info.get("icc_profile")
        _flat(picture).save(out, "JPEG", quality=quality, icc_profile=profile)
        return out.getvalue()


def _flat(picture: "Image.Image") -> "Image.Image":
    """Without transparency, which a JPEG does not have: on white."""
    if picture.mode in ("RGB", "L"):
        return picture
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB")
    from PIL import Image

    seen = picture.convert("RGBA")
    ground = Image.new("RGBA", seen.size, "white")
    ground.alpha_composite(seen)
    return ground.convert("RGB")
