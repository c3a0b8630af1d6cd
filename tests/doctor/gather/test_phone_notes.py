"""The plists in which a phone remembers iCloud Backup, and its accounts."""

import plistlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.apple import plist_values
from ibackup.apple.format_errors import FormatError
from ibackup.base import isolated
from ibackup.doctor.gather import phone_files
from ibackup.doctor.gather.phone_notes import app_of, parse_notes
from ibackup.simulator import cloudfiles
from ibackup.simulator.cloudspec import AttemptSpec, ICloudSpec, SizeSpec, WindowSpec
from ibackup.simulator.spec import PhoneSpec
from support import endless_sql

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CLOUD = ICloudSpec(
    now=NOW.timestamp(),
    last_backup_days=9,
    attempts=(
        AttemptSpec(code=303, days=0.5, text="Not enough storage"),
        AttemptSpec(code=100, days=1, path="AppDomain-com.example.notes:Documents/a.db"),
        AttemptSpec(code=0, days=9),
    ),
    windows=(WindowSpec(days=2, hours=6, short=True), WindowSpec(days=1, hours=0.2, ended_by="power")),
    window_lines=("broken",),
    sizes=(
        SizeSpec(domain="AppDomain-com.example.a", bytes=5),
        SizeSpec(domain="AppDomain-com.example.b", bytes=7),
        SizeSpec(domain="HomeDomain", bytes=100),
    ),
    pending=60,
    progress=0.25,
    failures=4,
    retry_hours=-6,
    restore_days=3,
    restore_state=2,
    skipped=("AppDomain-com.example.b/x", "HomeDomain/y"),
)


def dumped(table: dict[str, object]) -> bytes:
    return plistlib.dumps(table, fmt=plistlib.FMT_BINARY)


def test_everything_that_is_noted() -> None:
    notes = parse_notes(dumped(cloudfiles.notes(CLOUD)), NOW)
    assert [(each.code, each.date) for each in notes.errors] == [
        (303, NOW - timedelta(days=0.5)),
        (100, NOW - timedelta(days=1)),
        (0, NOW - timedelta(days=9)),
    ]
    assert notes.errors[0].text == "Not enough storage"
    assert notes.errors[1].app == "com.example.notes"
    assert notes.last_success == NOW - timedelta(days=9)
    assert [window.ended_by for window in notes.windows] == [("power",), ("lock",)]
    assert notes.sizing is not None
    assert notes.sizing.total == 112
    assert next(iter(notes.sizing.domains)) == "HomeDomain"
    assert notes.pending_bytes == 60
    assert notes.progress == 0.25
    assert notes.is_cloud is True
    assert notes.failure_count == 4
    assert notes.retry_after == NOW + timedelta(hours=6)
    assert notes.account_enabled == NOW - timedelta(days=300)
    assert notes.restore is not None
    assert (notes.restore.date, notes.restore.state) == (NOW - timedelta(days=3), 2)
    assert notes.skipped_apps == ("com.example.b",)


def test_missing_keys_are_unknown() -> None:
    notes = parse_notes(dumped({}), NOW)
    assert notes.errors == ()
    assert notes.sizing is None
    assert notes.failure_count is None
    assert notes.retry_after is None
    assert notes.restore is None


def test_what_is_no_plist() -> None:
    with pytest.raises(FormatError):
        parse_notes(b"<html>", NOW)


def test_dates_of_errors_in_every_spelling() -> None:
    def when(date: object) -> datetime | None:
        return (
            parse_notes(dumped({"BackupStateInfo": {"errors": [{"code": 1, "date": date}]}}), NOW)
            .errors[0]
            .date
        )

    wanted = datetime(2023, 2, 22, 18, 24, 49, tzinfo=UTC)
    assert when("2023-02-22T18:24:49.000000") == wanted
    assert when("2023-02-22T18:24:49Z") == wanted
    assert when("2023-02-22T10:24:49-08:00") == wanted
    assert when(datetime(2023, 2, 22, 18, 24, 49)) == wanted  # noqa: DTZ001 - as plists have it
    for bad in ("nonsense", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", datetime(1, 1, 1)):  # noqa: DTZ001
        assert when(bad) is None


def test_one_error_alone_counts_when_there_is_no_list() -> None:
    notes = parse_notes(dumped({"BackupStateInfo": {"error": {"code": 22, "domain": "MBErrorDomain"}}}), NOW)
    assert [error.code for error in notes.errors] == [22]


ODD = st.recursive(
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=8),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=8), below, max_size=4),
    max_leaves=8,
)
KEYS = (
    "BackupStateInfo",
    "PreflightSizing",
    "LastOnConditionEvents",
    "RetryAfter",
    "FailureCount",
    "RestoreInfo",
    "RestoreStateInfo",
    "RemoteConfiguration",
    "SkippedFilesFromBackup",
    "ServerRestrictedDomains",
    "AccountEnabledDate",
)


@given(st.dictionaries(st.sampled_from(KEYS), ODD))
def test_no_shape_is_an_error(table: dict[str, object]) -> None:
    notes = parse_notes(dumped(table), NOW)
    assert all(error.domain.isprintable() for error in notes.errors)


