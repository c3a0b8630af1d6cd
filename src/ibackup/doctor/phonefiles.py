"""The other files in which a phone tells of iCloud: its switch and date, restrictions, accounts, known networks.

Each function takes a file's bytes and raises FormatError when it is not what it should be.
"""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

from ibackup.device import values
from ibackup.device.values import NOTHING, Values
from ibackup.doctor.evidence import Accounts, CloudDate, KnownNetworks, UserSettings
from ibackup.manifest import plists
from ibackup.manifest.flaws import FormatError

LARGEST_PLIST = 16 << 20
LARGEST_DATABASE = 48 << 20
ACCEPTABLE_CLOCK_ERROR = timedelta(minutes=10)
_ICLOUD = ("com.apple.account.AppleAccount", "com.apple.account.iCloud")
_MOST_STEPS = 2_000_000  # of SQLite's machine: counting a few accounts takes some hundred


def parse_settings_values(data: bytes) -> Values:
    """com.apple.mobile.ldbackup.plist: the keys of lockdown's com.apple.mobile.backup."""
    return _dict(data, "com.apple.mobile.ldbackup.plist")


def cloud_date(backup: Values, now: datetime) -> CloudDate | None:
    """The last finished iCloud backup; None when nothing is said of it."""
    if "LastCloudBackupDate" not in backup:
        return None
    date = values.phone_time(backup, "LastCloudBackupDate", now)
    if date is None and backup.get("LastCloudBackupDate") != 0:
        return None  # a shape that is not known
    return CloudDate(
        date=date,
        zone=values.shown(backup, "LastCloudBackupTZ"),
        in_future=date is not None and date - now > ACCEPTABLE_CLOCK_ERROR,
    )


def parse_user_settings(data: bytes) -> UserSettings:
    """EffectiveUserSettings.plist: what all profiles and restrictions come to."""
    flags = values.mapping(_dict(data, "EffectiveUserSettings.plist").get("restrictedBool")) or NOTHING

    def flag(name: str) -> bool | None:
        return values.boolean(values.mapping(flags.get(name)) or NOTHING, "value")

    return UserSettings(
        allow_cloud_backup=flag("allowCloudBackup"),
        allow_account_modification=flag("allowAccountModification"),
        allow_cloud_photos=flag("allowCloudPhotoLibrary"),
        force_automatic_time=flag("forceAutomaticDateAndTime"),
        force_encrypted_backup=flag("forceEncryptedBackup"),
    )


def parse_networks(data: bytes) -> KnownNetworks:
    """com.apple.wifi.known-networks.plist."""
    networks = [
        network
        for each in _dict(data, "com.apple.wifi.known-networks.plist").values()
        if (network := values.mapping(each)) is not None
    ]
    joined = [
        date
        for network in networks
        for key in ("JoinedByUserAt", "JoinedBySystemAt")
        if (date := values.phone_time(network, key)) is not None
    ]
    captive = [values.mapping(network.get("CaptiveProfile")) or NOTHING for network in networks]
    return KnownNetworks(
        count=len(networks),
        last_joined=max(joined, default=None),
        captive=sum(values.boolean(each, "CaptiveNetwork") is True for each in captive),
        hidden=sum(values.boolean(each, "Hidden") is True for each in networks),
    )


def count_accounts(data: bytes) -> Accounts:
    """Accounts3.sqlite: how many accounts there are; nothing of them is kept."""
    part = "Accounts3.sqlite"
    if len(data) < 100 or not data.startswith(b"SQLite format 3\0"):
        raise FormatError(part, "it is not an SQLite database")
    # 2 means a write-ahead log, which a database in memory cannot have.
    plain = data[:18] + b"\x01\x01" + data[20:]
    try:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.deserialize(plain)
            return _count(connection)
    except (sqlite3.Error, OverflowError, UnicodeDecodeError):
        raise FormatError(part, "it is damaged, or of a form that is not known") from None


def _count(connection: sqlite3.Connection) -> Accounts:
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
        raise FormatError("Accounts3.sqlite", "it has no table of accounts")
    icloud, everything = connection.execute(
        "SELECT count(CASE WHEN t.ZIDENTIFIER IN (?, ?) OR t.ZACCOUNTTYPEDESCRIPTION = 'iCloud' THEN 1 END), count(*)"
        " FROM ZACCOUNT a LEFT JOIN ZACCOUNTTYPE t ON t.Z_PK = a.ZACCOUNTTYPE",
        _ICLOUD,
    ).fetchone()
    return Accounts(icloud=int(icloud), all=int(everything))


def _dict(data: bytes, part: str) -> Values:
    found = values.mapping(plists.load(data, limit=LARGEST_PLIST, part=part))
    if found is None:
        raise FormatError(part, "it holds no dictionary")
    return found
