"""The phone's other files about iCloud: its switch and date, restrictions, accounts.

Each function takes a file's bytes and raises FormatError if the file is not in the expected format.
"""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

from ibackup.apple import plist_values, plists
from ibackup.apple.format_errors import FormatError
from ibackup.apple.plist_values import NOTHING, Values
from ibackup.base import isolated
from ibackup.doctor.evidence.noted_evidence import UserSettings
from ibackup.doctor.evidence.phone_evidence import CloudDate

LARGEST_PLIST = 16 << 20
LARGEST_DATABASE = 48 << 20
ACCEPTABLE_CLOCK_ERROR = timedelta(minutes=10)
_ICLOUD = ("com.apple.account.AppleAccount", "com.apple.account.iCloud")
_MOST_STEPS = 2_000_000  # steps of SQLite's virtual machine: counting a few accounts takes a few hundred


def parse_settings_values(data: bytes) -> Values:
    """com.apple.mobile.ldbackup.plist: the keys of lockdown's com.apple.mobile.backup."""
    return _dict(data, "com.apple.mobile.ldbackup.plist")


def cloud_date(backup: Values, now: datetime) -> CloudDate | None:
    """The last finished iCloud backup; None if the file does not mention one."""
    if "LastCloudBackupDate" not in backup:
        return None
    date = plist_values.phone_time(backup, "LastCloudBackupDate", now)
    if date is None and backup.get("LastCloudBackupDate") != 0:
        return None  # an unknown format
    return CloudDate(
        date=date,
        in_future=date is not None and date - now > ACCEPTABLE_CLOCK_ERROR,
    )


def parse_user_settings(data: bytes) -> UserSettings:
    """EffectiveUserSettings.plist: the combined effect of all profiles and restrictions."""
    flags = plist_values.mapping(_dict(data, "EffectiveUserSettings.plist").get("restrictedBool")) or NOTHING

    def flag(name: str) -> bool | None:
        return plist_values.boolean(plist_values.mapping(flags.get(name)) or NOTHING, "value")

    return UserSettings(
        allow_cloud_backup=flag("allowCloudBackup"),
        allow_account_modification=flag("allowAccountModification"),
    )


def count_accounts(data: bytes) -> int:
    """Accounts3.sqlite: how many iCloud accounts there are; nothing about them is kept."""
    part = "Accounts3.sqlite"
    if len(data) < 100 or not data.startswith(b"SQLite format 3\0"):
        raise FormatError(part, "it is not a SQLite database")
    # 2 means a write-ahead log, which a database in memory cannot have.
    plain = data[:18] + b"\x01\x01" + data[20:]
    try:
        seconds = isolated.seconds_for(len(plain))
        return int(isolated.run("ibackup.doctor.gather.phone_files:count", seconds=seconds, given=plain))
    except (isolated.Unfinished, TypeError, ValueError, OverflowError):
        raise FormatError(part, "it is damaged or in an unknown format") from None


def count(data: bytes) -> int | None:
    """How many iCloud accounts a database has; runs in a separate process."""
    try:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.deserialize(data)
            return _count(connection)
    except (sqlite3.Error, OverflowError, UnicodeDecodeError):
        return None


def _count(connection: sqlite3.Connection) -> int | None:
    connection.text_factory = bytes
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 20)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.set_progress_handler(lambda: 1, _MOST_STEPS)
    kinds = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('ZACCOUNT', 'ZACCOUNTTYPE')"
        " AND rootpage > 0"
    ).fetchone()
    if kinds != (2,):
        return None
    (accounts,) = connection.execute(
        "SELECT count(*) FROM ZACCOUNT a JOIN ZACCOUNTTYPE t ON t.Z_PK = a.ZACCOUNTTYPE"
        " WHERE t.ZIDENTIFIER IN (?, ?) OR t.ZACCOUNTTYPEDESCRIPTION = 'iCloud'",
        _ICLOUD,
    ).fetchone()
    return int(accounts)


def _dict(data: bytes, part: str) -> Values:
    found = plist_values.mapping(plists.load(data, limit=LARGEST_PLIST, part=part))
    if found is None:
        raise FormatError(part, "it is not a dictionary")
    return found
