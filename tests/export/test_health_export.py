"""The export of Health: a table for each kind, no step counted twice."""

import csv
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from ibackup.export.export_request import Exported, ExportRequest
from ibackup.export.exporting import export
from ibackup.simulator.life import health_db
from ibackup.simulator.life.life_file import LifeFile
from support.lives import backup_of
from support.minted import Mint

PASSWORD = "Kurzhaar-Wisent 7"
BERLIN = timezone(timedelta(hours=2))


def exported(
    mint: Mint, to: Path, samples: Sequence[health_db.MadeSample] = health_db.SAMPLES, **options: object
) -> Exported:
    with backup_of(mint, health_db.files(samples, ios=18), PASSWORD) as backup:
        return export(backup, ExportRequest(str(to), ("health",), **options))  # type: ignore[arg-type]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as source:
        return list(csv.DictReader(source))


def test_a_table_for_each_kind(mint: Mint, tmp_path: Path) -> None:
    result = exported(mint, tmp_path)
    health = tmp_path / "Health"
    assert {path.name for path in health.glob("*.csv")} == {
        "Steps.csv",
        "Heart rate.csv",
        "Weight.csv",
        "Sleep.csv",
        "Workouts.csv",
        "Type 9876.csv",
    }
    assert table(health / "Steps.csv") == [
        {"Day": "2024-06-02", "Sum": "1650", "Measurements": "5"},
        {"Day": "2024-06-03", "Sum": "50", "Measurements": "1"},
    ]
    assert table(health / "Heart rate.csv") == [
        {
            "Day": "2024-06-02",
            "Average (per minute)": "90",
            "Least (per minute)": "60",
            "Most (per minute)": "120",
            "Measurements": "2",
        }
    ]
    [sleep] = table(health / "Sleep.csv")
    assert (sleep["In bed (h)"], sleep["Core (h)"], sleep["REM (h)"]) == ("8", "4", "2")
    said = json.loads((health / "Steps.json").read_text(encoding="utf-8"))
    assert [(row["day"], row["sum"]) for row in said] == [("2024-06-02", 1650), ("2024-06-03", 50)]
    assert result.counts == {"Health days": 7}


def test_dates_limit_the_days(mint: Mint, tmp_path: Path) -> None:
    exported(mint, tmp_path, zone=BERLIN, since=datetime(2024, 6, 3, tzinfo=BERLIN))
    assert [row["Day"] for row in table(tmp_path / "Health/Steps.csv")] == ["2024-06-03"]
    assert not (tmp_path / "Health/Weight.csv").exists()


def test_a_second_export_changes_nothing(mint: Mint, tmp_path: Path) -> None:
    to = tmp_path / "out"
    exported(mint, to)
    assert exported(mint, to).files == 0


def test_an_unencrypted_backup_says_why_there_is_nothing(mint: Mint, tmp_path: Path) -> None:
    with backup_of(mint, [LifeFile("HomeDomain", "Library/x", b"x", 1)]) as backup:
        result = export(backup, ExportRequest(str(tmp_path / "out"), ("health",), zone=UTC))
    assert result.unfound == (("health", "the backup is not encrypted"),)
