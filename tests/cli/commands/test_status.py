"""``ibackup status``: a line a phone, exit codes, JSON, metrics; without a phone and at once."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import ANN, BOB, Cli, Ran, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.cli.commands.status_text import text
from ibackup.config.config_schema import Config, PhoneConfig
from ibackup.jobs.overview.store_overview import look
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.records.last_seen import LastSeen
from ibackup.store.records.proof_records import Proof
from support import made_store
from support.made_store import NOW, add_snapshot, make_store

DAY = timedelta(days=1)


def only(done: Ran) -> dict[str, Any]:
    """The row of the only phone."""
    rows = done.result["phones"]
    assert isinstance(rows, list)
    assert len(rows) == 1
    return dict(rows[0])


def test_a_line_for_each_phone(ibackup: Cli, store: Path) -> None:
    done = ibackup("status")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert re.match(r"PHONE +NEWEST GOOD +PROVEN +RESTORE TEST +NEXT RUN +LAST ICLOUD BACKUP$", lines[0])
    ann = next(line for line in lines if line.startswith(ANN.name))
    assert re.search(r"\d+ (min|h) ago +not yet +none +none +off$", ann)
    assert sum(line.startswith((f"{ANN.name}  ", f"{BOB.name}  ")) for line in lines[:3]) == 2
    assert "to re-read every byte of snapshot 2" in done.flat


def test_proven_quiet_and_said_in_json(ibackup: Cli, anns: Path) -> None:
    assert ibackup("verify", "latest", "-q").code == 0
    assert ibackup("status", "-q").out == ""
    done = ibackup("status", "--json")
    phone = only(done)
    assert [event["event"] for event in done.events] == ["phone", "result"]
    assert (phone["state"], phone["proof"]["level"], phone["stale"]) == ("good", "full", False)
    assert phone["newest_snapshot"] == snapshots(anns, ANN)[-1].name
    assert phone["icloud_backup"] is False  # the virtual iPhone has it off, and said so at its backup
    assert done.result["free_bytes"] > 0  # type: ignore[operator]


def test_stale_is_30_in_words_and_says_what_to_do(ibackup: Cli, anns: Path) -> None:
    done = ibackup("status", "--max-age", "0", "-q")
    assert done.code == ExitCode.STALE
    assert re.search(r"\d+ (min|h) STALE", done.out)
    assert "stale: the newest good backup is from 20" in done.flat
    assert "`ibackup now`" in done.flat
    result = ibackup("status", "--max-age", "0", "--json").result
    assert result["message"] == f"No good backup within the limit: {ANN.name}."


def test_the_limit_of_the_config(ibackup: Cli, anns: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[[phones]]\nname = "ann"\nudid = "{ANN.udid}"\nmax_age = "0"\n', encoding="utf-8")
    done = ibackup("status", "--config", config)
    assert done.code == ExitCode.STALE
    assert re.search(r"^ann +\d+ (min|h) STALE", done.out, re.MULTILINE)
    assert ibackup("status", "--config", config, "--max-age", "1h").code == 0


def test_damage_is_4_before_30(ibackup: Cli, anns: Path) -> None:
    newest = snapshots(anns, ANN)[-1]
    victim = next(path for path in newest.glob("*/??/*") if path.stat().st_size > 3000)
    victim.chmod(0o600)
    victim.write_bytes(b"x")
    assert ibackup("verify", "latest", "-q").code == ExitCode.DAMAGE
    done = ibackup("status", "--max-age", "0")
    assert done.code == ExitCode.DAMAGE
    assert "DAMAGED" in done.out
    assert "stale: " in done.flat
    assert f"Snapshot {newest.name} is damaged" in done.flat
    assert ibackup("status", "--json").result["message"] == f"The newest backup is damaged: {ANN.name}."


def test_a_store_that_is_not_there_and_one_that_is_empty(
    ibackup: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = tmp_path / "ibackup.prom"
    assert (
        ibackup("status", "--store", tmp_path / "no", "--prometheus", metrics).code == ExitCode.STORE_MISSING
    )
    assert "ibackup_store_up 0\n" in metrics.read_text(encoding="utf-8")
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    made = make_store(tmp_path / "made")
    done = ibackup("status", "--store", made.path)
    assert done.code == ExitCode.STALE
    assert "No backup yet" in done.flat
    assert ibackup("status", "--store", made.path, "--json").result["phones"] == []


def test_metrics_are_put_in_place_whole_and_readable(ibackup: Cli, anns: Path, tmp_path: Path) -> None:
    folder = tmp_path / "collector"
    folder.mkdir()
    metrics = folder / "ibackup.prom"
    metrics.write_text("old\n", encoding="utf-8")
    assert ibackup("status", "--prometheus", metrics).code == 0
    assert metrics.read_text(encoding="utf-8").startswith("# HELP ibackup_")
    assert metrics.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in folder.iterdir()] == ["ibackup.prom"]
    refused = ibackup("status", "--prometheus", tmp_path / "nowhere" / "x.prom")
    assert refused.code == ExitCode.FAILED
    assert "metrics could not be written" in refused.flat_err


def test_what_the_phone_reported_about_icloud_is_there_when_it_is_gone(
    ibackup: Cli, plugged: Callable[..., list[VirtualPhone]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBACKUP_STORE", str(tmp_path / "fresh"))
    told = datetime.now(UTC) - 2 * DAY
    seconds = told.timestamp() - datetime(2001, 1, 1, tzinfo=UTC).timestamp()
    plugged(
        replace(
            ANN, cloud_backup=True, lockdown={("com.apple.mobile.backup", "LastCloudBackupDate"): seconds}
        )
    )
    assert ibackup("now", "-q").code == 0
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", str(tmp_path / "unplugged"))
    today = datetime.now(UTC).astimezone()
    assert f"{told.astimezone():%m-%d} ({today:%m-%d})" in ibackup("status").out
    stale = ibackup("status", "--max-age", "0")
    assert stale.code == ExitCode.STALE
    phone = only(ibackup("status", "--json"))
    assert phone["icloud_backup"] is True
    assert abs(datetime.fromisoformat(phone["last_icloud_backup"]) - told) < timedelta(seconds=2)


def test_icloud_counts_when_it_is_accepted(
    ibackup: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    now = datetime.now(UTC)
    made = make_store(tmp_path / "made")
    add_snapshot(made, made_store.ANN, 20 * DAY, now=now)
    made.phone(made_store.ANN).remember(LastSeen.told("Ann", True, now - DAY, now))
    assert ibackup("status", "--store", made.path).code == ExitCode.STALE
    done = ibackup("status", "--store", made.path, "--accept-icloud")
    assert done.code == 0
    assert "counts; the one here is older than 7 d" in done.flat


def test_no_name_is_cut_in_a_file(ibackup: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    made = make_store(tmp_path / "made")
    for udid, name in (
        (made_store.ANN, "Zoë, Dr. Annemarie Wolkenstein-Trostburgs iPhone 17"),
        (made_store.BOB, "anton"),
    ):
        add_snapshot(made, udid, DAY, now=datetime.now(UTC), name=name)
    lines = ibackup("status", "--store", made.path).out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:3]] == [
        "anton",
        "Zoë, Dr. Annemarie Wolkenstein-Trostburgs iPhone 17",
    ]


def test_80_columns_whatever_stands_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    made = make_store(tmp_path / "made")
    long = "Dr. Annemarie Wolkenstein-Trostburgs iPhone 17 Pro Max"
    newest = add_snapshot(made, made_store.ANN, 999 * DAY, name=long)
    folder = made.phone(made_store.ANN)
    for level in ("quick", "rehearse"):
        folder.add_proof(newest.id, Proof(level, NOW - 99 * DAY, "good"))
    folder.remember(LastSeen.told(long, True, NOW - 400 * DAY, NOW))
    add_snapshot(made, made_store.BOB, DAY, name="鈴木さんのiPhone")
    found = look(made, Config(), NOW, next_run=NOW + 3 * DAY)
    lines = text(replace(found, free_bytes=812_345_678_901), NOW).split("\n")
    table = lines[: lines.index("")]
    assert len(table) == 3
    assert all(
        len(re.sub("[鈴木さんの]", "xx", line)) <= 80
        for line in re.sub("\x1b.*?m", "", "\n".join(table)).splitlines()
    )
    assert "999 d" in table[1]
    assert re.search("sizes 99 d ago +99 d ago", table[1])
    assert "812 GB" in " ".join(lines)
    assert "2025-10-21 (11-25)" in table[1]
    assert table[1].startswith("Dr. A")
    folder.add_proof(newest.id, Proof("deep", NOW - timedelta(minutes=80), "good"))
    folder.remember(LastSeen.told(long, True, NOW - 800 * DAY, NOW - 390 * DAY))
    too_wide = text(look(made, Config(), NOW, next_run=NOW + 3 * DAY), NOW).split("\n")
    assert max(map(len, too_wide[: too_wide.index("")])) <= 80
    assert "  Last iCloud backup  2024-09-16 (2025-10-31)" in too_wide


def test_what_fits_in_no_table_stands_one_below_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    made = make_store(tmp_path / "made")
    add_snapshot(
        made, made_store.ANN, 99 * DAY, name="Dr. Annemarie Wolkenstein-Trostburgs iPhone 17 Pro Max"
    )
    add_snapshot(made, made_store.BOB, DAY, name="Bob")
    lines = re.sub("\x1b.*?m", "", text(look(made, Config(), NOW), NOW, 40)).split("\n")
    table = lines[: lines.index("")]
    assert max(map(len, table)) <= 80
    assert "Bob" in table
    assert [line for line in table if line.startswith("  ")][:3] == [
        "  Newest good         99 d STALE",
        "  Proven              not yet",
        "  Restore test        none",
    ]
    assert "  Last iCloud backup  unknown" in table


def test_names_come_from_the_config_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    made = make_store(tmp_path / "made")
    add_snapshot(made, made_store.ANN, DAY, name="iPhone\x1b[2J")
    config = Config(phones=(PhoneConfig(name="ann", udid=made_store.ANN),))
    assert [each.name for each in look(made, config, NOW).phones] == ["ann"]
    assert "\x1b[2J" not in text(look(made, Config(), NOW), NOW)


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_no_seal_is_read_but_the_newest_good_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal has a line a file, so reading those of sixty snapshots would take long; reading a pipe would never end."""
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    made = make_store(tmp_path / "made")
    now = datetime.now(UTC)
    for day in reversed(range(60)):
        add_snapshot(made, made_store.ANN, day * DAY, now=now)
    for snapshot in made.phone(made_store.ANN).snapshots()[:-1]:
        os.unlink(snapshot.seal_path)
        os.mkfifo(snapshot.seal_path)
    command = [sys.executable, "-m", "ibackup", "status", "--store", made.path]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, env=os.environ)
    assert done.returncode == 0, done.stderr
