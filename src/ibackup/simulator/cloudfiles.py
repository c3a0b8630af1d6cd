"""The files in which a phone remembers iCloud Backup, as its backups contain them.

Names, keys and the fields of a window line are the ones that public parsers read from backups of iOS 12 to
27.
"""

import plistlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from ibackup.simulator.cloudspec import AttemptSpec, ICloudSpec, WindowSpec
from ibackup.simulator.life.life_file import APPLE_EPOCH, LifeFile
from ibackup.simulator.spec import PhoneSpec

NOTES: Final = "Library/Preferences/com.apple.MobileBackup.plist"
LDBACKUP: Final = "Library/Preferences/com.apple.mobile.ldbackup.plist"
USER_SETTINGS: Final = "Library/UserConfigurationProfiles/EffectiveUserSettings.plist"
ACCOUNTS: Final = "Library/Accounts/Accounts3.sqlite"
NETWORKS: Final = "com.apple.wifi.known-networks.plist"

_ACCOUNTS_SCHEMA = """
CREATE TABLE ZACCOUNT (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZACTIVE INTEGER,
  ZAUTHENTICATED INTEGER, ZSUPPORTSAUTHENTICATION INTEGER, ZVISIBLE INTEGER, ZACCOUNTTYPE INTEGER,
  ZPARENTACCOUNT INTEGER, ZDATE TIMESTAMP, ZLASTCREDENTIALRENEWALREJECTIONDATE TIMESTAMP,
  ZACCOUNTDESCRIPTION VARCHAR, ZAUTHENTICATIONTYPE VARCHAR, ZCREDENTIALTYPE VARCHAR, ZIDENTIFIER VARCHAR,
  ZOWNINGBUNDLEID VARCHAR, ZUSERNAME VARCHAR, ZDATACLASSPROPERTIES BLOB);
CREATE TABLE ZACCOUNTTYPE (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, Z_OPT INTEGER, ZENCRYPTACCOUNTPROPERTIES INTEGER,
  ZOBSOLETE INTEGER, ZSUPPORTSAUTHENTICATION INTEGER, ZSUPPORTSMULTIPLEACCOUNTS INTEGER, ZVISIBILITY INTEGER,
  ZACCOUNTTYPEDESCRIPTION VARCHAR, ZCREDENTIALPROTECTIONPOLICY VARCHAR, ZCREDENTIALTYPE VARCHAR,
  ZIDENTIFIER VARCHAR, ZOWNINGBUNDLEID VARCHAR);
"""
_TYPES = (("iCloud", "com.apple.account.AppleAccount"), ("IMAP", "com.apple.account.IMAP"))


def files(spec: PhoneSpec, cloud: ICloudSpec) -> Iterator[LifeFile]:
    """Every such file, with plists in binary, as phones write them."""
    when = int(cloud.now)
    if cloud.notes_in != "nowhere":
        yield LifeFile(cloud.notes_in, NOTES, _plist(notes(cloud)), when)
    yield LifeFile("HomeDomain", LDBACKUP, _plist(ldbackup(spec, cloud)), when)
    yield LifeFile("HomeDomain", USER_SETTINGS, _plist(user_settings(spec, cloud)), when)
    yield LifeFile("HomeDomain", ACCOUNTS, _accounts(cloud), when)
    yield LifeFile("SystemPreferencesDomain", NETWORKS, _plist(_networks(cloud)), when)


def ldbackup(spec: PhoneSpec, cloud: ICloudSpec) -> dict[str, object]:
    """com.apple.mobile.ldbackup.plist; also what lockdown reports about iCloud in com.apple.mobile.backup."""
    values: dict[str, object] = {"CloudBackupEnabled": spec.cloud_backup}
    if cloud.last_backup_days is not None:
        last = int(cloud.days_ago(cloud.last_backup_days))
        values["LastCloudBackupDate"] = last if cloud.unix_epoch else last - APPLE_EPOCH
        values["LastCloudBackupTZ"] = "GMT+2"
    return values


def notes(cloud: ICloudSpec) -> dict[str, object]:
    """com.apple.MobileBackup.plist."""
    values: dict[str, object] = {
        "BackupStateInfo": _state(cloud),
        "LastOnConditionEvents": [*(_window(cloud, each) for each in cloud.windows), *cloud.window_lines],
        "FailureCount": cloud.failures,
        "RemoteConfiguration": {"BackupPeriod": 86_400, "BackupWarningPeriod": 1_209_600},
    }
    if cloud.enabled_days is not None:
        values["AccountEnabledDate"] = _date(cloud, cloud.enabled_days)
    if cloud.sizes:
        sizes = {each.domain: each.bytes for each in cloud.sizes}
        values["PreflightSizing"] = {**sizes, "_TotalSize": sum(sizes.values())}
    if cloud.pending is not None:
        values["LastPendingSnapshotSize"] = cloud.pending
    if cloud.retry_hours is not None:
        values["RetryAfter"] = _date(cloud, cloud.retry_hours / 24)
    if cloud.restore_days is not None:
        values["RestoreInfo"] = {
            "RestoreDate": _date(cloud, cloud.restore_days),
            "WasCloudRestore": True,
            "BackupBuildVersion": "22F76",
            "DeviceBuildVersion": "22G100",
        }
    if cloud.restore_state is not None:
        values["RestoreStateInfo"] = {"state": cloud.restore_state, "isCloud": True}
    if cloud.skipped:
        values["SkippedFilesFromBackup"] = list(cloud.skipped)
    return values


