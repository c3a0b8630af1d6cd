"""The beginning of a text file, in whichever encoding it is."""

import codecs
from dataclasses import dataclass
from typing import Final

MOST_TEXT: Final = 256 * 1024  # bytes that are shown
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SPACES: Final = frozenset("\t\n\r\f\v\x1b")
_OF_BYTES: Final = frozenset(range(32)) - frozenset(map(ord, _SPACES))


@dataclass(frozen=True, slots=True)
class TextPreview:
    """The beginning of a text.

    Attributes:
        encoding: its name for people.
        guessed: whether nothing in the file says so.
        is_cut: whether there is more.
    """

    text: str
    encoding: str
    guessed: bool
    is_cut: bool


def text_preview(data: bytes, *, is_cut: bool) -> TextPreview | None:
    """What the first bytes of a file say; None if they are no text.

    Args:
        data: at most ``MOST_TEXT`` bytes.
        is_cut: whether the file has more.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            text = _decoded(data[len(mark) :], encoding, is_cut=is_cut)
            return None if text is None else TextPreview(text, _name(encoding), guessed=False, is_cut=is_cut)
    if (text := _decoded(data, "utf-8", is_cut=is_cut)) is not None:
        return TextPreview(text, _name("utf-8"), guessed=False, is_cut=is_cut)
    if not _OF_BYTES.isdisjoint(data):
        return None
    return TextPreview(data.decode("cp1252", "replace"), "Windows-1252", guessed=True, is_cut=is_cut)


def _decoded(data: bytes, encoding: str, *, is_cut: bool) -> str | None:
    """The text; None if it is none. The last character may be cut off with the rest of the file."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data, final=not is_cut)
    except UnicodeDecodeError:
        return None
    if any(char < " " and char not in _SPACES for char in text):
        return None
    return text


def _name(encoding: str) -> str:
    return encoding.upper().removesuffix("-LE").removesuffix("-BE")
