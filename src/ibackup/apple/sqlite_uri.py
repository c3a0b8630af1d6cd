"""How to name a database file to SQLite, with options for opening it."""

import os
from urllib.parse import quote


def sqlite_uri(path: str, **options: str) -> str:
    r"""The URI of a database file with any path: SQLite gets exactly these bytes back.

    Every separator is written as an escape, so that SQLite finds neither the name of a server (``//``, with
    which Windows paths to shares begin) nor anything else to change.

    Args:
        path: the file; may be a path like ``\\server\share\m.db`` or ``\\?\C:\m.db``.
        options: ``mode``, ``immutable`` and ``vfs``.
    """
    words = "&".join(f"{name}={value}" for name, value in options.items())
    return f"file:{quote(os.fsencode(path), safe='')}{f'?{words}' if words else ''}"
