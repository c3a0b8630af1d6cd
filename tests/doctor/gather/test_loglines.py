"""What lines of the phone's log say, in the words of several versions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.device.services.os_trace import LogLine
from ibackup.doctor.evidence.phone_evidence import Conditions, Live
from ibackup.doctor.gather.log_lines import conditions_in, errors_in, hear, is_concerned

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def line(text: str, process: str = "backupd", date: datetime = NOW) -> LogLine:
    return LogLine(date=date, process=process, text=text)


def heard(*texts: str, process: str = "backupd") -> Live:
    live = Live(seconds=0)
    for text in texts:
        live = hear(live, line(text, process))
    return live


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "[On condition] enabled:1, locked:1, onPower:1, onWiFi:1, onCellular:0(0), autoBackupOnCellularEnabled:0",
            Conditions(enabled=True, locked=True, on_power=True, on_wifi=True),
        ),
        (
            "[Off condition after 60s] enabled: 1, locked: 0, onPower: 0, onWiFi: 1",
            Conditions(enabled=True, locked=False, on_power=False, on_wifi=True),
        ),
        ("conditions onPower=1 onWiFi=0", Conditions(on_power=True, on_wifi=False)),
        ("[Off condition] <private>", None),
        ("enabled:1 for something else", None),
        ("locked:1, enabled:0", None),
    ],
)
def test_the_four_conditions(text: str, wanted: Conditions | None) -> None:
    assert conditions_in(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('Backup failed: Error Domain=MBErrorDomain Code=303 "<private>"', [("MBErrorDomain", 303)]),
        ("failed with MBErrorDomain/209", [("MBErrorDomain", 209)]),
        ("(NSURLErrorDomain: -1001)", [("NSURLErrorDomain", -1001)]),
        (
            'Failed to upload AppDomain-com.example.flip:Library/… CKError "Asset File Not Found" (16/3002)',
            [("CKErrorDomain", 16)],
        ),
        ('MBCKBatchSave failed CKError "Partial Failure" (2/1011)', [("CKErrorDomain", 2)]),
        ("MBErrorDomain 0", []),
        ("MBErrorDomain is a domain with 5 letters or more than twelve signs away 22", []),
        ("NSCocoaErrorDomain 1234567", []),
    ],
)
def test_errors_and_their_numbers(text: str, wanted: list[tuple[str, int]]) -> None:
    assert [(error.domain, error.code) for error in errors_in(line(text))] == wanted


def test_the_local_backup_uses_the_same_domain_and_counts_for_nothing() -> None:
    text = "Failed to upload <private> MBErrorDomain:105"
    assert not is_concerned(line(text, "BackupAgent2"), NOW)
    assert errors_in(line(text, "BackupAgent2")) == ()
    assert [error.code for error in errors_in(line(text))] == [105]


@pytest.mark.parametrize(
    ("age", "counts"), [(0, True), (10, True), (-60, True), (3600, False), (86_400, False)]
)
def test_lines_from_before_do_not_count(age: float, counts: bool) -> None:
    assert is_concerned(line("x", date=NOW - timedelta(seconds=age)), NOW) is counts


def test_which_app_stops_it_and_how_often() -> None:
    failed = 'Failed to upload AppDomain-com.example.flip:Library/x CKError "Asset File Not Found" (16/3002)'
    live = heard(
        failed, failed, 'Failed to upload AppDomain-com.example.b:y CKError "x" (17/3002)', "MBErrorDomain 1"
    )
    assert live.apps == {"com.example.flip": 2, "com.example.b": 1}
    assert len(live.errors) == 4
    assert live.lines == 4


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Backup is disabled by current MC policy", "policy"),
        ("=managed-policy= Backup disabled by MDM", "policy"),
        ("auto backup is not enabled", "not_enabled"),
        ("Automatic backup is not enabled for account", "not_enabled"),
        ("Last backup date is forward in time: <private>", "clock_ahead"),
        ("Starting automatic backup for account", "started"),
        ("Not starting: the activity must be deferred", "postponed"),
    ],
)
def test_what_else_backupd_says(text: str, field: str) -> None:
    assert getattr(heard(text), field) is True
    assert getattr(heard("nothing of that kind"), field) is False
    assert getattr(heard(text, process="cloudd"), field) is False


def test_numbers_it_says() -> None:
    live = heard(
        "=cloud-backup= 12 files with missing encryption keys",
        "lastBackupDate:(null) retryAfterDate:2026-11-26 03:04:05 +0000 nextBackupDateOnWiFi:(null)",
    )
    assert live.missing_keys == 12
    assert live.retry_after == datetime(2026, 11, 26, 3, 4, 5, tzinfo=UTC)


WORDS = st.sampled_from(
    [
        "MBErrorDomain",
        "CKError",
        "enabled:1",
        "onWiFi:0",
        "[On condition]",
        '"a" (16/3002)',
        "AppDomain-a.b:",
        " ",
        "-5",
        "22",
    ]
)


@given(
    st.lists(WORDS | st.text(max_size=30), max_size=12).map("".join),
    st.sampled_from(["backupd", "cloudd", "dasd"]),
)
def test_no_line_is_an_error(text: str, process: str) -> None:
    live = hear(Live(seconds=0), line(text, process))
    assert live.lines == 1
    assert all(error.code for error in live.errors)


@given(
    st.dictionaries(st.sampled_from(["enabled", "locked", "onPower", "onWiFi"]), st.booleans(), min_size=2)
)
def test_conditions_in_any_order(flags: dict[str, bool]) -> None:
    text = "[On condition] " + ", ".join(f"{name}:{int(value)}" for name, value in flags.items())
    names = {
        "enabled": "enabled",
        "locked": "locked",
        "onPower": "on_power",
        "onWiFi": "on_wifi",
    }
    assert conditions_in(text) == Conditions(**{names[name]: value for name, value in flags.items()})


def test_a_flood_does_not_grow_without_end() -> None:
    live = heard(*(f"AppDomain-app{number}.x: MBErrorDomain 100" for number in range(400)))
    assert len(live.errors) == 200
    assert len(live.apps) == 100
    assert live.lines == 400


@pytest.mark.parametrize(
    "text", ["disabled " * 500, "MBErrorDomain" * 300, "CKError" + '"' * 4000, "policy " * 600]
)
def test_no_line_takes_long(text: str) -> None:
    """A search that tried every way to split one would not end before the test's limit."""
    assert heard(text).lines == 1
