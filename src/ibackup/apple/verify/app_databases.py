"""The databases that people care about, opened on a private copy and checked by SQLite itself.

Their schemas belong to the apps and may call functions, so the check runs in a process that can be killed.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from ibackup.apple.app_places import DATABASES
from ibackup.apple.backup import Backup
from ibackup.apple.entry import Entry
from ibackup.apple.manifest_db import flaws_in
from ibackup.base import held, isolated
from ibackup.base.errors import IbackupError

_LACKING = ("no such collation sequence: ", "no such module", "no such tokenizer", "no such function")
_MAX_COLLATIONS = 20
_MAX_FLAWS = 5
_MAX_TEXT = 2000  # characters


@dataclass(frozen=True, slots=True)
class DatabaseVerdict:
    """What SQLite says about one database: ``flaw`` is empty if it is sound, ``unchecked`` says why it is unknown."""

    what: str
    entry: Entry
    flaw: str = ""
    unchecked: str = ""


def check_databases(backup: Backup) -> Iterator[DatabaseVerdict]:
    """Check the well-known databases that the backup has. Raises the same errors as ``Backup.entry``."""
    for what, place in DATABASES:
        entry = backup.entry(*place)
        if entry is not None:
            yield _check(backup, what, entry)


def _check(backup: Backup, what: str, entry: Entry) -> DatabaseVerdict:
    folder = tempfile.mkdtemp(prefix="ibackup-")  # mode 0700
    try:
        copy = os.path.join(folder, "copy.db")
        _copy(entry, copy)
        # Without its write-ahead log, a database that was in use is outdated or even inconsistent.
        log = backup.entry(entry.domain, entry.relative_path + "-wal")
        if log is not None:
            _copy(log, copy + "-wal")
        flaw, unchecked = isolated.run(
            "ibackup.apple.verify.app_databases:integrity",
            copy,
            seconds=isolated.seconds_for(os.path.getsize(copy)),
        )
        return DatabaseVerdict(what, entry, _shown(flaw), _shown(unchecked))
    except isolated.Unfinished as error:
        return DatabaseVerdict(what, entry, unchecked=str(error))
    except (OSError, IbackupError) as error:
        # A separate finding reports what cannot be read or decrypted.
        return DatabaseVerdict(what, entry, unchecked=str(error))
    finally:
        held.remove_tree(folder, ignore_errors=True)


def _copy(entry: Entry, target: str) -> None:
    def private(path: str, flags: int) -> int:
        return os.open(path, flags, 0o600)

    with entry.open() as source, open(target, "xb", opener=private) as sink:
        shutil.copyfileobj(source, sink, 256 * 1024)


def _shown(said: object) -> str:
    """What the other process says, made safe to show because it read untrusted data."""
    return "".join(char if char.isprintable() else "?" for char in str(said)[:_MAX_TEXT])


def integrity(path: str) -> tuple[str, str]:
    """What SQLite says about a database, as ``flaw`` and ``unchecked`` of a verdict; run it in a separate process."""
    try:
        return _integrity(path)
    except MemoryError:
        return "", "it needs more memory than allowed"


def _integrity(path: str) -> tuple[str, str]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # SQLite reports a cut page in an app's database, no matter what bytes its texts have.
        connection.text_factory = bytes
        pragma = f"integrity_check({_MAX_FLAWS})"
        for _ in range(_MAX_COLLATIONS):
            try:
                for setting in ("trusted_schema = OFF", "ignore_check_constraints = ON"):
                    connection.execute(f"PRAGMA {setting}").close()
                rows = connection.execute(f"PRAGMA {pragma}").fetchall()
            except (sqlite3.Error, UnicodeDecodeError) as error:
                text = str(error)
                if text.startswith(_LACKING[0]):
                    # The phone's own sort orders do not exist here, so the order of indexes is not checked.
                    connection.create_collation(text.removeprefix(_LACKING[0]), _byte_order)
                    pragma = f"quick_check({_MAX_FLAWS})"
                    continue
                return ("", text) if text.startswith(_LACKING) else (text, "")
            flaws = [flaw for (said,) in rows for flaw in flaws_in(said)]
            real = [line for line in flaws if not any(lacking in line for lacking in _LACKING)]
            if flaws and not real:
                return "", flaws[0]
            return "; ".join(real[:_MAX_FLAWS]), ""
        return "", "it uses its own sort orders"


def _byte_order(left: str, right: str) -> int:
    return (left > right) - (left < right)