def user_settings(spec: PhoneSpec, cloud: ICloudSpec) -> dict[str, object]:
    """EffectiveUserSettings.plist."""
    allowed = {
        "allowCamera": True,
        "allowCloudBackup": cloud.allowed,
        "allowAccountModification": cloud.account_changes_allowed,
        "forceEncryptedBackup": spec.requires_encryption,
    }
    return {
        "restrictedBool": {key: {"value": value} for key, value in allowed.items() if value is not None},
        "restrictedValue": {"maxInactivity": {"value": 5}},
    }


def _state(cloud: ICloudSpec) -> dict[str, object]:
    state: dict[str, object] = {
        "state": cloud.state,
        "isCloud": True,
        "isBackground": True,
        "date": _date(cloud, cloud.attempts[0].days if cloud.attempts else 1),
        "backupAttemptCount": len(cloud.attempts),
        "errors": [_error(cloud, each) for each in cloud.attempts],
    }
    if cloud.progress is not None:
        state["progress"] = cloud.progress
    return state


def _error(cloud: ICloudSpec, attempt: AttemptSpec) -> dict[str, object]:
    error: dict[str, object] = {
        "domain": attempt.domain,
        "code": attempt.code,
        "localizedDescription": attempt.text or ("" if not attempt.code else f"Error {attempt.code}"),
        "date": _aware(cloud, attempt.days).strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "build": "22G100",
    }
    if attempt.path:
        error["filePath"] = attempt.path
    return error


def _window(cloud: ICloudSpec, window: WindowSpec) -> str:
    start = _aware(cloud, window.days).isoformat(timespec="milliseconds")
    held = {name: int(name != window.ended_by) for name in ("enabled", "power", "lock", "wifi")}
    fields = [
        start,
        f"{window.hours * 3600:.3f}",
        *(held[name] for name in ("enabled", "power", "lock", "wifi")),
        int(window.scheduled),
        int(window.running),
        120,
        0,
        15_023,
        cloud.failures,
        "MBErrorDomain" if window.code else "",
        window.code,
    ]
    if not window.short:
        fields += [2, 0, int(window.expensive), 0, 0]
    return "|".join(str(field) for field in fields)


def _networks(cloud: ICloudSpec) -> dict[str, object]:
    return {
        f"wifi.network.ssid.Example {number}": {
            "SSID": f"Example {number}".encode(),
            "AddedAt": _date(cloud, 200 + number),
            "JoinedByUserAt": _date(cloud, 100 + number),
            "JoinedBySystemAt": _date(cloud, number + 0.5),
            "Hidden": number == 1,
            "CaptiveProfile": {"CaptiveNetwork": number == 0},
            "SupportedSecurityTypes": "WPA2/WPA3 Personal",
        }
        for number in range(cloud.networks)
    }


def _accounts(cloud: ICloudSpec) -> bytes:
    database = sqlite3.connect(":memory:")
    database.executescript(_ACCOUNTS_SCHEMA)
    database.executemany(
        "INSERT INTO ZACCOUNTTYPE (Z_PK, ZACCOUNTTYPEDESCRIPTION, ZIDENTIFIER) VALUES (?, ?, ?)",
        [(number, name, identifier) for number, (name, identifier) in enumerate(_TYPES, start=1)],
    )
    kinds = [1] * cloud.account + [2] * cloud.other_accounts
    database.executemany(
        "INSERT INTO ZACCOUNT (Z_PK, ZACTIVE, ZACCOUNTTYPE, ZDATE, ZUSERNAME, ZIDENTIFIER) VALUES (?, 1, ?, ?, ?, ?)",
        [
            (
                number,
                kind,
                cloud.days_ago(400) - APPLE_EPOCH,
                f"person{number}@example.org",
                f"account-{number}",
            )
            for number, kind in enumerate(kinds, start=1)
        ],
    )
    database.commit()
    data = database.serialize()
    database.close()
    return data


def _aware(cloud: ICloudSpec, days: float) -> datetime:
    return datetime.fromtimestamp(cloud.days_ago(days), UTC)


def _date(cloud: ICloudSpec, days: float) -> datetime:
    """A date as plists store it: UTC, without a time zone."""
    return _aware(cloud, days).replace(tzinfo=None, microsecond=0)


def _plist(values: dict[str, object]) -> bytes:
    return plistlib.dumps(values, fmt=plistlib.FMT_BINARY)
