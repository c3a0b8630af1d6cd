"""Makes a JPEG of a HEIC picture, for programs that cannot read HEIC. The original is never touched."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

from ibackup.base.errors import UsageError
from ibackup.base.programs import installing

if TYPE_CHECKING:
    from PIL import Image

_QUALITY = 92
_MOST_BYTES = 256 * 1024 * 1024
_MOST_PIXELS = 200_000_000  # a phone's largest have 48 million, panoramas 64 million

Convert = Callable[[bytes], bytes]
"""Returns a JPEG of a HEIC picture. Raises ValueError if it cannot be read."""


def converter() -> Convert:
    """What makes the JPEGs. Raises UsageError if the extra `photos` is not installed."""
    try:
        import pi_heif  # noqa: F401 - what decoding needs
        from PIL import Image
    except ImportError as error:
        raise UsageError(
            "--jpeg needs two more packages.",
            why="pi-heif and Pillow are not installed.",
            hint=f"Install them: `{installing('pi-heif', 'pillow')}`.",
        ) from error

    def convert(data: bytes) -> bytes:
        if len(data) > _MOST_BYTES:
            raise ValueError("it is too large")
        try:
            picture = decoded(data)
            exif = picture.getexif()
            exif[_ORIENTATION] = 1  # the decoder has turned the picture already
            out = io.BytesIO()
            profile = picture.info.get("icc_profile")
            flat = picture if picture.mode in ("RGB", "L") else picture.convert("RGB")
            flat.save(out, "JPEG", quality=_QUALITY, exif=exif, icc_profile=profile)
        except (
            OSError,
            RuntimeError,
            ValueError,
            TypeError,
            EOFError,
            Image.DecompressionBombError,
        ) as error:
            raise ValueError(str(error) or "it cannot be decoded") from error
        return out.getvalue()

    return convert


def decoded(data: bytes, most_pixels: int = _MOST_PIXELS) -> "Image.Image":
    """A HEIC picture decoded, and turned upright. Needs the extra ``photos``.

    Raises:
        ValueError: it has more than `most_pixels`, which is found out before it is decoded.
        OSError, RuntimeError, TypeError, EOFError: it cannot be decoded.
    """
    import pi_heif

    heif = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    width, height = heif.size
    if width * height > most_pixels:
        raise ValueError("it has too many pixels")
    picture: Image.Image = heif.to_pillow()
    return picture


_ORIENTATION = 0x0112
