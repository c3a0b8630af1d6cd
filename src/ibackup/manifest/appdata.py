"""The databases that people care about, opened on a private copy and checked by SQLite itself."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from ibackup.errors import IbackupError
from ibackup.manifest.backup import Backup, Entry
from ibackup.manifest.database import flaws_in

_APP_GROUP = "AppDomainGroup-group."

DATABASES: tuple[tuple[str, str, str], ...] = (
    ("messages", "HomeDomain", "Library/SMS/sms.db"),
    ("contacts", "HomeDomain", "Library/AddressBook/AddressBook.sqlitedb"),
    ("contact pictures", "HomeDomain", "Library/AddressBook/AddressBookImages.sqlitedb"),
    ("call history", "HomeDomain", "Library/CallHistoryDB/CallHistory.storedata"),
    ("call history", "WirelessDomain", "Library/CallHistory/call_history.db"),
    ("photos", "CameraRollDomain", "Media/PhotoData/Photos.sqlite"),
    ("notes", f"{_APP_GROUP}com.apple.notes", "NoteStore.sqlite"),
    ("notes", "HomeDomain", "Library/Notes/notes.sqlite"),
    ("calendar", "HomeDomain", "Library/Calendar/Calendar.sqlitedb"),
    ("health", "HealthDomain", "Health/healthdb.sqlite"),
    ("health", "HealthDomain", "Health/healthdb_secure.sqlite"),
    ("WhatsApp", f"{_APP_GROUP}net.whatsapp.WhatsApp.shared", "ChatStorage.sqlite"),
)
"""What, domain and path of each; the path is the one that the phone's own apps use."""

_LACKING = ("no such collation sequence: ", "no such module", "no such tokenizer", "no such function")
_MAX_COLLATIONS = 20
_MAX_FLAWS = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What SQLite says of one database: ``flaw`` is empty when it is sound, ``unchecked`` says why it could not."""

    what: str
    entry: Entry
    flaw: str = ""
    unchecked: str = ""


def check_databases(backup: Backup) -> Iterator[Verdict]:
    """Check those of the well-known databases that the backup has. Raises as ``Backup.entry``."""
    for what, domain, path in DATABASES:
        entry = backup.entry(domain, path)
        if entry is not None:
            yield _check(backup, what, entry)


def _check(backup: Backup, what: str, entry: Entry) -> Verdict:
    folder = tempfile.mkdtemp(prefix="ibackup-")  # mode 0700
    try:
        copy = os.path.join(folder, "copy.db")
        _copy(entry, copy)
        # Without its write-ahead log a database that was in use is an older one, at worst a torn one.
        log = backup.entry(entry.domain, entry.relative_path + "-wal")
        if log is not None:
            _copy(log, copy + "-wal")
        return _integrity(copy, what, entry)
    except (OSError, IbackupError) as error:
        # What cannot be read or decrypted is a finding of its own.
        return Verdict(what, entry, unchecked=str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(entry: Entry, target: str) -> None:
    def private(path: str, flags: int) -> int:
        return os.open(path, flags, 0o600)

    with entry.open() as source, open(target, "xb", opener=private) as sink:
        shutil.copyfileobj(source, sink, 256 * 1024)


def _integrity(path: str, what: str, entry: Entry) -> Verdict:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # A page that was cut in an app's database is told by SQLite, whatever bytes its texts have.
        connection.text_factory = bytes
        pragma = f"integrity_check({_MAX_FLAWS})"
        for _ in range(_MAX_COLLATIONS):
            try:
                connection.execute("PRAGMA trusted_schema = OFF").close()
                rows = connection.execute(f"PRAGMA {pragma}").fetchall()
            except (sqlite3.Error, UnicodeDecodeError) as error:
                text = str(error)
                if text.startswith(_LACKING[0]):
                    # The phone's own sort orders do not exist here; the order of indexes is then not checked.
                    connection.create_collation(text.removeprefix(_LACKING[0]), _byte_order)
                    pragma = f"quick_check({_MAX_FLAWS})"
                    continue
                if text.startswith(_LACKING):
                    return Verdict(what, entry, unchecked=text)
                return Verdict(what, entry, flaw=text)
            flaws = [flaw for (said,) in rows for flaw in flaws_in(said)]
            real = [line for line in flaws if not any(lacking in line for lacking in _LACKING)]
            if flaws and not real:
                return Verdict(what, entry, unchecked=flaws[0])
            return Verdict(what, entry, flaw="; ".join(real[:_MAX_FLAWS]))
        return Verdict(what, entry, unchecked="it has sort orders of its own")


def _byte_order(left: str, right: str) -> int:
    return (left > right) - (left < right)
