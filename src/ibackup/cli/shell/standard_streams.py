"""Makes sure the standard streams exist: a scheduler may start a program without them, as pythonw on Windows does."""

import os
import sys


def open_missing() -> None:
    """Replace each closed standard stream with the null device, for this program and its children.

    Otherwise the next opened file would get its number, and output for the stream would go into that file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            fd = os.open(os.devnull, os.O_RDWR)
            if fd <= 2:
                os.set_inheritable(fd, True)
            stream = open(fd, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
