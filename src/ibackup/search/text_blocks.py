"""The texts of an index, in compressed blocks outside of its database: a search reads only those of what it shows."""

import json
import zlib
from collections import OrderedDict
from typing import Final, NamedTuple, Protocol

from ibackup.search.documents import Document
from ibackup.search.index_container import IndexUnusable

_BLOCK_CHARACTERS: Final = 16 * 1024
_MOST_BYTES: Final = 1 << 20  # of a block, unpacked
_CACHED: Final = 64
_FASTEST: Final = 1


class StoredText(NamedTuple):
    """What a block says of a document; all empty for one that was removed."""

    id: str
    title: str
    text: str
    hidden: str

    @property
    def body(self) -> str:
        """All that is searched."""
        return f"{self.title}\n{self.text}\n{self.hidden}"


class TextSource(Protocol):
    """Gives blocks."""

    def block(self, number: int, offset: int, length: int) -> bytes:
        """A block. Raises IndexUnusable, OSError."""


class TextSink(Protocol):
    """Takes blocks."""

    def add_block(self, number: int, data: bytes) -> tuple[int, int]:
        """Add a block; its offset and its length. Raises IndexNotKept."""


class MemoryBlocks:
    """Blocks that are kept in memory."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def add_block(self, _number: int, data: bytes) -> tuple[int, int]:
        """Add a block."""
        self._blocks.append(data)
        return len(self._blocks) - 1, len(data)

    def block(self, _number: int, offset: int, _length: int) -> bytes:
        """A block."""
        return self._blocks[offset]


class Packing:
    """Collects documents for a block."""

    def __init__(self) -> None:
        self._texts: list[StoredText] = []
        self._characters = 0

    def add(self, document: Document) -> bool:
        """Add a document; whether the block is full now."""
        self._texts.append(StoredText(document.id, document.title, document.text, document.hidden))
        self._characters += len(document.id) + len(document.title) + len(document.text) + len(document.hidden)
        return self._characters >= _BLOCK_CHARACTERS

    def __len__(self) -> int:
        return len(self._texts)

    def packed(self) -> bytes:
        """The block; the next one begins."""
        data = packed(self._texts)
        self._texts, self._characters = [], 0
        return data


def packed(texts: list[StoredText]) -> bytes:
    """A block of texts."""
    return zlib.compress(json.dumps(texts, ensure_ascii=False).encode(), _FASTEST)


def unpacked(data: bytes) -> list[StoredText]:
    """The texts of a block. Raises IndexUnusable."""
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(data, _MOST_BYTES)
        if unpacking.unconsumed_tail:
            raise IndexUnusable
        return [StoredText(*each) for each in json.loads(plain)]
    except (zlib.error, ValueError, TypeError, RecursionError):
        raise IndexUnusable from None


class UnpackedBlocks:
    """The texts of a source of blocks; remembers the last few."""

    def __init__(self, source: TextSource) -> None:
        self._source = source
        self._known: OrderedDict[int, list[StoredText]] = OrderedDict()

    def texts(self, number: int, offset: int, length: int) -> list[StoredText]:
        """Those of a block. Raises IndexUnusable, OSError."""
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = unpacked(self._source.block(number, offset, length))
            if len(self._known) > _CACHED:
                self._known.popitem(last=False)
        return found
