"""Second copies in ``ibackup nightly``: after the phones, and away is no failure until it has lasted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import ANN, Cli, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.store.store import Store

pytestmark = pytest.mark.peer


def copies(found: dict[str, object]) -> list[dict[str, Any]]:
    rows = found["copies"]
    assert isinstance(rows, list)
    return rows


def test_a_night_runs_each_copy_that_is_due_and_waits_for_one_that_is_away(
    ibackup: Cli, anns: Path, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("restic")
    (tmp_path / "disk").mkdir()
    usb, file = tmp_path / "disk" / "copy", tmp_path / "usb.password"
    assert ibackup("copy", "add", "usb", "--to", usb, "--copy-password-file", file).code == 0
    config = tmp_path / "home" / "ibackup" / "config.toml"
    config.write_text(config.read_text() + 'rehearse_every = "30d"\n')
    # The phone is not connected, which holds up no copy.
    night = ("nightly", "--once", "--max-age", "999w", "--json")
    done = ibackup(*night)
    (row,) = copies(done.result)
    assert (done.code, row["state"], row["held"]) == (0, "copied", 2), done
    assert [each["snapshot"] for each in row["copied"]] == [each.name for each in snapshots(anns, ANN)]
    assert (row["rehearsed"]["result"], row["rehearsed"]["snapshot"]) == (
        "good",
        snapshots(anns, ANN)[-1].name,
    )
    shown = ibackup("status", "--max-age", "999w", "--json")
    assert {key: copies(shown.result)[0][key] for key in ("snapshots", "missing", "damaged", "stale")} == {
        "snapshots": 2, "missing": 0, "damaged": False, "stale": False,
    }  # fmt: skip
    assert "Second copy usb: 2 snapshots, proven 0 min ago." in ibackup("status", "--max-age", "999w").flat
    again = ibackup(*night)
    assert (again.code, [each["state"] for each in copies(again.result)]) == (0, ["not_due"])
    assert copies(again.result)[0]["rehearsed"] is None
    # Away: no failure for two weeks, then one.
    config.write_text(config.read_text() + 'every = "0"\n')
    usb.rename(tmp_path / "aside")
    away = ibackup(*night)
    (row,) = copies(away.result)
    assert (away.code, row["state"], row["reason"], row["stale"]) == (0, "away", "unmounted", False)
    record = Path(Store.open(anns).phone(ANN.udid).proofs_path, "copy-usb.json")
    members = json.loads(record.read_text())
    for proof in members["proofs"]:
        proof["when"] = "2026-01-01T00:00:00Z"
    record.write_text(json.dumps(members))
    gone = ibackup(*night)
    (row,) = copies(gone.result)
    assert (gone.code, row["state"], row["stale"]) == (ExitCode.STORE_MISSING, "failed", True)
    assert "not mounted" in str(gone.result["message"])
    # What is gone is a failure at once, however fresh it is.
    (usb / "letters").mkdir(parents=True)
    lost = ibackup(*night)
    assert (lost.code, copies(lost.result)[0]["reason"]) == (ExitCode.STORE_MISSING, "missing")


def test_a_copy_that_was_never_run_is_in_the_status(
    ibackup: Cli, anns: Path, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("restic")
    file = tmp_path / "usb.password"
    assert ibackup("copy", "add", "usb", "--to", tmp_path / "copy", "--copy-password-file", file).code == 0
    (row,) = copies(ibackup("status", "--max-age", "999w", "--json").result)
    assert (row["snapshots"], row["missing"], row["proven"], row["stale"]) == (0, 2, None, True)
    assert "2 not copied yet, never proven. To bring it up to date" in ibackup("status").flat


def test_a_night_without_copies_says_so(ibackup: Cli, anns: Path) -> None:
    assert copies(ibackup("nightly", "--once", "--max-age", "999w", "--json").result) == []
