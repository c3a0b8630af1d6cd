"""How much of an SQLite database is there. A half-copied one lacks its end, and SQLite then reads nothing of it.

Source: the page "Database File Format" of SQLite's documentation.
"""

from dataclasses import dataclass

MAGIC = b"SQLite format 3\0"
HEADER = 100
"""Bytes of the database's own header, at the start of its first page."""
PAGE_SIZES = (4096, *(1 << power for power in range(9, 17) if power != 12))
_CHANGES, _PAGES, _WRITTEN_WITH = slice(24, 28), slice(28, 32), slice(92, 96)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a database is there.

    Attributes:
        page: bytes of a page; 0 if its header is lost.
        pages: how many are there.
        wanted: how many its header says it has; 0 if it does not say.
    """

    page: int
    pages: int
    wanted: int

    @property
    def is_cut(self) -> bool:
        """Whether its end is missing."""
        return self.pages < self.wanted

    @property
    def flaw(self) -> str:
        """What is wrong with a database that is cut off."""
        return (
            f"it is cut off: {self.pages:,} of its {self.wanted:,} pages are here, because a copy of it did not "
            "finish"
        )


def extent(head: bytes, size: int) -> Extent:
    """How much of a database is there, by its first 100 bytes and its size."""
    page = int.from_bytes(head[16:18], "big") if head.startswith(MAGIC) and len(head) >= HEADER else 0
    page = 65536 if page == 1 else page
    if page not in PAGE_SIZES:
        return Extent(0, 0, 0)
    # The number of pages counts only if it was written together with the last change.
    wanted = int.from_bytes(head[_PAGES], "big") if head[_CHANGES] == head[_WRITTEN_WITH] else 0
    return Extent(page, size // page, wanted)


def shortened(head: bytes, found: Extent) -> bytes:
    """The header of a database that has only the pages that are there: SQLite reads as far as they go."""
    changed = bytearray(head)
    changed[_PAGES] = found.pages.to_bytes(4, "big")
    changed[_WRITTEN_WITH] = changed[_CHANGES]
    return bytes(changed)
