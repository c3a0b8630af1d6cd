"""What a phone told is kept for when it is away; a bad record never stands in anybody's way."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.last_seen import NAME, LastSeen

MONDAY = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
TUESDAY = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
CLOUD = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> PhoneFolder:
    made = PhoneFolder(str(tmp_path / "00008101-000A0B0C0D0E0F01"))
    made.make()
    return made


def test_what_was_reported_is_there_later(folder: PhoneFolder) -> None:
    assert folder.seen() is None
    told = LastSeen.told("Ann’s phone", True, CLOUD, MONDAY)  # noqa: RUF001 - as phones spell it
    assert folder.remember(told)
    assert folder.seen() == told
    assert (told.cloud_told, told.last_cloud_backup) == (MONDAY, CLOUD)
    assert (Path(folder.path) / NAME).stat().st_mode & 0o777 == 0o600


def test_what_is_not_reported_again_stays_with_its_day(folder: PhoneFolder) -> None:
    folder.remember(LastSeen.told("Ann", True, CLOUD, MONDAY))
    folder.remember(LastSeen.told("Anna", False, None, TUESDAY))
    assert folder.seen() == LastSeen(TUESDAY, "Anna", False, CLOUD, MONDAY)
    newer = CLOUD.replace(day=24)
    folder.remember(LastSeen.told("Anna", True, newer, TUESDAY))
    assert folder.seen() == LastSeen(TUESDAY, "Anna", True, newer, TUESDAY)


def test_a_phone_that_reports_nothing(folder: PhoneFolder) -> None:
    folder.remember(LastSeen.told(None, None, None, MONDAY))
    assert folder.seen() == LastSeen(MONDAY)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"when": "yesterday", "name": ""}', b"\xff" * 99]
)
def test_a_damaged_record_is_as_none(folder: PhoneFolder, data: bytes) -> None:
    (Path(folder.path) / NAME).write_bytes(data)
    assert folder.seen() is None
    assert folder.remember(LastSeen(MONDAY))
    assert folder.seen() == LastSeen(MONDAY)


def test_a_folder_that_cannot_be_written_is_no_error(folder: PhoneFolder) -> None:
    gone = PhoneFolder(folder.path + "0")
    assert not gone.remember(replace(LastSeen(MONDAY), name="Ann"))
    assert gone.seen() is None