@pytest.mark.parametrize(
    ("text", "app"),
    [
        ("AppDomain-com.example.app:Library/x", "com.example.app"),
        ("uploading AppDomainGroup-group.com.example/x", "group.com.example"),
        ("AppDomainPlugin-com.example.ext.", "com.example.ext"),
        ("HomeDomain:Library/x", ""),
        ("AppDomain-<private>:x", ""),
    ],
)
def test_whose_data_a_line_names(text: str, app: str) -> None:
    assert app_of(text) == app


# -- both epochs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unix", [False, True])
def test_the_last_backup_in_either_epoch(unix: bool) -> None:
    cloud = ICloudSpec(now=NOW.timestamp(), last_backup_days=9, unix_epoch=unix)
    found = phone_files.cloud_date(cloudfiles.ldbackup(PhoneSpec(), cloud), NOW)
    assert found is not None
    assert found.date == NOW - timedelta(days=9)
    assert not found.in_future


@pytest.mark.parametrize("unix", [False, True])
def test_a_date_in_the_future(unix: bool) -> None:
    cloud = ICloudSpec(now=NOW.timestamp(), last_backup_days=-1, unix_epoch=unix)
    found = phone_files.cloud_date(cloudfiles.ldbackup(PhoneSpec(), cloud), NOW)
    assert found is not None
    assert found.in_future


def test_no_date_and_never_are_not_the_same() -> None:
    assert phone_files.cloud_date({}, NOW) is None
    assert phone_files.cloud_date({"LastCloudBackupDate": "soon"}, NOW) is None
    never = phone_files.cloud_date({"LastCloudBackupDate": 0}, NOW)
    assert never is not None
    assert never.date is None


@given(st.integers(946_684_800, 4_000_000_000))
def test_the_rule_of_the_epoch(moment: int) -> None:
    """A date of 2001 on reads the same in either epoch, from ten years after it to the day before it."""
    now = datetime.fromtimestamp(moment, UTC) + timedelta(days=100)
    assert plist_values.phone_time({"": moment}, "", now) == datetime.fromtimestamp(moment, UTC)
    since_2001 = moment - 978_307_200
    if since_2001 > 0 and now.timestamp() - since_2001 > 315_360_000:
        assert plist_values.phone_time({"": since_2001}, "", now) == datetime.fromtimestamp(moment, UTC)


# -- restrictions and accounts ---------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [True, False, None])
def test_whether_icloud_backup_is_allowed(allowed: bool | None) -> None:
    data = dumped(cloudfiles.user_settings(PhoneSpec(), ICloudSpec(allowed=allowed)))
    settings = phone_files.parse_user_settings(data)
    assert settings.allow_cloud_backup is allowed
    assert settings.allow_account_modification is None


@pytest.mark.parametrize(("account", "others", "wanted"), [(True, 2, 1), (False, 1, 0), (False, 0, 0)])
def test_accounts_are_counted(account: bool, others: int, wanted: int) -> None:
    cloud = ICloudSpec(account=account, other_accounts=others)
    data = next(
        file.data for file in cloudfiles.files(PhoneSpec(), cloud) if file.path == cloudfiles.ACCOUNTS
    )
    assert phone_files.count_accounts(data) == wanted


def test_an_account_database_in_write_ahead_mode() -> None:
    data = next(
        file.data for file in cloudfiles.files(PhoneSpec(), CLOUD) if file.path == cloudfiles.ACCOUNTS
    )
    assert phone_files.count_accounts(data[:18] + b"\x02\x02" + data[20:]) == 1


def hostile(script: str) -> bytes:
    database = sqlite3.connect(":memory:")
    database.executescript(script)
    data = database.serialize()
    database.close()
    return data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SQLite format 3\0" + bytes(200),
        hostile("CREATE TABLE other (a)"),
        hostile(
            "CREATE TABLE ZACCOUNTTYPE (Z_PK, ZIDENTIFIER, ZACCOUNTTYPEDESCRIPTION);"
            "CREATE VIEW ZACCOUNT AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c)"
            " SELECT x AS ZACCOUNTTYPE FROM c"
        ),
        hostile("CREATE TABLE ZACCOUNT (a); CREATE TABLE ZACCOUNTTYPE (b)"),
    ],
    ids=["empty", "zeros", "other", "endless_view", "no_columns"],
)
def test_what_is_no_account_database(data: bytes) -> None:
    with pytest.raises(FormatError):
        phone_files.count_accounts(data)


def test_accounts_that_would_take_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE ZACCOUNTTYPE (ZIDENTIFIER, ZACCOUNTTYPEDESCRIPTION)")
        db.execute("INSERT INTO ZACCOUNTTYPE VALUES ('a', 'iCloud')")
        db.execute("CREATE TABLE ZACCOUNT (Z_PK, ZACCOUNTTYPE)")
        db.execute("INSERT INTO ZACCOUNT VALUES (1, 1)")
        endless_sql.swap(
            db, "ZACCOUNTTYPE", "(ZIDENTIFIER", f"(Z_PK AS ({endless_sql.FOR_EVER}), ZIDENTIFIER"
        )

    monkeypatch.setattr(isolated, "seconds_for", lambda _size: 1.0)
    with pytest.raises(FormatError):
        phone_files.count_accounts(endless_sql.database(tmp_path, change))
