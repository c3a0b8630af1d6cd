"""Writes data with as few system calls as possible, to a disk that may be filling up."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final

_MOST_VIEWS: Final = 512  # of one write; Linux takes up to 1024
_PIECE: Final = 1 << 20
_HAS_WRITEV: Final = hasattr(os, "writev")


def write_all(fd: int, views: Sequence[memoryview]) -> int:
    """Write all of it in as few calls as possible; return the number of bytes. Raises OSError."""
    total = 0
    if len(views) > 1 and _HAS_WRITEV:
        for first in range(0, len(views), _MOST_VIEWS):
            group = views[first : first + _MOST_VIEWS]
            wanted = sum(map(len, group))
            done = os.writev(fd, group)
            if done < wanted:  # the disk is filling up, or the group exceeds what one call may write
                for view in group:
                    if done < len(view):
                        write_one(fd, view[done:])
                    done = max(0, done - len(view))
            total += wanted
    else:
        for view in views:
            total += len(view)
            done = os.write(fd, view)
            if done < len(view):
                write_one(fd, view[done:])
    return total


def write_one(fd: int, view: memoryview) -> None:
    """Write all of one view. Raises OSError."""
    while len(view):
        view = view[os.write(fd, view) :]


def pieces_of(fd: int, pulse: Callable[[], None]) -> Iterator[bytes]:
    """The content of a file, from where it is; ``pulse`` is called after each piece. Raises OSError."""
    while piece := os.read(fd, _PIECE):
        yield piece
        pulse()
