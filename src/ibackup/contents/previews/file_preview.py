"""What a file is, by its first bytes, and what of it can be shown. Its name decides nothing."""

from dataclasses import dataclass
from typing import BinaryIO, Final

from ibackup.apple.database_extent import MAGIC
from ibackup.contents.previews.plist_preview import MOST_PLIST, PlistNode, may_be_plist, plist_preview
from ibackup.contents.previews.text_preview import MOST_TEXT, TextPreview, text_preview

_MOST_BYTES: Final = 1024
_LINE: Final = 16


@dataclass(frozen=True, slots=True)
class HexLine:
    """Sixteen bytes of a file: where they are, as hex digits, and the characters that they may be."""

    offset: str
    hex: str
    characters: str


@dataclass(frozen=True, slots=True)
class BytesPreview:
    """The first bytes of a file that is nothing else."""

    lines: tuple[HexLine, ...]
    is_cut: bool


def is_database(head: bytes) -> bool:
    """Whether a file that begins like that is an SQLite database."""
    return head.startswith(MAGIC)


def file_preview(source: BinaryIO) -> TextPreview | PlistNode | BytesPreview:
    """What a file shows; reads at most 16 MiB of it. Raises what reading it raises."""
    data = source.read(MOST_TEXT + 1)
    if may_be_plist(data[:64]):
        whole = data + source.read(MOST_PLIST + 1 - len(data))
        found = plist_preview(whole)
        if found is not None:
            return found
    is_cut = len(data) > MOST_TEXT
    return text_preview(data[:MOST_TEXT], is_cut=is_cut) or _bytes(data)


def _bytes(data: bytes) -> BytesPreview:
    lines = []
    for offset in range(0, min(len(data), _MOST_BYTES), _LINE):
        part = data[offset : min(offset + _LINE, _MOST_BYTES)]
        characters = "".join(chr(each) if 0x20 <= each < 0x7F else "." for each in part)
        lines.append(HexLine(f"{offset:06x}", part.hex(" "), characters))
    return BytesPreview(tuple(lines), len(data) > _MOST_BYTES)
