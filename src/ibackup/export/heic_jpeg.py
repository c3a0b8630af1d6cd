"""Makes a JPEG of a HEIC picture, for programs that cannot read HEIC. The original is never touched."""

import io
from collections.abc import Callable

from ibackup.base.errors import UsageError

_QUALITY = 92
_MOST_BYTES = 256 * 1024 * 1024
_MOST_PIXELS = 200_000_000  # a phone's largest have 48 million, panoramas 64 million

Convert = Callable[[bytes], bytes]
"""Returns a JPEG of a HEIC picture. Raises ValueError if it cannot be read."""


def converter() -> Convert:
    """What makes the JPEGs. Raises UsageError if the extra `photos` is not installed."""
    try:
        import pi_heif
        from PIL import Image
    except ImportError as error:
        raise UsageError(
            "--jpeg needs two more packages.",
            why="pi-heif and Pillow are not installed.",
            hint="Run `pip install 'ibackup[photos]'`, or `pipx inject ibackup pi-heif pillow`.",
        ) from error

    def convert(data: bytes) -> bytes:
        if len(data) > _MOST_BYTES:
            raise ValueError("it is too large")
        try:
            heif = pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
            _refuse_huge(*heif.size)
            picture = heif.to_pillow()
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


def _refuse_huge(width: int, height: int) -> None:
    if width * height > _MOST_PIXELS:
        raise ValueError("it has too many pixels")


_ORIENTATION = 0x0112
